"""`ringzero report`: a run's curves."""

import io
import json

import pytest
from rich.console import Console
from running import here

from engine.errors import ConfigError
from trainer.report import as_json, curves, overview


def drawn(found, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(overview(found, width))
    return console.export_text()


def test_curves_are_in_groups_and_have_their_points(tiny_run) -> None:
    found = curves(tiny_run)
    assert next(iter(found)).startswith("loss/")
    assert {"search/target_entropy", "search/depth", "games/length"} <= found.keys()
    minutes, steps, values = zip(*found["loss/policy"], strict=True)
    assert len(values) == 2 and 0 < minutes[0] < minutes[1] and 0 < steps[0] < steps[1]
    text = drawn(found)
    assert all(name in text for name in ("loss/policy", "search/proven")) and "nan" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_few_curves_are_drawn_large(tiny_run) -> None:
    text = drawn(curves(tiny_run, "loss/policy"), 60)
    assert text.count(" min") == 4 and 20 < len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 60


def test_a_curve_that_is_not_there_is_told_with_those_that_are(tiny_run) -> None:
    with pytest.raises(ConfigError, match=r"no curve 'elo'; it has .*loss/policy"):
        curves(tiny_run, "elo")


def test_json_has_every_point(tiny_run) -> None:
    points = as_json(tiny_run, curves(tiny_run, "loss/value"))["curves"]["loss/value"]
    assert [sorted(point) for point in points] == [["minutes", "step", "value"]] * 2


def test_the_command_prints_and_refuses(tiny_run, tmp_path, capsys) -> None:
    assert here("report", tiny_run, "--json", "--curve", "depth") == 0
    (name,) = json.loads(capsys.readouterr().out)["curves"]
    assert name == "search/depth"
    assert here("report", tmp_path) == 3
    assert "holds no run" in capsys.readouterr().err
