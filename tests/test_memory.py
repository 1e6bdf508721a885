"""A memory budget: the arenas take it and no more, and a search that meets it ends early."""

import json
import subprocess
import sys

import pytest
from playing import Table
from running import ENVIRONMENT, here

from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.local import LocalUniform
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.search import Search
from engine.worker import Worker
from games import make
from trainer.config import megabytes

GAME = make("connect4")
MB = 1_000_000


def test_search_larger_than_its_memory_ends_early_with_a_legal_move() -> None:
    search = Search(GAME, SearchConfig(num_simulations=1_000_000, memory_mb=16))
    search.run(LocalUniform())
    assert search.num_full_stops == 1
    assert 0 < search.root_visits().sum() < 1_000_000
    assert search.candidates()[0]["action"] in GAME.initial_state().get_legal_actions()
    # The tree's arena and the spare one share the budget.
    assert 15.9 * MB < 2 * search.num_bytes <= 16 * MB


def test_resident_memory_grows_by_the_budget() -> None:
    program = """
import psutil, sys
from engine.config import SearchConfig
from engine.local import LocalUniform
from engine.search import Search
from games import make
game, me = make("connect4"), psutil.Process()
Search(game, SearchConfig(num_simulations=10)).run(LocalUniform())
before = me.memory_info().rss
search = Search(game, SearchConfig(num_simulations=1_000_000, memory_mb=64))
search.run(LocalUniform())
for _ in range(4):
    search.play(search.candidates()[0]["action"])
    search.run(LocalUniform())
print(me.memory_info().rss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert 0.95 * 64 * MB < int(done.stdout) < 1.1 * 64 * MB


def test_whole_game_in_little_memory_keeps_its_subtrees() -> None:
    search = Search(GAME, SearchConfig(num_simulations=20_000, memory_mb=0.5))
    state = GAME.initial_state()
    while not state.is_terminal():
        search.run(LocalUniform())
        action = search.candidates()[0]["action"]
        assert action in state.get_legal_actions()
        search.play(action)
        state.apply_action(action)
    assert search.num_full_stops > 5


def test_budget_without_kept_subtrees_is_one_arena() -> None:
    search = Search(GAME, SearchConfig(memory_mb=2, reuse_tree=False))
    assert 1.98 * MB < search.num_bytes <= 2 * MB


def test_memory_too_small_for_a_search_is_an_error_that_says_how_much() -> None:
    with pytest.raises(ConfigError, match=r"at least \d+ bytes an arena for connect4, got 500"):
        Search(GAME, SearchConfig(memory_mb=0.001))


def test_budget_of_a_pool_is_shared_by_all_trees_of_all_workers() -> None:
    player = PlayerSpec(kind="uniform", search=SearchConfig(num_simulations=100_000))
    config = PoolConfig(serial=True, workers=2, games_per_worker=3, memory_mb=8)
    with Pool(GAME, [player], [], config, game_limit=4) as pool:
        # Each worker: three trees and the spare arena.
        assert [w.arena_bytes for w in pool._serial_workers] == [1 * MB, 1 * MB]
        games = list(pool.games())
        assert len(games) == 4
        assert sum(c["full_stops"] for c in pool.counters().values()) > 0


def test_players_of_a_match_share_the_budget() -> None:
    table = Table(GAME, [PlayerSpec(kind="uniform"), PlayerSpec(kind="random")], games=4)
    worker = Worker(table.segment, 0, GAME, table.players, 4, memory_mb=1)
    assert worker.arena_bytes == pytest.approx(MB / 5)


@pytest.mark.parametrize(
    ("text", "expected"), [("64M", 64), ("1.5G", 1500), ("800k", 0.8), ("64", 64), ("2gb", 2000)]
)
def test_memory_is_written_with_a_unit(text: str, expected: float) -> None:
    assert megabytes(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "M", "-1M", "1T", "64 MiB"])
def test_memory_of_no_size_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="must look like 64M"):
        megabytes(text)


def test_selfplay_takes_the_budget_and_reports_full_stops(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = here(
        "selfplay", "connect4", "--games", "2", "--memory", "60k", "--serial", "--json",
        "--search.num_simulations=20000",
    )  # fmt: skip
    assert code == 0
    assert json.loads(capsys.readouterr().out)["full_stops"] > 0
