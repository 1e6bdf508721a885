"""A match that ends as soon as a sequential test is decided."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from games.base import Game
from trainer.arena.match import play_match
from trainer.arena.openings import openings
from trainer.arena.players import Contestant
from trainer.arena.ratings import pentanomial
from trainer.arena.sprt import Sprt, Standing
from trainer.arena.store import Played

__all__ = ["SequentialResult", "Tally", "play_sequential"]

AT_ONCE = 64
"""Games in progress: more fill the batches better, but those begun in vain are lost."""


@dataclass(frozen=True, slots=True)
class SequentialResult:
    """How the test of `player` against `opponent` ended."""

    player: str
    opponent: str
    counts: tuple[int, ...]
    """[5] pairs in which the player got 0, 0.5, 1, 1.5 and 2 points."""
    standing: Standing
    seconds: float

    @property
    def games(self) -> int:
        """Games that were counted."""
        return 2 * sum(self.counts)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the run's database."""
        return {
            "player": self.player,
            "opponent": self.opponent,
            "games": self.games,
            "counts": list(self.counts),
            "seconds": self.seconds,
            "sprt": self.standing.as_json(),
        }


class Tally:
    """Counts pairs in the order of their numbers and stops at the first bound.

    Games end in another order than they begin, the short ones first. A test that took pairs as
    they come would favour whoever wins quickly.
    """

    def __init__(self, test: Sprt) -> None:
        self._test = test
        self._points: dict[int, float] = {}
        self._next = 0  # game
        self.counts = [0] * 5
        self.standing = test.standing(self.counts)

    def add(self, game: Played) -> bool:
        """Count a game; whether the test is decided now."""
        self._points[game.number] = game.points()
        while not self.standing.decided and {self._next, self._next + 1} <= self._points.keys():
            pair = pentanomial([self._points[self._next], self._points[self._next + 1]])
            self.counts = [n + m for n, m in zip(self.counts, pair, strict=True)]
            self.standing = self._test.standing(self.counts)
            self._next += 2
        return self.standing.decided


def play_sequential(
    game: Game,
    player: Contestant,
    opponent: Contestant,
    test: Sprt,
    max_games: int,
    *,
    opening_plies: int = 4,
    seed: int = 0,
    log_dir: str | None = None,
    serial: bool = False,
    on_pair: Callable[[int, Standing], bool | None] | None = None,
) -> SequentialResult | None:
    """Play pairs from different openings until `test` is decided, or up to `max_games`.

    A game with fewer different openings is played from each of them once: the same opening
    again would give the same two games, and those prove nothing twice.

    Parameters
    ----------
    on_pair
        Called after every game with the count of games and the standing; a true answer gives the
        test up, and there is no result.
    """
    begun = time.monotonic()
    found = openings(game, max(1, max_games // 2), opening_plies, seed)
    book = [list(actions) for actions in dict.fromkeys(map(tuple, found))]
    tally = Tally(test)
    given_up = False

    def on_game(_: int, played: Played) -> bool:
        nonlocal given_up
        tally.add(played)
        given_up = on_pair is not None and bool(on_pair(2 * sum(tally.counts), tally.standing))
        return given_up or tally.standing.decided

    play_match(
        game, player, opponent, 2 * len(book),
        book=book, at_once=AT_ONCE, seed=seed, log_dir=log_dir, serial=serial, on_game=on_game,
    )  # fmt: skip
    if given_up:
        return None
    seconds = time.monotonic() - begun
    counts = tuple(tally.counts)
    return SequentialResult(player.name, opponent.name, counts, tally.standing, seconds)
