"""The evaluation cache: what it answers is what was stored, or nothing."""

from dataclasses import replace

import numpy as np
import pytest
from playing import assert_same_records

import games
from engine.backends.spec import EvaluatorSpec
from engine.cache import Cache
from engine.config import SearchConfig
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig, segment_spec
from engine.segment import Segment
from engine.testing import cache_find, cache_store

GAME = games.make("connect4")


def make_cache(entries: int = 1024) -> tuple[Segment, Cache]:
    spec = segment_spec(GAME, [PlayerSpec()], 1, PoolConfig(games_per_worker=1))
    segment = Segment(replace(spec, cache_entries=entries))
    return segment, Cache(segment)


def answer(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=7).astype(np.float32), rng.normal(size=3).astype(np.float32)


def test_a_stored_answer_is_found_bit_for_bit() -> None:
    _, cache = make_cache()
    for position in range(100):
        cache_store(cache, position, *answer(position))
        found = cache_find(cache, position)
        assert found is not None
        np.testing.assert_array_equal(found[0], answer(position)[0])
        np.testing.assert_array_equal(found[1], answer(position)[1])


def test_other_positions_weights_and_models_are_not_found() -> None:
    _, cache = make_cache()
    cache_store(cache, 5, *answer(1), model=0, generation=3)
    assert cache_find(cache, 5, generation=3) is not None
    assert cache_find(cache, 6, generation=3) is None
    assert cache_find(cache, 5, generation=4) is None
    assert cache_find(cache, 5, model=1, generation=3) is None


def test_a_full_cache_forgets_and_never_mixes_answers_up() -> None:
    _, cache = make_cache(entries=16)
    for position in range(500):
        cache_store(cache, position, *answer(position))
    found = {p: cache_find(cache, p) for p in range(500)}
    kept = {p: f for p, f in found.items() if f is not None}
    assert 0 < len(kept) <= 16
    for position, (policy, _) in kept.items():
        np.testing.assert_array_equal(policy, answer(position)[0])


def test_an_entry_that_was_torn_reads_as_a_miss() -> None:
    segment, cache = make_cache(entries=1)
    words = segment.array("cache", np.uint64, (6,))
    cache_store(cache, 1, *answer(1))
    whole = words.copy()
    cache_store(cache, 2, *answer(2))
    other = words.copy()
    for cut in range(1, 6):
        words[:cut], words[cut:] = whole[:cut], other[cut:]
        assert cache_find(cache, 1) is None
        assert cache_find(cache, 2) is None
    words[:] = whole
    assert cache_find(cache, 1) is not None


def test_no_entries_means_no_cache() -> None:
    _, cache = make_cache(entries=0)
    cache_store(cache, 1, *answer(1))
    assert cache_find(cache, 1) is None


@pytest.mark.parametrize("leaves", [1, 4])
def test_games_are_the_same_with_and_without_it(leaves: int) -> None:
    player = PlayerSpec(search=SearchConfig(num_simulations=40, leaves_in_flight=leaves))
    records, hits = [], []
    for cache_mb in (0.0, 4.0):
        config = PoolConfig(serial=True, games_per_worker=8, cache_mb=cache_mb)
        evaluators = [EvaluatorSpec(kind="uniform")]
        with Pool(GAME, [player], evaluators, config, seed=4, game_limit=12) as pool:
            records.append({record.number: record for record in pool.games()})
            hits.append(pool.counters()["worker-0"]["cache_hits"])
    if leaves == 1:
        assert_same_records(records[1], records[0])
    assert hits[0] == 0 < hits[1]
