"""Reading, merging and writing configurations."""

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from trainer.config import RunConfig, duration, preset_names, resolve, to_toml


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("20m", 1200), ("1.5h", 5400), ("1h30m", 5400), ("2D", 172800),
     (" 1 h 5 s", 3605), ("0", 0)],
)
def test_durations_in_seconds(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "20x", "-5m", "1.2.3s", "5m3", "inf"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ConfigError, match="must look like 90s, 20m or 1h30m"):
        duration(text)


def test_later_layers_win(tmp_path: Path) -> None:
    first = write(tmp_path / "first.toml", "seed = 1\n[learner]\nbatch_size = 64\nmin_rows = 5\n")
    second = write(tmp_path / "second.toml", "[learner]\nbatch_size = 32\n")
    config = resolve("connect4", [first, second], {"learner.min_rows": "7"})
    assert (config.learner.batch_size, config.learner.min_rows, config.seed) == (32, 7, 1)
    assert config.game.name == "connect4"
    assert config.search == resolve("connect4").search


def test_a_file_can_stand_for_the_preset(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.toml", '[game]\nname = "tictactoe"\n')
    assert resolve(str(path)).game.name == "tictactoe"


@pytest.mark.parametrize("name", ["./breakthrough.py", "a_plug_in"])
def test_a_game_without_preset_starts_from_the_defaults(name: str) -> None:
    config = resolve(name)
    assert config.game.name == name
    assert config.learner == RunConfig().learner


def test_command_line_text_is_read_as_what_the_field_holds() -> None:
    config = resolve(
        "connect4",
        overrides={
            "seed": "3",
            "search.c_init": "2",
            "search.reuse-tree": "no",
            "selfplay.device": "cuda:1",
            "evaluation.baselines": "random, mcts:50",
            "game.options.size": "7",
            "game.options.rule": "swap",
            "network.blocks": 6,
        },
    )
    assert config.seed == 3
    assert config.search.c_init == 2.0
    assert config.search.reuse_tree is False
    assert config.selfplay.device == "cuda:1"
    assert config.evaluation.baselines == ("random", "mcts:50")
    assert config.game.options == {"size": 7, "rule": "swap"}
    assert config.network.blocks == 6


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[learner]\nbatch_sise = 3", "unknown key learner.batch_sise; did you mean learner.batch"),
        ("[search]\nbatch_size = 3", "unknown key search.batch_size; did you mean learner.batch"),
        ("[lerner]\nbatch_size = 3", "unknown key lerner; did you mean learner"),
        ("zzz = 3", "unknown key zzz; known: seed, deterministic, game"),
        ("[learner]\nbatch_size = 3.5", "learner.batch_size must be an integer, got 3.5"),
        ("[learner]\nbatch_size = true", "learner.batch_size must be an integer, got True"),
        ("[learner]\nlearning_rate = '3'", "learner.learning_rate must be a number, got '3'"),
        ("[learner]\nlearning_rate = inf", "learner.learning_rate must be a number, got inf"),
        ("[search]\nreuse_tree = 1", "search.reuse_tree must be true or false, got 1"),
        ("[selfplay]\ndevice = 1", "selfplay.device must be text, got 1"),
        ("[evaluation]\nbaselines = 'random'", "evaluation.baselines must be a list, each item"),
        ("[evaluation]\nbaselines = ['stockfish']", "evaluation.baselines must be a list of"),
        ("learner = 3", "learner is a section; write learner.KEY"),
        ("[game]\noptions = 3", "game.options must be a table, got 3"),
        ("[search]\nnum_simulations = 0", "search.num_simulations must be an integer >= 1, got 0"),
        ("[learner]\nema_decay = 1.0", r"learner.ema_decay must be in \[0, 1\), got 1.0"),
        ("[selfplay]\ngames_per_worker = -1", "selfplay.games_per_worker must be an integer >= 0"),
        ("[selfplay]\nevaluator = 'onnx'", "selfplay.evaluator must be one of network, uniform"),
        ("[budget]\nmax_time = '5 parsecs'", "budget.max_time: a duration must look like"),
        ("seed = -1", "seed must be an integer in"),
        ("[learner", "is not TOML"),
    ],
)
def test_bad_files_name_the_file_and_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path / "bad.toml", text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        resolve("connect4", [path])
    assert str(caught.value).startswith(f"{path}: ")


def test_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read \(No such file"):
        resolve(str(tmp_path / "gone.toml"))


def test_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        resolve(str(tmp_path / "binary.toml"))


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"search.num_simulations": "many"}, "command line: search.num_simulations must be an int"),
        ({"search": "3"}, "command line: search is a section"),
        ({"search": "3", "search.c_init": "1"}, "command line: search.c_init and its section"),
        ({"search.reuse_tree": "maybe"}, "search.reuse_tree must be true or false, got 'maybe'"),
        ({"learner.learning_rate": "nan"}, "learner.learning_rate must be a number"),
    ],
)
def test_bad_overrides_name_the_command_line(overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        resolve("connect4", overrides=overrides)


@pytest.mark.parametrize("name", preset_names())
def test_written_configuration_reads_back_equal(tmp_path: Path, name: str) -> None:
    options = {"size": 7, "rule": 'a "quoted" one', "nested": {"a": [1, 2]}}
    config = resolve(name, overrides={"game.options": options, "seed": 5})
    path = write(tmp_path / "config.toml", to_toml(config))
    assert resolve(str(path)) == config


def test_written_configuration_explains_every_key() -> None:
    lines = to_toml(resolve("connect4")).splitlines()
    keys = [i for i, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) > 40
    assert all(lines[i - 1].startswith("#") for i in keys)
    assert all(len(line) <= 100 for line in lines)


@given(st.integers(0, 2**63 - 1), st.floats(0.001, 1e6), st.text(max_size=20))
def test_any_values_survive_the_round_trip(seed: int, c_init: float, positions: str) -> None:
    overrides = {"seed": seed, "search.c_init": c_init, "evaluation.positions": positions}
    config = resolve("connect4", overrides=overrides)
    tables = tomllib.loads(to_toml(config))
    assert tables["seed"] == config.seed == seed
    assert tables["search"]["c_init"] == config.search.c_init == c_init
    assert tables["evaluation"]["positions"] == positions


def test_no_limit_is_infinite_time() -> None:
    assert resolve("connect4", overrides={"budget.max_time": "0"}).budget.max_time_s == math.inf
    assert resolve("connect4").budget.max_time_s == 900
