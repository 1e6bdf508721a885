"""Games against itself: the pool of a run, and `ringzero selfplay`, which does not learn."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import games as rules
from engine.batching import BatchPolicy
from engine.errors import ConfigError
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.process import cpu_count
from games.base import Game
from trainer.arena.openings import varied_starts
from trainer.arena.players import find_model
from trainer.config import RunConfig, resolve
from trainer.reanalysis import NUM_OFFERED as NUM_REANALYSES
from trainer.replay import ReplayStore
from trainer.runs import RunFolder
from trainer.starts import NUM_OFFERED

__all__ = ["open_pool", "play_games"]

NUM_STARTS = 8192
GIVE_WAY = 5
"""Niceness of self-play beside a learner, which never has to wait for a core then: a turn is over
when both are done, and self-play fills what the learner leaves."""


def open_pool(
    folder: RunFolder,
    game: Game,
    config: RunConfig,
    model: Path,
    first_game: int,
    *,
    serial: bool = False,
    say: Callable[[str], None] | None = None,
) -> Pool:
    """The pool that makes a run's games, from the number `first_game` on; not entered yet.

    Parameters
    ----------
    model
        The weights that it starts with, if a network plays.
    serial
        Everything in this process, step by step: for debugging.
    say
        Told what people want to know, see `Pool`.
    """
    selfplay = config.selfplay
    evaluators = []
    if selfplay.evaluator == "network":
        evaluators.append(config.compute.evaluator(str(model.absolute())))
    plies = selfplay.opening_plies
    return Pool(
        game,
        [PlayerSpec(kind=selfplay.evaluator, search=config.search)],
        evaluators,
        PoolConfig(
            workers=selfplay.workers,
            games_per_worker=selfplay.games_per_worker,
            streams=selfplay.streams,
            batch=BatchPolicy(
                max_batch=selfplay.max_batch, queue_delay_us=selfplay.queue_delay_us
            ),
            cache_mb=selfplay.cache_mb,
            memory_mb=selfplay.memory_mb,
            starts=NUM_OFFERED if selfplay.start_share else 0,
            reanalyses=NUM_REANALYSES if selfplay.reanalyse_share else 0,
            begin_anew=config.deterministic,
            nice=GIVE_WAY if config.learner.beside_selfplay else 0,
            serial=serial,
            log_dir=str(folder.logs),
            publish=str(folder.pool_file),
        ),
        seed=config.seed,
        first_game=first_game,
        # A deterministic run hands out the games of a turn, and none before.
        game_limit=first_game if config.deterministic else None,
        # Game n of the run begins with the n-th, round and round.
        openings=varied_starts(game, NUM_STARTS, plies, config.seed) if plies else [],
        say=say,
    )


def play_games(
    preset: str,
    overrides: Mapping[str, Any],
    num_games: int,
    *,
    model: str | None = None,
    out: Path | None = None,
    seed: int = 0,
    serial: bool = False,
) -> dict[str, Any]:
    """Play `num_games` as a run of `preset` would, optionally into a database.

    Returns
    -------
    Counts and rates; wins, draws and losses are the first player's.
    """
    if num_games < 1:
        raise ConfigError(f"games must be >= 1, got {num_games}")
    config = resolve(preset, [], overrides)
    game = rules.make(config.game.name, **config.game.options)
    selfplay = config.selfplay
    kind, evaluators = "uniform", []
    if model is not None:
        from trainer.network import load_model  # imports torch

        kind = "network"
        path = find_model(model)
        own = rules.from_spec(load_model(path)[1].game)
        if rules.spec(own) != rules.spec(game):
            raise ConfigError(f"{model} plays {own!r}, not {game!r}; choose another model")
        evaluators = [selfplay.compute.evaluator(str(path))]
    store = ReplayStore(out, game) if out is not None else None
    first = store.last_number() + 1 if store is not None else 0
    pool_config = PoolConfig(
        workers=selfplay.workers if evaluators else cpu_count(),
        games_per_worker=min(selfplay.games_per_worker, num_games),
        streams=selfplay.streams,
        batch=BatchPolicy(max_batch=selfplay.max_batch, queue_delay_us=selfplay.queue_delay_us),
        memory_mb=selfplay.memory_mb,
        serial=serial,
    )
    results = {"wins": 0, "draws": 0, "losses": 0}
    plies = 0
    with Pool(
        game, [PlayerSpec(kind=kind, search=config.search)], evaluators, pool_config,
        seed=seed, first_game=first, game_limit=first + num_games,
    ) as pool:  # fmt: skip
        if not serial:
            pool.wait_ready()
        start = time.monotonic()
        for record in pool.games():
            if store is not None:
                store.add_games([record])
            outcome = float(record.returns[0])
            results["wins" if outcome > 0 else "losses" if outcome < 0 else "draws"] += 1
            plies += record.num_plies
        seconds = time.monotonic() - start
        counters = pool.counters()
    if store is not None:
        store.close()
    simulations = sum(c["simulations"] for c in counters.values())
    return {
        "game": game.name, "games": num_games, "plies": plies, "seconds": seconds, **results,
        "games_per_s": num_games / seconds, "plies_per_s": plies / seconds,
        "simulations_per_s": simulations / seconds,
        "full_stops": sum(c["full_stops"] for c in counters.values()),
    }  # fmt: skip
