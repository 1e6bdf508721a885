"""Reproducible runs: what a deterministic run fixes, and which games belong to a generation.

::

    games      0 ........ a-1 │ a ........ b-1 │ b ...          a, b: `end_of_turn`
    weights    of generation 0 │ of generation 1 │ ...
    learner              learns from 0..a-1   from 0..b-1

Self-play and the learner go in lock-step: the games of a turn are numbered, all start and finish
with the same weights, and nothing else decides what is learned from.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import ConfigError

if TYPE_CHECKING:
    from trainer.config import RunConfig
    from trainer.replay import ReplayStore

__all__ = ["end_of_turn", "reproducible_arithmetic", "settled"]

GAMES_PER_WORKER = 128
"""Games come out the same with any number; so many keep the fixed shape filled."""


def settled(config: "RunConfig") -> "RunConfig":
    """`config` with all fixed that a deterministic run must not leave to measurements.

    Raises
    ------
    ConfigError
        If something is asked for that would make games or weights depend on time or load.
    """
    selfplay, learner, budget = config.selfplay, config.learner, config.budget
    rules = {
        "budget": (
            "max_generations or max_games above 0: time does not end a deterministic run",
            budget.max_generations or budget.max_games,
            f"max_generations = {budget.max_generations}, max_games = {budget.max_games}",
        ),
        "selfplay.device": (
            "auto or cpu in a deterministic run",
            selfplay.device in ("auto", "cpu"),
            selfplay.device,
        ),
        "selfplay.backend": (
            "auto or torch in a deterministic run: it alone can answer in one fixed shape",
            selfplay.backend in ("auto", "torch"),
            selfplay.backend,
        ),
        "selfplay.precision": (
            "auto or fp32 in a deterministic run: others are guarded, and int8 made, by what was "
            "asked lately",
            selfplay.precision in ("auto", "fp32"),
            selfplay.precision,
        ),
        "selfplay.memory_mb": (
            "0 in a deterministic run, since a tree's share of it depends on how many games are "
            "played at once; set search.memory_mb, which is one search's",
            not selfplay.memory_mb,
            selfplay.memory_mb,
        ),
        "selfplay.start_share": (
            "0 in a deterministic run: which positions are on offer depends on when games end",
            not selfplay.start_share,
            selfplay.start_share,
        ),
        "selfplay.reanalyse_share": (
            "0 in a deterministic run: which positions are on offer depends on when games end",
            not selfplay.reanalyse_share,
            selfplay.reanalyse_share,
        ),
        "evaluation.best_every_minutes": (
            "0 in a deterministic run: a clock decides when the label is played for",
            not config.evaluation.best_every_minutes,
            config.evaluation.best_every_minutes,
        ),
        "search.leaves_in_flight": (
            "1 in a deterministic run, or selfplay.cache_mb 0: what the cache answers comes before "
            "what is in flight",
            config.search.leaves_in_flight == 1 or not selfplay.cache_mb,
            config.search.leaves_in_flight,
        ),
    }
    for name, (expected, holds, value) in rules.items():
        if not holds:
            raise ConfigError(f"{name} must be {expected}; got {value!r}")
    return replace(
        config,
        selfplay=replace(
            selfplay,
            device="cpu",
            backend="torch",
            precision="fp32",
            workers=selfplay.workers or 1,
            games_per_worker=selfplay.games_per_worker or GAMES_PER_WORKER,
            streams=selfplay.streams or 1,
        ),
        # How a sum is split depends on the number of threads, and so does its last bit.
        learner=replace(learner, threads=learner.threads or 1, beside_selfplay=False),
    )


def end_of_turn(store: "ReplayStore", config: "RunConfig", begin: int, max_game_length: int) -> int:
    """Number of the first game behind the turn of self-play that starts with game `begin`.

    It depends on the games before `begin` alone: they say how many rows a game has. Before there
    are any, a game is taken to be as long as can be, and the learner's least rows take more turns.
    """
    learner, wanted = config.learner, config.selfplay.rows_per_generation
    rows = store.num_rows(validation=False, all_plies=learner.train_on_fast, before=begin)
    if rows < learner.min_rows:
        wanted = learner.min_rows - rows
    games_a_row = begin / rows if rows else 1 / max_game_length
    end = begin + max(1, math.ceil(wanted * games_a_row))
    most = config.budget.max_games
    return min(end, most) if most else end


@contextmanager
def reproducible_arithmetic(threads: int) -> Iterator[None]:
    """torch computes the same from the same, or says that it cannot.

    Parameters
    ----------
    threads
        Of this process, whatever the machine has.
    """
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
