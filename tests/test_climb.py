"""A run's checkpoints rated over time."""

import json
import shutil

import pytest
from running import here

from engine.errors import ConfigError, StoreError
from trainer.arena.climb import climb_matches


def test_a_runs_checkpoints_and_baselines_are_rated_and_the_games_kept(
    tiny_run, tmp_path, capfd
) -> None:
    run = tmp_path / "run"
    # Without the matches that other tests have played with the shared run.
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("run.db*"))
    typed = ("ladder", run, "--checkpoints", "2", "--baselines", "random,mcts:20", "--games",
             "4", "--simulations", "2", "--json")  # fmt: skip
    assert here(*typed) == 0
    first = json.loads(capfd.readouterr().out)
    assert len(first["steps"]) == 2 and len(first["players"]) == 4
    assert first["steps"][0]["minutes"] < first["steps"][1]["minutes"]
    elo = {row["name"]: row["elo"] for row in first["players"]}
    assert elo["random"] == 0.0
    # 1 match of checkpoints, 4 against the baselines, 1 of the baselines.
    assert here("matches", run, "--json") == 0
    matches = json.loads(capfd.readouterr().out)["matches"]
    assert [row["games"] for row in matches] == [4] * 6
    assert here(*typed) == 0
    assert json.loads(capfd.readouterr().out) == first
    assert here(*typed[:-1]) == 0
    assert "Elo over minutes of training" in capfd.readouterr().out


def test_a_ladder_needs_checkpoints_and_a_baseline(tmp_path, tiny_run) -> None:
    with pytest.raises(StoreError, match="holds 0 checkpoints"):
        climb_matches(tmp_path, 3, ["random"], 10)
    with pytest.raises(ConfigError, match="at least one player"):
        climb_matches(tiny_run, 3, [], 10)
