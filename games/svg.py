"""Boards as SVG, for notebooks and pages: a state describes itself, one renderer draws it.

A `Drawing` says what is where, and nothing of how it looks beyond the kind of board. The default
of `GameState.drawing` reads the board that `to_text` writes, so most games need no line for it; a
game whose board is special changes what it must:

    def drawing(self):
        return replace(super().drawing(), kind="lines", column_names=letters(19, skip="i"))

Cells count row by row from the top left, as everywhere.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from games.base import GameState
from games.errors import GameError
from games.stones import status

__all__ = ["CHESS_GLYPHS", "Drawing", "derived", "render"]

CHESS_GLYPHS = dict(zip("KQRBNPkqrbnp", "♔♕♖♗♘♙♚♛♜♝♞♟", strict=True))

_CELL = 40.0  # units across a cell
_RISE = _CELL * 3**0.5 / 2  # between rows of hexagons
_RADIUS = _CELL / 3**0.5  # of a hexagon, which stands on a corner
_PAPER, _INK, _MARK, _HINT = "#fcfbf7", "#222222", "#d62718", "#3fb36b"
_GROUND = {  # colour of each kind of board
    "squares": "#eadfc8",
    "checkers": "#c9a777",
    "lines": "#e3b96c",
    "disks": "#2a5db0",
    "hexagons": "#efe6d2",
    "text": _PAPER,
}
_LIGHT = "#f1e4cb"  # the other squares of checkers
# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What a board shows."""

    rows: int
    columns: int
    kind: str = "squares"
    """How the board is drawn.

    squares    a grid of squares (Othello)
    checkers   squares light and dark in turn, the top left one light (chess, Breakthrough)
    lines      pieces stand where lines cross (Go, Gomoku)
    disks      holes in a wall (Connect Four)
    hexagons   a rhombus of hexagons, each row half a cell further to the right; the top and
               bottom sides have the colour of x, the others that of o (Hex)
    text       no cells, only the caption
    """
    pieces: Mapping[int, str] = field(default_factory=dict)
    """By cell: ``x`` and ``o`` are stones, anything else is written."""
    glyphs: Mapping[str, str] = field(default_factory=dict)
    """What to write for a piece, such as `CHESS_GLYPHS`; also for ``x`` and ``o``."""
    colours: tuple[str, str] = ("#1d1d1d", "#ffffff")
    """Of the stones of x and o."""
    ground: str = ""
    """Colour of the board; the kind's own if empty."""
    stars: Collection[int] = ()
    """Cells with a dot, to count by."""
    column_names: Sequence[str] = ()
    """From the left; none, or one a column."""
    row_names: Sequence[str] = ()
    """From the top; none, or one a row."""
    caption: str = ""
    """Below the board; it may have several lines."""
    hints: Mapping[int, tuple[float, str]] = field(default_factory=dict)
    """By cell: how much a move there is thought of, in [0, 1], and a few words on it, whose lines
    stand one above the other. Drawn as discs, the better the stronger their colour."""

    def __post_init__(self) -> None:
        if self.kind not in _GROUND:
            raise GameError(f"kind must be one of {', '.join(_GROUND)}, got {self.kind!r}")
        if self.rows < 1 or self.columns < 1:
            raise GameError(f"rows and columns must be >= 1, got {self.rows} and {self.columns}")
        self.check_cells("pieces", self.pieces)
        self.check_cells("stars", self.stars)
        self.check_cells("hints", self.hints)
        for what, names, count in (
            ("column_names", self.column_names, self.columns),
            ("row_names", self.row_names, self.rows),
        ):
            if len(names) not in (0, count):
                raise GameError(f"{what} must be none or {count}, got {len(names)}")

    def check_cells(self, what: str, cells: Collection[int]) -> None:
        """Raise `GameError` if one of `cells` is not on the board."""
        for cell in cells:
            if not 0 <= cell < self.rows * self.columns:
                raise GameError(
                    f"{what} must be cells in [0, {self.rows * self.columns}), got {cell}"
                )


def derived(state: GameState) -> Drawing:
    """The drawing of any game's position.

    If `to_text` begins with a board of the game's shape, rows of one character a cell joined by
    ``/``, ``.`` and digits being empty cells as in a FEN, its squares and pieces; otherwise what
    `str` shows.
    """
    game = state.game
    pieces = _read_pieces(state.to_text(), game.rows, game.columns)
    if pieces is not None:
        return Drawing(rows=game.rows, columns=game.columns, pieces=pieces, caption=status(state))
    shown = str(state)
    if type(state).__str__ is object.__str__:
        shown = f"{state.to_text()}\n{status(state)}"
    return Drawing(rows=game.rows, columns=game.columns, kind="text", caption=shown)


def _read_pieces(text: str, rows: int, columns: int) -> dict[int, str] | None:
    board = text.split(" ", 1)[0]
    if "/" not in board:  # a lone number would pass for a row of empty cells
        return None
    expanded = re.sub("[0-9]{1,3}", lambda run: "." * min(int(run[0]), columns + 1), board)
    lines = expanded.split("/")
    if [len(line) for line in lines] != [columns] * rows:
        return None
    return {cell: mark for cell, mark in enumerate("".join(lines)) if mark != "."}


def render(drawing: Drawing, marks: Collection[int] = ()) -> str:
    """`drawing` as an SVG document.

    Parameters
    ----------
    drawing
        What to draw.
    marks
        Cells to ring, such as that of the last move.

    Raises
    ------
    GameError
        If a mark is not on the board.
    """
    drawing.check_cells("marks", marks)
    return _Page(drawing).finish(marks)


class _Page:
    """One picture. Distances are in units of the view box."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self.root = Element("svg", xmlns="http://www.w3.org/2000/svg", role="img")
        self.left = _CELL * (0.8 if drawing.row_names else 0.3)
        self.top = _CELL * 0.3
        self.ground = drawing.ground or _GROUND[drawing.kind]

    def finish(self, marks: Collection[int]) -> str:
        drawing = self.drawing
        lines = _printable(drawing.caption).splitlines()
        is_text = drawing.kind == "text"
        board_width, board_height = (0.0, 0.0) if is_text else self.extent()
        below = self.top + board_height + _CELL * (0.6 if drawing.column_names else 0.0)
        line_height, letter = (18.0, 8.5) if is_text else (20.0, 8.0)
        width = max(
            self.left + board_width + _CELL * 0.3,
            2 * self.top + letter * max(map(len, lines), default=0),
        )
        height = below + line_height * len(lines) + _CELL * 0.3
        box = f"{width:.6g}", f"{height:.6g}"
        self.root.attrib |= {"width": box[0], "height": box[1], "viewBox": f"0 0 {' '.join(box)}"}
        if lines:
            SubElement(self.root, "title").text = lines[-1]
        self.add("rect", "paper", x=0, y=0, width=width, height=height, fill=_PAPER)
        if not is_text:
            self.board()
            self.names()
            for cell, piece in sorted(drawing.pieces.items()):
                self.piece(cell, piece)
            for cell, (share, text) in sorted(drawing.hints.items()):
                self.hint(cell, share, text)
            for cell in sorted(marks):
                self.circle("mark", cell, 0.45, fill="none", stroke=_MARK, stroke_width=3)
        for number, line in enumerate(lines):
            written = self.write("caption", self.top, below + line_height * (number + 0.8), line)
            written.set("font-family", "monospace" if is_text else "sans-serif")
            written.set("font-size", "14")
            written.set("xml:space", "preserve")
        return tostring(self.root, encoding="unicode")

    # -- where ----------------------------------------------------------------------------

    def extent(self) -> tuple[float, float]:
        rows, columns = self.drawing.rows, self.drawing.columns
        if self.drawing.kind == "hexagons":
            return _CELL * (columns + (rows - 1) / 2), _RISE * (rows - 1) + 2 * _RADIUS
        return _CELL * columns, _CELL * rows

    def centre(self, row: float, column: float) -> tuple[float, float]:
        """Of a cell, which may be a fraction off the board."""
        if self.drawing.kind == "hexagons":
            return (
                self.left + _CELL * (column + 0.5 + row / 2),
                self.top + _RISE * row + _RADIUS,
            )
        return self.left + _CELL * (column + 0.5), self.top + _CELL * (row + 0.5)

    def centre_of(self, cell: int) -> tuple[float, float]:
        return self.centre(*divmod(cell, self.drawing.columns))

    # -- elements -------------------------------------------------------------------------

    def add(self, tag: str, kind: str, **attributes: str | float) -> Element:
        element = SubElement(self.root, tag, {"class": kind})
        for name, value in attributes.items():
            text = _printable(value) if isinstance(value, str) else f"{value:.6g}"
            element.set(name.replace("_", "-"), text)
        return element

    def circle(self, kind: str, cell: int, radius: float, **attributes: str | float) -> None:
        """Of `radius` cells."""
        x, y = self.centre_of(cell)
        self.add("circle", kind, cx=x, cy=y, r=radius * _CELL, **attributes)

    def write(self, kind: str, x: float, y: float, text: str, **attributes: str | float) -> Element:
        element = self.add("text", kind, x=x, y=y, fill=_INK, **attributes)
        element.text = _printable(text)
        return element

    def piece(self, cell: int, piece: str) -> None:
        drawing = self.drawing
        if piece in ("x", "o") and piece not in drawing.glyphs:
            fill = drawing.colours["xo".index(piece)]
            radius = 0.34 if drawing.kind == "hexagons" else 0.4
            self.circle(f"piece {piece}", cell, radius, fill=fill, stroke=_INK)
            return
        text = drawing.glyphs.get(piece, piece)
        size = _CELL * min(0.8, 1.5 / max(len(text), 1))
        x, y = self.centre_of(cell)
        self.write(
            "piece", x, y + size * 0.35, text, font_size=size, text_anchor="middle",
            font_family="sans-serif",
        )  # fmt: skip

    def hint(self, cell: int, share: float, text: str) -> None:
        self.circle(
            "hint", cell, 0.42, fill=_HINT, fill_opacity=0.15 + 0.75 * min(max(share, 0.0), 1.0)
        )
        lines = text.splitlines()
        size = _CELL * 0.28
        x, y = self.centre_of(cell)
        for number, line in enumerate(lines):
            below = (number - (len(lines) - 1) / 2) * size * 1.05
            self.write(
                "hint", x, y + below + size * 0.35, line, font_size=size, text_anchor="middle",
                font_family="sans-serif",
            )  # fmt: skip

    def names(self) -> None:
        style: dict[str, str | float] = {
            "font_size": 14,
            "font_family": "sans-serif",
            "text_anchor": "middle",
        }
        gap = 0.05 if self.drawing.kind == "hexagons" else -0.2
        for column, name in enumerate(self.drawing.column_names):
            x, y = self.centre(self.drawing.rows + gap, column)
            self.write("name", x, y + 5, name, **style)
        for row, name in enumerate(self.drawing.row_names):
            x, y = self.centre(row, -0.85)
            self.write("name", x, y + 5, name, **style)

    # -- boards ---------------------------------------------------------------------------

    def board(self) -> None:
        boards: dict[str, Callable[[], None]] = {
            "squares": self.squares,
            "checkers": self.squares,
            "lines": self.lines,
            "disks": self.disks,
            "hexagons": self.hexagons,
        }
        boards[self.drawing.kind]()
        for cell in sorted(self.drawing.stars):
            self.circle("star", cell, 0.08, fill=_INK)

    def cells(self) -> list[tuple[int, int]]:
        return [(r, c) for r in range(self.drawing.rows) for c in range(self.drawing.columns)]

    def panel(self) -> None:
        width, height = self.extent()
        self.add(
            "rect", "board", x=self.left, y=self.top, width=width, height=height, rx=4,
            fill=self.ground,
        )  # fmt: skip

    def squares(self) -> None:
        for row, column in self.cells():
            x, y = self.centre(row - 0.5, column - 0.5)
            light = self.drawing.kind == "checkers" and (row + column) % 2 == 0
            self.add(
                "rect", "cell", x=x, y=y, width=_CELL, height=_CELL, stroke=_INK,
                fill=_LIGHT if light else self.ground,
            )  # fmt: skip

    def lines(self) -> None:
        self.panel()
        last_row, last_column = self.drawing.rows - 1, self.drawing.columns - 1
        ends = [((row, 0), (row, last_column)) for row in range(last_row + 1)]
        ends += [((0, column), (last_row, column)) for column in range(last_column + 1)]
        for start, end in ends:
            (x1, y1), (x2, y2) = self.centre(*start), self.centre(*end)
            self.add("line", "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=_INK)

    def disks(self) -> None:
        self.panel()
        for cell in range(self.drawing.rows * self.drawing.columns):
            self.circle("cell", cell, 0.4, fill=_PAPER)

    def hexagons(self) -> None:
        half, quarter = _CELL / 2, _RADIUS / 2
        # Corners from the centre, clockwise from the top left one.
        corners = [
            (-half, -quarter), (0, -_RADIUS), (half, -quarter),
            (half, quarter), (0, _RADIUS), (-half, quarter),
        ]  # fmt: skip

        def outline(cells: Sequence[tuple[int, int]], *which: int) -> str:
            centres = [self.centre(*cell) for cell in cells]
            return " ".join(
                f"{x + corners[k][0]:.6g},{y + corners[k][1]:.6g}"
                for x, y in centres
                for k in which
            )

        for cell in self.cells():
            points = outline([cell], *range(6))
            self.add("polygon", "cell", points=points, fill=self.ground, stroke=_INK)
        rows, columns = range(self.drawing.rows), range(self.drawing.columns)
        x_colour, o_colour = self.drawing.colours
        for colour, points in (
            (x_colour, outline([(0, column) for column in columns], 0, 1, 2)),
            (x_colour, outline([(rows[-1], column) for column in columns], 5, 4, 3)),
            (o_colour, outline([(row, 0) for row in rows], 0, 5, 4)),
            (o_colour, outline([(row, columns[-1]) for row in rows], 1, 2, 3)),
        ):
            # A dark line under it keeps a light one from fading into the paper.
            for kind, stroke, width in (("rim", _INK, 6), ("side", colour, 4)):
                self.add(
                    "polyline", kind, points=points, fill="none", stroke=stroke,
                    stroke_width=width,
                )  # fmt: skip


def _printable(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
