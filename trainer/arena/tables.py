"""Matches with programs that nobody here wrote, or by the clock: a few games at a time, each at a
table of its own.

Our side thinks in this process, the other one in its own. Whatever an engine does wrong loses it
the game in hand, with the reason written down, and the match goes on.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.errors import EngineError
from engine.process import cpu_count
from games.base import Game, GameState
from trainer.arena.players import Contestant
from trainer.arena.store import Played
from trainer.engines.lines import Fault
from trainer.engines.make import external_engine
from trainer.thinking import Limits, Thinker

__all__ = ["Seat", "play_at_tables", "play_game"]

LEAVES = 4
"""Of our tree in flight: few, since batches of one tree cost it quality."""
MEMORY_MB = 256.0


class Seat(Protocol):
    """Somebody at a table."""

    name: str

    certain: int | None
    """-1, 0 or 1: what the last position that it saw comes to, for the player to move there, if
    that is known and ends games."""

    def choose(self, line: Sequence[int], state: GameState) -> int | None:
        """An action in `state`, which `line` has led to; None: the player gives up.

        Raises
        ------
        Fault
            If there is none, for a reason.
        """

    def close(self) -> None:
        """Leave the table."""


class _Thinking:
    """One of our players."""

    def __init__(self, who: Contestant, game: Game) -> None:
        self.name = who.name
        leaves = LEAVES if who.seconds else min(LEAVES, who.search.num_simulations)
        self._thinker = Thinker(who, game, leaves=leaves, memory_mb=MEMORY_MB)
        self._search, self._seconds = who.search, who.seconds
        self._plies = 0  # of the game when it was asked last
        self._hopeless = 0  # of this game's positions, one after the other
        self.certain: int | None = None

    def choose(self, line: Sequence[int], state: GameState) -> int | None:
        self._thinker.set(line)
        if len(line) <= self._plies:
            self._hopeless = 0  # another game
        self._plies, search = len(line), self._search
        # As in other matches, each move has all its simulations, whatever is left of the tree.
        limits = Limits(seconds=self._seconds)
        if not self._seconds:
            wanted = self._thinker.visits + search.num_simulations
            limits = Limits(simulations=wanted, decided=False)
        thought = self._thinker.think(limits)
        self.certain = thought.best.proven if search.end_when_proven else None
        self._hopeless = self._hopeless + 1 if thought.value <= search.resign_value else 0
        if search.resign_value and self._hopeless == search.resign_plies:
            self._hopeless = 0
            return None
        return thought.best.action

    def close(self) -> None:
        pass


class _External:
    """A program."""

    def __init__(self, who: Contestant, game: Game, move_s: float) -> None:
        self.name = who.name
        self._engine = external_engine(who.command, game, move_s=move_s)
        self.certain: int | None = None

    def choose(self, line: Sequence[int], state: GameState) -> int | None:
        return self._engine.choose(line, state).action

    def close(self) -> None:
        self._engine.close()


def seat(who: Contestant, game: Game, move_s: float) -> Seat:
    """A place for `who`."""
    return _External(who, game, move_s) if who.kind == "external" else _Thinking(who, game)


def play_game(game: Game, seats: Sequence[Seat], opening: Sequence[int], number: int) -> Played:
    """A game from `opening` on; `seats` in the order of the game's players."""
    begin = time.monotonic()
    state, line = game.initial_state(), list(opening)
    for action in opening:
        state.apply_action(action)
    ending, detail, first = "rules", "", 0.0
    while not state.is_terminal():
        player = state.get_current_player()
        lost = -1.0 if player == 0 else 1.0
        try:
            chosen = seats[player].choose(line, state)
        except Fault as fault:
            ending, detail, first = fault.reason, str(fault), lost
            break
        if chosen is None:
            ending, first = "resigned", lost
            break
        state.apply_action(chosen)
        line.append(chosen)
        certain = seats[player].certain
        if certain is not None and not state.is_terminal():
            ending, first = "proven", float(certain if player == 0 else -certain)
            break
    else:
        first = float(state.returns()[0])
    return Played(
        number, len(opening), tuple(line), first, ending, detail, time.monotonic() - begin
    )


def play_at_tables(
    game: Game,
    players: tuple[Contestant, Contestant],
    num_games: int,
    book: Sequence[Sequence[int]],
    *,
    tables: int = 0,
    move_s: float = 60.0,
    known: Mapping[int, Played] | None = None,
    keep: Callable[[Played], None] | None = None,
    on_game: Callable[[int, Played], bool | None] | None = None,
    enough: Callable[[Played], bool] | None = None,
    until: float = math.inf,
) -> dict[int, Played] | None:
    """Games 0 to `num_games` - 1 by number, those `known` included; None: given up.

    Parameters
    ----------
    book
        The openings; game n has that of number n // 2, and in odd games the seats are changed.
    tables
        Games at once; 0: one a core.
    move_s
        Seconds in which an engine must move.
    keep, on_game, enough, until
        As of `trainer.arena.match.play_match`.

    Raises
    ------
    EngineError
        What a table failed with, and `Fault` if an engine does not even start.
    """
    found = {n: played for n, played in (known or {}).items() if n < num_games}
    numbers: queue.Queue[int] = queue.Queue()
    for number in range(num_games):
        if number not in found:
            numbers.put(number)
    finished: queue.Queue[Played | BaseException] = queue.Queue()
    stop = threading.Event()

    def sit() -> None:
        places: list[Seat] = []
        try:
            for who in players:
                places.append(seat(who, game, move_s))
            while not stop.is_set():
                number = numbers.get_nowait()
                order = places if number % 2 == 0 else places[::-1]
                finished.put(play_game(game, order, book[number // 2], number))
        except queue.Empty:
            pass
        except BaseException as error:
            finished.put(error)
        finally:
            for place in places:
                place.close()

    num_tables = max(1, min(tables or cpu_count(), numbers.qsize()))
    threads = [threading.Thread(target=sit, daemon=True) for _ in range(num_tables)]
    for thread in threads:
        thread.start()
    try:
        while len(found) < num_games and time.monotonic() < until:
            try:
                game_over = finished.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(game_over, BaseException):
                raise game_over
            if game_over.ending == "start":
                raise EngineError(game_over.detail)
            found[game_over.number] = game_over
            if keep is not None:
                keep(game_over)
            if on_game is not None and on_game(len(found), game_over):
                return None
            if enough is not None and enough(game_over):
                break
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return found
