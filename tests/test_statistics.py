"""trainer.statistics: the curves of searches and games, against sums in plain Python."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories import random_record

import games
from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.search import Search
from trainer.statistics import Tally, grouped

GAME = games.make("connect4")


def records() -> list:
    made = [random_record(GAME, n, seed=5, fast=0.5) for n in range(6)]
    results = np.random.default_rng(1).integers(-1, 3, 50).astype(np.int8)
    return [replace(r, num_opening=2, results=results[: r.num_plies]) for r in made]


def test_means_are_those_of_a_plain_sum() -> None:
    tally, games_played = Tally(), records()
    entropies, surprises, shifts, proven, seen = [], [], [], [], []
    for record in games_played:
        tally.add(record)
        for ply in range(2, record.num_plies):
            seen.append(record.observations[ply].tobytes())
            proven.append(record.results[ply] != 2)
            shifts.append(abs(float(record.root_values[ply]) - float(record.prior_values[ply])))
            if record.full_search[ply]:
                surprises.append(float(record.surprises[ply]))
                a, b = record.policy_offsets[ply : ply + 2]
                weights = [float(w) for w in record.policy_weights[a:b]]
                shares = [w / sum(weights) for w in weights]
                entropies.append(-sum(p * math.log(p) for p in shares))
    found = tally.take()
    assert found == pytest.approx({
        "search/target_entropy": sum(entropies) / len(entropies),
        "search/surprise": sum(surprises) / len(surprises),
        "search/value_shift": sum(shifts) / len(shifts),
        "search/proven": sum(proven) / len(proven),
        "games/length": sum(r.num_plies for r in games_played) / 6,
        "games/first_player": sum((1 + r.returns[0]) / 2 for r in games_played) / 6,
        "games/distinct_positions": len(set(seen)) / len(seen),
    }, rel=1e-5)  # fmt: skip


def test_a_tally_begins_again_when_it_is_taken() -> None:
    tally = Tally()
    assert all(math.isnan(value) for value in tally.take().values())
    tally.add(records()[0])
    first = tally.take()
    tally.add(records()[0])
    assert tally.take() == first
    assert all(math.isnan(value) for value in tally.take().values())


def test_depth_counts_every_edge_that_a_simulation_has_passed() -> None:
    search = Search(GAME, SearchConfig(num_simulations=300, solver=True))
    search.set_state(GAME.initial_state())
    search.run(LocalUniform())
    passed = sum(edge["visits"] for node in search.dump() for edge in node["edges"])
    assert search.sum_depths == passed
    assert 1 < passed / search.num_simulations < 10


def test_rates_are_grouped_by_who_they_are_of() -> None:
    assert grouped({"depth": 3.0, "latency_us": 5.0, "games_per_s": 7.0}) == {
        "search/depth": 3.0, "inference/latency_us": 5.0, "selfplay/games_per_s": 7.0,
    }  # fmt: skip
