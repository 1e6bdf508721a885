"""Tic-tac-toe: every game there is, recorded games, texts."""

import gzip
import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import games
from games import GameError, GameState, IllegalActionError
from games.contract import check_game
from games.twins import perft

GAME = games.make("tictactoe")
TRAJECTORIES = Path(__file__).parent / "data" / "trajectories" / "tic_tac_toe.jsonl.gz"


def recorded_games() -> list[dict[str, Any]]:
    with gzip.open(TRAJECTORIES, "rt") as lines:
        return [json.loads(line) for line in lines]


def test_all_games_have_the_known_lengths_and_results() -> None:
    lengths: Counter[int] = Counter()
    results: Counter[float] = Counter()
    hashes: dict[str, int] = {}

    def play(state: GameState, ply: int) -> None:
        hashes[state.to_text()] = state.position_hash()
        actions = state.get_legal_actions()
        if not actions:
            lengths[ply] += 1
            results[state.returns()[0]] += 1
        for action in actions:
            child = state.clone()
            child.apply_action(action)
            play(child, ply + 1)

    play(GAME.initial_state(), 0)
    assert lengths == {5: 1440, 6: 5328, 7: 47952, 8: 72576, 9: 127872}
    assert results == {1.0: 131184, -1.0: 77904, 0.0: 46080}
    assert lengths.total() == 255168
    assert len(hashes) == len(set(hashes.values())) == 5478


def test_positions_up_to_symmetry() -> None:
    cells, _ = GAME.symmetries()
    seen = set()
    todo = [GAME.initial_state()]
    while todo:
        state = todo.pop()
        board = np.frombuffer(state.to_text()[:11].replace("/", "").encode(), np.uint8)
        shape = min(board[cell].tobytes() for cell in cells)
        if shape not in seen:
            seen.add(shape)
            for action in state.get_legal_actions():
                todo.append(state.clone())
                todo[-1].apply_action(action)
    assert len(seen) == 765


def test_perft_counts_move_sequences() -> None:
    counts = [1, 9, 72, 504, 3024, 15120, 54720, 148176, 200448, 127872, 0]
    assert [perft(GAME, depth) for depth in range(11)] == counts


def test_recorded_games_replay() -> None:
    records = recorded_games()
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
            assert state.returns() == [0.0, 0.0]
            assert state.get_current_player() == int(player)
            assert len(legal) == n_legal
            assert f"{zlib.crc32(' '.join(legal).encode()):08x}" == crc
            state.apply_action(state.move_to_action(move))
        assert state.is_terminal()
        assert state.get_legal_actions() == []
        assert state.returns() == record["returns"]
        assert state.to_text().split()[0] == record["final"]
        assert GAME.state_from_text(record["moves"]).to_text() == state.to_text()


def test_contract() -> None:
    check_game("tictactoe", num_games=100)


def test_observation_has_own_stones_first() -> None:
    observation = GAME.state_from_text("480").observation()
    assert observation.dtype == np.float32
    assert observation.tolist() == [
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
    ]


def test_sizes() -> None:
    assert GAME.num_actions == GAME.max_legal_actions == GAME.max_game_length == 9
    assert GAME.observation_shape == (2, 3, 3)
    assert GAME.observation_bytes == 16
    assert len(GAME.symmetries()[0]) == len({row.tobytes() for row in GAME.symmetries()[0]}) == 8


def test_str_shows_coordinates_of_free_cells() -> None:
    assert str(GAME.state_from_text("48")) == "0 1 2\n3 x 5\n6 7 o\nx to move"
    assert str(GAME.state_from_text("03142")).endswith("x has won")
    assert str(GAME.state_from_text("021354678")).endswith("draw")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("xx./.../...", "as many stones as o or one more, got 2 and 0"),
        ("o../.../...", "got 0 and 1"),
        ("xxx/ooo/...", "both players have three in a row"),
        ("xxx/oo./o..", "the game was over before the last move"),
        ("ooo/xx./xx.", "the game was over before the last move"),
        ("x../.../... x", "after so many stones o is to move, got 'x'"),
        ("x../.../... q", "the side to move must be x or o, got 'q'"),
        ("x../.../... o o", "a board and the side to move"),
        ("x../...", "3 rows of 3 cells"),
        ("x.../../...", "3 rows of 3 cells"),
        ("X../.../...", "got 'X'"),
        ("44", "move 2: '4' is not a legal move"),
        ("031425", "move 6: '5' is not a legal move"),
        ("a1", "move 1: 'a' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        GAME.state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


def test_illegal_action_names_the_position_and_the_legal_moves() -> None:
    state = GAME.state_from_text("0123")
    with pytest.raises(IllegalActionError, match=r"2 is not a legal .*'xox/o\.\./\.\.\. x'.*4 5 6"):
        state.apply_action(2)
    assert state.to_text() == "xox/o../... x"


@given(st.one_of(st.text(max_size=20), st.text("xo./ 0123456789", max_size=14)))
@example("")
@example("/")
@example("\x00")
@example("٤")
def test_any_text_is_a_position_or_a_game_error(text: str) -> None:
    try:
        state = GAME.state_from_text(text)
    except GameError:
        return
    assert GAME.state_from_text(state.to_text()).position_hash() == state.position_hash()
