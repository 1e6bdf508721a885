"""Simulations that grow over a run: one formula, followed by every worker."""

import math

import numpy as np
import pytest
from playing import UNIFORM, Table, network
from running import here, options

import games
from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.pool import Pool, PoolConfig
from engine.records import GameRecord
from trainer.config import BudgetConfig
from trainer.replay import ReplayStore

CONNECT4 = games.make("connect4")


def visits(record: GameRecord) -> list[int]:
    """Of each full search."""
    sums = np.add.reduceat(record.policy_weights, record.policy_offsets[:-1])
    return [int(n) for n in sums[record.full_search]]


@pytest.mark.parametrize(
    ("progress", "expected"), [(0, 10), (0.1, 20), (0.25, 35), (0.4, 50), (0.7, 50), (1, 50)]
)
def test_simulations_grow_in_proportion_and_then_stay(progress: float, expected: int) -> None:
    config = SearchConfig(num_simulations=50, initial_simulations=10, progressive_share=0.4)
    assert config.simulations_at(progress) == expected


def test_off_every_search_is_full_from_the_start() -> None:
    assert {SearchConfig(num_simulations=50).simulations_at(p) for p in (0.0, 0.3, 1.0)} == {50}


def test_workers_follow_the_progress_that_they_are_told() -> None:
    player = network(30, initial_simulations=6, progressive_share=0.5)
    table = Table(CONNECT4, [player], games=2, limit=0)
    assert table.segment.progress == 1.0  # where nobody says, nothing is held back
    for progress in (0.0, 0.25, 0.45, 1.0):
        table.segment.progress = progress
        table.segment.game_limit += 2
        table.records.clear()
        for record in table.play(2).values():
            expected = player.search.simulations_at(progress)
            assert set(visits(record)) == {expected}


def test_fast_searches_do_not_grow() -> None:
    player = network(30, initial_simulations=10, fast_simulations=4, full_fraction=0.5)
    table = Table(CONNECT4, [player], games=2, limit=4)
    table.segment.progress = 0.0
    for record in table.play(4).values():
        sums = np.add.reduceat(record.policy_weights, record.policy_offsets[:-1])
        assert (sums == np.where(record.full_search, 10, 4)).all()


def test_a_pool_hands_the_progress_on_clamped() -> None:
    player = network(20, initial_simulations=5)
    config = PoolConfig(serial=True, games_per_worker=4)
    with Pool(CONNECT4, [player], [UNIFORM], config, game_limit=4) as pool:
        pool.set_progress(-0.5)
        assert pool.segment.progress == 0.0
        for record in pool.games():
            assert set(visits(record)) == {5}
        pool.set_progress(3.0)
        assert pool.segment.progress == 1.0


@pytest.mark.parametrize("initial", [-1, 3, 60])
def test_the_start_lies_between_fast_and_full(initial: int) -> None:
    with pytest.raises(ConfigError, match="initial_simulations must be 0, or an integer from fast"):
        SearchConfig(num_simulations=50, fast_simulations=5, initial_simulations=initial)


def test_the_budget_is_spent_by_the_limit_that_is_nearest() -> None:
    budget = BudgetConfig(max_time="100s", max_games=40, max_generations=10)
    assert budget.spent(10, 0, 0) == pytest.approx(0.1)
    assert budget.spent(10, 20, 3) == pytest.approx(0.5)
    assert budget.spent(10, 20, 7) == pytest.approx(0.7)
    assert budget.spent(500, 20, 7) == 1.0
    endless = BudgetConfig(max_time="0")
    assert math.isinf(endless.max_time_s) and endless.spent(10, 20, 7) == 1.0


def test_a_run_searches_more_as_its_budget_is_spent(tmp_path) -> None:
    run = tmp_path / "run"
    code = here("train", "tictactoe", "--run", run, "--serial", "--quiet", *options(
        search__num_simulations=9, search__initial_simulations=3, search__progressive_share=1,
        search__reuse_tree="false", search__fast_simulations=0, search__solver="false",
        budget__max_time=0, budget__max_generations=3, network__channels=8,
    ))  # fmt: skip
    assert code == 0
    with ReplayStore(run / "run.db", games.make("tictactoe")) as store:
        least = dict.fromkeys(range(3), 9)
        for record in store.games():  # one may begin between the progress and its weights
            least[record.generation] = min(least[record.generation], *visits(record))
    assert least == {0: 3, 1: 5, 2: 7}
