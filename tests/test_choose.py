"""The choice of a back end: candidates, memory, what an environment variable overrides."""

import json
from pathlib import Path

import pytest
from test_torch_backend import lively_network

import games
from engine.backends import choose as choosing
from engine.backends.choose import Choice, candidates, choose
from engine.backends.spec import EvaluatorSpec
from engine.errors import EvaluatorError
from engine.tuning import Load, settings, verdict
from trainer.network import save_model

GAME = games.make("tictactoe")

CHOICE = Choice(
    backend="torch",
    precision="fp32",
    streams=2,
    threads=1,
    rows_per_s=1000.0,
    curve={8: 900.0, 32: 960.0, 128: 1000.0},
    rivals={"torch fp32": 1000.0, "torch bf16": 0.0},
)


@pytest.mark.parametrize(
    ("backend", "precision", "installed", "bf16", "expected"),
    [
        ("auto", "auto", ["openvino", "torch"], True,
         [("openvino", "int8"), ("openvino", "bf16"), ("torch", "bf16")]),
        ("auto", "auto", ["torch"], False, [("torch", "fp32")]),
        ("openvino", "auto", ["openvino", "torch"], False,
         [("openvino", "int8"), ("openvino", "fp32")]),
        ("auto", "int8", ["openvino", "torch"], True, [("openvino", "int8")]),
        ("torch", "int8", ["torch"], True, [("torch", "int8")]),  # refused when it is made
    ],
)  # fmt: skip
def test_candidates_are_what_is_asked_for_and_there(
    backend: str, precision: str, installed: list[str], bf16: bool, expected: list[tuple[str, str]]
) -> None:
    assert candidates(backend, precision, installed, bf16) == expected


def test_the_batch_is_the_smallest_that_is_nearly_as_fast() -> None:
    assert CHOICE.batch == 32


def test_a_choice_names_its_rivals_fastest_first() -> None:
    assert str(CHOICE) == (
        "torch fp32, 2 x 1 threads: 1,000 rows/s is the fastest here "
        "(torch fp32 1,000, torch bf16 refused)"
    )


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluatorSpec:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("RINGZERO_BACKEND")
    monkeypatch.setattr(choosing, "MEASURE_S", 0.01)
    monkeypatch.setattr(choosing, "BUSY", 2.0)  # the tests' machine may be busy
    path = tmp_path / "model.safetensors"
    save_model(path, lively_network(GAME), games.spec(GAME), {})
    return EvaluatorSpec(path=str(path), backend="torch")


@pytest.mark.slow
def test_a_choice_is_measured_once_and_then_remembered(
    model: EvaluatorSpec, tmp_path: Path
) -> None:
    said: list[str] = []
    spec, streams, choice = model.resolved(GAME, say=said.append)
    assert choice is not None and choice.rows_per_s > 0
    assert (spec.backend, spec.precision, streams) == ("torch", choice.precision, choice.streams)
    assert len(said) == 2 and "rows/s is the fastest here" in said[1]
    assert model.resolved(GAME, say=said.append) == (spec, streams, choice)
    assert len(said) == 2
    file = tmp_path / "ringzero" / "backends.json"
    assert len(json.loads(file.read_text())) == 1
    # Another request is another choice.
    model.resolved(GAME, streams=1, say=said.append)
    assert len(json.loads(file.read_text())) == 2


@pytest.mark.slow
def test_a_busy_machine_is_told_of_and_not_remembered(
    model: EvaluatorSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "BUSY", -1.0)
    said: list[str] = []
    model.resolved(GAME, streams=1, say=said.append)
    assert "measured again next time" in said[-1]
    assert not (tmp_path / "ringzero" / "backends.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"%s": 3}', '{"%s": {"backend": "torch"}}'])
def test_a_damaged_memory_is_as_good_as_none(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "ringzero" / "backends.json"
    file.parent.mkdir()
    file.write_text(text.replace("%s", "key"))
    assert choosing._remembered("key") is None
    choosing._remember("key", CHOICE)
    assert choosing._remembered("key") == CHOICE


def test_a_cache_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    choosing._remember("key", CHOICE)
    assert choosing._remembered("key") is None


@pytest.mark.slow
def test_what_no_back_end_can_do_says_why(model: EvaluatorSpec) -> None:
    from dataclasses import replace

    from trainer.network import load_plan

    with pytest.raises(EvaluatorError, match=r"no back end can be used: .*no precision 'int8'"):
        choose(GAME, replace(model, precision="int8"), load_plan(model.path), say=lambda _: None)


# -- settings and verdict ---------------------------------------------------------------------


def test_a_cpu_needs_few_workers_and_games_enough_for_its_streams() -> None:
    found = settings(25_000, 2, 32, 1e-6, 2, shares_cores=True)
    assert (found.workers, found.games_per_worker) == (1, 256)


def test_a_big_machine_gets_workers_in_proportion_to_their_cost() -> None:
    # A row costs its worker 4 us and the network 40 us of a core: one core in eleven.
    assert settings(64 / 40e-6, 64, 32, 4e-6, 64, shares_cores=True).workers == 6


def test_a_device_of_its_own_gets_as_many_workers_as_it_can_eat() -> None:
    assert settings(1e6, 2, 512, 4e-6, 16, shares_cores=False).workers == 4
    assert settings(1e7, 2, 512, 4e-6, 16, shares_cores=False).workers == 14


@pytest.mark.parametrize(
    ("load", "start"),
    [
        (Load(9_400, 10_000, 0.9, 0.0), "network-bound: 94% of the device's own rate"),
        (Load(5_000, 10_000, 0.9, 0.0), "network-bound: 50% of the device's own rate; the trainer"),
        (Load(3_000, 10_000, 0.02, 0.6), "tree-bound: 30% of"),
        (Load(1_400_000, 140_000_000, 0.15, 0.1), "tree-bound: 1% of"),
        (Load(3_000, 10_000, 0.5, 0.5), "waiting-bound: 30% of"),
        (Load(6_000, 10_000, 0.3, 0.15), "balanced: 60% of"),
        (Load(6_000, 0, 0.9, 0.0), "network-bound: its own rate is not known"),
        (Load(0, 10_000, 0.9, 0.9), "nothing was evaluated"),
    ],
)
def test_a_verdict_names_what_bounds(load: Load, start: str) -> None:
    assert verdict(load).startswith(start)
