"""Othello: exact counts, recorded games, solved endgames, other sizes, texts."""

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
from games import Game, GameError, GameState, IllegalActionError, twins
from games.contract import check_game
from games.othello import OthelloState
from games.twins import perft

GAME = games.make("othello")
TRAJECTORIES = Path(__file__).parent / "data" / "trajectories" / "othello.jsonl.gz"
SIZES = [4, 6, 8]
PASS = 64


def position(cells: str, player: str) -> GameState:
    """Of 64 letters row by row."""
    return GAME.state_from_text(f"{'/'.join(cells[i : i + 8] for i in range(0, 64, 8))} {player}")


def test_perft_counts_move_sequences() -> None:
    counts = [4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288]
    assert [perft(GAME, depth) for depth in range(1, 10)] == counts
    assert [perft(GAME, depth, bulk=False) for depth in range(1, 9)] == counts[:8]


def test_shortest_game() -> None:
    state = GAME.state_from_text("e6 f4 e3 f6 g5 d6 e7 f5 c5")
    assert isinstance(state, OthelloState)
    assert state.is_terminal()
    assert state.returns() == [1.0, -1.0]
    assert state.score() == 13
    assert str(state).splitlines()[-1] == "x has won (x 13, o 0)"


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
        assert state.to_text().split()[0] == record["final"]
        assert GAME.state_from_text(record["moves"]).to_text() == state.to_text()
        assert GAME.state_from_text(state.to_text()).returns() == state.returns()


def exact(state: OthelloState, known: dict[int, int]) -> int:
    """Final disc difference for the player to move, empty cells going to the winner."""
    key = twins.position_hash(state)
    if key not in known:
        if twins.is_terminal(state):
            x, o = state.stones()
            score = state.score()
            score += (64 - (x | o).bit_count()) * ((score > 0) - (score < 0))
            known[key] = -score if twins.current_player(state) else score
        else:
            known[key] = max(scores(state, known).values())
    return known[key]


def scores(state: OthelloState, known: dict[int, int]) -> dict[int, int]:
    """`exact` of every action, for the player to move."""
    found = {}
    child = OthelloState(state.game)
    for action in twins.legal_actions(state):
        twins.copy_from(child, state)
        twins.apply(child, action)
        found[action] = -exact(child, known)
    return found


@pytest.mark.parametrize(
    ("empties", "limit"),
    [
        *((n, 40) for n in range(1, 9)),
        *(pytest.param(n, 40, marks=pytest.mark.slow) for n in (9, 10)),
        pytest.param(11, 8, marks=pytest.mark.slow),
        pytest.param(12, 3, marks=pytest.mark.slow),
    ],
)
def test_solved_endgames_have_the_published_scores(
    empties: int, limit: int, shared_data: Path
) -> None:
    lines = (shared_data / "othello" / "endgame_scored.jsonl").read_text().splitlines()
    records = [r for r in map(json.loads, lines) if r["empties"] == empties][:limit]
    assert len(records) == limit
    for record in records:
        state = position(record["board"], record["to_move"])
        assert isinstance(state, OthelloState)
        found = {state.action_to_move(a): value for a, value in scores(state, {}).items()}
        assert found == record["scores"], record["id"]


def test_moves_and_boards_of_the_solved_endgames_agree(shared_data: Path) -> None:
    lines = (shared_data / "othello" / "endgame_scored.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        by_board = position(record["board"], record["to_move"])
        by_moves = GAME.state_from_text(record["moves"])
        assert by_moves.to_text() == by_board.to_text()
        assert by_moves.position_hash() == by_board.position_hash()
        legal = [by_board.action_to_move(action) for action in by_board.get_legal_actions()]
        assert sorted(legal) == sorted(record["scores"])


def test_moves_of_the_ffo_problems_are_legal(shared_data: Path) -> None:
    lines = (shared_data / "othello" / "ffo.obf").read_text().splitlines()
    assert len(lines) == 39
    for line in lines:
        head, board, *answers = line.split(";")
        cells, side = board.lower().replace("-", ".").split()
        state = position(cells, side)
        assert f"empties={cells.count('.')}" in head
        moves = [answer.split(":")[0].strip().lower() for answer in answers if ":" in answer]
        assert moves
        legal = {state.action_to_move(action) for action in state.get_legal_actions()}
        assert set(moves) <= legal, line


@pytest.mark.parametrize("size", SIZES)
def test_contract(size: int) -> None:
    check_game(games.make("othello", size=size), num_games=10)


@pytest.mark.parametrize("size", SIZES)
def test_flips_and_passes_agree_with_a_plain_program(size: int) -> None:
    # The bit tricks must not see lines over an edge, whatever the size.
    game, rng = games.make("othello", size=size), random.Random(11)
    steps = [(dr, dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc]

    def turned(board: dict[tuple[int, int], str], row: int, column: int, mark: str) -> set[Any]:
        found = set()
        for dr, dc in steps:
            line, cell = [], (row + dr, column + dc)
            while board.get(cell) == ("o" if mark == "x" else "x"):
                line.append(cell)
                cell = cell[0] + dr, cell[1] + dc
            found |= set(line) if board.get(cell) == mark else set()
        return found

    for _ in range(10):
        state, half = game.initial_state(), size // 2
        board = {
            (half - 1, half - 1): "o", (half, half): "o",
            (half - 1, half): "x", (half, half - 1): "x",
        }  # fmt: skip
        mark, over = "x", False
        while not over:
            assert not state.is_terminal()
            places = {
                row * size + column: cells
                for row in range(size)
                for column in range(size)
                if (row, column) not in board and (cells := turned(board, row, column, mark))
            }
            assert state.get_legal_actions() == (sorted(places) or [size * size])
            action = rng.choice(sorted(places) or [size * size])
            if places:
                board |= dict.fromkeys({divmod(action, size), *places[action]}, mark)
            state.apply_action(action)
            mark = "o" if mark == "x" else "x"
            over = not any(
                turned(board, *divmod(cell, size), who)
                for cell in range(size * size)
                for who in "xo"
                if divmod(cell, size) not in board
            )
            rows = ("".join(board.get((r, c), ".") for c in range(size)) for r in range(size))
            assert state.to_text() == f"{'/'.join(rows)} {mark}"
        assert state.is_terminal()
        lead = list(board.values()).count("x") - list(board.values()).count("o")
        assert state.returns() == [float(np.sign(lead)), -float(np.sign(lead))]


def test_the_longest_lines_turn() -> None:
    board = "x......x/.o.....o/..o....o/...oo..o/...oo..o/.....o.o/......oo/xoooooo."
    state = GAME.state_from_text(f"{board} x")
    state.apply_action(state.move_to_action("h8"))
    turned = "x......x/.x.....x/..x....x/...xo..x/...ox..x/.....x.x/......xx/xxxxxxxx"
    assert state.to_text() == f"{turned} o"


def test_pass_is_legal_only_without_another_move() -> None:
    full = "/".join(["oooooooo"] * 6)
    state = GAME.state_from_text(f"{full}/ooooooox/ooooooo. o")
    assert state.get_legal_actions() == [PASS - 1]
    state = GAME.state_from_text(f"{full}/ooooooox/ooooooo. x")
    assert state.get_legal_actions() == [PASS]
    state.apply_action(state.move_to_action(" PASS "))
    assert state.get_current_player() == 1
    assert [state.action_to_move(action) for action in state.get_legal_actions()] == ["h8"]


def test_observation_has_own_discs_the_others_and_legal_cells() -> None:
    observation = GAME.state_from_text("d3").observation()
    assert observation.shape == (3, 8, 8)
    names = [{(int(r), int(c)) for r, c in np.argwhere(plane)} for plane in observation]
    assert names == [
        {(4, 4)},
        {(2, 3), (3, 3), (4, 3), (3, 4)},
        {(2, 2), (2, 4), (4, 2)},
    ]


def test_swapped_colours_are_another_position() -> None:
    text = GAME.state_from_text("d3 c5 c6").to_text()
    swapped = text.translate(str.maketrans("xo", "ox"))
    one, two = GAME.state_from_text(text), GAME.state_from_text(swapped)
    np.testing.assert_array_equal(one.observation(), two.observation())
    assert one.position_hash() != two.position_hash()


def test_half_of_the_symmetries_swap_the_first_colours() -> None:
    texts = [GAME.initial_image(number).to_text() for number in range(8)]
    first = GAME.initial_state().to_text()
    assert texts[::2] == [first] * 4
    assert len(set(texts)) == 2
    cells, actions = GAME.symmetries()
    assert len({tuple(row) for row in cells.tolist()}) == 8
    assert (actions[:, PASS] == PASS).all()
    np.testing.assert_array_equal(actions[:, :PASS], cells)


def test_first_moves() -> None:
    state = GAME.initial_state()
    moves = {state.action_to_move(action) for action in state.get_legal_actions()}
    assert moves == {"d3", "c4", "f5", "e6"}


def test_sizes() -> None:
    assert (GAME.num_actions, GAME.max_legal_actions, GAME.max_game_length) == (65, 60, 119)
    assert GAME.options == {"size": 8}
    assert GAME.observation_bytes == 24


@pytest.mark.parametrize("size", [2, 5, 10, "8", True, 8.0, None])
def test_bad_size_is_an_error(size: object) -> None:
    with pytest.raises(GameError) as info:
        games.make("othello", size=size)
    assert f"size of othello must be 4, 6 or 8, got {size!r}" in str(info.value)


def test_str_has_names_of_rows_and_columns() -> None:
    lines = str(games.make("othello", size=4).initial_state()).splitlines()
    assert lines == [
        "1 . . . .", "2 . o x .", "3 . x o .", "4 . . . .", "  a b c d", "x to move (x 2, o 2)",
    ]  # fmt: skip


SMALL: Game = games.make("othello", size=4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("..../.ox./.xo./....", "the side to move, x or o, must follow the board, got nothing"),
        ("..../.ox./.xo./.... b", "must be x or o, got 'b'"),
        ("..../.ox./.xo./.... x x", "it must be a board and the side to move"),
        ("..../.ox./.xo. x", "the board must have 4 rows of 4 cells"),
        ("..../.ox./.xo./...b x", "a cell must be one of . x o, got 'b'"),
        ("..../.ox./.x../.... x", "the middle four cells must have discs"),
        ("b1 pass", "move 2: 'pass' is not a legal move of othello"),
        ("b1 b1", "move 2: 'b1' is not a legal move"),
        ("b9", "move 1: 'b9' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        SMALL.state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


def test_illegal_action_changes_nothing() -> None:
    state = GAME.state_from_text("d3")
    before = state.to_text(), state.position_hash()
    for action in (0, PASS, -1, PASS + 1, 10**12):
        with pytest.raises(IllegalActionError, match="legal: c3 e3 c5"):
            state.apply_action(action)
    assert before == (state.to_text(), state.position_hash())


@given(
    st.sampled_from(SIZES),
    st.one_of(
        st.text(max_size=40),
        st.text("abcd1234 pass", max_size=30),
        st.text("xo./ ", max_size=60),
        st.lists(st.text("xo.", min_size=4, max_size=4), min_size=4, max_size=4).map(
            lambda rows: "/".join(rows) + " o"
        ),
    ),
)
@example(4, "xxxx/xxxx/xxxx/xxxx o")
@example(4, "..../.oo./.oo./.... x")
def test_any_text_is_a_position_or_a_game_error(size: int, text: str) -> None:
    game = games.make("othello", size=size)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert game.state_from_text(state.to_text()).position_hash() == state.position_hash()
    assert state.is_terminal() or state.get_legal_actions()
