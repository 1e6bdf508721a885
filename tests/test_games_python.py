"""The documented example: a game in plain Python, through the same doors as the native ones."""

import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import games
from games import GameError, GameState, IllegalActionError, twins
from games.contract import check_game

NIM = str(Path(__file__).resolve().parents[1] / "docs" / "examples" / "nim.py")
GAME = games.make(NIM)


@pytest.mark.parametrize("options", [{}, {"heaps": 1, "size": 1}, {"heaps": 4, "size": 16}])
def test_contract(options: dict[str, int]) -> None:
    check_game(games.make(NIM, **options), num_games=20)


def test_who_is_to_move_wins_unless_the_heaps_xor_to_zero() -> None:
    # Bouton's theorem (1901), an answer from outside for each of the 4 * 5 * 6 positions.
    @cache
    def value(text: str) -> float:
        state = GAME.state_from_text(text)
        player = state.get_current_player()
        if state.is_terminal():
            return state.returns()[player]
        children = []
        for action in state.get_legal_actions():
            child = state.clone()
            child.apply_action(action)
            children.append(-value(child.to_text()))
        return max(children)

    for a in range(4):
        for b in range(5):
            for c in range(6):
                assert value(f"{a} {b} {c} x") == (1.0 if a ^ b ^ c else -1.0)


def test_perft_through_the_twins_agrees_with_plain_counting() -> None:
    def count(state: GameState, depth: int) -> int:
        if depth == 0:
            return 1
        total = 0
        for action in state.get_legal_actions():
            child = state.clone()
            child.apply_action(action)
            total += count(child, depth - 1)
        return total

    for depth in range(5):
        assert twins.perft(GAME, depth) == count(GAME.initial_state(), depth)


def test_copy_is_independent_and_complete() -> None:
    rng = random.Random(3)
    one, two = GAME.initial_state(), GAME.initial_state()
    one.apply_action(rng.choice(one.get_legal_actions()))
    twins.copy_from(two, one)
    assert two.to_text() == one.to_text()
    two.apply_action(two.get_legal_actions()[0])
    assert two.to_text() != one.to_text()


def test_clones_share_the_game_wherever_a_state_keeps_it() -> None:
    class Keeper(GameState):
        def __init__(self, game: games.Game) -> None:
            super().__init__(game)
            self.rules = game
            self.board = [0]

    state = Keeper(GAME)
    clone = state.clone()
    assert clone.game is clone.rules is GAME
    assert clone.board == state.board
    assert clone.board is not state.board


def test_observation_shows_the_heaps() -> None:
    assert GAME.initial_state().observation().dtype == np.float32
    assert GAME.initial_state().observation().sum(axis=2).tolist() == [[3, 4, 5]]


def test_moves() -> None:
    state = GAME.initial_state()
    state.apply_action(state.move_to_action(" B2 "))
    assert state.to_text() == "3 2 5 o"
    assert str(state) == "a |||\nb ||\nc |||||\no to move"
    with pytest.raises(IllegalActionError, match="'b3' is not a legal move of nim in '3 2 5 o'"):
        state.move_to_action("b3")


def test_an_error_inside_a_twin_reaches_the_caller() -> None:
    with pytest.raises(IllegalActionError, match="99 is not a legal action of nim"):
        twins.apply(GAME.initial_state(), 99)


@given(st.one_of(st.text(max_size=12), st.text("0123456789 xo", max_size=10)))
def test_any_text_is_a_position_or_a_game_error(text: str) -> None:
    try:
        state = GAME.state_from_text(text)
    except GameError:
        return
    assert state.to_text().split() == text.split()
