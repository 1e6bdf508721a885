"""Connect Four: exact counts, recorded games, other sizes, texts."""

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

GAME = games.make("connect4")
TRAJECTORIES = Path(__file__).parent / "data" / "trajectories" / "connect_four.jsonl.gz"
SIZES = [(4, 4), (4, 5), (5, 4), (6, 7), (7, 8), (8, 7), (8, 8), (16, 4), (4, 16)]


def recorded_games() -> list[dict[str, Any]]:
    with gzip.open(TRAJECTORIES, "rt") as lines:
        return [json.loads(line) for line in lines]


def sized(size: tuple[int, int]) -> Game:
    return games.make("connect4", rows=size[0], columns=size[1])


def test_perft_counts_move_sequences() -> None:
    counts = [1, 7, 49, 343, 2401, 16807, 117649, 823536, 5673234]
    assert [perft(GAME, depth) for depth in range(9)] == counts


def test_distinct_positions_by_ply() -> None:
    # Distinct by hash, by text and by packed observation alike.
    first = GAME.initial_state()
    layer = {first.position_hash(): first}
    for count in (7, 49, 238, 1120, 4263, 16422, 54859):
        following = {}
        for state in layer.values():
            for action in state.get_legal_actions():
                child = state.clone()
                child.apply_action(action)
                following[child.position_hash()] = child
        layer = following
        assert len(layer) == count
        assert len({state.to_text() for state in layer.values()}) == count
        assert len({state.packed_observation().tobytes() for state in layer.values()}) == count


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
        assert GAME.state_from_text(record["final"]).to_text() == state.to_text()
        assert GAME.state_from_text(record["moves"]).to_text() == state.to_text()


def test_moves_and_boards_of_the_scored_positions_agree(shared_data: Path) -> None:
    lines = (shared_data / "connect_four" / "positions_scored.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        by_moves = GAME.state_from_text(record["moves"])
        by_board = GAME.state_from_text(f"{'/'.join(record['board'])} {record['to_move']}")
        assert by_moves.to_text() == by_board.to_text()
        assert by_moves.position_hash() == by_board.position_hash()
        full = [c for c, score in enumerate(record["scores"]) if score is None]
        assert sorted({*range(7)} - {*full}) == by_moves.get_legal_actions()


@pytest.mark.parametrize("size", SIZES)
def test_contract(size: tuple[int, int]) -> None:
    check_game(sized(size), num_games=20)


@pytest.mark.parametrize("size", SIZES)
def test_wins_and_drops_agree_with_a_plain_program(size: tuple[int, int]) -> None:
    # The bit tricks must not see lines over an edge, whatever the size.
    rows, columns = size
    game, rng = sized(size), random.Random(7)
    for _ in range(100):
        state = game.initial_state()
        board: dict[tuple[int, int], str] = {}
        heights = [0] * columns
        won = False
        while not won and len(board) < rows * columns:
            legal = [c for c in range(columns) if heights[c] < rows]
            assert state.get_legal_actions() == legal
            column, mark = rng.choice(legal), "xo"[len(board) % 2]
            here = (heights[column], column)
            board[here] = mark
            heights[column] += 1
            state.apply_action(column)
            won = any(
                all(
                    board.get((here[0] + k * dr, here[1] + k * dc)) == mark for k in range(s, s + 4)
                )
                for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1))
                for s in range(-3, 1)
            )
            rows_text = (
                "".join(board.get((row, c), ".") for c in range(columns))
                for row in reversed(range(rows))
            )
            assert state.to_text() == f"{'/'.join(rows_text)} {'xo'[len(board) % 2]}"
            assert state.is_terminal() == (won or len(board) == rows * columns)
        first = (1.0 if mark == "x" else -1.0) if won else 0.0
        assert state.returns() == [first, -first]


def test_observation_is_row_major_with_own_stones_first() -> None:
    observation = GAME.state_from_text("1127").observation()  # x: a1, b1; o: a2, g1
    assert observation.shape == (2, 6, 7)
    assert np.argwhere(observation).tolist() == [[0, 5, 0], [0, 5, 1], [1, 4, 0], [1, 5, 6]]


def test_sizes() -> None:
    assert GAME.num_actions == GAME.max_legal_actions == 7
    assert GAME.max_game_length == 42
    assert GAME.observation_bytes == 16
    assert GAME.options == {"rows": 6, "columns": 7}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rows": 3}, "rows of connect4 must be an integer from 4 to 16, got 3"),
        ({"columns": 17, "rows": 4}, "columns of connect4 must be"),
        ({"rows": "6"}, "got '6'"),
        ({"rows": True}, "got True"),
        ({"rows": 8, "columns": 9}, "at most 64, got 8 * 9"),
    ],
)
def test_bad_size_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError) as info:
        games.make("connect4", **options)
    assert why in str(info.value)


def test_str_has_column_numbers() -> None:
    lines = str(GAME.state_from_text("445")).splitlines()
    assert lines[4:] == [". . . o . . .", ". . . x x . .", "1 2 3 4 5 6 7", "o to move"]
    wide = str(sized((4, 16)).state_from_text("12")).splitlines()
    assert wide[-2].split() == [str(c) for c in range(1, 17)]
    assert wide[-3].split().index("x") == 11


def test_moves_as_text() -> None:
    texts = {GAME.state_from_text(text).to_text() for text in ("4453", "4 4 5 3", " 44\n53 ")}
    assert texts == {"......./......./......./......./...o.../..oxx.. x"}
    assert GAME.state_from_text("").to_text() == GAME.initial_state().to_text()
    wide = sized((4, 16)).state_from_text("1 12")
    assert wide.to_text().split("/")[-1] == "x..........o.... x"


EMPTY = "/".join(["......."] * 4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{EMPTY}/...x.../.......", "a stone has an empty cell below it"),
        (f"{EMPTY}/......./...xx..", "got 2 and 0"),
        (f"{EMPTY}/......./...x... x", "after so many stones o is to move"),
        (f"{EMPTY}/......./...x..", "6 rows of 7 cells"),
        (f"{EMPTY}/.......", "6 rows of 7 cells"),
        (f"{EMPTY}/......./...x...o", "6 rows of 7 cells"),
        (f"{EMPTY}/......./...#...", "a cell must be one of . x o, got '#'"),
        (f"{EMPTY}/oooo.../xxxx...", "both players have four in a row"),
        (f"{EMPTY}/ooox.../xxxxo..", "the game was over before the last move"),
        (f"{EMPTY}/ooo..../xxxxo..", "the game was over before the last move"),
        # Two fours that share no stone: one of them was there before the other.
        ("......./......./......x/....oox/o...oox/xxxxoox", "over before the last move"),
        ("4444444", "move 7: '4' is not a legal move"),
        ("48", "move 2: '8' is not a legal move"),
        ("1212121 2", "move 8: '2' is not a legal move"),
        ("4a", "move 2: 'a' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        GAME.state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


def test_last_stone_may_complete_two_lines() -> None:
    state = GAME.state_from_text(f"{EMPTY}/ooo.ooo/xxxxxxx")
    assert state.returns() == [1.0, -1.0]


def test_illegal_action_changes_nothing() -> None:
    state = GAME.state_from_text("444444")
    before = state.to_text(), state.position_hash()
    for action in (3, -1, 7, 10**12):
        with pytest.raises(IllegalActionError, match="legal: 1 2 3 5 6 7"):
            state.apply_action(action)
    with pytest.raises(IllegalActionError, match="'4' is not a legal move"):
        state.move_to_action("4")
    assert before == (state.to_text(), state.position_hash())


@given(
    st.sampled_from(SIZES),
    st.one_of(
        st.text(max_size=40),
        st.text("1234567 ", max_size=50),
        st.text("xo./ ", max_size=60),
    ),
)
@example((4, 4), "..../..../..../xo..")
@example((6, 7), "\x00/")
def test_any_text_is_a_position_or_a_game_error(size: tuple[int, int], text: str) -> None:
    game = sized(size)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert game.state_from_text(state.to_text()).position_hash() == state.position_hash()


@given(st.lists(st.lists(st.sampled_from("xo"), max_size=4), min_size=4, max_size=4))
def test_boards_that_obey_gravity_are_read_or_refused(columns: list[list[str]]) -> None:
    grid = [column + ["."] * (4 - len(column)) for column in columns]
    text = "/".join("".join(grid[c][r] for c in range(4)) for r in reversed(range(4)))
    game = sized((4, 4))
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert state.to_text().split()[0] == text
