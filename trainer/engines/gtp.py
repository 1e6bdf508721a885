"""Engines that speak GTP 2 (Farnebäck, "Specification of the Go Text Protocol", 2002).

Points are letters and numbers as the games write them (Go leaves out the i). Player 0 is black,
who moves first, in every game. GoGui's ``twogtp`` and Sabaki play other games than Go so, too.
"""

from collections.abc import Iterator, Sequence

from games.base import GameState
from trainer.engines.base import ExternalEngine
from trainer.engines.lines import Fault, LineProcess

__all__ = ["GtpEngine"]

COLOURS = ("B", "W")
MOST_LINES = 1000
"""Of an answer."""
PASS = "pass"
Told = tuple[str, str, bool]
"""A colour, its move, and whether that is a pass for want of moves."""


def is_forced_pass(state: GameState) -> bool:
    """Whether the only legal action is to pass."""
    legal = state.get_legal_actions()
    return len(legal) == 1 and state.action_to_move(legal[0]) == PASS


class GtpEngine(ExternalEngine):
    """An engine that speaks GTP; the sayings are commands, sent before each game."""

    def _greet(self, process: LineProcess, deadline: float) -> None:
        version = self.ask(process, "protocol_version", deadline)
        if version.strip() not in ("1", "2"):
            raise Fault("protocol", f"{self.name} speaks GTP {version.strip()!r}, expected 2")
        self._known = set(self.ask(process, "list_commands", deadline).split())
        self._told: list[Told] | None = None

    def _move(
        self, process: LineProcess, line: Sequence[int], state: GameState, deadline: float
    ) -> str | None:
        moves = list(self._moves(line))
        if self._told is None or moves[: len(self._told)] != self._told:
            self._begin(process, deadline)
        for said in moves[len(self._told or []) :]:
            self._tell(process, said, deadline)
        self._told = moves
        colour = COLOURS[state.get_current_player()]
        if is_forced_pass(state):
            self._tell(process, (colour, PASS, True), deadline)
            self._told.append((colour, PASS, True))
            return PASS
        answer = self.ask(process, f"genmove {colour}", deadline).strip().lower()
        if answer == "resign":
            return None
        self._told.append((colour, answer, False))
        return answer

    def _tell(self, process: LineProcess, said: Told, deadline: float) -> None:
        colour, move, forced = said
        try:
            self.ask(process, f"play {colour} {move}", deadline)
        except Fault as fault:
            # Some engines know of a forced pass by themselves, and no way to be told.
            if not forced or fault.reason != "protocol":
                raise

    def _begin(self, process: LineProcess, deadline: float) -> None:
        """An empty board for a new game."""
        rows, columns = self.game.board_shape
        size = f"boardsize {rows}"
        if rows != columns:
            size = f"rectangular_boardsize {columns} {rows}"
        if size.split()[0] in self._known:
            self.ask(process, size, deadline)
        if "komi" in self._known and "komi" in self.game.options:
            self.ask(process, f"komi {self.game.options['komi']}", deadline)
        for saying in self._sayings:
            self.ask(process, saying, deadline)
        self.ask(process, "clear_board", deadline)
        self._told = []

    def _moves(self, line: Sequence[int]) -> Iterator[Told]:
        state = self.game.initial_state()
        for action in line:
            move = state.action_to_move(action).lower()
            yield COLOURS[state.get_current_player()], move, is_forced_pass(state)
            state.apply_action(action)

    def ask(self, process: LineProcess, command: str, deadline: float) -> str:
        """The answer to a command.

        Raises
        ------
        Fault
            If there is none, or it is an error.
        """
        process.send(command)
        answer: list[str] = []
        for _ in range(MOST_LINES):
            line = process.read(deadline)
            if answer and not line.strip():
                break
            # Whatever comes before the answer is the engine talking to itself.
            if answer or line.startswith(("=", "?")):
                answer.append(line)
        else:
            raise Fault("babble", f"{self.name} has more than {MOST_LINES} lines for {command!r}")
        if answer[0].startswith("?"):
            raise Fault(
                "protocol", f"{self.name} answers {command!r} with {answer[0].strip()!r}"
            )
        # The first line holds "=", perhaps an id, and the beginning of the answer.
        answer[0] = answer[0][1:].lstrip("0123456789").strip()
        return "\n".join(answer)
