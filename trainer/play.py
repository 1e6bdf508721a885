"""A game against the network in the terminal.

`Session` knows nothing of engines: it is given a function that thinks about a position. It reads
lines and prints to a console, so it works on pipes and is tested with written lines.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

from games.base import Game, GameState
from games.errors import GameError, IllegalActionError
from trainer.candidates import candidate_table, headline
from trainer.thinking import Limits, Thought

__all__ = ["Session", "Think", "lines_from"]

PLAYERS = ("x", "o")
STYLES = {"x": "bold red", "o": "bold yellow"}
SIDES = {"x": (0,), "o": (1,), "first": (0,), "second": (1,), "both": (0, 1), "none": ()}
MOST_HINTS = 5
HELP = """\
MOVE          play a move, such as {example}
undo          take back your last move
hint          what the network would play for you, and what it thinks of the other moves
side x|o      change sides (x moves first); both: two people; none: watch
strength N    simulations of each of the network's moves; 0: its first thought
seconds S     time of each of the network's moves instead
new           begin again
position      the position as a line of text; position TEXT sets it
save FILE     keep the game; load FILE goes on with it
quit          end"""


Think = Callable[[GameState, Sequence[int], Limits], Thought]
"""Thinks about the position that a line leads to from a first position."""


def lines_from(console: Console) -> Callable[[str], str | None]:
    """Reads a line after a prompt; None when there are no more."""

    def read(prompt: str) -> str | None:
        try:
            return console.input(Text(prompt, "bold"))
        except EOFError:
            return None

    return read


@dataclass
class Session:
    """One sitting at the board.

    Parameters
    ----------
    game
        What is played.
    think
        The opponent; see `Think`.
    console
        Where boards and messages go.
    read
        Gives the next line a person types, None at the end.
    side
        Who the person plays: x, o, both or none.
    limits
        Of each of the opponent's moves.
    """

    game: Game
    think: Think
    console: Console
    read: Callable[[str], str | None]
    side: str = "x"
    limits: Limits = field(default_factory=lambda: Limits(simulations=100))

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"side must be one of {', '.join(SIDES)}, got {self.side!r}")
        self._begin(self.game.initial_state())

    def _begin(self, first: GameState) -> None:
        self._states, self._line = [first], list[int]()

    @property
    def state(self) -> GameState:
        """The position on the board."""
        return self._states[-1]

    def run(self, position: str | None = None) -> None:
        """Play until the person quits or there are no more lines; `position` to begin with."""
        if position is not None:
            self._begin(self.game.state_from_text(position))
        self._say(f"{self.game.name}: type a move, or help", "dim")
        self._board()
        while True:
            while not self._persons_turn():
                self._reply()
            line = self.read(self._prompt())
            if line is None or not self._obey(line.strip()):
                return

    # -- turns ----------------------------------------------------------------------------------

    def _persons_turn(self, state: GameState | None = None) -> bool:
        state = state or self.state
        return state.is_terminal() or state.get_current_player() in SIDES[self.side]

    def _prompt(self) -> str:
        if self.state.is_terminal():
            return "game over (new, undo, quit)> "
        return f"{PLAYERS[self.state.get_current_player()]}> "

    def _play(self, action: int) -> None:
        state = self.state.clone()
        state.apply_action(action)
        self._states.append(state)
        self._line.append(action)

    def _reply(self) -> None:
        """The network plays."""
        best = self._thought().best
        move = self.state.action_to_move(best.action)
        self._say(f"ringzero plays {move}  (value {best.value:+.2f})", "cyan")
        self._play(best.action)
        self._board()

    def _thought(self) -> Thought:
        return self.think(self._states[0].clone(), list(self._line), self.limits)

    # -- commands -------------------------------------------------------------------------------

    def _obey(self, line: str) -> bool:
        """Do what `line` says; False to end."""
        if not line:
            return True
        name, _, rest = line.partition(" ")
        command = getattr(self, f"_do_{name.lower()}", None)
        if command is not None:
            return bool(command(rest.strip()))
        if self.state.is_terminal():
            self._complain("the game is over: type new, undo or quit")
            return True
        try:
            action = self.state.move_to_action(line)
        except IllegalActionError:
            self._illegal(line)
            return True
        self._play(action)
        self._board()
        return True

    def _do_quit(self, rest: str) -> bool:
        return False

    _do_exit = _do_q = _do_quit

    def _do_help(self, rest: str) -> bool:
        moves = self._moves() or ["a1"]
        self._say(HELP.format(example=moves[len(moves) // 2]))
        return True

    def _do_undo(self, rest: str) -> bool:
        """Back to the person's turn before this one."""
        turns = [i for i, s in enumerate(self._states[:-1]) if self._persons_turn(s)]
        if turns:
            del self._states[turns[-1] + 1 :], self._line[turns[-1] :]
            self._board()
        else:
            self._complain("there is nothing to take back")
        return True

    def _do_hint(self, rest: str) -> bool:
        if self.state.is_terminal():
            self._complain("the game is over: there is nothing to hint at")
            return True
        thought = self._thought()
        self._say(headline(thought), "dim")
        self.console.print(candidate_table(self.state, thought, MOST_HINTS))
        return True

    def _do_side(self, rest: str) -> bool:
        if rest.lower() in SIDES:
            self.side = rest.lower()
        else:
            self._complain(f"side must be one of {', '.join(SIDES)}, got {rest or 'nothing'!r}")
        return True

    def _do_strength(self, rest: str) -> bool:
        if rest.isdecimal():
            self.limits = Limits(simulations=max(1, int(rest)))
            self._say(self._strength())
        elif rest:
            self._complain(f"strength must be a number of simulations >= 0, got {rest!r}")
        else:
            self._say(f"strength is {self._strength()}")
        return True

    def _strength(self) -> str:
        if self.limits.seconds:
            return f"{self.limits.seconds:g} seconds a move"
        return f"{self.limits.simulations} simulations a move"

    def _do_seconds(self, rest: str) -> bool:
        try:
            seconds = float(rest)
        except ValueError:
            seconds = 0.0
        if seconds > 0:
            self.limits = Limits(seconds=seconds)
            self._say(self._strength())
        else:
            self._complain(f"seconds must be a number > 0, got {rest or 'nothing'!r}")
        return True

    def _do_save(self, rest: str) -> bool:
        """A line with the first position, and one with the moves."""
        state, moves = self._states[0].clone(), []
        for action in self._line:
            moves.append(state.action_to_move(action))
            state.apply_action(action)
        try:
            Path(rest or ".").write_text(f"{self._states[0].to_text()}\n{' '.join(moves)}\n")
        except OSError as error:
            self._complain(f"the game is not saved: {error}")
        else:
            self._say(f"{len(moves)} moves saved in {rest}")
        return True

    def _do_load(self, rest: str) -> bool:
        try:
            first, _, moves = Path(rest or ".").read_text().partition("\n")
            states, line = [self.game.state_from_text(first)], list[int]()
            for move in moves.split():
                line.append(states[-1].move_to_action(move))
                states.append(states[-1].clone())
                states[-1].apply_action(line[-1])
        except (OSError, UnicodeDecodeError, GameError, IllegalActionError) as error:
            self._complain(f"no game of {self.game.name} in {rest or 'nothing'!r}: {error}")
            return True
        self._states, self._line = states, line
        self._board()
        return True

    def _do_new(self, rest: str) -> bool:
        self._begin(self.game.initial_state())
        self._board()
        return True

    def _do_position(self, rest: str) -> bool:
        if not rest:
            self._say(self.state.to_text())
            return True
        try:
            self._begin(self.game.state_from_text(rest))
        except GameError as error:
            self._complain(str(error))
            return True
        self._board()
        return True

    def _do_board(self, rest: str) -> bool:
        self._board()
        return True

    # -- what is shown --------------------------------------------------------------------------

    def _moves(self) -> list[str]:
        return [self.state.action_to_move(a) for a in self.state.get_legal_actions()]

    def _commands(self) -> Iterator[str]:
        return (name.removeprefix("_do_") for name in dir(self) if name.startswith("_do_"))

    def _illegal(self, line: str) -> None:
        moves = self._moves()
        listed = " ".join(moves[:12]) + (" ..." if len(moves) > 12 else "")
        close = difflib.get_close_matches(line.lower(), list(self._commands()), n=1)
        hint = f"did you mean {close[0]}?" if close and len(line) > 1 else f"legal moves: {listed}"
        self._complain(f"{line!r} is neither a legal move nor a command; {hint} (help lists all)")

    def _board(self) -> None:
        board = Text(str(self.state))
        for mark, style in STYLES.items():
            board.highlight_regex(rf"(?m)(?<!\S){mark}(?!\S)", style)
        self.console.print(board)
        if self.state.is_terminal():
            self._say(self._verdict(), "bold green")

    def _verdict(self) -> str:
        first = self.state.returns()[0]
        if first == 0:
            return "a draw"
        winner = 0 if first > 0 else 1
        sides = SIDES[self.side]
        if len(sides) == 1:
            return "you have won" if winner in sides else "ringzero has won"
        return f"{PLAYERS[winner]} has won"

    def _say(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style))

    def _complain(self, text: str) -> None:
        self._say(text, "red")


def scripted(lines: Iterable[str]) -> Callable[[str], str | None]:
    """A reader of given lines, for tests and demonstrations."""
    left = iter(lines)
    return lambda prompt: next(left, None)
