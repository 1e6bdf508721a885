"""The root of a training search, and progressive widening: edge for edge as the reference."""

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference_root
from playing import Opinionated, OpinionatedSpec, network, play
from reference_search import HashEvaluator, ReferenceSearch, hash_evaluation
from test_search import NOISE, assert_invariants, assert_same_tree, position

import games
from engine.config import SearchConfig
from engine.evaluator import Run
from engine.local import LocalRollout, LocalUniform
from engine.pool import Pool, PoolConfig
from engine.search import Search
from engine.testing import draw, policy_target

SHARPNESS = 3.0  # priors from 1e-4 to 0.9: below the 0.01 of shaped noise and above
POSITIONS = {
    "connect4": [[], [3, 3, 3, 3, 3, 2], [0, 6, 1, 5, 3]],
    "tictactoe": [[], [4], [0, 1]],
}
EVERYTHING = {
    "forced_playouts": 2.0,
    "dirichlet_shaped": True,
    "dirichlet_total": 6.0,
    "root_policy_temperature": 1.25,
    "widening_base": 1.5,
}


class Sharp(HashEvaluator):
    """A policy of strong opinions."""

    def evaluate(self, runs: Sequence[Run]) -> None:
        super().evaluate(runs)
        for run in runs:
            run.policy_logits[:] *= np.float32(SHARPNESS)


evaluation = partial(hash_evaluation, sharpness=SHARPNESS)


class Central(Opinionated):
    """Prefers the middle columns of Connect Four: a mirror image changes nothing."""

    def evaluate(self, runs: Sequence[Run]) -> None:
        for run in runs:
            run.policy_logits[:] = [0, 0.5, 1, 2, 1, 0.5, 0]
            run.wdl_logits[:] = 0


class Pair:
    """A search and its reference, and the noise that the reference must be told."""

    def __init__(self, name: str, actions: Sequence[int], **options: Any) -> None:
        state = position(games.make(name), actions)
        self.config = SearchConfig(**options)
        self.search = Search(state.game, self.config)
        self.search.set_state(state)
        self.reference = ReferenceSearch(state, self.config, evaluation)
        self.clean: dict[int, np.float32] = {}
        self.kept: dict[int, int] = {}

    def run(self, num_simulations: int, seed: int) -> None:
        """One training search of both."""
        root = self.reference.root
        self.clean = dict(root.prior) if root else evaluation(self.reference.state)[0]
        self.kept = dict(root.visits) if root else {}
        # The noise is drawn in the order of the edges, which a test has to know: the legal
        # actions', where the highest prior has changed places with the first.
        order = [edge["action"] for edge in self.search.dump()[0]["edges"]] if root else []
        if not order:
            order = list(self.clean)
            best = max(range(len(order)), key=lambda i: (self.clean[order[i]], -i))
            order[0], order[best] = order[best], order[0]
        prior = reference_root.tempered(self.clean, self.config.root_policy_temperature)
        alphas = reference_root.alphas(self.config, prior)
        uniforms = iter(draw("uniform", 2000, seed=seed, purpose=NOISE))
        gammas = {action: reference_root.gamma(uniforms, alphas[action]) for action in order}
        self.search.run(Sharp(), num_simulations, seed=seed)
        self.reference.run(num_simulations, [gammas[action] for action in self.clean])

    def advance(self, action: int) -> None:
        self.search.play(action)
        self.reference.advance(action)

    def target(self) -> dict[int, int]:
        root = self.reference.root
        assert root is not None
        return reference_root.policy_target(
            self.config, root.prior, root.visits, root.value_sum, self.kept
        )


def alternatives() -> list[dict[str, Any]]:
    """Every switch alone, and all together."""
    return [
        {"forced_playouts": 2.0},
        {"forced_playouts": 20.0, "dirichlet_fraction": 0.75},
        {"root_policy_temperature": 1.5},
        {"root_policy_temperature": 0.5},
        {"dirichlet_total": 10.83},
        {"dirichlet_shaped": True, "dirichlet_alpha": 0.8, "dirichlet_fraction": 0.5},
        {"widening_base": 1.0, "widening_exponent": 0.3},
        {"widening_base": 0.4, "widening_exponent": 0.6},
        EVERYTHING,
    ]


# -- the reference --------------------------------------------------------------------------


@pytest.mark.parametrize("options", alternatives(), ids=lambda o: "-".join(o))
@pytest.mark.parametrize("name", POSITIONS)
def test_same_visits_as_the_reference(name: str, options: dict[str, Any]) -> None:
    for seed, actions in enumerate(POSITIONS[name]):
        pair = Pair(name, actions, **options)
        pair.run(120, seed)
        assert_same_tree(pair.search, pair.reference)
        assert_invariants(pair.search, 120)


@pytest.mark.parametrize("leaves", [1, 4])
@pytest.mark.parametrize("name", POSITIONS)
def test_same_visits_and_targets_as_the_reference_through_a_game(name: str, leaves: int) -> None:
    pair = Pair(name, [], leaves_in_flight=leaves, **EVERYTHING)
    for ply in range(6):
        pair.run(80, ply)
        assert_same_tree(pair.search, pair.reference)
        assert policy_target(pair.search)[0] == pair.target()
        candidates = pair.search.candidates()
        pair.advance(candidates[min(ply % 3, len(candidates) - 1)]["action"])


@pytest.mark.parametrize("forced_playouts", [0.5, 2.0, 8.0])
def test_same_policy_target_as_the_reference(forced_playouts: float) -> None:
    taken = 0.0
    for seed, (name, kind) in enumerate(itertools.product(POSITIONS, range(3))):
        pair = Pair(
            name,
            POSITIONS[name][kind],
            forced_playouts=forced_playouts,
            dirichlet_fraction=0.5,
            dirichlet_alpha=0.5,
        )
        pair.run(150, seed)
        target, _ = policy_target(pair.search)
        assert target == pair.target()
        taken += 150 - sum(target.values())
    assert taken > 0


def test_surprise_is_against_the_prior_before_temperature_and_noise() -> None:
    pair = Pair("connect4", [3], **EVERYTHING)
    for ply in range(3):
        pair.run(100, ply)
        target, surprise = policy_target(pair.search)
        total = sum(target.values())
        expected = sum(
            n / total * math.log(n / total / float(pair.clean[a])) for a, n in target.items()
        )
        assert surprise == pytest.approx(max(0.0, expected), abs=1e-5)
        pair.advance(pair.search.candidates()[0]["action"])


# -- forced playouts ------------------------------------------------------------------------


def test_a_visited_move_that_lacks_forced_visits_comes_first() -> None:
    # So little noise that drawing it anew for every simulation changes nothing.
    config = SearchConfig(forced_playouts=16.0, dirichlet_fraction=1e-7)
    search = Search(games.make("connect4"), config)
    num_forced = 0
    for total in range(200):
        before = {c["action"]: c for c in search.candidates()}
        search.run(Sharp(), total + 1, seed=1)
        (visited,) = (
            c["action"] for c in search.candidates()
            if c["visits"] > (before[c["action"]]["visits"] if before else 0)
        )  # fmt: skip
        lagging = [
            a for a, c in before.items() if 0 < c["visits"] < math.sqrt(16 * c["prior"] * total)
        ]
        assert visited in lagging or not lagging
        num_forced += len(lagging) > 0
    assert num_forced > 20


def test_a_policy_target_gains_no_visit_and_keeps_the_most_visited_move_and_kept_visits() -> None:
    pair = Pair("connect4", [], forced_playouts=8.0, dirichlet_fraction=0.5, dirichlet_alpha=0.3)
    for ply in range(6):
        pair.run(100, ply)
        visits = pair.search.root_visits()
        target, _ = policy_target(pair.search)
        for action, n in target.items():
            assert max(2, pair.kept.get(action, 0)) <= n <= visits[action]
        best = pair.search.candidates()[0]
        assert target[best["action"]] == best["visits"]
        pair.advance(best["action"])


def test_a_search_without_noise_forces_and_prunes_nothing() -> None:
    game = games.make("connect4")
    options = {**EVERYTHING, "widening_base": 0.0}
    searches = [Search(game, SearchConfig()), Search(game, SearchConfig(**options))]
    for search in searches:
        search.run(Sharp(), 150)
    assert searches[0].dump() == searches[1].dump()
    visits = searches[1].root_visits()
    assert policy_target(searches[1])[0] == {a: visits[a] for a in np.flatnonzero(visits)}


def test_a_proven_loss_is_not_forced() -> None:
    # x has 0 and 1: unless o plays 2, x wins. A search that knows it leaves the others alone.
    game = games.make("tictactoe")
    search = Search(game, SearchConfig(solver=True, forced_playouts=1000.0, dirichlet_fraction=0.5))
    search.set_state(position(game, [0, 4, 1]))
    search.run(LocalUniform(), 300, seed=3)
    lost = [c for c in search.candidates() if c["proven"] == -1]
    assert lost and all(c["visits"] < 60 for c in lost)
    assert set(policy_target(search)[0]) == {2}


# -- the prior ------------------------------------------------------------------------------


def root_prior(search: Search) -> dict[int, float]:
    return {c["action"]: c["prior"] for c in search.candidates()}


def test_a_root_searched_again_gets_its_noise_and_temperature_once() -> None:
    game = games.make("connect4")
    config = SearchConfig(**EVERYTHING)
    once, twice = Search(game, config), Search(game, config)
    once.run(Sharp(), 1)
    twice.run(Sharp(), 1)
    clean = root_prior(once)
    once.run(Sharp(), 40, seed=5)
    for seed, num_simulations in ((9, 1), (5, 40)):
        twice.run(Sharp(), num_simulations, seed=seed)
    assert once.dump() == twice.dump()
    assert root_prior(once) != clean
    once.run(Sharp(), 60)
    assert root_prior(once) == clean


def test_the_prior_of_a_kept_subtree_is_the_evaluators() -> None:
    game = games.make("connect4")
    state, search = game.initial_state(), Search(game, SearchConfig(**EVERYTHING))
    for ply in range(4):
        search.run(Sharp(), 60, seed=ply)
        action = search.candidates()[0]["action"]
        search.play(action)
        state.apply_action(action)
        search.run(Sharp(), 1)
        expected, _ = evaluation(state)
        assert root_prior(search) == pytest.approx({a: float(p) for a, p in expected.items()})


def test_noise_by_total_concentration_is_that_of_alpha_times_moves() -> None:
    game = games.make("connect4")
    trees = []
    for options in ({"dirichlet_alpha": 1.5}, {"dirichlet_total": 10.5, "dirichlet_alpha": 9.0}):
        search = Search(game, SearchConfig(**options))
        search.run(Sharp(), 50, seed=4)
        trees.append(search.dump())
    assert trees[0] == trees[1]


def test_shaped_noise_prefers_what_the_prior_does_not_rule_out() -> None:
    game = games.make("connect4")
    noise = dict.fromkeys(range(7), 0.0)
    for seed in range(200):
        config = SearchConfig(dirichlet_shaped=True, dirichlet_fraction=1.0, dirichlet_alpha=2.0)
        search = Search(game, config)
        search.run(Sharp(), 1, seed=seed)
        for action, p in root_prior(search).items():
            noise[action] += p / 200
    prior, _ = evaluation(game.initial_state())
    alphas = reference_root.alphas(config, prior)
    assert min(alphas.values()) < max(alphas.values()) / 2
    for action, mean in noise.items():
        assert mean == pytest.approx(alphas[action] / 14, abs=0.03)


def test_the_roots_policy_temperature_falls_with_the_plies() -> None:
    # So little noise that it changes nothing but the search's kind.
    game = games.make("connect4")
    falling = {"root_policy_temperature": 3.0, "final_root_policy_temperature": 0.5}
    quiet = {"dirichlet_fraction": 1e-7, "reuse_tree": False}
    player = network(60, temperature_plies=2, **falling, **quiet)
    OpinionatedSpec.evaluator = Central()
    with Pool(game, [player], [OpinionatedSpec()], PoolConfig(serial=True), game_limit=1) as pool:
        record = play(pool)[0]
    state = game.initial_state()
    for ply in range(6):
        temperature = 0.5 + 2.5 * 0.5 ** (ply / 2)
        search = Search(game, SearchConfig(root_policy_temperature=temperature, **quiet))
        search.set_state(state)
        search.run(Central(), 60, seed=1)
        entries = slice(record.policy_offsets[ply], record.policy_offsets[ply + 1])
        # Mirror images may change places: the worker asks about either.
        assert sorted(record.policy_weights[entries]) == sorted(policy_target(search)[0].values())
        state.apply_action(int(record.actions[ply]))


# -- progressive widening -------------------------------------------------------------------


@pytest.mark.parametrize(("base", "exponent"), [(1.0, 0.5), (2.0, 0.3), (0.5, 0.0), (3.0, 1.0)])
def test_no_node_is_wider_than_its_visits_allow(base: float, exponent: float) -> None:
    game = games.make("hex")
    config = SearchConfig(widening_base=base, widening_exponent=exponent, fpu_reduction=0.0)
    search = Search(game, config)
    search.run(LocalRollout(game, 1), 600)
    widest = 0
    for node in search.dump():
        visits = [edge["visits"] for edge in node["edges"]]
        visited = sum(n > 0 for n in visits)
        if visited:
            # The last visit came when the node had one less.
            assert visited <= max(1, math.ceil(base * sum(visits) ** exponent))
            widest = max(widest, visited)
    assert (widest > 1) == (exponent > 0)


def test_a_proven_loss_makes_room_for_the_next_move() -> None:
    # Two moves at a time: 0 and 2 come first and lose, for o plays 5; so do 6 and 7.
    game = games.make("tictactoe")
    config = SearchConfig(solver=True, widening_base=2.0, widening_exponent=0.0)
    search = Search(game, config)
    search.set_state(position(game, [8, 3, 1, 4]))
    search.run(LocalUniform(), 400)
    assert {c["action"] for c in search.candidates() if c["proven"] == -1} == {0, 2, 6, 7}
    assert search.candidates()[0]["action"] == 5
