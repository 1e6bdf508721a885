"""ringzero as a UCI engine.

References
----------
Meyer-Kahlen and Huber, "Universal Chess Interface" (2006); what centipawns a value stands for is
Leela Chess Zero's convention.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TextIO

from engine.config import SearchConfig
from engine.errors import ConfigError
from games.base import Game
from games.errors import GameError, IllegalActionError
from trainer.protocols.incoming import Incoming
from trainer.protocols.uci_words import UciWords
from trainer.thinking import Clock, Limits, Thinker, Thought

__all__ = ["UciServer"]

REPORT_S = 0.5
MOST_LINES = 500
"""Of MultiPV."""
# Settings of the search that a person may turn; the others are training's, or fixed by the tree.
TUNABLE = ("c_init", "c_base", "fpu_reduction", "virtual_loss", "widening_base",
           "widening_exponent", "transpositions", "solver")  # fmt: skip


@dataclass(slots=True)
class _Request:
    """What ``go`` has asked for, and what has become of it."""

    limits: Limits
    pondering: bool = False
    infinite: bool = False
    stopped: bool = False

    @property
    def is_open(self) -> bool:
        """Whether a person decides when it ends."""
        return (self.pondering or self.infinite) and not self.stopped


class UciServer:
    """One conversation.

    Parameters
    ----------
    make
        Gives the thinker of a game with these search settings and megabytes of tree.
    game
        What is played.
    limits
        Of a ``go`` without any.
    """

    def __init__(
        self, make: Callable[[Game, SearchConfig, int], Thinker], game: Game,
        search: SearchConfig, limits: Limits, memory_mb: int = 512,
    ) -> None:  # fmt: skip
        self._make, self._limits = make, limits
        self._words, self._config = UciWords(game), search
        self._memory_mb, self._multipv = memory_mb, 1
        self._thinker: Thinker | None = None
        self._first = self._words.state(None)
        self._line: list[int] = []
        self._incoming: Incoming
        self._out: TextIO
        self._held: list[str] = []  # lines that came while searching
        self._quit = False

    def run(self, source: TextIO, out: TextIO) -> None:
        """Obey the lines of `source` until ``quit`` or their end."""
        self._incoming, self._out = Incoming(source), out
        while not self._quit:
            line = self._held.pop(0) if self._held else self._incoming.take()
            if line is None:
                return
            words = line.split()
            # Unknown words are skipped, says the protocol, until one is known.
            while words and not hasattr(self, f"_do_{words[0].lower()}"):
                words.pop(0)
            if words:
                getattr(self, f"_do_{words[0].lower()}")(words[1:])

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def _note(self, text: str) -> None:
        self._say(f"info string {text}")

    # -- settings ---------------------------------------------------------------------------

    def _do_uci(self, words: list[str]) -> None:
        self._say("id name ringzero\nid author the ringzero authors")
        self._say(f"option name MultiPV type spin default 1 min 1 max {MOST_LINES}")
        self._say(f"option name Hash type spin default {self._memory_mb} min 16 max 1048576")
        self._say("option name Ponder type check default false")
        variant = self._words.variant
        self._say(f"option name UCI_Variant type combo default {variant} var {variant}")
        if self._words.game.name == "chess":
            own = str(bool(self._words.game.options["chess960"])).lower()
            self._say(f"option name UCI_Chess960 type check default {own}")
        for name in TUNABLE:
            value = getattr(self._config, name)
            kind = "check" if isinstance(value, bool) else "string"
            self._say(f"option name {name} type {kind} default {str(value).lower()}")
        self._say("uciok")

    def _do_setoption(self, words: list[str]) -> None:
        text = " ".join(words)
        name, _, value = text.removeprefix("name ").partition(" value ")
        name, value = name.strip(), value.strip()
        try:
            self._set_option(name, value)
        except (ValueError, ConfigError) as error:
            self._note(f"option {name} cannot be {value!r}: {error}")

    def _set_option(self, name: str, value: str) -> None:
        low = name.lower()
        if low == "multipv":
            self._multipv = min(max(1, int(value)), MOST_LINES)
        elif low == "hash":
            self._memory_mb, self._thinker = max(1, int(value)), None
        elif low == "uci_chess960":
            self._words = self._words.chess960(value.lower() == "true")
            self._first, self._line, self._thinker = self._words.state(None), [], None
        elif low in TUNABLE:
            self._config = replace(self._config, **_typed(self._config, {low: value}))
            self._thinker = None
        elif low == "uci_variant" and value not in (self._words.variant, ""):
            raise ValueError(f"this network plays {self._words.variant}")
        elif low not in ("ponder", "uci_variant"):
            self._note(f"there is no option {name}")

    def _do_isready(self, words: list[str]) -> None:
        self._think()
        self._say("readyok")

    def _do_ucinewgame(self, words: list[str]) -> None:
        if self._thinker is not None:
            self._thinker.forget()

    def _do_quit(self, words: list[str]) -> None:
        self._quit = True

    def _do_stop(self, words: list[str]) -> None:
        """Nothing is searched."""

    _do_ponderhit = _do_debug = _do_register = _do_stop

    # -- positions --------------------------------------------------------------------------

    def _do_position(self, words: list[str]) -> None:
        at = words.index("moves") if "moves" in words else len(words)
        try:
            if not words or words[0] not in ("startpos", "fen"):
                raise GameError("position is startpos or fen FEN, and perhaps moves")
            first = self._words.state(None if words[0] == "startpos" else " ".join(words[1:at]))
            state, line = first.clone(), []
            for move in words[at + 1 :]:
                line.append(self._words.action(state, move))
                state.apply_action(line[-1])
        except (GameError, IllegalActionError) as error:
            self._note(f"the position is ignored: {error}")
            return
        self._first, self._line = first, line

    def _think(self) -> Thinker:
        if self._thinker is None:
            self._thinker = self._make(self._words.game, self._config, self._memory_mb)
        return self._thinker

    # -- searching --------------------------------------------------------------------------

    def _do_go(self, words: list[str]) -> None:
        thinker = self._think()
        thinker.set(self._line, self._first)
        state = thinker.state
        if state.is_terminal():
            self._note("the game is over")
            self._say("bestmove (none)")
            return
        request = self._request(words, state.get_current_player())
        was_pondering = request.pondering
        wanted = self._wanted(words)
        if wanted:
            thinker.restrict(wanted)
        thought = self._search(thinker, request)
        while request.is_open:  # all is proven, or the tree is full: the move waits to be wanted
            time.sleep(0.005)
            self._interrupted(request)
        if was_pondering and not request.stopped:
            # The opponent has played the move that was thought of: from now on the clock runs.
            thought = self._search(thinker, request)
        self._report(thought)
        best = thought.best
        reply = ""
        if len(best.variation) > 1:
            after = thinker.state
            after.apply_action(best.action)
            reply = f" ponder {self._words.move(after, best.variation[1])}"
        self._say(f"bestmove {self._words.move(state, best.action)}{reply}")

    def _search(self, thinker: Thinker, request: _Request) -> Thought:
        return thinker.think(
            Limits(decided=False) if request.is_open else request.limits,
            stopped=lambda: self._interrupted(request),
            on_thought=self._report,
            every_s=REPORT_S,
        )

    def _interrupted(self, request: _Request) -> bool:
        """Read what has come meanwhile; whether to stop for it."""
        while self._incoming.waiting:
            line = self._incoming.take()
            word = "quit" if line is None else (line.split() or [""])[0].lower()
            if word == "isready":
                self._say("readyok")
            elif word == "ponderhit" and request.pondering:
                request.pondering = False
                return True
            elif word in ("stop", "quit"):
                request.stopped = True
                self._quit |= word == "quit"
                return True
            elif word not in ("debug", "ponderhit", ""):
                self._held.append(line or "")
        return False

    def _request(self, words: list[str], player: int) -> _Request:
        numbers: dict[str, float] = {}
        for name, value in itertools.pairwise(words):
            if value.lstrip("-").isdigit():
                numbers[name] = float(value)
        limits = self._limits
        side, increment = ("wtime", "winc") if player == 0 else ("btime", "binc")
        if side in numbers:
            clock = Clock(
                max(0.0, numbers[side]) / 1000,
                numbers.get(increment, 0.0) / 1000,
                int(numbers.get("movestogo", 0)),
            )
            limits = Limits(seconds=clock.seconds())
        if "movetime" in numbers:
            limits = Limits(seconds=max(0.01, numbers["movetime"] / 1000), decided=False)
        if "nodes" in numbers:
            timed = {"movetime", side} & numbers.keys()
            nodes = max(1, int(numbers["nodes"]))
            limits = replace(limits if timed else Limits(), simulations=nodes)
        return _Request(limits, "ponder" in words, "infinite" in words)

    def _wanted(self, words: list[str]) -> set[int]:
        if "searchmoves" not in words:
            return set()
        state, found = self._think().state, set()
        for move in words[words.index("searchmoves") + 1 :]:
            try:
                found.add(self._words.action(state, move))
            except IllegalActionError:
                break
        return found

    def _report(self, thought: Thought) -> None:
        """A line for each of the best moves."""
        at = self._think().state
        deepest = max(len(line.variation) for line in thought.lines)
        for rank, line in enumerate(thought.lines[: self._multipv], 1):
            state, moves = at.clone(), []
            for action in line.variation or (line.action,):
                moves.append(self._words.move(state, action))
                state.apply_action(action)
            score = f"cp {_centipawns(line.value)}"
            if line.proven and line.distance:
                score = f"mate {line.proven * ((line.distance + 1) // 2)}"
            self._say(
                f"info depth {max(1, len(line.variation))} seldepth {max(1, deepest)} "
                f"multipv {rank} score {score} nodes {thought.visits} nps {thought.rate:.0f} "
                f"time {1000 * thought.seconds:.0f} pv {' '.join(moves)}"
            )


def _centipawns(value: float) -> int:
    """Of a value in [-1, 1]; as good as unbounded at its ends."""
    return round(90 * math.tan(1.5637541897 * max(-0.9999, min(0.9999, value))))


def _typed(config: SearchConfig, values: Mapping[str, str]) -> dict[str, Any]:
    """`values` as what the settings are."""
    kinds = {field.name: type(getattr(config, field.name)) for field in fields(config)}
    return {
        name: value.lower() == "true" if kinds[name] is bool else kinds[name](float(value))
        for name, value in values.items()
    }
