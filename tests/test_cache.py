"""The evaluation cache: what it answers is what was stored, or nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from playing import Opinionated, Table, assert_same_records, opinions, play

import games
from engine.batching import BatchPolicy
from engine.cache import Cache
from engine.config import SearchConfig
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig, segment_spec
from engine.records import GameRecord
from engine.segment import Segment, cache_entry_bytes
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
    # A bucket: four checks, then four answers of five words. Two answers in the same place.
    segment, cache = make_cache(entries=4)
    words = segment.array("cache", np.uint64, (24,))
    cache_store(cache, 1, *answer(1))
    (way,) = np.flatnonzero(words[:4])
    entry = np.array([way, *range(4 + 5 * way, 9 + 5 * way)])
    whole = words[entry]
    words[:] = 0
    cache_store(cache, 2, *answer(2))
    (way,) = np.flatnonzero(words[:4])
    other = words[[way, *range(4 + 5 * way, 9 + 5 * way)]]
    for cut in range(1, 6):
        words[entry] = np.concatenate([whole[:cut], other[cut:]])
        assert cache_find(cache, 1) is None
        assert cache_find(cache, 2) is None
    words[entry] = whole
    assert cache_find(cache, 1) is not None


def test_answers_of_other_weights_are_forgotten_first() -> None:
    _, cache = make_cache(entries=4)
    for position in range(4):
        cache_store(cache, position, *answer(position), generation=1)
    for position in range(4):
        assert cache_find(cache, position, generation=1) is not None
    for position in range(4):
        cache_store(cache, position, *answer(position), generation=2)
        for stored in range(position + 1):
            assert cache_find(cache, stored, generation=2) is not None
    assert all(cache_find(cache, position, generation=1) is None for position in range(4))


def test_an_answer_that_comes_twice_takes_one_entry() -> None:
    segment, cache = make_cache(entries=4)
    for _ in range(3):
        cache_store(cache, 1, *answer(1))
    assert np.count_nonzero(segment.array("cache", np.uint64, (4,))) == 1


def test_the_budget_is_used_up_to_a_bucket() -> None:
    for megabytes in (0.0, 1e-4, 0.5, 1.0, 3.0):
        config = PoolConfig(games_per_worker=1, cache_mb=megabytes)
        spec = segment_spec(GAME, [PlayerSpec()], 1, config)
        size = spec.cache_entries * cache_entry_bytes(GAME.num_actions)
        assert megabytes * 1e6 - 4 * cache_entry_bytes(GAME.num_actions) < size <= megabytes * 1e6
        Segment(spec)
    assert segment_spec(GAME, [PlayerSpec(kind="rollout")], 1, PoolConfig()).cache_entries == 0


def test_half_a_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="cache_entries must be a multiple of 4, got 6"):
        make_cache(entries=6)


def test_no_entries_means_no_cache() -> None:
    _, cache = make_cache(entries=0)
    cache_store(cache, 1, *answer(1))
    assert cache_find(cache, 1) is None


# -- in self-play ---------------------------------------------------------------------------


def played(
    *, cache_mb: float = 4.0, leaves: int = 1, workers: int = 1, games_per_worker: int = 8,
    canonical: bool = True, openings: Sequence[Sequence[int]] = (), num_games: int = 12,
) -> tuple[dict[int, GameRecord], Opinionated, Counter[str]]:  # fmt: skip
    """Games of an evaluator whose opinion of mirror images differs, and what it was asked."""
    player = PlayerSpec(search=SearchConfig(num_simulations=40, leaves_in_flight=leaves))
    evaluator, spec = opinions()
    config = PoolConfig(
        serial=True, workers=workers, games_per_worker=games_per_worker, cache_mb=cache_mb,
        canonical=canonical, batch=BatchPolicy(queue_delay_us=0),
    )  # fmt: skip
    with Pool(
        GAME, [player], [spec], config, seed=4, game_limit=num_games, openings=openings
    ) as pool:
        records = play(pool)
        counters: Counter[str] = Counter()
        for name, counts in pool.counters().items():
            if name.startswith("worker"):
                counters.update(counts)
    assert len(evaluator.asked) == counters["evaluations"]
    return records, evaluator, counters


def mirrored(packed: bytes) -> bytes:
    planes = GAME.unpack(np.frombuffer(packed, np.uint8))[0][:, :, ::-1].reshape(2, -1)
    bits = np.zeros((2, 64), np.uint8)
    bits[:, :42] = planes
    return np.packbits(bits, bitorder="little").tobytes()


def test_games_are_the_same_with_and_without_it_for_any_number_of_workers() -> None:
    expected, _, counters = played(cache_mb=0.0)
    assert counters["cache_lookups"] == counters["cache_hits"] == counters["shared"] == 0
    for options in ({}, {"workers": 3}, {"games_per_worker": 1}, {"cache_mb": 0.001}):
        found, _, counters = played(**options)
        assert_same_records(found, expected)
        assert counters["cache_hits"] > 0


def test_mirror_images_are_asked_about_as_one() -> None:
    _, evaluator, _ = played()
    asked = set(evaluator.asked)
    assert not any(mirrored(packed) in asked for packed in asked if mirrored(packed) != packed)
    _, evaluator, _ = played(canonical=False)
    asked = set(evaluator.asked)
    assert any(mirrored(packed) in asked for packed in asked if mirrored(packed) != packed)


@pytest.mark.parametrize("cache_mb", [0.0, 4.0])
def test_mirror_images_are_searched_as_mirror_images(cache_mb: float) -> None:
    search = SearchConfig(num_simulations=60, dirichlet_fraction=0.0)
    _, spec = opinions()
    config = PoolConfig(serial=True, games_per_worker=1, cache_mb=cache_mb)
    # A full column on the left, or on the right.
    with Pool(
        GAME, [PlayerSpec(search=search)], [spec], config, game_limit=2, plies_per_game=1,
        openings=[[0] * 6, [6] * 6],
    ) as pool:  # fmt: skip
        found = play(pool)
        hits = pool.counters()["worker-0"]["cache_hits"]
    visits = [
        dict(zip(r.policy_actions.tolist(), r.policy_weights.tolist(), strict=True))
        for r in (found[0], found[1])
    ]
    assert visits[1] == {6 - action: num for action, num in visits[0].items()}
    assert len(set(visits[0].values())) > 2
    assert found[0].root_values[-1] == found[1].root_values[-1]
    assert (hits > 50) == (cache_mb > 0)


@pytest.mark.parametrize("leaves", [1, 4])
def test_every_leaf_is_a_hit_or_shares_a_row_or_fills_one(leaves: int) -> None:
    _, _, counters = played(leaves=leaves)
    answered = counters["cache_hits"] + counters["shared"] + counters["evaluations"]
    assert answered == counters["cache_lookups"]
    assert counters["shared"] > 0


def test_identical_leaves_in_flight_fill_one_slot() -> None:
    # All games begin alike: the first turn of both halves is one question.
    table = Table(GAME, [PlayerSpec(search=SearchConfig(num_simulations=2))], games=9)
    assert [table.worker.step(group, False) for group in (0, 1)] == [5, 4]
    assert table.segment.counters(0)["evaluations"] == 1
    assert table.segment.counters(0)["shared"] == 8
    assert [table.worker.step(group, False) for group in (0, 1)] == [-1, -1]
    table.serve()
    assert [table.worker.step(group, False) for group in (0, 1)] == [5, 4]


def test_mirror_images_in_flight_fill_one_slot() -> None:
    player = PlayerSpec(search=SearchConfig(num_simulations=2))
    openings = [[0, 2], [6, 4], [0, 2], [6, 4]]
    table = Table(GAME, [player], games=4, openings=openings)
    assert [table.worker.step(group, False) for group in (0, 1)] == [2, 2]
    assert table.segment.counters(0)["evaluations"] == 1
