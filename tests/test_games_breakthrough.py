"""Breakthrough: exact counts, recorded games, sizes, the mover's view, texts."""

import gzip
import json
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import games
from games import Game, GameError, IllegalActionError
from games.contract import check_game
from games.twins import perft

GAME = games.make("breakthrough")
TRAJECTORIES = Path(__file__).parent / "data" / "trajectories" / "breakthrough.jsonl.gz"
SIZES = [(4, 2), (4, 16), (5, 5), (6, 6), (7, 9), (8, 8), (9, 7), (32, 2)]


def sized(size: tuple[int, int]) -> Game:
    return games.make("breakthrough", rows=size[0], columns=size[1])


def test_perft_counts_move_sequences() -> None:
    counts = [22, 484, 11132, 256036]
    assert [perft(GAME, depth) for depth in range(1, 5)] == counts
    assert perft(GAME, 4, bulk=False) == counts[3]


def test_recorded_games_replay() -> None:
    with gzip.open(TRAJECTORIES, "rt") as lines:
        records = [json.loads(line) for line in lines]
    assert len(records) == 200
    for record in records:
        state = GAME.initial_state()
        plies = zip(
            record["moves"].split(),
            record["to_move"],
            record["n_legal"],
            record["legal_crc"].split(),
            strict=True,
        )
        for move, player, n_legal, crc in plies:
            legal = sorted(state.action_to_move(a) for a in state.get_legal_actions())
            assert not state.is_terminal()
            assert state.get_current_player() == int(player)
            assert len(legal) == n_legal
            assert f"{zlib.crc32(' '.join(legal).encode()):08x}" == crc
            state.apply_action(state.move_to_action(move))
        assert state.is_terminal()
        assert state.returns() == record["returns"]
        board = record["final"].strip("/").translate(str.maketrans("bw", "xo"))
        assert state.to_text().split()[0] == board
        assert GAME.state_from_text(record["moves"]).to_text() == state.to_text()
        assert GAME.state_from_text(state.to_text()).returns() == state.returns()


@pytest.mark.parametrize("size", SIZES)
def test_contract(size: tuple[int, int]) -> None:
    check_game(sized(size), num_games=4)


@pytest.mark.parametrize("size", SIZES)
def test_moves_and_results_agree_with_a_plain_program(size: tuple[int, int]) -> None:
    rows, columns = size
    game, rng = sized(size), random.Random(5)
    for _ in range(10):
        state = game.initial_state()
        board = {
            (row, column): "x" if row < 2 else "o"
            for row in (0, 1, rows - 2, rows - 1)
            for column in range(columns)
        }
        mark, winner = "x", ""
        while not winner:
            step = 1 if mark == "x" else -1
            moves = {}
            for (row, column), owner in board.items():
                for side in (-1, 0, 1):
                    target = row + step, column + side
                    if owner != mark or not (0 <= target[1] < columns):
                        continue
                    there = board.get(target)
                    if there is None or (side and there != mark):
                        names = (f"{chr(97 + c)}{rows - r}" for r, c in ((row, column), target))
                        moves["".join(names) + "*" * (there is not None)] = (row, column), target
            legal = {state.action_to_move(action) for action in state.get_legal_actions()}
            assert legal == set(moves)
            move = rng.choice(sorted(moves))
            source, target = moves[move]
            board[target] = board.pop(source)
            state.apply_action(state.move_to_action(move))
            far_row = rows - 1 if mark == "x" else 0
            other = "o" if mark == "x" else "x"
            if target[0] == far_row or other not in board.values():
                winner = mark
            assert state.is_terminal() == bool(winner)
            mark = other
        assert state.returns() == ([1.0, -1.0] if winner == "x" else [-1.0, 1.0])


def test_both_players_see_the_first_position_alike() -> None:
    state = GAME.initial_state()
    first, actions = state.observation(), state.get_legal_actions()
    assert first[0, :2].all() and first[1, 6:].all() and first.sum() == 32
    state = GAME.state_from_text(state.to_text().replace(" x", " o"))
    np.testing.assert_array_equal(state.observation(), first)
    assert state.get_legal_actions() == actions


def test_action_means_the_same_for_both_players() -> None:
    # From the second row, third cell of the mover: its left, ahead, its right.
    actions = [3 * 10 + direction for direction in range(3)]
    state = GAME.initial_state()
    assert [state.action_to_move(a) for a in actions] == ["c7b6", "c7c6", "c7d6"]
    state.apply_action(actions[0])
    assert [state.action_to_move(a) for a in actions] == ["f2g3", "f2f3", "f2e3"]


def test_the_mirror_image_swaps_directions() -> None:
    cells, actions = GAME.symmetries()
    assert cells[1, :8].tolist() == list(range(7, -1, -1))
    assert actions[1, 3 * 9 : 3 * 9 + 3].tolist() == [3 * 14 + 2, 3 * 14 + 1, 3 * 14]


def test_the_last_pawn_captured_ends_the_game() -> None:
    state = GAME.state_from_text(
        "......../......../...x..../..o...../......../......../......../o....... x"
    )
    state.apply_action(state.move_to_action("d6c5*"))
    assert not state.is_terminal()
    state = GAME.state_from_text(
        "......../......../...x..../..o...../......../......../......../........ x"
    )
    state.apply_action(state.move_to_action("d6c5*"))
    assert state.returns() == [1.0, -1.0]
    assert GAME.state_from_text(state.to_text()).returns() == [1.0, -1.0]


def test_straight_ahead_is_no_capture() -> None:
    state = GAME.state_from_text(
        "......../......../...x..../...o..../......../......../......../........ x"
    )
    legal = [state.action_to_move(action) for action in state.get_legal_actions()]
    assert legal == ["d6c5", "d6e5"]


def test_sizes() -> None:
    assert (GAME.num_actions, GAME.max_legal_actions, GAME.max_game_length) == (192, 48, 177)
    assert GAME.options == {"rows": 8, "columns": 8}
    assert GAME.observation_bytes == 16


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rows": 3}, "rows of breakthrough must be an integer from 4 to 32, got 3"),
        ({"columns": 1}, "columns of breakthrough must be an integer from 2 to 16, got 1"),
        ({"columns": "8"}, "got '8'"),
        ({"rows": True}, "got True"),
        ({"rows": 8, "columns": 9}, "at most 64, got 8 * 9"),
    ],
)
def test_bad_size_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError) as info:
        games.make("breakthrough", **options)
    assert why in str(info.value)


def test_str_has_names_of_rows_and_columns() -> None:
    lines = str(sized((5, 3)).initial_state()).splitlines()
    assert lines == [
        "5 x x x", "4 x x x", "3 . . .", "2 o o o", "1 o o o", "  a b c", "x to move",
    ]  # fmt: skip
    assert str(sized((32, 2)).initial_state()).splitlines()[23] == " 9 . ."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("xx/xx/../oo/oo", "must follow the board, got nothing"),
        ("xx/xx/../oo/oo b", "must be x or o, got 'b'"),
        ("xx/xx/../oo x", "5 rows of 2 cells"),
        ("xx/xx/../oo/ob x", "a cell must be one of . x o, got 'b'"),
        ("xx/xx/x./oo/oo o", "at most 4 pawns, got 5 and 4"),
        ("xx/x./../oo/ox x", "the game was over before the last move"),
        ("xo/x./../oo/.. o", "the game was over before the last move"),
        ("xx/../../../.. x", "the game was over before the last move"),
        ("../../../../.. x", "the game was over before the last move"),
        ("a4a3 a4a3", "move 2: 'a4a3' is not a legal move"),
        ("a4a3*", "move 1: 'a4a3*' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        sized((5, 2)).state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


def test_illegal_action_changes_nothing() -> None:
    state = GAME.state_from_text("b7b6")
    before = state.to_text(), state.position_hash()
    for action in (0, -1, 192, 10**12):
        with pytest.raises(IllegalActionError, match="legal: h2h3"):
            state.apply_action(action)
    assert before == (state.to_text(), state.position_hash())


def test_every_action_has_a_name() -> None:
    state = GAME.initial_state()
    for _ in range(2):
        assert all(state.action_to_move(action) for action in range(GAME.num_actions))
        state.apply_action(state.get_legal_actions()[0])


@given(
    st.sampled_from(SIZES[:3]),
    st.one_of(
        st.text(max_size=30),
        st.text("abcde12345* ", max_size=30),
        st.text("xo./ ", max_size=40),
        st.lists(st.text("xo.", min_size=2, max_size=2), min_size=4, max_size=4).map(
            lambda rows: "/".join(rows) + " o"
        ),
    ),
)
@example((4, 2), "xx/xx/oo/oo x")
def test_any_text_is_a_position_or_a_game_error(size: tuple[int, int], text: str) -> None:
    game = sized(size)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert game.state_from_text(state.to_text()).position_hash() == state.position_hash()
    assert state.is_terminal() or state.get_legal_actions()
