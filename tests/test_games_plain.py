"""A game in one class: what is derived for it; the tutorial's game against known answers."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import options, ringzero

import games
from games import BoardGame, GameError, IllegalActionError
from games.contract import check_game

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "examples" / "domineering.py"
CLOBBER = TUTORIAL.parent / "clobber"
GAME = games.make(str(TUTORIAL))


class Kings(BoardGame):
    """Men walk towards the other side and become kings; who captures a king wins. Rows of 3."""

    def __init__(self) -> None:
        super().__init__(
            "oOo/.#./xXx", pieces=("xX", "oO"), num_actions=9 * 9, max_game_length=30, name="kings"
        )

    def legal_actions(self, board: list[str], player: int) -> list[int]:
        mine = "xX" if player == 0 else "oO"
        ahead = -1 if player == 0 else 1
        return [
            9 * cell + to
            for cell in range(9)
            if board[cell] in mine
            for right in (-1, 0, 1)
            if (to := self.step(cell, ahead, right)) is not None and board[to] not in (*mine, "#")
        ]

    def play(self, board: list[str], player: int, action: int) -> None:
        cell, to = divmod(action, 9)
        board[cell], board[to] = ".", board[cell]

    def result(self, board: list[str], player: int, legal: list[int]) -> float | None:
        if "xX"[1] not in board or "O" not in board:
            return -1.0
        return None if legal else 0.0

    def move_name(self, board: list[str], player: int, action: int) -> str:
        cell, to = divmod(action, 9)
        return self.cell_name(cell) + self.cell_name(to)


class Again(BoardGame):
    """Placing a stone in the corner gives another move."""

    def __init__(self, columns: int = 30) -> None:
        super().__init__("." * columns, max_game_length=columns, options={"columns": columns})

    def legal_actions(self, board: list[str], player: int) -> list[int]:
        return [cell for cell, mark in enumerate(board) if mark == "."][::-1]

    def play(self, board: list[str], player: int, action: int) -> int | None:
        board[action] = "xo"[player]
        return player if action == 0 else None


@pytest.mark.parametrize("game", [GAME, Kings(), Again(4), Again()], ids=repr)
def test_contract(game: BoardGame) -> None:
    check_game(game, num_games=10)


@pytest.mark.parametrize(
    ("size", "winner"),
    # Breuker, Uiterwijk, van den Herik, "Solving 8x8 Domineering", TCS 230 (2000).
    [(2, 0), (3, 0), (4, 0)],
)
def test_the_tutorials_game_has_its_known_winners(size: int, winner: int) -> None:
    @cache
    def mover_wins(text: str) -> bool:
        state = game.state_from_text(text)
        for action in state.get_legal_actions():
            child = state.clone()
            child.apply_action(action)
            if not mover_wins(child.to_text()):
                return True
        return False

    game = games.make(str(TUTORIAL), rows=size, columns=size)
    assert mover_wins(game.initial_state().to_text()) == (winner == 0)


@pytest.mark.parametrize(
    ("heading", "most_lines", "files"),
    [
        ("A game in 35 lines", 60, [TUTORIAL]),
        (
            "A game in Cython, as a package of its own",
            240,
            [CLOBBER / f for f in ("pyproject.toml", "setup.py", "clobber.pxd", "clobber.pyx")],
        ),
    ],
)
def test_the_tutorials_show_the_files_they_are_about(
    heading: str, most_lines: int, files: list[Path]
) -> None:
    text = (TUTORIAL.parents[1] / "games.md").read_text()
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    source = "".join(file.read_text() for file in files)
    assert len(source.splitlines()) <= most_lines
    blocks = [block.partition("\n") for block in section.split("```")[1::2]]
    shown = [code.rstrip("\n") for language, _, code in blocks if language]
    assert len(shown) >= 3
    for code in shown:
        assert code in source


def test_the_board_is_observed_by_the_player_to_move() -> None:
    state = Kings().initial_state()
    assert state.game.observation_shape == (6, 3, 3)  # xX oO # and who is to move
    obs = state.observation()
    assert np.argwhere(obs[:5]).tolist() == [
        [0, 2, 0], [0, 2, 2], [1, 2, 1], [2, 0, 0], [2, 0, 2], [3, 0, 1], [4, 1, 1],
    ]  # fmt: skip
    assert obs[5].max() == 0.0
    state.apply_action(state.move_to_action("a3a2"))
    obs = state.observation()
    assert np.argwhere(obs[:2]).tolist() == [[0, 0, 0], [0, 0, 2], [1, 0, 1]]
    assert obs[5].min() == 1.0


def test_names_drawing_and_text_follow_from_the_board() -> None:
    state = Kings().initial_state()
    assert state.to_text() == "oOo/.#./xXx x"
    assert str(state) == "   a b c\n 1 o O o\n 2 . # .\n 3 x X x\nx to move"
    wide = Again().initial_state()
    names = [wide.action_to_move(action) for action in wide.get_legal_actions()]
    assert names[:2] == ["a1", "b1"]
    assert names[25:28] == ["z1", "aa1", "ab1"]
    assert GAME.name == "domineering"


def test_play_may_say_who_is_next() -> None:
    state = Again(4).state_from_text("a1")
    assert state.get_current_player() == 0
    assert Again(4).state_from_text("b1").get_current_player() == 1


def test_result_is_for_the_player_to_move() -> None:
    state = Kings().state_from_text("oOo/x#./.Xx x")
    state.apply_action(state.move_to_action("a2b1"))
    assert state.returns() == [1.0, -1.0]
    assert state.get_legal_actions() == []


def test_clones_are_independent() -> None:
    state = GAME.initial_state()
    twin = state.clone()
    twin.apply_action(0)
    assert state.to_text() == GAME.initial_state().to_text() != twin.to_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("../.. x", "the board must have 6 rows of 6 cells"),
        ("/".join(["......"] * 5 + [".....z"]) + " x", "a cell must be one of . o x, got 'z'"),
        ("a1 a1", "move 2: 'a1' is not a legal move"),
        ("a9", "move 1: 'a9' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        GAME.state_from_text(text)
    assert why in str(info.value)


def test_a_text_that_the_rules_cannot_read_is_a_game_error() -> None:
    class Finds(Again):
        def legal_actions(self, board: list[str], player: int) -> list[int]:
            return [board.index(".")] if "x" not in board else [board.index("?")]

    with pytest.raises(GameError, match="the rules do not apply to it, ValueError"):
        Finds(4).state_from_text("x... o")


def test_what_is_not_written_is_named() -> None:
    class Empty(BoardGame):
        def __init__(self) -> None:
            super().__init__("...", max_game_length=3)

    with pytest.raises(NotImplementedError, match=r"Empty\.legal_actions is not written"):
        Empty().initial_state()


@pytest.mark.parametrize("options", [{"rows": 1}, {"columns": 17}])
def test_bad_option_is_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(GameError, match="domineering needs 2 to 16 rows and columns"):
        games.make(str(TUTORIAL), **options)


def test_illegal_action_changes_nothing() -> None:
    state = GAME.initial_state()
    before = state.to_text()
    for action in (-1, 30, 36):  # nothing stands upright on the last row
        with pytest.raises(IllegalActionError, match="is not a legal action of domineering in"):
            state.apply_action(action)
    assert state.to_text() == before


@given(st.one_of(st.text(max_size=20), st.text("xo./ a123", max_size=20)))
def test_any_text_is_a_position_or_a_game_error(text: str) -> None:
    game = games.make(str(TUTORIAL), rows=2, columns=3)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert game.state_from_text(state.to_text()).to_text() == state.to_text()


def test_the_tutorials_game_trains(tmp_path: Path) -> None:
    done = ringzero(
        *("train", TUTORIAL, "--run", tmp_path / "run", "--seed", "1", "--serial", "--quiet"),
        *options(budget__max_generations=1),
    )
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stderr
