"""Ablations: how switches are written, what figures mean, and one that is killed and goes on."""

import json
import math
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from running import TINY, here, is_alive, log_lines, offspring, start, wait_for

from engine.errors import ConfigError
from trainer.ablation import Ablation
from trainer.ablation_figures import (
    TimeRatio,
    _rising,
    markdown,
    mean_ratio,
    pooled,
    table,
    time_ratio,
)
from trainer.ablation_training import AblationError, Side, halves, train_side_by_side
from trainer.arena.ratings import Z95
from trainer.config import LearnerConfig, RunConfig, preset_names, resolve
from trainer.switch import read_switches

# -- switches ---------------------------------------------------------------------------------


def test_commas_separate_switches_and_a_plus_joins_values() -> None:
    one, two = read_switches("search.solver=false, search.c_init=2+learner.value_mix=0")
    assert (one.name, dict(one.values)) == ("search.solver=false", {"search.solver": "false"})
    assert dict(two.values) == {"search.c_init": "2", "learner.value_mix": "0"}
    assert two.slug == "search.c_init=2+learner.value_mix=0"


def test_a_group_is_a_file_of_values(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[search]\nsolver = true\n[evaluation]\nbaselines = ["random", "mcts:9"]\n')
    (group,) = read_switches(str(path))
    assert group.name == "mine"
    config = resolve("tictactoe", [], group.values)
    assert config.search.solver and config.evaluation.baselines == ("random", "mcts:9")


@pytest.mark.parametrize("preset", preset_names())
def test_plain_switches_everything_off_that_a_preset_switches_on(preset) -> None:
    (plain,) = read_switches("plain")
    config = resolve(preset, [], plain.values)
    assert not config.search.solver and config.search.fast_simulations == 0
    assert config.learner.value_mix == 0 and config.selfplay.opening_plies == 0
    assert config.network.channels == resolve(preset).network.channels
    off = LearnerConfig()
    assert not config.learner.auxiliary and config.learner.relabel == off.relabel
    assert config.learner.merge_duplicates == off.merge_duplicates
    assert not config.search.end_when_proven and not config.search.gumbel_actions
    assert not config.search.endgame_nodes and not config.search.leaf_endgame_nodes
    assert not config.learner.value_td_lambda
    assert config.selfplay.start_share == config.selfplay.reanalyse_share == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needs different switches"),
        ("a.b=1,a.b=1", "needs different switches"),
        ("solver=false", "must look like section.key=value"),
        ("a.b=1+c", "must look like section.key=value"),
        ("nosuch", "a group: plain"),
        ("nosuch.toml", r"nosuch\.toml: cannot be read"),
    ],
)
def test_other_texts_are_no_switches(text, says) -> None:
    with pytest.raises(ConfigError, match=says):
        read_switches(text)


@pytest.mark.parametrize(
    ("switch", "settings", "says"),
    [
        ("search.solver=true", {}, "switch search.solver=true changes nothing"),
        ("search.slover=true", {}, "did you mean search.solver"),
        ("game.name=hex", {}, "must leave seed, game and budget"),
        ("budget.max_games=5", {}, "must leave seed, game and budget"),
        ("search.c_init=2", {"seeds": (1, 1)}, "seeds must be different integers >= 0"),
        ("search.c_init=2", {"games": 1}, "games must be >= 2, got 1"),
        ("search.c_init=2", {"budget": "0"}, "budget must be longer than 0"),
        ("search.c_init=2", {"positions": "no.jsonl"}, r"no\.jsonl cannot be read"),
    ],
)
def test_an_ablation_without_sense_is_refused(switch, settings, says, tmp_path) -> None:
    settings = {"budget": "9s", "runs": tmp_path, **settings}
    with pytest.raises(ConfigError, match=says):
        Ablation("tictactoe", read_switches(switch), **settings)
    assert not list(tmp_path.iterdir())


def test_each_switch_has_a_twin_without_it_and_nothing_else_differs(tmp_path) -> None:
    work = Ablation(
        "tictactoe", read_switches("search.c_init=2,search.solver=false"), "1m", (3, 4),
        runs=tmp_path,
    )  # fmt: skip
    trained = [part.key for part in work.parts() if part.key.startswith("train")]
    assert trained == [
        "train search.c_init=2, seed 3", "train search.solver=false, seed 3",
        "train search.c_init=2, seed 4", "train search.solver=false, seed 4",
    ]  # fmt: skip
    switch = work.switches[0]
    base, other = (work.command(switch, side, 3) for side in ("without", "with"))
    assert base[:2] == ["train", "tictactoe"] and base[-2:] == ["--max-time", "1m"]
    assert set(other) - set(base) == {
        str(work.run_folder(switch, "with", 3)), "--search.c_init=2"
    }  # fmt: skip


def test_the_cores_are_halved() -> None:
    one, other = halves()
    cores = os.sched_getaffinity(0)
    assert len(one) == len(other) == len(cores) // 2
    assert not one & other and one | other <= cores


def test_both_sides_run_at_once_each_on_its_own_cores(tmp_path) -> None:
    # Each waits for the other: one after the other they would never end.
    program = """
import json, os, pathlib, sys, time
mine, other = map(pathlib.Path, sys.argv[1:3])
mine.touch()
deadline = time.monotonic() + 60
while not other.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
print(json.dumps({"met": other.exists(), "cores": sorted(os.sched_getaffinity(0))}))
"""
    cores = sorted(os.sched_getaffinity(0))
    shares = [frozenset(cores[:1]), frozenset(cores[-1:])]
    files = [tmp_path / "a", tmp_path / "b"]
    sides = [
        Side([str(mine), str(other)], tmp_path / f"{mine.name}.log", share)
        for mine, other, share in zip(files, files[::-1], shares, strict=True)
    ]
    found = train_side_by_side(sides, lambda seconds: None, lambda: 0, program=program)
    assert found == [{"met": True, "cores": sorted(share)} for share in shares]


def test_when_one_side_fails_the_other_is_stopped(tmp_path) -> None:
    program = """
import signal, sys
if sys.argv[1] == "bad":
    sys.exit("no such thing")
signal.pause()
"""
    sides = [Side([word], tmp_path / f"{word}.log", frozenset()) for word in ("good", "bad")]
    with pytest.raises(AblationError, match=r"ringzero bad failed with exit code 1: no such"):
        train_side_by_side(sides, lambda seconds: None, lambda: 0, program=program)


# -- figures ----------------------------------------------------------------------------------


def estimate(elo: float, sd: float) -> tuple[float, float, float]:
    return elo, elo - Z95 * sd, elo + Z95 * sd


def test_the_table_leaves_out_what_was_not_measured() -> None:
    switch = {"switch": "a=1+b=2", "elo": 5.0, "lo": 1.0, "hi": 9.0, "seeds": [{"elo": 5.0}],
              "mistakes": {"without": 0.2, "with": 0.1}, "time_ratio": {}}  # fmt: skip
    report = {"preset": "hex7", "budget": "4m", "seeds": [1], "games": 2, "simulations": 9,
              "switches": [switch]}  # fmt: skip
    headers = [column.header for column in table(report).columns]
    assert headers[-2:] == ["mistakes without", "mistakes with"] and len(headers) == 5
    switch["mistakes"] = None
    assert [column.header for column in table(report).columns] == headers[:3]


def test_one_seed_is_its_own_pool() -> None:
    assert pooled([estimate(30, 10)]) == pytest.approx(estimate(30, 10))


def test_seeds_that_agree_narrow_the_interval() -> None:
    # Weighted by 1 / variance: (20 / 100 + 26 / 400) / (1 / 100 + 1 / 400) = 21.2.
    found = pooled([estimate(20, 10), estimate(26, 20)])
    assert found == pytest.approx(estimate(21.2, math.sqrt(80)))


def test_seeds_that_disagree_widen_it() -> None:
    # Equal variances v = 100: between = ((100**2 / 2) / v - 1) * v = s**2 - v, the sample's s**2.
    found = pooled([estimate(-50, 10), estimate(50, 10)])
    assert found == pytest.approx(estimate(0, math.sqrt(5000 / 2)))


def test_pooled_interval_covers_the_mean_of_all_seeds() -> None:
    rng, covered = random.Random(3), 0
    for _ in range(1000):
        seeds = [rng.gauss(40, 25) for _ in range(8)]
        found = pooled([estimate(rng.gauss(seed, 15), 15) for seed in seeds])
        covered += found.lo <= 40 <= found.hi
    assert 0.9 <= covered / 1000 <= 0.97


def test_time_ratio_is_read_between_measurements() -> None:
    slow = [(5.0, 0.0), (10.0, 100.0), (20.0, 200.0)]
    fast = [(5.0, 100.0), (10.0, 300.0), (20.0, 400.0)]
    # Both reach 200: one after 20 minutes, the other after 7.5.
    assert time_ratio(slow, fast) == TimeRatio(pytest.approx(20 / 7.5), "")
    assert time_ratio(fast, slow) == TimeRatio(pytest.approx(7.5 / 20), "")
    assert time_ratio(slow, slow) == TimeRatio(1.0, "")


def test_what_was_reached_before_the_first_measurement_bounds_the_ratio() -> None:
    slow, fast = [(5.0, 0.0), (20.0, 100.0)], [(5.0, 300.0), (20.0, 310.0)]
    assert str(time_ratio(slow, fast)) == ">4.00"
    assert str(time_ratio(fast, slow)) == "<0.25"
    perfect = [(5.0, 1.0), (10.0, 1.0)]
    assert time_ratio(perfect, perfect) is None and time_ratio(slow, fast[:1]) is None


def test_rising_curve_is_the_closest_one() -> None:
    curve = [(1.0, 3.0), (2.0, 1.0), (3.0, 2.0), (4.0, 5.0), (5.0, 4.0)]
    assert [value for _, value in _rising(curve)] == [2.0, 2.0, 2.0, 4.5, 4.5]
    rng = random.Random(1)
    values = [rng.random() for _ in range(12)]
    found = [v for _, v in _rising(list(enumerate(values)))]
    # The min-max formula of isotonic regression.
    slow = [
        max(
            min(math.fsum(values[a : b + 1]) / (b + 1 - a) for b in range(i, 12))
            for a in range(i + 1)
        )
        for i in range(12)
    ]
    assert found == pytest.approx(slow)


def test_ratios_of_seeds_have_a_geometric_mean_and_keep_their_bounds() -> None:
    assert mean_ratio([TimeRatio(2.0, ""), TimeRatio(0.5, "")]) == TimeRatio(1.0, "")
    assert mean_ratio([TimeRatio(2.0, ">"), TimeRatio(8.0, "")]).bound == ">"
    assert mean_ratio([TimeRatio(2.0, ">"), TimeRatio(8.0, "<")]).bound == "~"


# -- end to end -------------------------------------------------------------------------------


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """A tiny ablation of tic-tac-toe in seconds: a generation each, nothing left to the clock."""
    options = {**TINY, "budget.max_generations": 1, "evaluation.opening_plies": 3}
    positions = tmp_path / "positions.jsonl"
    scores = [0] * 9
    positions.write_text(
        json.dumps({"moves": "", "scores": scores, "value": 0, "best": list(range(9))}) + "\n"
    )
    return [
        "ablate", "tictactoe", "--switch", "search.solver=false", "--budget", "60s", "--seeds",
        "1", "--games", "20", "--positions", str(positions), "--serial",
        "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"),
        *(f"--{name}={value}" for name, value in options.items()),
    ]  # fmt: skip


def state(runs: Path) -> dict[str, Any]:
    path = runs / "ablation.json"
    found: dict[str, Any] = json.loads(path.read_text())["done"] if path.exists() else {}
    return found


@pytest.mark.slow
def test_an_ablation_that_is_killed_goes_on_and_keeps_what_was_done(
    typed, tmp_path, capfd
) -> None:
    runs = tmp_path / "runs"
    with start(*typed) as process:
        wait_for(lambda: any(key.startswith("train") for key in state(runs)), 90, "two runs")
        children = offspring(process.pid)
        process.kill()
        process.communicate()
    wait_for(lambda: not any(map(is_alive, children)), 10, "the children's end")
    trained = "train search.solver=false, seed 1"
    first = state(runs)[trained]
    model = next((runs / "search.solver=false-seed1" / "with" / "checkpoints").glob("*/meta.json"))
    written = model.stat().st_mtime_ns
    assert here(*typed, "--json") == 0
    report = json.loads(capfd.readouterr().out)
    assert state(runs)[trained] == first and model.stat().st_mtime_ns == written
    assert report["done"].keys() == {
        trained, "match search.solver=false, seed 1, 20 games of 4",
        f"grade without search.solver=false, seed 1, {tmp_path}/positions.jsonl at 4",
        f"grade with search.solver=false, seed 1, {tmp_path}/positions.jsonl at 4",
    }  # fmt: skip
    (found,) = report["switches"]
    assert found["lo"] < found["elo"] < found["hi"] and len(found["seeds"]) == 1
    assert found["mistakes"] == {"with": 0, "without": 0, "by_seed": {"with": [0], "without": [0]}}
    # What a kill during the match leaves: the trainings alone. The same table comes of it.
    whole = json.loads((runs / "ablation.json").read_text())
    whole["done"] = {k: v for k, v in whole["done"].items() if k.startswith("train")}
    (runs / "ablation.json").write_text(json.dumps(whole))
    shutil.rmtree(tmp_path / "out")
    assert here(*typed, "--json") == 0
    assert json.loads(capfd.readouterr().out)["switches"] == report["switches"]
    # All done: there is only the table to show, and the record to write.
    assert here(*typed, "--quiet") == 0
    out, err = capfd.readouterr()
    assert "search.solver=false" in out and err == ""
    data, text = sorted((tmp_path / "out").iterdir())
    record = json.loads(data.read_text())
    assert record["switches"] == report["switches"] and record["machine"]["cores"] >= 1
    assert len(record["commands"]) == 2 and text.read_text() == markdown(record)
    # Another ablation does not go on in its folder.
    assert here(*typed, "--search.c_init=3") == 2
    assert "holds an ablation with other settings" in capfd.readouterr().err


@pytest.mark.slow
def test_an_ablation_stops_when_asked_and_says_how_to_go_on(typed, tmp_path) -> None:
    endless = [arg for arg in typed if "max_generations" not in arg]
    with start(*endless) as process:
        pair = [tmp_path / "runs/search.solver=false-seed1" / side for side in ("without", "with")]
        wait_for(lambda: all(map(log_lines, pair)), 90, "a generation of both")
        children = offspring(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT and out == ""
    assert "typed again, it goes on" in err and "Traceback" not in err
    wait_for(lambda: not any(map(is_alive, children)), 5, "the children's end")
    assert state(tmp_path / "runs") == {}
    for run in pair:
        assert isinstance(resolve(str(run / "config.toml")), RunConfig)
        assert len(list((run / "checkpoints").iterdir())) > 1


def test_a_run_that_fails_is_named_with_its_last_words(tmp_path, capfd) -> None:
    runs = tmp_path / "runs"
    run = runs / "search.c_init=2-seed1" / "with"
    run.mkdir(parents=True)
    (run / "thesis.txt").write_text("do not touch")
    typed = ("ablate", "tictactoe", "--switch", "search.c_init=2", "--budget", "9s", "--quiet",
             "--seeds", "1", "--runs", runs, "--out", tmp_path / "out")  # fmt: skip
    assert here(*typed) == 1
    err = capfd.readouterr().err
    assert "failed with exit code 3" in err and "is not empty and holds no run" in err
