"""What the evaluation cache costs: lookups and stores, alone and fought over."""

import time
from dataclasses import dataclass
from statistics import median

from engine.cachebench import Duel, cache_duel, cache_loop
from engine.errors import ConfigError, PoolError
from engine.pool import SegmentHandle
from engine.process import spawn
from engine.segment import Segment, SegmentSpec, cache_entries, cache_entry_bytes
from games.base import Game
from trainer.bench.common import as_game, refuse_debug_build

__all__ = ["CacheFigures", "cache"]

REPEATS = 5
DUEL_PLACES = 16  # entries that two processes fight for: few, so that many are torn


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFigures:
    """Figures of `cache`. The rates are medians, of one process unless they say otherwise."""

    game: str
    entries: int
    bytes_per_entry: int
    megabytes: float
    hits_per_s: float
    """Lookups that find an answer."""
    misses_per_s: float
    """Lookups that find another position's."""
    stores_per_s: float
    """Answers computed and stored."""
    contended_per_s: float
    """Lookups and stores, three to one, of both of two processes that share 16 entries."""
    torn_share: float
    """Of the lookups there: met an answer that both were writing, and took it for a miss."""
    wrong_answers: int
    """Lookups there that were given neither's answer; anything but 0 is an error."""


def cache(
    game: Game | str = "connect4", *, seconds: float = 2.0, cache_mb: float = 64.0
) -> CacheFigures:
    """Time the cache of a pool: random entries, more of them than a processor's own caches hold.

    Parameters
    ----------
    game
        Whose answers.
    seconds
        Time to spend, about.
    cache_mb
        Megabytes.
    """
    refuse_debug_build()
    game = as_game(game)
    size = cache_entry_bytes(game.num_actions)
    if seconds <= 0 or cache_mb * 1e6 < 8 * DUEL_PLACES * size:
        raise ConfigError(
            f"seconds must be > 0 and cache_mb hold {8 * DUEL_PLACES} entries of {size} bytes, "
            f"got {seconds} and {cache_mb}"
        )
    spec = SegmentSpec(
        num_workers=1,
        num_models=1,
        num_slots=1,
        observation_bytes=8,
        num_actions=game.num_actions,
        journals_per_worker=1,
        max_plies=1,
        journal_entries=1,
        cache_entries=cache_entries(cache_mb, game.num_actions),
    )
    segment = Segment(spec)
    entries = spec.cache_entries
    cache_loop(segment, "store", entries)  # touches the pages, and makes all lookups hits
    # About 50 ns an operation: four kinds, five times each.
    count = max(1000, int(seconds / 4 / REPEATS / 50e-9))
    rates = {
        "store": median(_rate(segment, "store", count, 0, None) for _ in range(REPEATS)),
        "hit": median(_rate(segment, "find", count, 0, count) for _ in range(REPEATS)),
        "miss": median(_rate(segment, "find", count, 1, 0) for _ in range(REPEATS)),
    }
    duel = _duel(segment, spec, count * REPEATS)
    return CacheFigures(
        game=game.name,
        entries=entries,
        bytes_per_entry=size,
        megabytes=entries * size / 1e6,
        hits_per_s=rates["hit"],
        misses_per_s=rates["miss"],
        stores_per_s=rates["store"],
        contended_per_s=2e9 * count * REPEATS / duel.elapsed_ns,
        torn_share=duel.torn / duel.lookups,
        wrong_answers=duel.wrong,
    )


def _rate(segment: Segment, what: str, count: int, owner: int, expected: int | None) -> float:
    """Operations a second; `expected` answers are found, but for buckets that overflowed, or None
    if none is looked up."""
    elapsed_ns, found = cache_loop(segment, what, count, owner)
    if expected is not None and not 0.99 * expected <= found <= expected:
        raise ConfigError(f"the cache gave {found} answers of {count}, expected {expected}")
    return count * 1e9 / max(1, elapsed_ns)


def _duel(segment: Segment, spec: SegmentSpec, count: int) -> Duel:
    """This process against another one, which goes on until the first has finished."""
    child = spawn("bench-cache", _rival, (SegmentHandle(segment.fd), spec), None)
    try:
        deadline = time.monotonic() + 30
        while not segment.ready(0):
            if time.monotonic() > deadline or not child.is_alive():
                raise PoolError("the benchmark's other process did not start; its error is above")
            time.sleep(0.01)
        return cache_duel(segment, 0, count, DUEL_PLACES)
    finally:
        segment.stop()
        child.join(10)
        if child.is_alive():
            child.kill()
            child.join()
        child.close()


def _rival(fd: int, spec: SegmentSpec) -> None:
    """What the other process runs."""
    segment = Segment(spec, fd)
    segment.set_ready(0, True)
    while not segment.stopping:
        cache_duel(segment, 1, 100_000, DUEL_PLACES)
