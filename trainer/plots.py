"""Curves from characters: braille plots for a screen, and short texts for numbers."""

import itertools
import math
from collections.abc import Sequence

from rich.text import Text

__all__ = ["bar", "clock", "count", "plot", "spark"]

BLOCKS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
# Bit of each of a braille character's 2x4 dots, by column, from the top.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def plot(
    series: Sequence[tuple[Sequence[float], str]], width: int, height: int
) -> tuple[list[Text], float, float]:
    """Draw curves into one frame, the later ones on top.

    Parameters
    ----------
    series
        Values, oldest first and evenly spread over the width, with the style of the curve.
    width, height
        Size in characters.

    Returns
    -------
    lines
        `height` texts of `width` characters, from the top.
    low, high
        What the frame's bottom and top stand for; nan if there is nothing to draw.
    """
    finite = [v for values, _ in series for v in values if math.isfinite(v)]
    if not finite:
        return [Text(" " * width) for _ in range(height)], math.nan, math.nan
    low, high = min(finite), max(finite)
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    for values, style in series:
        for x, value in enumerate(_resample(values, 2 * width)):
            if not math.isfinite(value):
                continue
            share = (value - low) / (high - low) if high > low else 0.5
            y = round((1.0 - share) * (4 * height - 1))
            bits, _ = cells.get((y // 4, x // 2), (0, style))
            cells[y // 4, x // 2] = bits | DOTS[x % 2][y % 4], style
    lines = []
    for row in range(height):
        line = Text()
        for column in range(width):
            bits, style = cells.get((row, column), (0, ""))
            line.append(chr(0x2800 + bits) if bits else " ", style)
        lines.append(line)
    return lines, low, high


def _resample(values: Sequence[float], size: int) -> list[float]:
    """`values` spread over `size` places: means where there are more, straight lines between."""
    if len(values) <= 1:
        return list(values)
    if len(values) > size:
        edges = [i * len(values) // size for i in range(size + 1)]
        parts = [
            [v for v in values[a:b] if math.isfinite(v)] for a, b in itertools.pairwise(edges)
        ]
        return [sum(part) / len(part) if part else math.nan for part in parts]
    out = []
    for i in range(size):
        left, share = divmod(i * (len(values) - 1) / (size - 1), 1)
        ends = values[int(left)], values[min(int(left) + 1, len(values) - 1)]
        out.append(ends[0] + share * (ends[1] - ends[0]) if share else ends[0])
    return out


def spark(shares: Sequence[float], width: int) -> str:
    """The last `width` of `shares`, each in [0, 1], one character high and wide each."""
    return "".join(LEVELS[min(int(8 * share), 7)] for share in shares[-width:])


def bar(share: float, width: int) -> str:
    """`share` of `width` filled, to an eighth of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def count(number: float) -> str:
    """Three figures or so: ``7.4``, ``980``, ``12.3k``, ``1.25M``."""
    if not math.isfinite(number):
        return "-"
    if abs(number) < 9.95:
        return f"{number:.1f}" if number != int(number) else str(int(number))
    scale, unit = next(
        (scale, unit)
        for scale, unit in ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))
        if abs(number) < 999.5 * scale or unit == "G"
    )
    scaled = number / scale
    decimals = 0 if not unit else 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{decimals}f}{unit}"


def clock(seconds: float) -> str:
    """``42s``, ``6m 12s``, ``2h 05m``, ``3d 04h``."""
    if not math.isfinite(seconds):
        return "-"
    whole = round(max(seconds, 0.0))
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d {h:02d}h"
    if hours:
        return f"{hours}h {m:02d}m"
    return f"{minutes}m {s:02d}s" if minutes else f"{s}s"
