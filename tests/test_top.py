"""`ringzero top`: figures of a live run, read without the right to write."""

import json
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from running import here, options, ringzero, start, wait_for

import games
from engine.config import SearchConfig
from engine.errors import ConfigError, PoolError, StoreError
from engine.onlooker import Onlooker
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.server import EvaluatorSpec
from trainer.runs import RunFolder
from trainer.top import delay_quantile, look, render, watch_run


@pytest.fixture
def pool(tmp_path) -> Iterator[Pool]:
    """A pool in this process that others may look on at."""
    pool = Pool(
        games.make("tictactoe"),
        [PlayerSpec(search=SearchConfig(num_simulations=20))],
        [EvaluatorSpec(kind="uniform")],
        PoolConfig(games_per_worker=8, serial=True, publish=str(tmp_path / "pool.json")),
    )
    with pool:
        yield pool


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> Iterator[Path]:
    """A run that trains while the module's tests look on."""
    run = tmp_path_factory.mktemp("live") / "run"
    with start("train", "tictactoe", "--run", run, "--quiet", *options()) as process:
        try:
            wait_for((run / "pool.json").exists, 60, "the pool's file")
            yield run
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    assert not (run / "pool.json").exists()


# -- the segment from outside ---------------------------------------------------------------------


def test_an_onlooker_sees_the_pools_counters(pool, tmp_path) -> None:
    onlooker = Onlooker.open(tmp_path / "pool.json")
    pool.release(pool.finished(30.0))
    assert (onlooker.names, onlooker.pid) == (("worker-0", "inference-0"), os.getpid())
    for process in range(2):
        counters = onlooker.segment.counters(process)
        assert counters == pool.segment.counters(process)
        assert counters["evaluations"] > 0
        assert onlooker.segment.pid(process) == os.getpid()


def test_an_onlooker_cannot_write(pool, tmp_path) -> None:
    onlooker = Onlooker.open(tmp_path / "pool.json")
    assert onlooker.segment.fd != pool.segment.fd
    assert not onlooker.segment.array("control", "u1", (8,)).flags.writeable
    with pytest.raises(TypeError):
        onlooker.segment.map[0] = 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(onlooker.segment.fd, b"x", 0)


def test_every_batch_is_counted_in_one_bucket_of_its_delay(pool) -> None:
    pool.release(pool.finished(30.0))
    delays, counters = pool.segment.queue_delays(1), pool.segment.counters(1)
    assert len(delays) == 32 and sum(delays) == counters["batches"] > 0
    # Every delay of bucket b is at least 2 ** (b - 1) and below 2 ** b microseconds.
    least = sum(n * 2 ** (b - 1) for b, n in enumerate(delays) if b)
    most = sum(n * 2**b for b, n in enumerate(delays))
    assert least <= counters["queue_ns"] / 1000 <= most


def test_the_pools_file_goes_with_the_pool(pool, tmp_path) -> None:
    pool.stop()
    with pytest.raises(PoolError, match="does not exist"):
        Onlooker.open(tmp_path / "pool.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fd": 1_000_000}, "is gone"),
        ({"fd": 0}, "is gone|another version"),
        ({"spec": {}}, "another version"),
        ({"names": None}, "another version"),
    ],
)
def test_a_file_that_leads_nowhere_is_refused(pool, tmp_path, change, says) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PoolError, match=says):
        Onlooker.open(path)


def test_quantiles_lie_in_their_buckets() -> None:
    buckets = [0] * 32
    buckets[0], buckets[4], buckets[10] = 10, 80, 10  # below 1, 8 to 16, 512 to 1024 µs
    assert delay_quantile(buckets, 0.05) == pytest.approx(0.5)
    assert delay_quantile(buckets, 0.5) == pytest.approx(12.0)
    assert delay_quantile(buckets, 0.9) == pytest.approx(16.0)
    assert delay_quantile(buckets, 0.99) == pytest.approx(512 + 0.9 * 512)
    assert math.isnan(delay_quantile([0] * 32, 0.5))


# -- a live run -----------------------------------------------------------------------------------


def playing(run: Path) -> dict[str, Any]:
    """The first look at which games were made."""
    for report in look(RunFolder(run), 0.3):
        if report["state"] == "playing" and report["total"]["evaluations_per_s"] > 0:
            return report
    raise AssertionError("the run ended")


def test_a_live_runs_figures_are_plausible(live) -> None:
    report = playing(live)
    trainer, worker, server = report["processes"]
    assert [trainer["name"], worker["name"], server["name"]] == [
        "trainer", "worker-0", "inference-0",
    ]  # fmt: skip
    assert trainer["pid"] == RunFolder(live).trainer_pid()
    assert len({trainer["pid"], worker["pid"], server["pid"]}) == 3
    assert worker["simulations_per_s"] > 0 and server["batches_per_s"] > 0
    assert 0 <= worker["wait"] <= 1 and 0 <= server["wait"] <= 1
    assert server["mean_batch"] >= 1 and 0 < server["batch_fill"] <= 1
    delay = server["queue_delay_us"]
    assert 0 < delay["p50"] <= delay["p90"] <= delay["p99"]
    for row in report["processes"]:
        assert 0 < row["pss_bytes"] <= row["rss_bytes"]
    assert worker["heartbeat_s"] < 60 and worker["restarts"] == 0
    assert report["total"]["evaluations_per_s"] == server["evaluations_per_s"]


def test_once_json_prints_one_object(live) -> None:
    playing(live)
    done = ringzero("top", live, "--once", "--json", "--interval", "0.2")
    assert done.returncode == 0 and done.stderr == ""
    report = json.loads(done.stdout)
    assert report["run"] == str(live) and len(report["processes"]) == 3


def test_a_pipe_gets_plain_tables(live) -> None:
    done = ringzero("top", live, "--once", "--interval", "0.2")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    assert "queue delay" in done.stdout and "heartbeat" in done.stdout


def test_the_screen_fits_eighty_columns(live) -> None:
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(render(playing(live)))
    assert max(map(len, console.export_text().splitlines()[1:])) <= 80
    assert "…" not in console.export_text().partition("\n")[2]


def test_a_restarted_worker_is_counted(live) -> None:
    worker = playing(live)["processes"][1]
    os.kill(worker["pid"], signal.SIGKILL)
    for report in look(RunFolder(live), 0.2):
        now = report["processes"][1:2]
        if now and now[0]["restarts"] == 1 and now[0]["pid"] != worker["pid"]:
            break
    else:
        raise AssertionError("the run ended")


def test_ctrl_c_ends_it_cleanly_and_leaves_the_run_alone(live) -> None:
    with start("top", live, "--json", "--interval", "0.1") as process:
        assert json.loads(process.stdout.readline())["run"] == str(live)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert RunFolder(live).trainer_pid()


def test_it_ends_with_the_run(pool, tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.config_path.touch()
    with folder:  # this process trains, as far as anybody can see
        reports = look(folder, 0.01)
        assert [row["name"] for row in next(reports)["processes"]] == [
            "trainer", "worker-0", "inference-0",
        ]  # fmt: skip
        pool.stop()
        assert next(reports)["state"] == "no pool"
    assert list(reports) == []


# -- runs that are not live -----------------------------------------------------------------------


def test_a_finished_run_is_refused(tiny_run, capsys) -> None:
    assert here("top", tiny_run, "--once") == 3
    assert "is not being trained now; start it: ringzero train" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys) -> None:
    assert here("top", tmp_path) == 3
    assert "holds no run" in capsys.readouterr().err


def test_a_lock_that_names_a_process_without_it_is_stale(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.config_path.touch()
    (tmp_path / "run.lock").write_text(str(os.getpid()))
    with pytest.raises(StoreError, match="not being trained"):
        folder.trainer_pid()
    with folder:
        assert folder.trainer_pid() == os.getpid()


def test_an_interval_must_be_some_time(tiny_run) -> None:
    with pytest.raises(ConfigError, match="interval must be > 0"):
        watch_run(RunFolder(tiny_run), Console(), 0.0, once=True)
