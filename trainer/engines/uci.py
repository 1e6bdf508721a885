"""Engines that speak UCI (Meyer-Kahlen and Huber, "Universal Chess Interface", 2006)."""

from collections.abc import Sequence

from games.base import GameState
from trainer.engines.base import ExternalEngine
from trainer.engines.lines import Fault, LineProcess

__all__ = ["UciEngine"]

SEARCH = "go movetime 100"
"""Unless told otherwise."""
MOST_LINES = 100_000
"""That it may say before it moves."""


class UciEngine(ExternalEngine):
    """An engine that speaks UCI; a saying is an option, ``name=value``, or how it shall think,
    ``go nodes 1000``."""

    def _greet(self, process: LineProcess, deadline: float) -> None:
        self._search, self._fresh = SEARCH, True
        process.send("uci")
        known = []
        while (line := process.read(deadline).strip()) != "uciok":
            if line.startswith("option name "):
                known.append(line.removeprefix("option name ").partition(" type ")[0])
        options = dict([("UCI_Chess960", "true")] if self.game.options.get("chess960") else [])
        for saying in self._sayings:
            if saying.startswith("go "):
                self._search = saying
                continue
            name, sign, value = (part.strip() for part in saying.partition("="))
            if not sign or name.lower() not in map(str.lower, known):
                raise Fault(
                    "protocol", f"{self.name} has no option {name!r}; it knows {', '.join(known)}"
                )
            options[name] = value
        for name, value in options.items():
            process.send(f"setoption name {name} value {value}")
        self._wait(process, deadline)

    def _wait(self, process: LineProcess, deadline: float) -> None:
        process.send("isready")
        while process.read(deadline).strip() != "readyok":
            pass

    def _move(
        self, process: LineProcess, line: Sequence[int], state: GameState, deadline: float
    ) -> str | None:
        if self._fresh or len(line) < 2:
            process.send("ucinewgame")
            self._wait(process, deadline)
            self._fresh = False
        at, moves = self.game.initial_state(), []
        for action in line:
            moves.append(at.action_to_move(action))
            at.apply_action(action)
        first = "startpos"
        if self.game.options.get("chess960"):
            first = f"fen {self.game.initial_state().to_text()}"
        process.send(f"position {first}" + (" moves " + " ".join(moves) if moves else ""))
        process.send(self._search)
        for _ in range(MOST_LINES):
            if (answer := process.read(deadline)).startswith("bestmove"):
                break
        else:
            raise Fault("babble", f"{self.name} has more than {MOST_LINES} lines before its move")
        words = answer.split()
        if len(words) < 2:
            raise Fault("protocol", f"{self.name} answers {answer!r} where a move is expected")
        return None if words[1] in ("(none)", "0000", "resign") else words[1]
