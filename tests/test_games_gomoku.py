"""Gomoku: recorded games, tactics, a plain program, exact five, texts."""

import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from recorded import json_lines, replay

import games
from games import Game, GameError, GameState, IllegalActionError
from games.contract import check_game
from games.twins import perft

GAME = games.make("gomoku")
LETTERS = "abcdefghijklmnopqrs"


@cache
def sized(size: int, exact: bool = False) -> Game:
    return games.make("gomoku", size=size, exact=exact)


def wins_at_once(state: GameState) -> set[str]:
    """The moves that make five for the player to move."""
    found, player = set(), state.get_current_player()
    for action in state.get_legal_actions():
        child = state.clone()
        child.apply_action(action)
        if child.returns()[player] == 1.0:
            found.add(state.action_to_move(action))
    return found


def threats(state: GameState) -> set[str]:
    """The moves with which the other player would make five, if it were to move."""
    found = set()
    for action in state.get_legal_actions()[:2]:  # a lost move takes one cell, two take none
        child = state.clone()
        child.apply_action(action)
        found |= wins_at_once(child)
    return found


# -- answers from outside -------------------------------------------------------------------------


def test_recorded_games_replay(shared_data: Path) -> None:
    records = json_lines(shared_data / "trajectories" / "gomoku.jsonl.gz")
    assert len(records) == 200
    for record in records:
        state = replay(GAME, record)
        assert GAME.state_from_text(record["final"]).returns() == record["returns"]
        assert GAME.state_from_text(record["moves"]).to_text() == state.to_text()


def test_tactics(shared_data: Path) -> None:
    kinds = dict.fromkeys(("win_in_1", "must_block", "vcf"), 0)
    for record in json_lines(shared_data / "gomoku" / "tactics.jsonl"):
        state = GAME.state_from_text(record["moves"])
        assert state.to_text() == f"{'/'.join(record['board'])} {record['to_move']}"
        kind, answers = record["kind"].split("_")[0], set(record["answers"])
        if kind == "win":
            assert wins_at_once(state) == answers, record["id"]
            kinds["win_in_1"] += 1
            continue
        assert not wins_at_once(state), record["id"]
        if kind == "must":
            assert threats(state) == answers, record["id"]
            kinds["must_block"] += 1
            continue
        for move in answers:  # every first move of a win by fours makes a four
            child = state.clone()
            child.apply_action(child.move_to_action(move))
            assert threats(child), (record["id"], move)
        kinds["vcf"] += 1
    assert all(kinds.values())
    assert sum(kinds.values()) == 205


# -- our own --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "exact"), [(5, False), (8, True), (15, False), (19, True)])
def test_contract(size: int, exact: bool) -> None:
    check_game(sized(size, exact), num_games=3 if size > 8 else 12)


@pytest.mark.parametrize("size", [5, 6, 8, 9, 15, 19])
@pytest.mark.parametrize("exact", [False, True])
def test_wins_agree_with_a_plain_program(size: int, exact: bool) -> None:
    rng = random.Random(size)
    for _ in range(20 if size < 9 else 4):
        state = sized(size, exact).initial_state()
        stones: dict[tuple[int, int], int] = {}
        cells = [(r, c) for r in range(size) for c in range(size)]
        rng.shuffle(cells)
        if exact:  # long lines: most of x's stones in a few rows
            cells.sort(key=lambda cell: cell[0] % 3 + rng.random())
        won = False
        for ply, (r, c) in enumerate(cells):
            state.apply_action(state.move_to_action(f"{LETTERS[c]}{r + 1}"))
            stones[r, c] = ply % 2
            for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
                run = 1
                for way in (1, -1):
                    k = way
                    while stones.get((r + k * down, c + k * right)) == ply % 2:
                        run += 1
                        k += way
                won = won or run == 5 or (run > 5 and not exact)
            assert state.is_terminal() == (won or len(stones) == size * size)
            if won:
                break
        first = 0.0 if not won else 1.0 if ply % 2 == 0 else -1.0
        assert state.returns() == [first, -first]
        again = sized(size, exact).state_from_text(state.to_text())
        assert again.returns() == state.returns()


@pytest.mark.parametrize(("exact", "over"), [(False, True), (True, False)])
def test_six_in_a_row(exact: bool, over: bool) -> None:
    # x: a1 b1 c1 _ e1 f1, then d1 between them.
    state = sized(8, exact).state_from_text("a1 a3 b1 b3 c1 d3 e1 e5 f1 g5 d1")
    assert state.is_terminal() == over


def test_a_line_of_five_beside_one_of_six_wins() -> None:
    state = sized(8, True).state_from_text(
        "a1 b8 b1 d8 c1 f8 e1 h8 f1 b6 d2 d7 d3 f7 d4 h7 d5 b7 d1"
    )
    assert state.returns() == [1.0, -1.0]


def test_full_board_is_a_draw() -> None:
    # Rows of xxoox and ooxxo: no five of either in any direction.
    state = sized(5).state_from_text("xxoox/ooxxo/xxoox/ooxxo/xxoox")
    assert state.is_terminal()
    assert state.returns() == [0.0, 0.0]


def test_perft_of_an_empty_board() -> None:
    assert [perft(GAME, depth) for depth in range(4)] == [1, 225, 225 * 224, 225 * 224 * 223]


def test_observation_has_own_stones_first() -> None:
    obs = GAME.state_from_text("b1 c5 o15").observation()
    assert np.argwhere(obs).tolist() == [[0, 4, 2], [1, 0, 1], [1, 14, 14]]


def test_sizes() -> None:
    assert GAME.options == {"size": 15, "exact": False}
    assert GAME.num_actions == GAME.max_legal_actions == GAME.max_game_length == 225
    assert GAME.observation_bytes == 64
    assert len(GAME.symmetries()[0]) == 8


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"size": 4}, "size of gomoku must be an integer from 5 to 19, got 4"),
        ({"size": 20}, "got 20"),
        ({"size": 15.0}, "got 15.0"),
        ({"exact": "yes"}, "exact of gomoku must be True or False, got 'yes'"),
    ],
)
def test_bad_option_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError) as info:
        games.make("gomoku", **options)
    assert why in str(info.value)


EMPTY = "/".join(["....."] * 3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{EMPTY}/ooooo/xxxxx", "the game was over before the last move"),
        (f"{EMPTY}/.ooo./xxxxx x", "x must have as many stones as o or one more, got 5 and 3"),
        (f"{EMPTY}/ooooo/xxxx.", "got 4 and 5"),
        ("xxxxx/.oooo/xxxxx/.oooo/.o...", "the game was over before the last move"),
        (f"{EMPTY}/...../x....  x", "after so many stones o is to move"),
        (f"{EMPTY}/.....", "5 rows of 5 cells"),
        ("a1 a1", "move 2: 'a1' is not a legal move"),
        ("f1", "move 1: 'f1' is not a legal move"),
        ("a1 a2 b1 b2 c1 c2 d1 d2 e1 e2", "move 10: 'e2' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        sized(5).state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


def test_illegal_action_changes_nothing() -> None:
    state = GAME.state_from_text("a1")
    before = state.to_text(), state.position_hash()
    for action in (0, -1, 225, 10**12):
        with pytest.raises(IllegalActionError, match="is not a legal move of gomoku"):
            state.apply_action(action)
    assert before == (state.to_text(), state.position_hash())


@given(
    st.booleans(),
    st.one_of(
        st.text(max_size=30),
        st.text("xo./ ", max_size=30),
        st.lists(st.sampled_from(["a1", "b1", "a2", "b2", "c3", "z9"])).map(" ".join),
        st.lists(st.text("xo.", min_size=5, max_size=5), min_size=5, max_size=5).map("/".join),
    ),
)
@example(False, "xxxxx/oooo./...../...../.....")
def test_any_text_is_a_position_or_a_game_error(exact: bool, text: str) -> None:
    game = sized(5, exact)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert game.state_from_text(state.to_text()).position_hash() == state.position_hash()
