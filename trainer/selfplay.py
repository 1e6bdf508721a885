"""`ringzero selfplay`: games without learning, and how fast they came."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import games as rules
from engine.batching import BatchPolicy
from engine.errors import ConfigError
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.process import cpu_count
from trainer.arena.players import find_model
from trainer.config import resolve
from trainer.replay import ReplayStore

__all__ = ["play_games"]


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
