"""The solver's distances: true promises, kept by the moves that follow, and recorded."""

import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from playing import serial_records

import games
from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.player import PlayerSpec
from engine.search import Search
from games import Game, GameState

TICTACTOE = games.make("tictactoe")
SMALL = games.make("connect4", rows=4, columns=4)
SOLVING = SearchConfig(num_simulations=1500, solver=True, c_init=2.0)


def after(state: GameState, action: int) -> GameState:
    clone = state.clone()
    clone.apply_action(action)
    return clone


@cache
def exact(game: Game, text: str) -> tuple[int, int]:
    """(result, plies to the end) by exhaustion, for the player to move: the winner hurries, the
    loser holds out, and a draw takes its longest way."""
    state = game.state_from_text(text)
    if state.is_terminal():
        return int(state.returns()[state.get_current_player()]), 0
    children = [exact(game, after(state, a).to_text()) for a in state.get_legal_actions()]
    result = max(-child for child, _ in children)
    plies = [1 + distance for child, distance in children if -child == result]
    return result, min(plies) if result == 1 else max(plies)


def positions(game: Game, num: int, seed: int) -> list[GameState]:
    rng, found = random.Random(seed), []
    while len(found) < num:
        state = game.initial_state()
        for _ in range(rng.randint(2, game.max_game_length - 3)):
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


def plain_distance(tree: list[dict[str, Any]], node: int) -> int:
    """Of a proven node, from what the dump says of the nodes below it."""
    if not tree[node]["edges"]:
        return 0
    won, found = tree[node]["value"] == 1.0, []
    for edge in tree[node]["edges"]:
        child = tree[edge["child"]] if edge["child"] >= 0 else None
        if child is not None and child["status"] == 2:
            same = child["player"] == tree[node]["player"]
            if (child["value"] if same else -child["value"]) == tree[node]["value"]:
                found.append(1 + plain_distance(tree, edge["child"]))
    return min(found) if won else max(found)


@pytest.mark.parametrize("game", [TICTACTOE, SMALL], ids=["tictactoe", "connect4 4x4"])
def test_distances_are_promises_beside_exhaustion_and_exact_for_draws(game: Game) -> None:
    num, num_exact = 0, 0
    for state in positions(game, 60, seed=1):
        for candidate in solved(state).candidates():
            if candidate["proven"] is None:
                assert candidate["distance"] is None
                continue
            result, distance = exact(game, after(state, candidate["action"]).to_text())
            assert candidate["proven"] == -result
            if result == 0:
                assert candidate["distance"] == 1 + distance
            assert candidate["distance"] >= 1 + distance
            num, num_exact = num + 1, num_exact + (candidate["distance"] == 1 + distance)
    assert num > 50 and num_exact > 0.8 * num


@pytest.mark.parametrize("leaves", [1, 4])
def test_distances_follow_from_those_of_the_children(leaves: int) -> None:
    config = SearchConfig(num_simulations=400, solver=True, leaves_in_flight=leaves)
    num = 0
    for state in positions(SMALL, 80, seed=2):
        search = solved(state, config)
        tree = search.dump()
        children = {edge["action"]: edge["child"] for edge in tree[0]["edges"]}
        for candidate in search.candidates():
            if candidate["proven"] is not None:
                num += 1
                child = children[candidate["action"]]
                assert candidate["distance"] == 1 + plain_distance(tree, child)
    assert num > 60


def test_a_proven_win_is_over_within_its_distance_whatever_the_reply() -> None:
    rng, num = random.Random(3), 0
    for state in positions(SMALL, 120, seed=3):
        search = solved(state)
        best = search.candidates()[0]
        if best["proven"] != 1 or best["distance"] < 3:
            continue
        num += 1
        state, left = state.clone(), best["distance"]
        while not state.is_terminal():
            assert left > 0
            action = search.candidates()[0]["action"]
            if left % 2 == 0:
                action = rng.choice(state.get_legal_actions())
            state.apply_action(action)
            left -= 1
            if not state.is_terminal():
                search.play(action)
        assert state.returns()[state.get_current_player()] == -1.0
    assert num > 5


def test_who_loses_holds_out_and_learns_it() -> None:
    player = PlayerSpec(kind="uniform", search=replace(SOLVING, dirichlet_fraction=0.0))
    num = 0
    for state, line in lost_positions(40):
        candidates = solved(state).candidates()
        if any(c["proven"] is None for c in candidates):
            continue
        longest = {c["action"] for c in candidates if c["distance"] == candidates[0]["distance"]}
        assert candidates[0]["distance"] == max(c["distance"] for c in candidates)
        (record,) = serial_records(
            SMALL, [player], 1, openings=[line], plies_per_game=1, games_per_worker=1
        ).values()
        num += len(longest) < len(candidates)
        assert record.results.tolist() == [2] * len(line) + [-1]
        assert record.distances.tolist() == [0] * len(line) + [candidates[0]["distance"]]
        assert record.actions[-1] in longest == set(record.policy_actions.tolist())
    assert num > 3


def lost_positions(num: int) -> list[tuple[GameState, list[int]]]:
    """Positions of the small board that are lost for the player to move, and their moves."""
    rng, found = random.Random(4), []
    while len(found) < num:
        state, line = SMALL.initial_state(), []
        for _ in range(rng.randint(5, 11)):
            if not state.is_terminal():
                line.append(rng.choice(state.get_legal_actions()))
                state.apply_action(line[-1])
        if not state.is_terminal() and exact(SMALL, state.to_text())[0] == -1:
            found.append((state, line))
    return found


def test_the_principal_variation_follows_a_proof_to_its_end() -> None:
    num = 0
    for state in positions(SMALL, 60, seed=5):
        search = solved(state)
        best = search.candidates()[0]
        if best["proven"] != 1:
            continue
        num += 1
        line = search.principal_variation()
        assert len(line) == best["distance"]
        for action in line:
            state.apply_action(action)
        assert state.is_terminal()
    assert num > 10


def test_records_hold_distances_where_results_are_proven() -> None:
    player = PlayerSpec(kind="uniform", search=SearchConfig(num_simulations=100, solver=True))
    records = serial_records(SMALL, [player], 20).values()
    for record in records:
        assert ((record.distances > 0) == (record.results != 2)).all()
        won = np.flatnonzero(record.results == 1)
        assert (record.distances[won] >= 1).all()
        # The shortest win is played: its promise is kept.
        assert (record.num_plies - won <= record.distances[won]).all()
    assert any((record.results == 1).any() for record in records)


def test_without_the_solver_there_are_no_distances() -> None:
    player = PlayerSpec(kind="uniform", search=SearchConfig(num_simulations=100))
    for record in serial_records(SMALL, [player], 5).values():
        assert not record.distances.any()
