"""Boards with a player's thoughts on them."""

from xml.etree import ElementTree

import pytest

from trainer.notebook import Analyst

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("game", "moves"),
    [("connect4", "4 4 3"), ("go", "e5"), ("hex", "f6"), ("chess", "e2e4"), ("tictactoe", "4")],
)
def test_every_kind_of_board_shows_what_is_thought_of_it(game, moves) -> None:
    picture = Analyst("mcts:50", game).show(moves, simulations=60)
    root = ElementTree.fromstring(picture.to_svg())
    discs = [e for e in root.iter(f"{SVG}circle") if e.get("class") == "hint"]
    assert discs
    strongest = max(float(e.get("fill-opacity", "0")) for e in discs)
    assert strongest == pytest.approx(0.9)
    words = [e.text or "" for e in root.iter(f"{SVG}text") if e.get("class") == "caption"]
    assert any("visits" in text for text in words)
    assert picture._repr_svg_() == picture.to_svg()


def test_the_best_moves_disc_stands_where_its_stone_will() -> None:
    picture = Analyst("mcts:50", "connect4").show("4 1 4 2 4 3", simulations=300)
    root = ElementTree.fromstring(picture.to_svg())
    best = max(
        (e for e in root.iter(f"{SVG}circle") if e.get("class") == "hint"),
        key=lambda e: float(e.get("fill-opacity", "0")),
    )
    stones = [e for e in root.iter(f"{SVG}circle") if (e.get("class") or "").startswith("piece")]
    columns = {e.get("cx") for e in stones}
    assert best.get("cx") in columns  # column 4, on top of three stones
    assert float(best.get("cy", "0")) < min(
        float(e.get("cy", "0")) for e in stones if e.get("cx") == best.get("cx")
    )
