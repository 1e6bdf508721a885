"""Recorded stacks as pictures: a flame graph in one HTML file, and speedscope's JSON.

References
----------
Gregg, "The flame graph", CACM 59(6) (2016). The file format of speedscope is
https://www.speedscope.app/file-format-schema.json.
"""

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from trainer.stacks import PHASES, Frame, Stream, phase_of

__all__ = ["flame_graph", "speedscope"]

LEAST_SHARE = 0.0005  # of all samples; what is narrower could not be seen

# One hue a phase, so that a glance tells what the time went into.
_HUES = {
    "select": 28, "expand": 45, "backup": 62, "move": 12, "observe": 80, "cache": 100, "ring": 265,
    "unpack": 180, "forward": 205, "learn": 330, "store": 150, "show": 290, "load": 235, "gil": 0,
}  # fmt: skip

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ margin: 1em; font: 12px system-ui, sans-serif; color: #222; background: #fff }}
.n {{ flex: var(--n) 1 0; min-width: 0; overflow: hidden }}
.n[hidden] {{ display: none }}
.c {{ display: flex }}
b {{ display: block; height: 16px; line-height: 16px; padding: 0 2px; margin: 0 1px 1px 0;
     overflow: hidden; white-space: nowrap; font-weight: normal; cursor: pointer;
     border-radius: 2px; background: #ddd }}
b:hover {{ filter: brightness(.88) }}
#legend span {{ padding: 2px 6px; margin-right: 4px; border-radius: 2px }}
{colours}
</style></head><body>
<h1 style="font-size: 16px">{title}</h1>
<p>{note} Click a bar to widen it, the top one to see all again.</p>
<p id="legend">{legend}</p>
{graph}
<script>
document.addEventListener("click", event => {{
  const bar = event.target.closest("b");
  if (!bar) return;
  document.querySelectorAll("[hidden]").forEach(node => node.hidden = false);
  for (let node = bar.parentElement; node.parentElement !== document.body;) {{
    for (const other of node.parentElement.children) other.hidden = other !== node;
    node = node.parentElement.closest(".n");
  }}
}});
</script></body></html>
"""


class _Node:
    """A frame with everything that it called."""

    __slots__ = ("children", "phases", "samples")

    def __init__(self) -> None:
        self.samples = 0
        self.phases: Counter[str] = Counter()
        self.children: dict[str, _Node] = {}

    def add(self, path: Iterable[str], phase: str, samples: int) -> None:
        node = self
        node.samples += samples
        node.phases[phase] += samples
        for name in path:
            node = node.children.setdefault(name, _Node())
            node.samples += samples
            node.phases[phase] += samples


def flame_graph(
    streams: Sequence[Stream], names: dict[int, str], title: str, note: str = ""
) -> str:
    """A page with every process, its threads and their stacks, callers above callees.

    A bar is as wide as its samples and has the colour of the phase that most of them are in.

    Parameters
    ----------
    streams
        What was recorded.
    names
        Of the processes, by pid.
    title, note
        Stand above the graph.
    """
    root = _Node()
    for stream in streams:
        head = [names[stream.pid], stream.thread or stream.thread_id]
        for stack, samples in stream.stacks.items():
            root.add([*head, *map(str, stack)], phase_of(stack), samples)
    parts: list[str] = []
    _draw(root, "all", root.samples, parts)
    used = [phase for phase in PHASES if root.phases[phase]]
    colours = "\n".join(
        f".{phase} {{ background: hsl({hue} 75% 72%) }}" for phase, hue in _HUES.items()
    )
    legend = "".join(
        f'<span class="{phase}" title="{html.escape(PHASES[phase])}">{phase} '
        f"{root.phases[phase] / root.samples:.1%}</span>"
        for phase in used
    )
    return _PAGE.format(
        title=html.escape(title), note=html.escape(note), colours=colours, legend=legend,
        graph="".join(parts),
    )  # fmt: skip


def _draw(node: _Node, name: str, total: int, parts: list[str]) -> None:
    phase = node.phases.most_common(1)[0][0] if node.phases else "other"
    share = node.samples / total if total else 0.0
    hover = f"{name}\n{node.samples} samples, {share:.2%}, mostly {phase}"
    parts.append(
        f'<div class="n" style="--n:{node.samples}"><b class="{phase}" '
        f'title="{html.escape(hover)}">{html.escape(name)}</b>'
    )
    shown = {k: v for k, v in node.children.items() if v.samples >= LEAST_SHARE * total}
    if shown:
        parts.append('<div class="c">')
        for child, below in sorted(shown.items(), key=lambda item: -item[1].samples):
            _draw(below, child, total, parts)
        rest = node.samples - sum(below.samples for below in shown.values())
        if rest:
            parts.append(f'<div class="n" style="--n:{rest}"></div>')
        parts.append("</div>")
    parts.append("</div>")


def speedscope(
    streams: Sequence[Stream], names: dict[int, str], title: str, rate: int
) -> dict[str, Any]:
    """`streams` in speedscope's file format, one profile a process.

    The recording keeps how often a stack was seen, not when, so "Left Heavy" is the view to use.

    Parameters
    ----------
    streams, names, title
        As in `flame_graph`.
    rate
        Samples of a thread in a second.
    """
    numbers: dict[Frame, int] = {}
    profiles: dict[int, dict[str, Any]] = {}
    for stream in streams:
        profile = profiles.setdefault(
            stream.pid,
            {
                "type": "sampled", "name": names[stream.pid], "unit": "seconds",
                "startValue": 0, "endValue": 0, "samples": [], "weights": [],
            },
        )  # fmt: skip
        thread = Frame(f"thread {stream.thread or stream.thread_id}")
        for stack, samples in stream.stacks.items():
            profile["samples"].append(
                [numbers.setdefault(frame, len(numbers)) for frame in (thread, *stack)]
            )
            profile["weights"].append(samples / rate)
    for profile in profiles.values():
        profile["endValue"] = sum(profile["weights"])
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": title,
        "exporter": "ringzero profile",
        "activeProfileIndex": 0,
        "shared": {"frames": [_shared(frame) for frame in numbers]},
        "profiles": list(profiles.values()),
    }


def _shared(frame: Frame) -> dict[str, Any]:
    shared: dict[str, Any] = {"name": frame.name}
    if frame.file:
        shared["file"] = frame.file
    if frame.line:
        shared["line"] = frame.line
    return shared
