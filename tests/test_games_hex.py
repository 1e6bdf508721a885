"""Hex: recorded games, exact counts, solved positions, a plain program, texts, the swap."""

import json
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
from games import Game, GameError, GameState, IllegalActionError, twins
from games.contract import check_game
from games.twins import perft

GAME = games.make("hex")
LETTERS = "abcdefghijklmnopqrs"


@cache
def sized(size: int, swap: bool = False) -> Game:
    return games.make("hex", size=size, swap=swap)


def after(game: Game, moves: str) -> GameState:
    state = game.initial_state()
    for move in moves.split():
        state.apply_action(state.move_to_action(move))
    return state


def legal_moves(state: GameState) -> list[str]:
    return [state.action_to_move(action) for action in state.get_legal_actions()]


class PlainHex:
    """The rules as the data page has them, searched from the start at every question."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.stones: tuple[set[tuple[int, int]], ...] = (set(), set())

    def joined(self, player: int) -> bool:
        mine, last = self.stones[player], self.size - 1
        # Cells are (column, row); the first player joins rows, the second columns.
        waiting = [cell for cell in mine if cell[1 - player] == 0]
        seen = set(waiting)
        while waiting:
            c, r = waiting.pop()
            if (c, r)[1 - player] == last:
                return True
            steps = (1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)
            for cell in ((c + right, r + down) for right, down in steps):
                if cell in mine and cell not in seen:
                    seen.add(cell)
                    waiting.append(cell)
        return False


def winner_by_search(state: GameState) -> int:
    """Who wins with best play, by trying everything."""
    known: dict[str, int] = {}

    def solve(state: GameState) -> int:
        text = state.to_text()
        if text not in known:
            player = state.get_current_player()
            if state.is_terminal():
                known[text] = 0 if state.returns()[0] > 0 else 1
            else:
                known[text] = 1 - player
                for action in state.get_legal_actions():
                    child = state.clone()
                    child.apply_action(action)
                    if solve(child) == player:
                        known[text] = player
                        break
        return known[text]

    return solve(state)


def winning_moves(state: GameState) -> set[str]:
    found, player = set(), state.get_current_player()
    for action in state.get_legal_actions():
        child = state.clone()
        child.apply_action(action)
        if winner_by_search(child) == player:
            found.add(state.action_to_move(action))
    return found


# -- answers from outside -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "game", "count"),
    [("hex11", GAME, 200), ("hex5_swap", sized(5, True), 100)],
)
def test_recorded_games_replay(shared_data: Path, name: str, game: Game, count: int) -> None:
    records = json_lines(shared_data / "trajectories" / f"{name}.jsonl.gz")
    assert len(records) == count
    for record in records:
        state = replay(game, record)
        assert game.state_from_text(record["moves"]).to_text() == state.to_text()


@pytest.mark.parametrize(
    ("swap", "key"), [(False, "move_sequences_3x3_no_swap"), (True, "move_sequences_3x3_swap")]
)
def test_perft_counts_move_sequences(shared_data: Path, swap: bool, key: str) -> None:
    counts = json.loads((shared_data / "facts.json").read_text())["hex"][key]
    assert [perft(sized(3, swap), depth) for depth in range(1, 10)] == counts


@pytest.mark.parametrize("size", [2, 3])
def test_winning_first_moves_by_search(shared_data: Path, size: int) -> None:
    openings = json.loads((shared_data / "hex" / "openings.json").read_text())
    expected = openings["winning_first_moves"][str(size)]
    assert winning_moves(sized(size).initial_state()) == set(expected)


def test_winning_first_moves_are_moves_and_symmetric(shared_data: Path) -> None:
    openings = json.loads((shared_data / "hex" / "openings.json").read_text())
    for size, moves in openings["winning_first_moves"].items():
        game = sized(int(size))
        state = game.initial_state()
        actions = {state.move_to_action(move) for move in moves}
        turned = game.symmetries()[1][1]
        assert {int(turned[action]) for action in actions} == actions


@pytest.mark.parametrize("first", [True, False])
def test_swapping_is_right_exactly_where_the_first_move_wins(
    first: bool, shared_data: Path
) -> None:
    openings = json.loads((shared_data / "hex" / "openings.json").read_text())
    winning = openings["winning_first_moves"]["3"]
    for move in legal_moves(sized(3, True).initial_state()):
        if (move in winning) == first:
            state = after(sized(3, True), f"{move} swap")
            assert winner_by_search(state) == (1 if first else 0)


def test_solved_positions(shared_data: Path) -> None:
    records = json_lines(shared_data / "hex" / "positions_solved.jsonl")
    assert len(records) == 451
    for record in records:
        state = after(sized(record["size"]), record["moves"])
        player = state.get_current_player()
        assert ("black", "white")[player] == record["to_move"]
        assert len(state.get_legal_actions()) == record["n_legal"]
        assert set(record["winning_moves"]) <= set(legal_moves(state))
        assert bool(record["winning_moves"]) == (record["winner"] == record["to_move"])
        # Few empty cells are soon searched.
        if record["n_legal"] <= 8:
            assert winning_moves(state) == set(record["winning_moves"]), record["id"]


def board(size: int, black: list[str], white: list[str], to_move: str) -> str:
    cells = [["."] * size for _ in range(size)]
    for mark, stones in (("x", black), ("o", white)):
        for stone in stones:
            cells[int(stone[1:]) - 1][LETTERS.index(stone[0])] = mark
    return f"{'/'.join(map(''.join, cells))} {'xo'[to_move == 'white']}"


def test_puzzles_with_any_numbers_of_stones_are_positions(shared_data: Path) -> None:
    records = json_lines(shared_data / "hex" / "puzzles.jsonl")
    uneven = 0
    for record in records:
        size = record["size"]
        text = board(size, record["black"], record["white"], record["to_move"])
        state = sized(size).state_from_text(text)
        assert state.to_text() == text
        assert not state.is_terminal()
        assert ("black", "white")[state.get_current_player()] == record["to_move"]
        stones = len(record["black"]) + len(record["white"])
        assert len(state.get_legal_actions()) == size * size - stones
        assert set(record.get("key_moves", [])) <= set(legal_moves(state))
        uneven += len(record["black"]) - len(record["white"]) != (record["to_move"] == "white")
    assert uneven > 0


def test_tournament_games_have_no_winner_before_their_last_move(shared_data: Path) -> None:
    for record in json_lines(shared_data / "hex" / "olympiad_games.jsonl"):
        state = sized(record["size"]).initial_state()
        for move in record["moves"].split():
            assert not state.is_terminal()
            state.apply_action(state.move_to_action(move))


# -- our own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 8, 11, 19])
@pytest.mark.parametrize("swap", [False, True])
def test_contract(size: int, swap: bool) -> None:
    check_game(sized(size, swap), num_games=3 if size > 8 else 12)


@pytest.mark.parametrize("size", [2, 3, 5, 7, 8, 9, 13, 19])
def test_connections_agree_with_a_plain_program(size: int) -> None:
    # Sizes on both sides of the words' borders.
    rng = random.Random(size)
    for _ in range(20 if size < 9 else 3):
        state, plain, ply = sized(size).initial_state(), PlainHex(size), 0
        cells = [(c, r) for r in range(size) for c in range(size)]
        rng.shuffle(cells)
        for ply, (c, r) in enumerate(cells):
            state.apply_action(state.move_to_action(f"{LETTERS[c]}{r + 1}"))
            plain.stones[ply % 2].add((c, r))
            assert state.is_terminal() == plain.joined(ply % 2)
            if state.is_terminal():
                break
        assert state.returns() == ([1.0, -1.0] if ply % 2 == 0 else [-1.0, 1.0])
        # The order in which stones come does not matter.
        assert sized(size).state_from_text(state.to_text()).returns() == state.returns()


def test_neighbours_are_six_and_as_the_data_page_has_them() -> None:
    # A stone on b2 and one on a neighbour join what a stone elsewhere does not.
    for cell, touches in (("b1", True), ("c1", True), ("a1", False), ("c2", False)):
        state = after(sized(3), f"b2 a3 {cell} a2 b3")
        assert state.is_terminal() == touches


def test_the_player_to_move_sees_the_board_joining_top_and_bottom() -> None:
    state = after(GAME, "b1 c5")  # x on row 1, column b; o on row 5, column c
    assert np.argwhere(state.observation()).tolist() == [[0, 0, 1], [1, 4, 2]]
    state = after(GAME, "b1 c5 k1")
    assert np.argwhere(state.observation()).tolist() == [[0, 2, 4], [1, 1, 0], [1, 10, 0]]
    assert state.move_to_action("a2") == 1
    assert after(GAME, "").move_to_action("a2") == 11


def test_players_see_mirrored_games_alike() -> None:
    # What the first player meets, the second meets transposed: same actions, same observations.
    rng = random.Random(5)
    one, two = sized(6).initial_state(), sized(6).state_from_text("/".join(["." * 6] * 6) + " o")
    while not one.is_terminal():
        assert (one.observation() == two.observation()).all()
        assert one.get_legal_actions() == two.get_legal_actions()
        action = rng.choice(one.get_legal_actions())
        one.apply_action(action)
        two.apply_action(action)
    assert two.is_terminal()
    assert one.returns() == two.returns()[::-1]


def test_swap_takes_the_stone_to_the_mirrored_cell() -> None:
    game = sized(5, True)
    assert "swap" not in legal_moves(game.initial_state())
    state = after(game, "b1")
    assert legal_moves(state)[-1] == "swap"
    assert state.observation()[2].min() == 1.0
    state.apply_action(state.move_to_action("SWAP"))
    assert state.to_text() == "...../o..../...../...../..... x"
    assert "swap" not in legal_moves(state)
    assert state.observation()[2].max() == 0.0
    assert "swap" not in legal_moves(after(game, "b1 c3"))
    assert "swap" not in legal_moves(after(sized(5), "b1"))


def test_a_swapped_stone_counts_for_its_new_side() -> None:
    assert after(sized(2, True), "a1 swap b2 b1").returns() == [-1.0, 1.0]
    assert after(sized(2, True), "b1 swap b2 a1 b1").returns() == [1.0, -1.0]


def test_sizes() -> None:
    assert GAME.options == {"size": 11, "swap": False}
    assert (GAME.num_actions, GAME.max_legal_actions, GAME.max_game_length) == (121, 121, 121)
    assert GAME.observation_bytes == 32
    swap = sized(11, True)
    assert (swap.num_actions, swap.max_legal_actions, swap.max_game_length) == (122, 121, 122)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"size": 1}, "size of hex must be an integer from 2 to 19, got 1"),
        ({"size": 20}, "got 20"),
        ({"size": "11"}, "got '11'"),
        ({"size": True}, "got True"),
        ({"swap": 1}, "swap of hex must be True or False, got 1"),
    ],
)
def test_bad_option_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError) as info:
        games.make("hex", **options)
    assert why in str(info.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("oo/xx o", "o is to move and has won already"),
        ("xo/x. x", "x is to move and has won already"),
        ("oo/o.", "the side to move must be told where x has 0 stones and o 3"),
        ("x./.. z", "the side to move must be x or o, got 'z'"),
        ("x./...", "2 rows of 2 cells"),
        ("x./.#", "one of . x o, got '#'"),
        ("a1 a1", "move 2: 'a1' is not a legal move"),
        ("a1 c1", "move 2: 'c1' is not a legal move"),
        ("a1 swap", "move 2: 'swap' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        sized(2).state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


def test_illegal_action_changes_nothing() -> None:
    state = after(sized(2, True), "a1")
    before = state.to_text(), state.position_hash()
    for action in (0, -1, 5, 10**12):
        with pytest.raises(IllegalActionError, match="legal: a2 b1 b2 swap"):
            state.apply_action(action)
    assert before == (state.to_text(), state.position_hash())


def test_str_leans_to_the_right() -> None:
    assert str(after(sized(3), "b1 c3")).splitlines() == [
        "   a b c",
        " 1 . x .",
        "  2 . . .",
        "   3 . . o",
        "x to move",
    ]


def test_a_copy_forgets_what_it_was() -> None:
    played, fresh = after(sized(7), "a1 b1 c3 d4 a2 g7"), sized(7).initial_state()
    twins.copy_from(played, fresh)
    assert played.to_text() == fresh.to_text()
    assert played.position_hash() == fresh.position_hash()


@given(
    st.sampled_from([2, 3, 11]),
    st.booleans(),
    st.one_of(
        st.text(max_size=30),
        st.text("xo./ ", max_size=14),
        st.lists(st.sampled_from(["a1", "b1", "a2", "b2", "c3", "swap", "x9"])).map(" ".join),
    ),
)
@example(2, True, "x./.. o")
@example(3, False, "a1\x00")
def test_any_text_is_a_position_or_a_game_error(size: int, swap: bool, text: str) -> None:
    game = sized(size, swap)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    assert game.state_from_text(state.to_text()).position_hash() == state.position_hash()


@given(st.text(max_size=8))
def test_any_move_is_legal_or_an_illegal_action_error(text: str) -> None:
    state = after(sized(3, True), "b2")
    try:
        action = state.move_to_action(text)
    except IllegalActionError:
        return
    assert action in state.get_legal_actions()
