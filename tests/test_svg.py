"""Boards as SVG: well-formed, with the right shapes, for every kind of game."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import games
from games import Game, GameError, GameState
from games.stones import letters, numbers
from games.svg import CHESS_GLYPHS, Drawing, render

NIM = str(Path(__file__).resolve().parents[1] / "docs" / "examples" / "nim.py")


def shapes(svg: str) -> Counter[str]:
    """How many elements there are of each class, such as ``rect cell``."""
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return Counter(
        f"{element.tag.split('}')[1]} {element.get('class', '')}".strip() for element in root.iter()
    )


def texts(svg: str, kind: str) -> list[str]:
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return [element.text or "" for element in found if element.get("class") == kind]


def only(shapes: Mapping[str, int]) -> dict[str, int]:
    """Without what every picture has."""
    return {
        name: count
        for name, count in shapes.items()
        if name not in ("svg", "title", "rect paper", "text caption")
    }


def test_othello_has_squares_discs_and_names() -> None:
    svg = games.make("othello").state_from_text("d3 c5").to_svg(marks=[34])
    assert only(shapes(svg)) == {
        "rect cell": 64,
        "circle piece x": 3,
        "circle piece o": 3,
        "circle mark": 1,
        "text name": 16,
    }
    assert texts(svg, "name") == [*"abcdefgh", *"12345678"]
    assert texts(svg, "caption") == ["x to move"]


def test_breakthrough_counts_rows_from_the_bottom() -> None:
    svg = games.make("breakthrough", rows=6, columns=5).to_svg()
    assert only(shapes(svg)) == {
        "rect cell": 30,
        "circle piece x": 10,
        "circle piece o": 10,
        "text name": 11,
    }
    assert texts(svg, "name") == [*"abcde", *"654321"]


def test_connect_four_has_holes() -> None:
    svg = games.make("connect4").state_from_text("445").to_svg()
    assert only(shapes(svg)) == {
        "rect board": 1,
        "circle cell": 42,
        "circle piece x": 2,
        "circle piece o": 1,
        "text name": 7,
    }


def test_tictactoe_has_crosses_and_noughts() -> None:
    svg = games.make("tictactoe").state_from_text("04").to_svg()
    assert only(shapes(svg)) == {"rect cell": 9, "text piece": 2}
    assert texts(svg, "piece") == ["✕", "◯"]


def test_lines_cross_at_every_cell_and_have_stars() -> None:
    drawing = Drawing(
        rows=9, columns=7, kind="lines", pieces={0: "x"}, stars=[10, 31],
        column_names=letters(7, skip="c"), row_names=numbers(9, from_top=False),
    )  # fmt: skip
    svg = render(drawing)
    assert only(shapes(svg)) == {
        "rect board": 1,
        "line line": 16,
        "circle star": 2,
        "circle piece x": 1,
        "text name": 16,
    }
    assert texts(svg, "name") == [*"abdefgh", *"987654321"]


def test_hexagons_have_a_side_for_each_player_twice() -> None:
    drawing = Drawing(
        rows=3, columns=4, kind="hexagons", pieces={5: "o"}, colours=("#d00000", "#0000d0")
    )
    svg = render(drawing)
    assert only(shapes(svg)) == {
        "polygon cell": 12,
        "polyline rim": 4,
        "polyline side": 4,
        "circle piece o": 1,
    }
    sides = [e for e in ElementTree.fromstring(svg).iter() if e.get("class") == "side"]
    assert [side.get("stroke") for side in sides] == ["#d00000"] * 2 + ["#0000d0"] * 2
    cells = [e for e in ElementTree.fromstring(svg).iter() if e.get("class") == "cell"]
    corners = {point for cell in cells for point in (cell.get("points") or "").split()}
    for side in sides:
        assert set((side.get("points") or "").split()) <= corners


def test_hexagons_that_touch_share_two_corners() -> None:
    root = ElementTree.fromstring(render(Drawing(rows=3, columns=3, kind="hexagons")))
    cells = [
        {tuple(round(float(z), 1) for z in point.split(",")) for point in points.split()}
        for points in (e.get("points", "") for e in root.iter() if e.get("class") == "cell")
    ]
    touching = {
        (a, b) for a in range(9) for b in range(9) if a != b and len(cells[a] & cells[b]) == 2
    }
    steps = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, -1), (-1, 1))  # the data page's rule, (row, col)
    assert touching == {
        (3 * r + c, 3 * (r + dr) + c + dc)
        for r in range(3)
        for c in range(3)
        for dr, dc in steps
        if 0 <= r + dr < 3 and 0 <= c + dc < 3
    }


def test_checkers_alternate_and_glyphs_replace_letters() -> None:
    drawing = Drawing(
        rows=8, columns=8, kind="checkers", pieces={0: "r", 63: "R"}, glyphs=CHESS_GLYPHS
    )
    svg = render(drawing)
    assert texts(svg, "piece") == ["♜", "♖"]
    fills = [e.get("fill") for e in ElementTree.fromstring(svg).iter() if e.get("class") == "cell"]
    assert len(set(fills)) == 2
    assert all(fills[cell] == fills[(cell // 8 + cell) % 2] for cell in range(64))


class Fen(GameState):
    """A position that is nothing but its text."""

    def __init__(self, game: Game, text: str) -> None:
        super().__init__(game)
        self.text = text

    def to_text(self) -> str:
        return self.text

    def is_terminal(self) -> bool:
        return False

    def get_current_player(self) -> int:
        return 1

    def observation(self) -> npt.NDArray[np.float32]:
        return np.zeros((1, 2, 3), np.float32)


class Titled(Fen):
    def __str__(self) -> str:
        return f"<{self.text}> &\n  {self.text}"


TINY = Game("tiny", num_actions=1, board_shape=(2, 3), num_planes=1, max_game_length=1)


def test_a_board_in_the_text_is_drawn_unasked() -> None:
    drawing = Fen(TINY, "x1K/3 b - 0 1").drawing()
    assert drawing.pieces == {0: "x", 2: "K"}
    assert (drawing.kind, drawing.caption) == ("squares", "o to move")


@pytest.mark.parametrize("text", ["", "3 4 5", "x1K/4", "x1K", "x1K/3/3", "9" * 5000 + "/3"])
def test_what_is_no_board_is_written_line_by_line(text: str) -> None:
    assert Fen(TINY, text).drawing().kind == "text"
    svg = Titled(TINY, text).to_svg()
    assert only(shapes(svg)) == {}
    assert texts(svg, "caption") == [f"<{text}> &", f"  {text}"]


def test_a_number_is_no_board_of_one_row() -> None:
    heap = Game("heap", num_actions=1, board_shape=(1, 9), num_planes=1, max_game_length=1)
    assert Fen(heap, "9 x").drawing().kind == "text"


def test_a_plain_python_game_shows_its_own_board() -> None:
    game = games.make(NIM)
    assert texts(game.to_svg(), "caption") == str(game.initial_state()).splitlines()
    assert game._repr_svg_() == game.initial_state()._repr_svg_() == game.to_svg()


def test_a_state_without_str_shows_its_text() -> None:
    assert texts(Fen(TINY, "3 4 5").to_svg(), "caption") == ["3 4 5", "o to move"]


@given(st.text(min_size=1, max_size=5), st.text(max_size=20), st.text(max_size=5))
def test_any_text_gives_well_formed_xml(piece: str, caption: str, name: str) -> None:
    drawing = Drawing(
        rows=1, columns=1, pieces={0: piece}, caption=caption, column_names=[name], ground=name
    )
    svg = render(drawing)
    assert shapes(svg)["rect cell"] == 1
    assert svg.encode()  # no lone surrogates


def test_markup_in_texts_is_escaped() -> None:
    drawing = Drawing(
        rows=1, columns=1, pieces={0: "<b>"}, caption="</text><script>", ground='"/><x y="'
    )
    svg = render(drawing)
    assert texts(svg, "piece") == ["<b>"]
    assert texts(svg, "caption") == ["</text><script>"]
    assert "<script>" not in svg


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"kind": "cubes"}, "kind must be one of squares, .*, got 'cubes'"),
        ({"rows": 0}, "rows and columns must be >= 1, got 0 and 3"),
        ({"pieces": {6: "x"}}, r"pieces must be cells in \[0, 6\), got 6"),
        ({"stars": [-1]}, r"stars must be cells in \[0, 6\), got -1"),
        ({"column_names": ["a"]}, "column_names must be none or 3, got 1"),
        ({"row_names": ["a"] * 3}, "row_names must be none or 2, got 3"),
    ],
)
def test_bad_drawing_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError, match=why):
        Drawing(**{"rows": 2, "columns": 3, **options})


def test_mark_off_the_board_is_an_error() -> None:
    with pytest.raises(GameError, match=r"marks must be cells in \[0, 9\), got 9"):
        games.make("tictactoe").initial_state().to_svg(marks=[9])
