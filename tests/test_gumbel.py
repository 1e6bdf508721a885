"""The Gumbel root: against its reference, its schedule, its draws, and what it promises."""

import math
import random
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from playing import Opinionated, assert_legal, network, serial_records
from reference_gumbel import GumbelReference
from reference_search import HashEvaluator, hash_evaluation

import games
from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.player import PlayerSpec
from engine.search import Search
from engine.testing import draw
from games import Game, GameState
from trainer.arena.players import match_search

NOISE = 2  # PURPOSE_NOISE of engine/rng.pxd
POSITIONS = {
    "connect4": [[], [3, 3, 3, 3, 3, 2], [2, 4, 3, 3, 1, 0, 0, 0, 0, 6]],
    "tictactoe": [[], [4], [0, 1, 4, 8, 6]],
}
SIMULATIONS = [2, 8, 16, 50]


def gumbel(num_simulations: int, **switches: Any) -> SearchConfig:
    return SearchConfig(**{"num_simulations": num_simulations, "gumbel_actions": 16, **switches})


def noise_of(game: Game, seed: int) -> dict[int, float]:
    """g of every action, as the search draws it."""
    uniforms = draw("uniform", game.num_actions, seed=seed, purpose=NOISE)
    return {a: -math.log(-math.log(u)) for a, u in enumerate(uniforms)}


def position(name: str, actions: list[int]) -> GameState:
    state: GameState = games.make(name).initial_state()
    for action in actions:
        state.apply_action(action)
    return state


def searched(
    state: GameState, config: SearchConfig, seed: int | None = None, evaluator: Any = None
) -> Search:
    search = Search(state.game, config)
    search.set_state(state)
    search.run(evaluator or HashEvaluator(), seed=seed)
    return search


def assert_same(search: Search, reference: GumbelReference) -> None:
    """Root visits edge for edge, played action, and target."""
    assert reference.root is not None
    visits = search.root_visits()
    assert {a: int(visits[a]) for a in np.flatnonzero(visits)} == {
        a: n for a, n in reference.root.visits.items() if n
    }
    assert search.candidates()[0]["action"] == reference.played()
    improved = reference.improved(reference.root)
    expected = [improved.get(a, 0.0) for a in range(len(visits))]
    assert search.root_target() == pytest.approx(expected, abs=1e-5)
    values = reference.values(reference.root)
    value = sum(improved[a] * values[a] for a in improved)
    assert search.value == pytest.approx(value, abs=1e-5)


# -- the reference --------------------------------------------------------------------------


@pytest.mark.parametrize("interior", [False, True])
@pytest.mark.parametrize("num_simulations", SIMULATIONS)
@pytest.mark.parametrize("name", POSITIONS)
def test_same_visits_and_targets_as_the_reference(
    name: str, num_simulations: int, interior: bool
) -> None:
    for actions in POSITIONS[name]:
        for switches in ({}, {"gumbel_actions": 4, "gumbel_c_visit": 2.0, "gumbel_c_scale": 0.3}):
            state = position(name, actions)
            config = gumbel(num_simulations, gumbel_interior=interior, **switches)
            for seed in range(3):
                search = searched(state, config, seed)
                reference = GumbelReference(state, config, hash_evaluation)
                reference.search(num_simulations, noise_of(state.game, seed))
                assert_same(search, reference)


@pytest.mark.parametrize("count_kept", [True, False])
def test_kept_trees_are_searched_on_as_in_the_reference(count_kept: bool) -> None:
    state = position("connect4", [])
    config = gumbel(30, count_kept=count_kept)
    search = Search(state.game, config)
    reference = GumbelReference(state, config, hash_evaluation)
    for ply in range(12):
        target = 30 if count_kept else 30 + int(search.root_visits().sum())
        # `run` adds what was kept by itself, as `begin` does for a worker.
        search.run(HashEvaluator(), 30, seed=ply)
        assert search.root_visits().sum() == target
        reference.search(30, noise_of(state.game, ply))
        assert_same(search, reference)
        action = reference.played()
        search.play(action)
        reference.advance(action)


# -- sequential halving ---------------------------------------------------------------------


def schedule(most: int, num_simulations: int) -> list[int]:
    """Visits of the considered moves, most first: the phases' sizes are all that matters."""
    visits = [0] * most
    k, left, phases = most, num_simulations, max(1, math.ceil(math.log2(most)))
    while left:
        for _ in range(max(1, num_simulations // (phases * k))):
            for i in range(min(k, left)):
                visits[i] += 1
            left -= min(k, left)
        k = min(k, max(2, k // 2))
    return sorted((n for n in visits if n), reverse=True)


@pytest.mark.parametrize("leaves", [1, 4])
@pytest.mark.parametrize("most", [1, 2, 3, 7, 16])
def test_simulations_are_handed_out_by_sequential_halving(most: int, leaves: int) -> None:
    state = games.make("hex", size=5).initial_state()
    for num_simulations in [1, 2, 3, 16, 17, 40, 100]:
        config = gumbel(num_simulations, gumbel_actions=most, leaves_in_flight=leaves)
        visits = searched(state, config, 1, Opinionated()).root_visits()
        assert sorted(visits[visits > 0].tolist(), reverse=True) == schedule(most, num_simulations)


def test_a_full_arena_ends_the_search_with_a_move_and_a_target() -> None:
    game = games.make("connect4")
    search = Search(game, gumbel(200), 20)
    search.run(HashEvaluator(), seed=1)
    assert search.num_full_stops == 1
    assert search.root_target().sum() == pytest.approx(1.0)


# -- the draws ------------------------------------------------------------------------------


def test_the_considered_moves_are_drawn_from_the_policy_without_replacement() -> None:
    state = position("tictactoe", [4, 0, 8])
    prior = {a: float(p) for a, p in hash_evaluation(state)[0].items()}
    num, counts = 3000, dict.fromkeys(permutations(prior, 2), 0)
    for seed in range(num):
        # Two simulations visit the best two by g + log P; ranks come from the visiting order.
        search = searched(state, gumbel(2, gumbel_actions=2), seed)
        first, second = (edge["action"] for edge in search.dump()[0]["edges"][:2])
        counts[first, second] += 1
    expected = {(a, b): num * prior[a] * prior[b] / (1 - prior[a]) for a, b in counts}
    chi2 = sum((counts[pair] - e) ** 2 / e for pair, e in expected.items())
    freedom = len(counts) - 1
    assert chi2 < freedom + 3 * math.sqrt(2 * freedom)


def test_without_a_seed_the_likeliest_moves_are_considered() -> None:
    state = position("connect4", [3, 3])
    prior = hash_evaluation(state)[0]
    visits = searched(state, gumbel(3, gumbel_actions=3)).root_visits()
    assert set(np.flatnonzero(visits)) == set(sorted(prior, key=lambda a: -prior[a])[:3])


def test_a_noise_scale_of_zero_is_no_noise() -> None:
    state = position("connect4", [3, 3])
    calm = searched(state, gumbel(20))
    assert calm.dump() == searched(state, gumbel(20, gumbel_scale=0.0), seed=5).dump()
    assert calm.dump() != searched(state, gumbel(20), seed=5).dump()


def test_matches_play_without_gumbel_noise() -> None:
    assert match_search(50, gumbel(8)).gumbel_scale == 0.0


# -- what it promises -----------------------------------------------------------------------


def random_positions(name: str, num: int, seed: int) -> list[GameState]:
    rng, found = random.Random(seed), []
    while len(found) < num:
        state = games.make(name).initial_state()
        for _ in range(rng.randint(0, 7)):
            if not state.is_terminal():
                state.apply_action(rng.choice(state.get_legal_actions()))
        if not state.is_terminal():
            found.append(state)
    return found


def after(state: GameState, action: int) -> GameState:
    clone = state.clone()
    clone.apply_action(action)
    return clone


@cache
def exact(board: str) -> float:
    """Result of a tic-tac-toe position with best play, for the player to move."""
    state = games.make("tictactoe").state_from_text(board)
    if state.is_terminal():
        return float(state.returns()[state.get_current_player()])
    return max(-exact(after(state, action).to_text()) for action in state.get_legal_actions())


@pytest.mark.parametrize("num_simulations", SIMULATIONS)
def test_the_target_never_expects_less_than_the_prior(num_simulations: int) -> None:
    for seed, state in enumerate(random_positions("connect4", 40, seed=2)):
        search = searched(state, gumbel(num_simulations), seed)
        target = search.root_target()
        reference = GumbelReference(state, gumbel(num_simulations), hash_evaluation)
        reference.search(num_simulations, noise_of(state.game, seed))
        assert reference.root is not None
        q, prior = reference.values(reference.root), reference.root.prior
        assert sum(target[a] * q[a] for a in q) >= sum(prior[a] * q[a] for a in q) - 1e-6


@pytest.mark.parametrize("num_simulations", SIMULATIONS)
def test_targets_of_a_uniform_evaluator_play_better_than_chance(num_simulations: int) -> None:
    gains = []
    for seed, state in enumerate(random_positions("tictactoe", 300, seed=3)):
        search = searched(state, gumbel(num_simulations), seed, LocalUniform())
        values = {a: -exact(after(state, a).to_text()) for a in state.get_legal_actions()}
        target = search.root_target()
        gains.append(sum(target[a] * v for a, v in values.items()) - np.mean(list(values.values())))
    error = np.std(gains) / math.sqrt(len(gains))
    assert np.mean(gains) > 3 * error


# -- with the solver, in self-play ----------------------------------------------------------


def test_a_proven_root_ends_the_search_and_teaches_the_winning_move() -> None:
    state = games.make("connect4").state_from_text("112233")  # 4 wins at once
    search = searched(state, gumbel(100, solver=True), seed=1)
    assert search.root_visits().sum() < 50
    assert search.value == 1.0
    assert search.candidates()[0]["action"] == 3
    assert search.root_target().tolist() == [0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("leaves", [1, 4])
@pytest.mark.parametrize("most", [1, 2, 16])
def test_a_proven_loss_is_neither_played_nor_taught(most: int, leaves: int) -> None:
    state = games.make("connect4").state_from_text("21314")  # o must stop x at 5
    config = gumbel(400, gumbel_actions=most, solver=True, leaves_in_flight=leaves)
    num_lost = 0
    for seed in range(10):
        search = searched(state, config, seed)
        rows = search.candidates()
        lost = [r["action"] for r in rows if r["proven"] == -1]
        num_lost += len(lost)
        assert not any(search.root_target()[lost])
        assert rows[0]["proven"] != -1
        assert search.root_visits().sum() == 400
    assert num_lost > 0


def test_moves_that_were_not_considered_come_in_when_all_others_are_lost() -> None:
    state = games.make("connect4").state_from_text("21314")
    search = Search(state.game, gumbel(400, gumbel_actions=2, solver=True))
    search.set_state(state)
    search.run(LocalUniform())  # without noise: considers moves 1 and 2, which lose
    rows = {r["action"]: r for r in search.candidates()}
    assert rows[0]["proven"] == rows[1]["proven"] == -1
    assert search.candidates()[0]["action"] == 4


def test_self_play_records_all_legal_moves_and_no_other() -> None:
    game = games.make("connect4")
    player = network(16, gumbel_actions=16, fast_simulations=2, full_fraction=0.5, reuse_tree=True)
    for record in serial_records(game, [player], num_games=8).values():
        assert_legal(game, record)
        state = game.initial_state()
        for ply, action in enumerate(record.actions):
            start, end = record.policy_offsets[ply : ply + 2]
            assert sorted(record.policy_actions[start:end]) == state.get_legal_actions()
            assert record.policy_weights[start:end].sum() == pytest.approx(1.0, abs=1e-4)
            assert np.isfinite(record.surprises[ply])
            state.apply_action(int(action))


def test_the_draw_varies_the_moves_of_fast_searches_without_temperature() -> None:
    config = gumbel(
        4, gumbel_actions=2, fast_simulations=2, full_fraction=0.0, temperature=0.0,
        dirichlet_fraction=0.0,
    )  # fmt: skip
    records = serial_records(
        games.make("connect4"), [PlayerSpec(kind="uniform", search=config)], num_games=20
    )
    assert len({int(record.actions[0]) for record in records.values()}) > 3


def test_match_games_of_a_gumbel_root_do_not_vary() -> None:
    config = match_search(16, gumbel(16))
    records = serial_records(
        games.make("connect4"), [PlayerSpec(kind="uniform", search=config)], num_games=6
    )
    assert len({record.actions.tobytes() for record in records.values()}) == 1
