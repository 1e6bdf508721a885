"""All parts in one comparable record."""

from dataclasses import asdict
from typing import Any

from games.base import Game
from trainer.bench.caching import cache
from trainer.bench.common import as_game, machine, refuse_debug_build
from trainer.bench.network import net
from trainer.bench.search import tree
from trainer.bench.selfplay import pipeline
from trainer.bench.transport import ring

__all__ = ["PARTS", "measure_all"]

PARTS = ("tree", "ring", "net", "cache", "transport", "pipeline")


def measure_all(
    game: Game | str = "connect4", network: str = "4x48", *, seconds: float = 3.0
) -> dict[str, Any]:
    """Run every benchmark for about `seconds` each.

    Returns
    -------
    dict
        ``machine``, as it was before the first benchmark, and the figures of each of `PARTS`:
        ``transport`` is the pipeline with a server that answers at once.
    """
    refuse_debug_build()
    game = as_game(game)
    where = machine()
    instant = {"evaluator": "simulated:instant", "games_per_worker": 256, "streams": 1}
    figures: tuple[Any, ...] = (
        tree(game, seconds=seconds),
        ring(seconds=seconds),
        net(game, network, seconds=seconds / 16),
        cache(game, seconds=seconds),
        pipeline(game, "0x8", seconds=seconds, **instant),  # type: ignore[arg-type]
        pipeline(game, network, seconds=seconds),
    )
    return {
        "machine": where,
        **{name: asdict(part) for name, part in zip(PARTS, figures, strict=True)},
    }
