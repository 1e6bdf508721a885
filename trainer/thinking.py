"""A position thought about for as long as somebody wants: what analysis, engines and play ask.

One tree, several leaves in flight, so that the back end gets batches; the tree is kept from move to
move and from question to question. Searching goes on in small pieces, between which a caller is
asked whether to stop and told how it stands.
"""

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.local import LocalRollout
from engine.search import Search
from games.base import Game, GameState
from trainer.arena.players import Contestant

__all__ = ["Clock", "Limits", "Line", "Thinker", "Thought", "never"]

LEAVES_IN_FLIGHT = 8
"""Batches of one tree; each leaf in flight costs a little search quality (virtual loss)."""
PIECE_S = 0.015
"""Seconds of a piece: whoever interrupts waits no longer, and a slow evaluator's one batch."""
MEMORY_MB = 512.0
MOVES_LEFT = 25
"""Moves that the time shall last for where no clock says so."""
LAG_S = 0.05
"""Of every move, for pipes and busy machines."""


def never() -> bool:
    """Nobody wants to stop."""
    return False


@dataclass(frozen=True, slots=True)
class Clock:
    """A player's time.

    How much of it a move may take: the increment, and an equal part of the rest for each of the
    moves that are left, taken to be `MOVES_LEFT` where a clock does not say.
    """

    remaining_s: float
    increment_s: float = 0.0
    moves_to_go: int = 0

    def seconds(self) -> float:
        """For the next move, > 0 and never more than there is."""
        moves = self.moves_to_go or MOVES_LEFT
        share = (self.remaining_s - self.increment_s) / moves + 0.9 * self.increment_s
        return max(0.01, min(share, 0.8 * self.remaining_s) - LAG_S)


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop thinking, whichever comes first; none: when told to."""

    simulations: int = 0
    """Of the root, kept ones counted; 0: any number."""
    seconds: float = 0.0
    """0: any time."""
    decided: bool = True
    """Also once the time or the simulations left cannot change which move is best."""


@dataclass(frozen=True, slots=True)
class Line:
    """A move and what follows it, as the search sees it; values are for the player to move."""

    action: int
    visits: int
    prior: float
    value: float
    """In [-1, 1]."""
    proven: int | None
    """-1, 0 or 1, where the result is certain."""
    distance: int | None
    """Plies to that end."""
    variation: tuple[int, ...]
    """From `action` on."""

    @property
    def winrate(self) -> float:
        """The value as a share of the points, in [0, 1]."""
        return (1.0 + self.value) / 2.0


@dataclass(frozen=True, slots=True)
class Thought:
    """What a search says of a position, the move to play first."""

    lines: tuple[Line, ...]
    value: float
    """Of the position, for the player to move, in [-1, 1]."""
    visits: int
    simulations: int
    """Made by this question: without those that were kept."""
    seconds: float

    @property
    def best(self) -> Line:
        """The move to play."""
        return self.lines[0]

    @property
    def rate(self) -> float:
        """Simulations per second."""
        return self.simulations / self.seconds if self.seconds > 0 else 0.0


class Thinker:
    """A player's thoughts about one game, position after position.

    Parameters
    ----------
    who
        A network, ``mcts:N`` or ``random``.
    game
        What is played.
    leaves
        In flight at once, >= 1: more make larger batches and slightly worse searches.
    memory_mb
        Of the tree; a tree that is full is not searched further.
    """

    def __init__(
        self,
        who: Contestant,
        game: Game,
        *,
        leaves: int = LEAVES_IN_FLIGHT,
        memory_mb: float = MEMORY_MB,
    ) -> None:
        self.who, self.game = who, game
        self._evaluator: Any
        if who.kind == "network":
            self._evaluator = who.evaluator().resolved(game, 1)[0].make(game, leaves)
        else:
            leaves = 1
            self._evaluator = LocalRollout(game, secrets.randbits(32))
        config = replace(
            who.search, leaves_in_flight=leaves, count_kept=True, reuse_tree=True,
            memory_mb=memory_mb,
        )  # fmt: skip
        self._search = Search(game, config)
        self._state = game.initial_state()
        self._line: list[int] = []
        self._first = self._state.clone()
        self._rate = 1000.0  # simulations per second, as last seen

    @property
    def state(self) -> GameState:
        """The position that is thought about; a copy."""
        return self._state.clone()

    def set(self, line: Sequence[int], first: GameState | None = None) -> None:
        """Think about the position after `line`, from `first` or the game's first position.

        Where the line goes on from the last one, so does the tree.
        """
        first = self.game.initial_state() if first is None else first
        same = first.to_text() == self._first.to_text() and first.position_hash() == (
            self._first.position_hash()
        )
        if not same or list(line[: len(self._line)]) != self._line:
            self._first, self._line = first.clone(), []
            self._state = first.clone()
            self._search.set_state(self._state)
        for action in line[len(self._line) :]:
            self._state.apply_action(action)
            self._search.play(action)
            self._line.append(action)

    @property
    def visits(self) -> int:
        """Of the position, those that were kept included."""
        return self._visits()

    def forget(self) -> None:
        """Drop the tree."""
        self._search.set_state(self._state, len(self._line))

    def restrict(self, actions: Collection[int]) -> None:
        """Only `actions` count in this position, which is thought about from nothing."""
        self._search.restrict(actions)

    def think(
        self,
        limits: Limits,
        *,
        stopped: Callable[[], bool] = never,
        on_thought: Callable[[Thought], None] | None = None,
        every_s: float = 0.5,
        variation: int = 12,
    ) -> Thought:
        """Search the position until a limit is reached or `stopped` is true.

        Parameters
        ----------
        stopped
            Asked between pieces of a few milliseconds.
        on_thought, every_s
            Told how it stands, so often.
        variation
            Most actions of a principal variation.

        Raises
        ------
        ValueError
            If the game is over.
        """
        if self._state.is_terminal():
            raise ValueError(f"the game is over in {self._state.to_text()!r}: nothing to think of")
        if self.who.kind == "random":
            return self._guess()
        begin = told = time.monotonic()
        before = self._search.num_simulations
        while True:
            visits = self._visits()
            want = visits + max(self._search.config.leaves_in_flight, int(self._rate * PIECE_S))
            if limits.simulations:
                want = min(want, limits.simulations)
            if want > visits:
                self._search.run(self._evaluator, want)
            now = time.monotonic()
            made = self._search.num_simulations - before
            if now > begin and made:
                self._rate = made / (now - begin)
            if (
                stopped()
                or self._visits() == visits
                or (limits.simulations and self._visits() >= limits.simulations)
                or (limits.seconds and now - begin >= limits.seconds)
                or (limits.decided and self._is_decided(limits, now - begin))
            ):
                return self._thought(made, now - begin, variation)
            if on_thought is not None and now - told >= every_s:
                told = now
                on_thought(self._thought(made, now - begin, variation))

    def _visits(self) -> int:
        return int(self._search.root_visits().sum())

    def _is_decided(self, limits: Limits, spent_s: float) -> bool:
        """Whether the second move could not overtake the first with all that is left."""
        left = float("inf")
        if limits.simulations:
            left = limits.simulations - self._visits()
        if limits.seconds:
            left = min(left, self._rate * max(0.0, limits.seconds - spent_s))
        if left == float("inf"):
            return False
        visits = sorted((int(n) for n in self._search.root_visits()), reverse=True)
        return len(self._state.get_legal_actions()) == 1 or (
            len(visits) > 1 and visits[0] - visits[1] > left
        )

    def _thought(self, made: int, seconds: float, variation: int) -> Thought:
        search = self._search
        value = search.value
        lines = tuple(
            Line(
                action=row["action"],
                visits=row["visits"],
                prior=row["prior"],
                value=value if row["value"] is None else float(
                    row["value"] if row["proven"] is None else row["proven"]
                ),
                proven=row["proven"],
                distance=row["distance"],
                variation=tuple(search.principal_variation(variation, row["action"])),
            )
            for row in search.candidates()
        )  # fmt: skip
        return Thought(lines, value, self._visits(), made, seconds)

    def _guess(self) -> Thought:
        """What the random player thinks."""
        legal = self._state.get_legal_actions()
        chosen = secrets.choice(legal)
        lines = [
            Line(action, int(action == chosen), 1 / len(legal), 0.0, None, None, (action,))
            for action in sorted(legal, key=lambda action: action != chosen)
        ]
        return Thought(tuple(lines), 0.0, 1, 0, 0.0)
