"""What a match needs of an engine that somebody else wrote."""

import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import ConfigError
from games.base import Game, GameState
from games.errors import IllegalActionError
from trainer.engines.lines import Fault, LineProcess

__all__ = ["Choice", "ExternalEngine", "parse_command"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What an engine wants to do."""

    action: int | None
    """None: it gives up."""
    seconds: float


def parse_command(text: str) -> tuple[list[str], list[str]]:
    """The program with its arguments, and what is said to it at the start.

    ``/usr/games/stockfish; UCI_Elo=1350; go nodes 1000`` is a program and two sayings.

    Raises
    ------
    ConfigError
        If there is no program.
    """
    program, *sayings = (part.strip() for part in text.split(";"))
    try:
        command = shlex.split(program)
    except ValueError as error:
        raise ConfigError(f"{program!r} is no command: {error}") from error
    if not command:
        raise ConfigError(f"{text!r} names no program; write gtp:/path args or uci:/path args")
    return command, [saying for saying in sayings if saying]


class ExternalEngine(ABC):
    """A program that plays one game at a time.

    It is started when it is first needed and again after a fault; the whole line is told anew
    then, so that a game can go on.

    Parameters
    ----------
    name
        As the person wrote it.
    command, sayings
        See `parse_command`.
    game
        What is played.
    start_s, move_s
        Seconds until it must have started, and moved.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        sayings: Sequence[str],
        game: Game,
        *,
        start_s: float = 20.0,
        move_s: float = 60.0,
    ) -> None:
        self.name, self.game = name, game
        self.start_s, self.move_s = start_s, move_s
        self._command, self._sayings = list(command), list(sayings)
        self._process: LineProcess | None = None

    def choose(self, line: Sequence[int], state: GameState) -> Choice:
        """What it plays in `state`, which `line` has led to from the first position.

        Raises
        ------
        Fault
            If it fails; it is ended then, and starts anew with the next call.
        """
        try:
            process = self.started()
            begin = time.monotonic()
            move = self._move(process, line, state, begin + self.move_s)
            seconds = time.monotonic() - begin
            return Choice(None if move is None else self._action(move, state), seconds)
        except Fault:
            self.close()
            raise

    def _action(self, move: str, state: GameState) -> int:
        try:
            action = state.move_to_action(move)
        except IllegalActionError:
            raise Fault(
                "illegal", f"{self.name} plays {move!r}, which is illegal in {state.to_text()!r}"
            ) from None
        return action

    def started(self) -> LineProcess:
        """The running program.

        Raises
        ------
        Fault
            If it does not start.
        """
        if self._process is None:
            self._process = LineProcess(self._command)
            try:
                self._greet(self._process, time.monotonic() + self.start_s)
            except Fault as fault:
                self.close()
                raise Fault("start", f"{self.name} does not start: {fault}") from fault
        return self._process

    def close(self) -> None:
        """End the program, if it runs."""
        if self._process is not None:
            self._process.close()
            self._process = None

    @abstractmethod
    def _greet(self, process: LineProcess, deadline: float) -> None:
        """Everything before the first game."""

    @abstractmethod
    def _move(
        self, process: LineProcess, line: Sequence[int], state: GameState, deadline: float
    ) -> str | None:
        """Tell the position and ask for a move, in the game's notation; None: it gives up."""
