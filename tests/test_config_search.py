"""`SearchConfig` and `PlayerSpec` refuse what a search cannot use, and say what they want."""

from typing import Any

import pytest

from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.player import PlayerSpec
from engine.pool import PoolConfig


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("num_simulations", 0, ">= 1"),
        ("fast_simulations", -1, ">= 0"),
        ("full_fraction", 1.5, r"in \[0, 1\]"),
        ("full_plies", -1, ">= 0"),
        ("c_init", 0.0, "> 0"),
        ("c_base", -1.0, "> 0"),
        ("fpu_reduction", -0.1, ">= 0"),
        ("root_fpu_reduction", -0.1, ">= 0"),
        ("dirichlet_alpha", 0.0, "> 0"),
        ("dirichlet_fraction", -0.1, r"in \[0, 1\]"),
        ("dirichlet_total", -1.0, ">= 0"),
        ("root_policy_temperature", 0.0, "> 0"),
        ("final_root_policy_temperature", -0.5, "> 0"),
        ("forced_playouts", -2.0, ">= 0"),
        ("widening_base", -1.0, ">= 0"),
        ("widening_exponent", 1.5, r"in \[0, 1\]"),
        ("temperature", -1.0, ">= 0"),
        ("final_temperature", -1.0, ">= 0"),
        ("temperature_plies", -1, ">= 0"),
        ("gumbel_actions", -1, ">= 0"),
        ("gumbel_scale", -0.5, ">= 0"),
        ("gumbel_c_visit", -1.0, ">= 0"),
        ("gumbel_c_scale", -1.0, ">= 0"),
        ("leaves_in_flight", 0, r"in \[1, 1024\]"),
        ("leaves_in_flight", 1025, r"in \[1, 1024\]"),
        ("virtual_loss", -1.0, ">= 0"),
        ("c_init", float("nan"), "> 0"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be .*{expected}, got {value!r}"):
        SearchConfig(**{name: value})


def test_a_player_of_unknown_kind_or_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"kind must be one of network, .*, got 'human'"):
        PlayerSpec(kind="human")
    with pytest.raises(ConfigError, match="model must be >= 0, got -1"):
        PlayerSpec(model=-1)


@pytest.mark.parametrize("name", ["workers", "games_per_worker", "streams"])
def test_a_pool_of_less_than_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be an integer >= 0, got -1"):
        PoolConfig(**{name: -1})
