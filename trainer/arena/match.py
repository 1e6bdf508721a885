"""A match between two players: paired games from random openings, on the pool's workers."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.process import cpu_count
from games.base import Game
from trainer.arena.openings import openings
from trainer.arena.players import Contestant
from trainer.arena.ratings import EloEstimate, from_pairs, pentanomial
from trainer.arena.store import Played
from trainer.arena.tables import play_at_tables

__all__ = ["Kept", "MatchResult", "play_match", "summed_up", "whole_pairs"]

Kept = Callable[[Played], None]
"""Told every game as soon as it is over."""


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
    """By their moves alone."""
    repeated_games: int
    """Whose moves and seats another game had: they say nothing new. The remaining games that are
    not distinct are one game from both seats, where the two players would have moved alike."""
    elo: EloEstimate
    seconds: float
    """Of this part of the match."""
    played: int
    """Games of this part: those that were stored before did not take any of the time."""
    faults: tuple[str, ...] = ()
    """What went wrong in games that ended so: ``game 7: stockfish did not answer in time``."""

    @property
    def score(self) -> float:
        """Share of the points, in [0, 1]."""
        return (self.wins + self.draws / 2) / self.games

    @property
    def games_per_s(self) -> float | None:
        """None where nothing was played."""
        return self.played / self.seconds if self.played else None

    def as_json(self) -> dict[str, Any]:
        """Plain values, for `--json` and the run's database."""
        return {
            **{k: v for k, v in asdict(self).items() if k != "elo"},
            "score": self.score,
            "elo": self.elo.elo,
            "elo_interval": [self.elo.lo, self.elo.hi],
            "games_per_s": self.games_per_s,
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
    on_game: Callable[[int, Played], bool | None] | None = None,
    known: Mapping[int, Played] | None = None,
    keep: Kept | None = None,
    enough: Callable[[Played], bool] | None = None,
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
    known, keep
        Games that were played before, by number, which are not played again; and who is told each
        that is. A match with both survives whatever interrupts it.
    enough
        Told every game, those known before first, and in the order of their ends; a true answer
        ends the match, whose result is that of the pairs that are over.
    """
    start = time.monotonic()
    num_games += num_games % 2
    if book is None:
        book = openings(game, num_games // 2, opening_plies, seed)
    found = {n: played for n, played in (known or {}).items() if n < num_games}
    if enough is not None and any(enough(found[n]) for n in sorted(found)):
        return _result(player, opponent, found, 0, start)
    if player.needs_a_table or opponent.needs_a_table:
        finished = play_at_tables(
            game, (player, opponent), num_games, book, known=found, keep=keep, on_game=on_game,
            enough=enough, until=until,
        )  # fmt: skip
        if finished is None:
            return None
        num_known, found = len(found), finished
        return _result(player, opponent, found, len(found) - num_known, start)
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
    missing = [n for n in range(num_games) if n not in found]
    before = len(found)
    if missing:
        with Pool(
            game, players, evaluators, config, seed=seed, game_limit=0, openings=book
        ) as pool:
            pool.hand_out(missing)
            for record in pool.games(until=until):
                played = found[record.number] = Played.of(record)
                if keep is not None:
                    keep(played)
                if on_game is not None and on_game(len(found), played):
                    return None
                if enough is not None and enough(played):
                    break
    return _result(player, opponent, found, len(found) - before, start)


def _result(
    player: Contestant, opponent: Contestant, found: Mapping[int, Played], played: int, start: float
) -> MatchResult | None:
    pairs = whole_pairs(found)
    if not pairs:
        return None
    took = time.monotonic() - start
    return summed_up(player.name, opponent.name, pairs, took, played)


def whole_pairs(found: Mapping[int, Played]) -> dict[int, Played]:
    """The games, by number, whose opening was played from both sides."""
    return {number: game for number, game in found.items() if number ^ 1 in found}


def summed_up(
    player: str, opponent: str, found: Mapping[int, Played], seconds: float, played: int
) -> MatchResult:
    """The result of a match of whole pairs, of which `played` took `seconds`."""
    points = [found[number].points() for number in sorted(found)]
    return MatchResult(
        player=player,
        opponent=opponent,
        games=len(found),
        wins=sum(x == 1.0 for x in points),
        draws=sum(x == 0.5 for x in points),
        losses=sum(x == 0.0 for x in points),
        first_wins=sum(game.result > 0 for game in found.values()),
        distinct_games=len({game.actions for game in found.values()}),
        repeated_games=len(found) - len({(n % 2, game.actions) for n, game in found.items()}),
        elo=from_pairs(pentanomial(points)),
        seconds=seconds,
        played=played,
        faults=tuple(f"game {n}: {found[n].detail}" for n in sorted(found) if found[n].detail),
    )
