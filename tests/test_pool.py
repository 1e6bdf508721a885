"""Pools of processes: the same games as in one process, whoever is killed meanwhile."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playing import UNIFORM, assert_legal, assert_same_records, network, play, serial_records

import games
from engine.config import SearchConfig
from engine.errors import ConfigError, PoolError
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from games import Game

ROOT = Path(__file__).resolve().parents[1]
CONNECT4 = games.make("connect4")
TICTACTOE = games.make("tictactoe")
NIM = str(ROOT / "docs" / "examples" / "nim.py")
DOUBLE_MOVE = str(ROOT / "tests" / "double_move.py")
TIMEOUT_S = 60.0


def wait_for(condition: Callable[[], bool], pool: Pool | None = None) -> None:
    """Until `condition` holds, a deadline at the latest; the pool goes on meanwhile."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "the deadline has passed"
        if pool is None:
            os.sched_yield()
        else:
            pool.watch()
            pool.segment.wait_finished(pool.segment.wait_finished(0, 0.0), 0.01)


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that only waits to be reaped has."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def evaluations(pool: Pool) -> int:
    return pool.counters()["inference-0"]["evaluations"]


def pool_of(
    game: Game = CONNECT4,
    players: list[PlayerSpec] | None = None,
    *,
    workers: int = 2,
    games_per_worker: int = 8,
    game_limit: int | None = 24,
    serial: bool = False,
    streams: int = 1,
    log_dir: Path | None = None,
    **options: Any,
) -> Pool:
    config = PoolConfig(
        workers=workers,
        games_per_worker=games_per_worker,
        serial=serial,
        streams=streams,
        log_dir=None if log_dir is None else str(log_dir),
    )
    players = [network()] if players is None else players
    return Pool(game, players, [UNIFORM], config, seed=1, game_limit=game_limit, **options)


# -- the same games everywhere --------------------------------------------------------------


@pytest.mark.parametrize(("workers", "streams"), [(1, 1), (2, 2)])
def test_processes_play_the_games_that_serial_mode_plays(workers: int, streams: int) -> None:
    with pool_of(workers=workers, streams=streams) as pool:
        found = play(pool)
        assert pool.segment.next_game == 24
        assert pool.num_restarts == 0
    for record in found.values():
        assert_legal(CONNECT4, record)
    assert_same_records(found, serial_records(CONNECT4, [network()], 24))


def test_serial_mode_with_several_workers_plays_the_same_games() -> None:
    with pool_of(workers=3, serial=True) as pool:
        assert pool.pids == {}
        found = play(pool)
    assert_same_records(found, serial_records(CONNECT4, [network()], 24))


def test_waiting_until_ready_loses_no_game() -> None:
    # By then the workers have begun: the count of games to come is not to be taken from theirs.
    with pool_of(game_limit=12) as pool:
        pool.wait_ready()
        assert pool.ready
        wait_for(lambda: pool.segment.next_game == 12, pool)
        assert sorted(play(pool)) == list(range(12))


@pytest.mark.parametrize("serial", [True, False])
def test_numbers_run_from_the_first_game_to_the_limit(serial: bool) -> None:
    with pool_of(TICTACTOE, serial=serial, first_game=100, game_limit=130) as pool:
        found = play(pool)
    assert sorted(found) == list(range(100, 130))
    everything = serial_records(TICTACTOE, [network()], 130)
    assert_same_records(found, {n: everything[n] for n in range(100, 130)})


def test_finished_games_wait_in_their_journals_until_they_are_released() -> None:
    with pool_of(TICTACTOE, serial=True, workers=1, games_per_worker=4, game_limit=200) as pool:
        held: list[Any] = []
        while found := pool.finished(0.5):
            held += found
        assert len(held) == pool.segment.spec.journals_per_worker
        assert pool.finished() == []
        pool.release(held)
        numbers = [game.record.number for game in held]
        numbers += [record.number for record in pool.games()]
        assert sorted(numbers) == list(range(200))


@pytest.mark.parametrize("serial", [True, False])
@pytest.mark.parametrize("path", [NIM, DOUBLE_MOVE])
def test_a_game_in_plain_python_is_played(path: str, serial: bool) -> None:
    game = games.make(path)
    with pool_of(game, serial=serial, workers=1, game_limit=10) as pool:
        found = play(pool)
    for record in found.values():
        assert_legal(game, record)
    assert_same_records(found, serial_records(game, [network()], 10))


# -- matches --------------------------------------------------------------------------------

ROLLOUT = PlayerSpec(
    kind="rollout",
    search=SearchConfig(num_simulations=100, temperature=0.0, dirichlet_fraction=0.0),
)
RANDOM = PlayerSpec(kind="random")


@pytest.mark.parametrize("serial", [True, False])
def test_rollouts_beat_random_from_both_seats(serial: bool) -> None:
    openings = [[a, b] for a in range(7) for b in range(7)]
    with pool_of(
        players=[ROLLOUT, RANDOM], serial=serial, game_limit=60, openings=openings
    ) as pool:
        found = play(pool)
    results = []
    for number, record in found.items():
        assert_legal(CONNECT4, record)
        assert record.actions[:2].tolist() == openings[number // 2]
        assert record.num_opening == 2
        searched = record.policy_offsets[1:] > record.policy_offsets[:-1]
        assert (searched[2:] == (record.players[2:] == number % 2)).all()
        results.append(record.returns[number % 2])
    assert results.count(1.0) >= 58


def test_a_match_of_two_models_asks_both() -> None:
    players = [network(20), PlayerSpec(search=network(10).search, model=1)]
    with Pool(
        TICTACTOE, players, [UNIFORM, UNIFORM], PoolConfig(games_per_worker=4), game_limit=6
    ) as pool:
        found = play(pool)
        counters = pool.counters()
    assert counters["inference-0"]["evaluations"] > counters["inference-1"]["evaluations"] > 0
    for number, record in found.items():
        for ply, player in enumerate(record.players):
            first, last = record.policy_offsets[ply], record.policy_offsets[ply + 1]
            expected = 20 if player == number % 2 else 10
            assert record.policy_weights[first:last].sum() == expected


def test_one_search_of_each_opening() -> None:
    openings = [[3], [0, 0], [], [6, 5, 4]]
    with pool_of(serial=True, openings=openings, plies_per_game=1, game_limit=4) as pool:
        found = play(pool)
    for number, record in found.items():
        assert record.actions[:-1].tolist() == openings[number]
        assert record.policy_weights.sum() == 30
        assert_legal(CONNECT4, record, finished=False)


def test_a_player_without_its_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="a player needs model 1, but there are 1 evaluators"):
        Pool(TICTACTOE, [PlayerSpec(model=1)], [UNIFORM])


# -- weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("serial", [True, False])
def test_new_weights_are_named_by_the_games_that_start_with_them(serial: bool) -> None:
    with pool_of(TICTACTOE, serial=serial, workers=1, game_limit=None) as pool:
        generations: dict[int, int] = {}
        deadline = time.monotonic() + TIMEOUT_S
        while 2 not in generations.values():
            assert time.monotonic() < deadline
            pool.watch()
            finished = pool.finished(0.1)
            for game in finished:
                generations[game.record.number] = game.record.generation
            pool.release(finished)
            newest = max(generations.values(), default=-1)
            if newest == pool.segment.wanted(0)[1] < 2:
                assert pool.segment.loaded(0) == newest
                pool.load(0, f"model-{newest + 1}", newest + 1)
    in_order = [generations[number] for number in sorted(generations)]
    assert in_order == sorted(in_order) and set(in_order) == {0, 1, 2}


def test_a_new_inference_process_goes_on_with_the_weights_in_use() -> None:
    with pool_of(TICTACTOE, workers=1, game_limit=None) as pool:
        pool.wait_ready()
        pool.load(0, "model-7", 7)
        wait_for(lambda: pool.segment.loaded(0) == 7, pool)
        before = pool.pids["inference-0"]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: pool.pids["inference-0"] != before, pool)
        pool.wait_ready()
        assert pool.segment.loaded(0) == 7
        assert pool.segment.wanted(0)[0].endswith("model-7")


def test_nothing_is_evaluated_in_a_pause() -> None:
    with pool_of(TICTACTOE, game_limit=None, games_per_worker=4) as pool:
        wait_for(lambda: evaluations(pool) > 0, pool)
        with pool.paused():
            # A batch that was under way may still end.
            settled, still = evaluations(pool), 0
            deadline = time.monotonic() + TIMEOUT_S
            while still < 3:
                assert time.monotonic() < deadline
                pool.release(pool.finished(0.1))
                now = evaluations(pool)
                still = still + 1 if now == settled else 0
                settled = now
        wait_for(lambda: evaluations(pool) > settled, pool)


# -- deaths ---------------------------------------------------------------------------------


def games_with_killings(pool: Pool, victims: list[str]) -> dict[int, Any]:
    """Play, and kill each victim in turn while games are being played."""
    left = list(victims)

    def records() -> Iterator[Any]:
        for count, record in enumerate(pool.games(TIMEOUT_S)):
            if left and count % 3 == 0:
                os.kill(pool.pids[left.pop(0)], signal.SIGKILL)
            yield record

    found = {record.number: record for record in records()}
    assert not left, "the games were over before everybody was killed"
    return found


@pytest.mark.chaos
@pytest.mark.parametrize(
    "victims",
    [["worker-0"], ["inference-0"], ["worker-1", "inference-0", "worker-0"]],
    ids=["worker", "inference", "all"],
)
def test_killed_processes_change_no_game(victims: list[str]) -> None:
    player = network(60)
    with pool_of(players=[player], game_limit=60, games_per_worker=5) as pool:
        found = games_with_killings(pool, victims)
        assert pool.num_restarts == len(victims)
    assert_same_records(found, serial_records(CONNECT4, [player], 60))


@pytest.mark.chaos
def test_killed_processes_lose_no_game_that_keeps_its_trees() -> None:
    # Here a game that was interrupted goes on from its last move with a new tree.
    player = network(60, reuse_tree=True)
    with pool_of(players=[player], game_limit=40, games_per_worker=5) as pool:
        found = games_with_killings(pool, ["worker-0", "worker-1"])
    assert sorted(found) == list(range(40))
    for record in found.values():
        assert_legal(CONNECT4, record)


def test_a_child_that_keeps_failing_ends_the_pool_and_its_log_is_named(tmp_path: Path) -> None:
    game = games.make(DOUBLE_MOVE, faulty=True)
    with (
        pool_of(game, workers=1, games_per_worker=1, log_dir=tmp_path) as pool,
        pytest.raises(PoolError, match="worker-0 failed 4 times") as caught,
    ):
        play(pool)
    assert str(tmp_path / "worker-0.log") in str(caught.value)
    assert "this game is broken on purpose" in str(caught.value)
    assert pool.num_restarts == 3


def test_stopping_leaves_no_child() -> None:
    with pool_of(game_limit=None) as pool:
        wait_for(lambda: evaluations(pool) > 0, pool)
        pids = list(pool.pids.values())
        assert len(pids) == 3 and not any(map(is_gone, pids))
        start = time.monotonic()
    assert time.monotonic() - start < 10
    assert all(map(is_gone, pids))
    assert pool.pids == {}


def test_an_error_in_the_block_leaves_no_child() -> None:
    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt), pool_of(game_limit=None) as pool:
        pids += pool.pids.values()
        raise KeyboardInterrupt
    assert len(pids) == 3 and all(map(is_gone, pids))


PARENT = """
import os, sys
import games
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.backends.spec import EvaluatorSpec

if __name__ == "__main__":
    with Pool(games.make("tictactoe"), [PlayerSpec()], [EvaluatorSpec(kind="uniform")],
              PoolConfig(workers=2, games_per_worker=4)) as pool:
        pool.wait_ready()
        while not pool.finished(1.0):
            pass
        print("playing", os.fstat(pool.segment.fd).st_ino, *pool.pids.values(), flush=True)
        while True:
            pool.release(pool.finished(1.0))
"""


def mappings(inode: int) -> list[str]:
    """Mappings of the segment with this inode in any process that can be looked at."""
    pattern = re.compile(rf" {inode}\s+/memfd:ringzero")
    found = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):  # it has just ended, or is not ours
            found += [line for line in maps.read_text().splitlines() if pattern.search(line)]
    return found


@pytest.mark.chaos
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_killed_parent_leaves_nothing_behind(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    shared_memory = set(os.listdir("/dev/shm"))
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        word, inode, *pids = parent.stdout.readline().split()
        assert word == "playing" and len(pids) == 3
        family = {child.pid for child in psutil.Process(parent.pid).children(recursive=True)}
        assert family >= set(map(int, pids))
        wait_for(lambda: len(mappings(int(inode))) >= 4)  # they map it as they start
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close() if parent.stdout else None
    wait_for(lambda: all(map(is_gone, family)))
    assert mappings(int(inode)) == []
    # torch's own tests may run beside this one.
    left = {n for n in set(os.listdir("/dev/shm")) - shared_memory if not n.startswith("torch_")}
    assert left == set()


# -- what a worker process holds ------------------------------------------------------------


def test_a_workers_process_holds_no_torch(tmp_path: Path) -> None:
    report = tmp_path / "modules.txt"
    game = games.make(DOUBLE_MOVE, report=str(report))
    with pool_of(game, players=[ROLLOUT], workers=1, game_limit=3) as pool:
        assert len(play(pool)) == 3
        pid = pool.pids["worker-0"]
    writer, *modules = report.read_text().split()
    assert int(writer) == pid
    assert "engine.worker" in modules and "numpy" in modules
    assert not {m for m in modules if m.split(".")[0] in ("torch", "trainer", "rich")}


def test_a_number_that_was_drawn_and_not_played_is_played_after_all() -> None:
    game = games.make("tictactoe")
    config = PoolConfig(serial=True, games_per_worker=4)
    player = PlayerSpec(kind="uniform", search=SearchConfig(num_simulations=4))
    with Pool(game, [player], (), config, game_limit=8) as pool:
        # As if a worker had died between drawing number 0 and starting its game.
        pool.segment.next_game = 1
        numbers = [record.number for record in pool.games(timeout_s=60)]
    assert sorted(numbers) == list(range(8))
