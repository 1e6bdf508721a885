"""The solver: what it proves is true, and it steers, ends and teaches the search."""

import random
from functools import cache

import numpy as np
import pytest
from playing import serial_records

import games
from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.player import PlayerSpec
from engine.search import Search
from games import GameState

SOLVING = SearchConfig(num_simulations=300, solver=True, c_init=2.0)


@cache
def exact(board: str) -> int:
    """Result of a tic-tac-toe position with best play, for the player to move."""
    state = games.make("tictactoe").state_from_text(board)
    if state.is_terminal():
        return int(state.returns()[state.get_current_player()])
    return max(-exact(after(state, action).to_text()) for action in state.get_legal_actions())


def after(state: GameState, action: int) -> GameState:
    clone = state.clone()
    clone.apply_action(action)
    return clone


def random_positions(name: str, num: int, seed: int, least: int) -> list[GameState]:
    rng, found = random.Random(seed), []
    while len(found) < num:
        state = games.make(name).initial_state()
        for _ in range(rng.randint(least, least + 12)):
            if not state.is_terminal():
                state.apply_action(rng.choice(state.get_legal_actions()))
        if not state.is_terminal():
            found.append(state)
    return found


def solved(state: GameState, config: SearchConfig = SOLVING) -> Search:
    search = Search(state.game, config)
    search.set_state(state)
    search.run(LocalUniform())
    return search


@pytest.mark.parametrize("leaves", [1, 4])
def test_everything_proven_is_true(leaves: int) -> None:
    config = SearchConfig(num_simulations=300, solver=True, leaves_in_flight=leaves)
    num_proven = 0
    for state in random_positions("tictactoe", 150, seed=1, least=0):
        search = solved(state, config)
        for candidate in search.candidates():
            if candidate["proven"] is not None:
                num_proven += 1
                assert candidate["proven"] == -exact(after(state, candidate["action"]).to_text())
    assert num_proven > 200


def test_a_proven_root_ends_the_search_with_the_exact_value() -> None:
    state = games.make("connect4").state_from_text("112233")  # 4 wins at once
    search = solved(state)
    assert search.value == 1.0
    assert search.root_visits().sum() < 50
    assert search.candidates()[0]["action"] == 3
    assert search.candidates()[0]["proven"] == 1


def test_a_search_without_the_solver_proves_nothing() -> None:
    state = games.make("connect4").state_from_text("112233")
    search = solved(state, SearchConfig(num_simulations=300))
    assert all(candidate["proven"] is None for candidate in search.candidates())
    assert search.root_visits().sum() == 300


def test_moves_proven_lost_come_last() -> None:
    state = games.make("connect4").state_from_text("21314")  # o must stop x at 5
    candidates = solved(state).candidates()
    assert candidates[0]["action"] == 4
    assert [c["proven"] for c in candidates[1:]] == [-1] * 6


def test_a_kept_proof_needs_no_new_simulation() -> None:
    state = games.make("connect4").state_from_text("21314")
    search = solved(state)
    search.play(6)  # lost: x wins at 5
    assert search.value == 1.0
    visits = search.root_visits()
    search.run(LocalUniform())
    assert search.root_visits().tolist() == visits.tolist()
    assert search.candidates()[0]["action"] == 4


def test_self_play_draws_only_proven_wins_and_records_only_those() -> None:
    config = SearchConfig(num_simulations=200, solver=True, temperature=1.0, dirichlet_fraction=0.0)
    game = games.make("connect4")
    opening = [game.initial_state().move_to_action(move) for move in "112233"]
    records = serial_records(
        game, [PlayerSpec(kind="uniform", search=config)], num_games=20,
        openings=[opening], plies_per_game=1,
    )  # fmt: skip
    for record in records.values():
        assert record.actions[-1] == 3
        assert record.root_values[-1] == 1.0
        start, end = record.policy_offsets[-2:]
        assert record.policy_actions[start:end].tolist() == [3]
        assert np.all(record.policy_weights[start:end] > 0)
        assert record.results.tolist() == [2] * 6 + [1]
