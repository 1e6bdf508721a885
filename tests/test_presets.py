"""The presets that ship: they load, name their game, and teach."""

import tomllib
from importlib import resources

import pytest

import games
from trainer.config import preset_names, resolve

FOLDER = resources.files("trainer") / "presets"


def test_presets_are_listed() -> None:
    assert {"connect4", "tictactoe"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_preset_resolves_to_its_game(name: str) -> None:
    config = resolve(name)
    assert name.startswith(config.game.name)  # hex7 is a preset of hex
    assert games.make(config.game.name, **config.game.options).name == config.game.name


@pytest.mark.parametrize("name", preset_names())
def test_preset_is_commented_and_ends_by_itself(name: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"ringzero train {name}" in text
    assert text.count("#") >= 8
    assert "max_time" in tomllib.loads(text)["budget"]


@pytest.mark.parametrize("name", preset_names())
def test_preset_fits_together(name: str) -> None:
    config = resolve(name)
    assert config.learner.min_rows <= config.learner.window_rows
    games_at_once = config.selfplay.games_per_worker  # 0: as measured
    assert not games_at_once or config.selfplay.max_batch <= games_at_once
    assert config.search.fast_simulations < config.search.num_simulations
