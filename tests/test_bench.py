"""The benchmarks run with tiny settings and promise these fields; no clock is judged here."""

import dataclasses
import json
import math
from typing import Any

import pytest

from engine import build_info
from engine.backends.rates import BackendProcess
from engine.errors import ConfigError
from trainer import bench

release_only = pytest.mark.skipif(build_info.DEBUG, reason="benchmarks refuse the debug build")


def figures_of(figures: Any) -> dict[str, Any]:
    """As `ringzero bench --json` writes them."""
    return dataclasses.asdict(figures)


def positive(figures: dict[str, Any], *names: str) -> None:
    json.dumps(figures)
    for name in names:
        assert math.isfinite(figures[name]) and figures[name] > 0, name


@release_only
def test_tree_gives_its_figures() -> None:
    figures = figures_of(bench.tree("tictactoe", simulations=20, seconds=0.05))
    positive(figures, "simulations_per_s", "start_position_simulations_per_s", "moves")
    positive(figures, "nodes", "bytes_per_node")
    assert figures["nodes"] <= 21


@release_only
def test_playouts_give_their_figures() -> None:
    figures = figures_of(bench.playouts("tictactoe", seconds=0.05))
    positive(figures, "playouts_per_s", "plies_per_s", "playouts")
    assert 5 <= figures["plies_per_playout"] <= 9


@release_only
def test_ring_gives_its_figures() -> None:
    figures = figures_of(bench.ring(seconds=0.05, observation_bytes=64))
    positive(figures, "round_trip_us", "round_trip_asleep_us", "rows_per_s")
    positive(figures, "bare_round_trip_us", "bare_round_trip_asleep_us")
    assert figures["best_round_trip_us"] <= figures["round_trip_us"]


@release_only
def test_net_gives_a_rate_for_each_back_end_and_batch() -> None:
    figures = figures_of(bench.net("tictactoe", "1x8", batches=(1, 4), streams=(2,), seconds=0.01))
    assert "torch cpu fp32 plain" in figures["rows_per_s"]
    assert any(name.endswith(" x2") for name in figures["rows_per_s"])
    for rates in figures["rows_per_s"].values():
        assert sorted(rates) == [1, 4]
        assert all(rate > 0 for rate in rates.values())
    json.dumps(figures)


@release_only
@pytest.mark.parametrize("evaluator", ["network", "uniform", "simulated:curve:20+1"])
def test_pipeline_gives_its_figures(evaluator: str) -> None:
    figures = figures_of(
        bench.pipeline(
            "tictactoe",
            "1x8",
            simulations=8,
            seconds=0.2,
            games_per_worker=8,
            max_batch=4,
            evaluator=evaluator,
            streams=2,
        )
    )
    positive(figures, "rows_per_s", "backend_rows_per_s", "efficiency", "mean_batch")
    positive(figures, "simulations_per_s", "positions_per_s", "queue_delay_us")
    positive(figures, "worker_rows_per_cpu_s")
    assert figures["games_per_s"] >= 0
    assert figures["mean_batch"] <= 4
    kind = evaluator.partition(":")[0]
    assert figures["backend"].startswith("torch" if kind == "network" else kind)
    assert "bound" in figures["verdict"] or "balanced" in figures["verdict"]
    for name in ("cached_simulations_per_s", "cached_positions_per_s", "cache_gain"):
        assert (figures[name] > 0) == (evaluator == "network")


@release_only
def test_tree_counts_the_searches_that_its_memory_ended() -> None:
    figures = figures_of(bench.tree("connect4", simulations=5000, seconds=0.05, memory_mb=0.4))
    positive(figures, "full_stops", "simulations_per_s", "start_position_simulations_per_s")
    assert 0.35 < figures["arena_mb"] <= 0.4


@release_only
def test_cache_gives_its_figures_and_no_wrong_answer() -> None:
    figures = figures_of(bench.cache("tictactoe", seconds=0.05, cache_mb=0.1))
    positive(figures, "hits_per_s", "misses_per_s", "stores_per_s", "contended_per_s")
    assert figures["wrong_answers"] == 0
    assert 0 <= figures["torn_share"] <= 1
    assert figures["entries"] * figures["bytes_per_entry"] == figures["megabytes"] * 1e6


@release_only
def test_plan_has_a_row_for_each_device_network_and_batch() -> None:
    figures = bench.plan(
        "tictactoe", devices=("h100", "rtx4090"), networks=("1x8",), batches=(64, 256),
        worker_rows_per_s=1e6,
    )  # fmt: skip
    assert [(row.device, row.batch) for row in figures.rows] == [
        ("h100", 64), ("h100", 256), ("rtx4090", 64), ("rtx4090", 256)
    ]  # fmt: skip
    for row in figures.rows:
        assert row.workers == pytest.approx(row.rows_per_s / 1e6)
        assert row.latency_us > row.batch_us > 0
    json.dumps(figures_of(figures))


@release_only
@pytest.mark.slow
def test_record_of_everything_names_the_machine_and_every_part() -> None:
    record = bench.measure_all("tictactoe", "1x8", seconds=0.1)
    assert set(record) == {"machine", *bench.PARTS}
    json.dumps(record)


def test_debug_build_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_info, "DEBUG", True)
    for measure in (
        bench.tree, bench.playouts, bench.ring, bench.net, bench.cache, bench.plan, bench.pipeline,
        bench.measure_all,
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="release build"):
            measure()


@release_only
@pytest.mark.parametrize(
    ("measure", "options"),
    [
        (bench.tree, {"simulations": 0}),
        (bench.playouts, {"seconds": 0}),
        (bench.ring, {"observation_bytes": 12}),
        (bench.net, {"batches": ()}),
        (bench.pipeline, {"seconds": 0}),
        (bench.pipeline, {"evaluator": "cuda"}),
        (bench.cache, {"seconds": 0}),
        (bench.plan, {"devices": ("abacus",)}),
    ],
)
def test_impossible_settings_are_named(measure: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        measure(**options)


def test_network_is_blocks_by_channels() -> None:
    assert (bench.network_config("5x64").blocks, bench.network_config("5x64").channels) == (5, 64)
    with pytest.raises(ConfigError, match="like 4x48"):
        bench.network_config("5,64")


class Broken:
    """Makes no evaluator."""

    def make_streams(self, game: Any, max_batch: int, streams: int) -> Any:
        raise SystemExit(3)


def test_back_end_that_dies_is_an_error_and_no_wait() -> None:
    from engine.errors import PoolError
    from games import make

    with (
        BackendProcess(make("tictactoe")) as backend,
        pytest.raises(PoolError, match="exit code 3"),
    ):
        backend.make(Broken(), 1, 4)


def test_machine_names_commit_and_flavour() -> None:
    where = bench.machine()
    assert where["cores"] >= 1
    assert where["flavour"] in ("debug", "release")
    assert 0.2 < where["ghz"] < 10
    json.dumps(where)
