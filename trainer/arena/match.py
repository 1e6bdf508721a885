"""A match between two players: paired games from random openings, on the pool's workers."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.process import cpu_count
from engine.records import GameRecord
from games.base import Game
from trainer.arena.openings import openings
from trainer.arena.players import Contestant
from trainer.arena.ratings import EloEstimate, from_pairs, pentanomial

__all__ = ["MatchResult", "play_match", "whole_pairs"]


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What a match came to, from the first player's point of view."""

    player: str
    opponent: str
    games: int
    wins: int
    draws: int
    losses: int
    first_wins: int
    """Games that the side to move first won, whoever it was."""
    distinct_games: int
    elo: EloEstimate
    seconds: float

    @property
    def score(self) -> float:
        """Share of the points, in [0, 1]."""
        return (self.wins + self.draws / 2) / self.games

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `--json` and the run's database."""
        return {
            **{k: v for k, v in asdict(self).items() if k != "elo"},
            "score": self.score,
            "elo": self.elo.elo,
            "elo_interval": [self.elo.lo, self.elo.hi],
            "games_per_s": self.games / self.seconds,
        }


def play_match(
    game: Game,
    player: Contestant,
    opponent: Contestant,
    num_games: int,
    *,
    opening_plies: int = 4,
    book: Sequence[Sequence[int]] | None = None,
    at_once: int = 256,
    seed: int = 0,
    log_dir: str | None = None,
    serial: bool = False,
    until: float = math.inf,
    on_game: Callable[[int, GameRecord], bool | None] | None = None,
) -> MatchResult | None:
    """Play `num_games`, rounded up to pairs: each opening twice, with the seats changed.

    Parameters
    ----------
    book
        The openings, pair by pair; by default random ones of `opening_plies`.
    at_once
        Most games of a worker in progress.
    until
        The time.monotonic() at which the match ends. Only pairs that are over by then count; if
        none is, there is no result.
    on_game
        Called with the count of finished games and the last one; a true answer gives the match
        up, and there is no result.
    """
    start = time.monotonic()
    num_games += num_games % 2
    if book is None:
        book = openings(game, num_games // 2, opening_plies, seed)
    evaluators: list[EvaluatorSpec] = []
    players: list[PlayerSpec] = []
    for side in (player, opponent):
        players.append(side.player(len(evaluators)))
        if side.model is not None:
            evaluators.append(side.evaluator())
    # Search without a network is all the work: a worker a core. With one, the streams are.
    workers = 1 if evaluators else cpu_count()
    config = PoolConfig(
        workers=workers,
        games_per_worker=max(1, min(at_once, -(-num_games // workers))),
        streams=max(1, cpu_count() // 2) if len(evaluators) > 1 else 0,
        batch=BatchPolicy(max_batch=128, queue_delay_us=0),
        log_dir=log_dir,
        serial=serial,
    )
    records: dict[int, GameRecord] = {}
    with Pool(
        game, players, evaluators, config, seed=seed, game_limit=num_games, openings=book
    ) as pool:
        for record in pool.games(until=until):
            records[record.number] = record
            if on_game is not None and on_game(len(records), record):
                return None
    records = whole_pairs(records)
    if not records:
        return None
    return _result(player, opponent, records, time.monotonic() - start)


def whole_pairs(records: dict[int, GameRecord]) -> dict[int, GameRecord]:
    """The games, by number, whose opening was played from both sides."""
    return {number: record for number, record in records.items() if number ^ 1 in records}


def _result(
    player: Contestant, opponent: Contestant, records: dict[int, GameRecord], seconds: float
) -> MatchResult:
    # In odd games the players have changed seats.
    outcome = {n: float(r.returns[n % 2]) for n, r in records.items()}
    points = [(1 + outcome[n]) / 2 for n in sorted(outcome)]
    return MatchResult(
        player=player.name,
        opponent=opponent.name,
        games=len(records),
        wins=sum(x > 0 for x in outcome.values()),
        draws=sum(x == 0 for x in outcome.values()),
        losses=sum(x < 0 for x in outcome.values()),
        first_wins=sum(float(r.returns[0]) > 0 for r in records.values()),
        distinct_games=len({r.actions.tobytes() for r in records.values()}),
        elo=from_pairs(pentanomial(points)),
        seconds=seconds,
    )
