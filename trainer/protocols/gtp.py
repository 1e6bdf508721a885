"""ringzero as a GTP engine, for every game.

References
----------
Farnebäck, "Specification of the Go Text Protocol, version 2, draft 2" (2002); KataGo's
docs/GTP_Extensions.md for ``kata-analyze``; GoGui's documentation for ``gogui-rules_*``, by which a
board shows games it has never heard of.
"""

import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TextIO

import games
from games.base import Game, GameState
from games.errors import GameError, IllegalActionError
from trainer.protocols.handicap import fixed_points, most_fixed
from trainer.protocols.incoming import Incoming
from trainer.protocols.points import Points
from trainer.thinking import Clock, Limits, Line, Thinker, Thought

__all__ = ["GtpError", "GtpServer"]

COLOURS = {"b": 0, "black": 0, "w": 1, "white": 1}
NAMES = ("black", "white")
TITLES = {"go": "Go", "hex": "Hex", "othello": "Othello", "gomoku": "Gomoku"}
MOST_SHOWN = 40
"""Lines of a live analysis."""


class GtpError(Exception):
    """A command cannot be obeyed; its text is the answer."""


class GtpServer:
    """One conversation.

    Parameters
    ----------
    make
        Gives the thinker of a game: the network is loaded when its first thought is wanted.
    game
        What is played until told otherwise.
    limits
        Of a move while no clock runs.
    own_points
        Name moves as the game does, see `Points`.
    ponder
        Think on after a move of its own, until a line arrives.
    """

    def __init__(
        self,
        make: Callable[[Game], Thinker],
        game: Game,
        limits: Limits,
        *,
        own_points: bool = False,
        ponder: bool = False,
    ) -> None:
        self._make, self._limits, self._own_points = make, limits, own_points
        self._ponder = ponder
        self._thinker: Thinker | None = None
        self._clocks: list[Clock | None] = [None, None]
        self._main_s = self._byo_s = 0.0
        self._byo_moves = 0
        self._set_game(game)
        self._incoming: Incoming
        self._out: TextIO
        self._id = ""

    def run(self, source: TextIO, out: TextIO) -> None:
        """Obey the lines of `source` until ``quit`` or their end."""
        self._incoming, self._out = Incoming(source), out
        for line in self._incoming:
            words = line.partition("#")[0].replace("\t", " ").split()
            if not words:
                continue
            self._id = words.pop(0) if words[0].isdigit() else ""
            if not words:
                continue
            name, arguments = words[0].lower(), words[1:]
            command = getattr(self, "_do_" + name.replace("-", "_"), None)
            try:
                if command is None:
                    raise GtpError("unknown command")
                answer = command(*arguments)
            except GtpError as error:
                self._say("?", str(error))
            except TypeError as error:
                if "positional argument" not in str(error):
                    raise
                self._say("?", f"wrong number of arguments for {name}")
            else:
                if answer is not None:
                    self._say("=", answer)
                if self._ponder and "genmove" in name and not self._state.is_terminal():
                    self._think().think(
                        Limits(decided=False), stopped=lambda: self._incoming.waiting
                    )
            if name == "quit":
                return

    def _say(self, sign: str, text: str) -> None:
        print(f"{sign}{self._id} {text}".rstrip() + "\n", file=self._out, flush=True)

    # -- the position -----------------------------------------------------------------------

    def _set_game(self, game: Game) -> None:
        self._game, self._points = game, Points(game, own=self._own_points)
        self._thinker = None
        self._clear()

    def _clear(self) -> None:
        self._states = [self._game.initial_state()]
        self._line: list[int] = []

    @property
    def _state(self) -> GameState:
        return self._states[-1]

    def _think(self) -> Thinker:
        if self._thinker is None:
            self._thinker = self._make(self._game)
        self._thinker.set(self._line, self._states[0])
        return self._thinker

    def _colour(self, text: str) -> int:
        if text.lower() not in COLOURS:
            raise GtpError(f"invalid color {text}: black or white")
        return COLOURS[text.lower()]

    def _turn(self, player: int) -> None:
        """Let `player` be to move: a pass of the other, if the game knows one."""
        if self._state.is_terminal():
            raise GtpError("the game is over")
        if self._state.get_current_player() == player:
            return
        try:
            self._apply(self._points.action(self._state, "pass"))
        except IllegalActionError:
            raise GtpError(f"it is not {NAMES[player]}'s turn") from None
        if self._state.is_terminal() or self._state.get_current_player() != player:
            self._take_back()
            raise GtpError(f"it is not {NAMES[player]}'s turn")

    def _apply(self, action: int) -> None:
        state = self._state.clone()
        state.apply_action(action)
        self._states.append(state)
        self._line.append(action)

    def _take_back(self) -> None:
        if not self._line:
            raise GtpError("cannot undo")
        self._states.pop()
        self._line.pop()

    # -- administration ---------------------------------------------------------------------

    def _do_protocol_version(self) -> str:
        return "2"

    def _do_name(self) -> str:
        return "ringzero"

    def _do_version(self) -> str:
        return version("ringzero")

    def _commands(self) -> list[str]:
        own = sorted(name[4:] for name in dir(self) if name.startswith("_do_"))
        return [
            name.replace("_", "-", 1)
            if name.startswith(("kata_", "lz_", "gogui_", "gg_"))
            else name
            for name in own
        ]

    def _do_list_commands(self) -> str:
        return "\n".join(self._commands())

    def _do_known_command(self, name: str = "") -> str:
        return str(name.lower() in self._commands()).lower()

    def _do_quit(self) -> str:
        return ""

    def _do_stop(self) -> str:
        return ""

    def _do_cputime(self) -> str:
        return f"{time.process_time():.2f}"

    def _do_clear_cache(self) -> str:
        if self._thinker is not None:
            self._thinker.forget()
        return ""

    # -- setup ------------------------------------------------------------------------------

    def _do_boardsize(self, size: str, rows: str | None = None) -> str:
        return self._resize(size, rows or size)

    def _do_rectangular_boardsize(self, columns: str, rows: str) -> str:
        return self._resize(columns, rows)

    def _resize(self, columns: str, rows: str) -> str:
        if (rows, columns) != (str(self._game.rows), str(self._game.columns)):
            raise GtpError(
                f"unacceptable size: this network plays {self._game.name} on "
                f"{self._game.columns}x{self._game.rows}"
            )
        self._clear()
        return ""

    def _do_clear_board(self) -> str:
        self._clear()
        return ""

    def _do_komi(self, komi: str) -> str:
        try:
            wanted = float(komi)
        except ValueError:
            raise GtpError("komi not a float") from None
        if "komi" in self._game.options and wanted != self._game.options["komi"]:
            first, line = self._states[0].to_text(), self._line
            try:
                game = games.make(self._game.name, **{**self._game.options, "komi": wanted})
            except GameError as error:
                raise GtpError(str(error)) from None
            self._set_game(game)
            self._states = [game.state_from_text(first)]
            for action in line:
                self._apply(action)
        return ""

    def _do_get_komi(self) -> str:
        return str(self._game.options.get("komi", 0.0))

    def _do_fixed_handicap(self, stones: str) -> str:
        try:
            return self._place(fixed_points(self._game.rows, int(stones)))
        except ValueError as error:
            raise GtpError(f"invalid number of stones: {error}") from None

    def _do_place_free_handicap(self, stones: str) -> str:
        # An engine may place fewer stones than it is asked for, says the protocol.
        if not stones.isdigit() or int(stones) < 2:
            raise GtpError(f"handicap stones are 2 or more, got {stones}")
        return self._do_fixed_handicap(str(min(int(stones), most_fixed(self._game.rows))))

    def _do_set_free_handicap(self, *points: str) -> str:
        if len(points) < 2 or len({point.upper() for point in points}) < len(points):
            raise GtpError("handicap stones are 2 or more different points")
        self._place(points)
        return ""

    def _place(self, points: Sequence[str]) -> str:
        """Black's handicap stones: White moves first then."""
        state = self._game.initial_state()
        if self._game.name != "go":
            raise GtpError(f"{self._game.name} has no handicap stones")
        if self._line or self._state.to_text() != state.to_text():
            raise GtpError("board not empty")
        try:
            cells = [self._points.action(state, point) for point in points]
        except IllegalActionError as error:
            raise GtpError(f"invalid point: {error}") from None
        if self._points.action(state, "pass") in cells:
            raise GtpError("a pass is no handicap stone")
        size = self._game.rows
        board = "".join("x" if cell in cells else "." for cell in range(size * size))
        rows = (board[begin : begin + size] for begin in range(0, size * size, size))
        self._states = [self._game.state_from_text("/".join(rows) + " o")]
        return " ".join(points)

    # -- play -------------------------------------------------------------------------------

    def _do_play(self, colour: str, move: str) -> str:
        player = self._colour(colour)
        if move.lower() == "resign":
            return ""
        depth = len(self._line)
        self._turn(player)
        try:
            self._apply(self._points.action(self._state, move))
        except IllegalActionError:
            while len(self._line) > depth:
                self._take_back()
            raise GtpError("illegal move") from None
        return ""

    def _do_gogui_play_sequence(self, *words: str) -> str:
        if len(words) % 2:
            raise GtpError("a sequence is colors and moves in turn")
        for colour, move in zip(words[::2], words[1::2], strict=True):
            self._do_play(colour, move)
        return ""

    def _do_undo(self) -> str:
        self._take_back()
        return ""

    def _do_gg_undo(self, moves: str = "1") -> str:
        if not moves.isdigit() or int(moves) > len(self._line):
            raise GtpError("cannot undo")
        for _ in range(int(moves)):
            self._take_back()
        return ""

    def _do_genmove(self, colour: str) -> str:
        player = self._colour(colour)
        self._turn(player)
        return self._choose(player, self._think().think(self._move_limits(player)))

    def _choose(self, player: int, thought: Thought) -> str:
        move = self._points.name(self._state, thought.best.action)
        self._apply(thought.best.action)
        clock = self._clocks[player]
        if clock is not None:
            left = max(0.0, clock.remaining_s - thought.seconds)
            self._clocks[player] = Clock(left, clock.increment_s, clock.moves_to_go)
        return move

    def _move_limits(self, player: int) -> Limits:
        clock = self._clocks[player]
        if clock is None and self._byo_s and not self._main_s:
            clock = Clock(self._byo_s, moves_to_go=self._byo_moves)
        elif clock is None and self._main_s:
            clock = Clock(self._main_s)
        return self._limits if clock is None else Limits(seconds=clock.seconds())

    def _do_time_settings(self, main: str, byo: str, stones: str) -> str:
        try:
            self._main_s, self._byo_s, self._byo_moves = float(main), float(byo), int(stones)
        except ValueError:
            raise GtpError("time settings are seconds, seconds and stones") from None
        if self._byo_s > 0 and not self._byo_moves:  # no limit, says the protocol
            self._main_s = self._byo_s = 0.0
        self._clocks = [None, None]
        return ""

    def _do_time_left(self, colour: str, seconds: str, stones: str) -> str:
        try:
            self._clocks[self._colour(colour)] = Clock(float(seconds), moves_to_go=int(stones))
        except ValueError:
            raise GtpError("time left is seconds and stones") from None
        return ""

    def _do_showboard(self) -> str:
        return "\n" + str(self._state)

    def _do_final_score(self) -> str:
        margin = self._state.final_margin(0)
        if margin is None:
            if not self._state.is_terminal():
                raise GtpError("the game is not over")
            margin = float(self._state.returns()[0])
            return "0" if margin == 0 else "B+" if margin > 0 else "W+"
        return "0" if margin == 0 else f"{'BW'[margin < 0]}+{abs(margin):g}"

    def _do_all_legal(self, colour: str) -> str:
        if self._state.is_terminal() or self._state.get_current_player() != self._colour(colour):
            return ""
        return " ".join(self._legal())

    def _do_is_legal(self, colour: str, move: str) -> str:
        return str(int(move.upper() in self._do_all_legal(colour).upper().split()))

    def _legal(self) -> list[str]:
        state = self._state
        if state.is_terminal():
            return []
        return [self._points.name(state, action) for action in state.get_legal_actions()]

    # -- analysis ---------------------------------------------------------------------------

    def _do_kata_analyze(self, *words: str) -> None:
        self._analyse(words, kata=True)

    def _do_lz_analyze(self, *words: str) -> None:
        self._analyse(words, kata=False)

    def _do_kata_genmove_analyze(self, *words: str) -> None:
        self._analyse(words, kata=True, play=True)

    def _do_lz_genmove_analyze(self, *words: str) -> None:
        self._analyse(words, kata=False, play=True)

    def _analyse(self, words: tuple[str, ...], *, kata: bool, play: bool = False) -> None:
        """Lines of analysis until a line arrives or, of a move, until it is found."""
        player, every_s = self._asked(words)
        self._turn(player)
        self._say_begin()

        def tell(thought: Thought) -> None:
            state = self._state
            lines = [
                self._info(state, line, order, kata)
                for order, line in enumerate(thought.lines[:MOST_SHOWN])
                if line.visits or not order
            ]
            print(" ".join(lines), file=self._out, flush=True)

        limits = self._move_limits(player) if play else Limits(decided=False)
        thought = self._think().think(
            limits, stopped=lambda: self._incoming.waiting, on_thought=tell, every_s=every_s
        )
        tell(thought)
        if play:
            print(f"play {self._choose(player, thought)}", file=self._out)
        elif not self._incoming.waiting:
            # All is proven, or the tree is full: wait to be interrupted, as agreed.
            while not self._incoming.waiting:
                time.sleep(0.005)
        print(file=self._out, flush=True)

    def _say_begin(self) -> None:
        print(f"={self._id}", file=self._out, flush=True)

    def _asked(self, words: tuple[str, ...]) -> tuple[int, float]:
        """Whose turn it shall be, and the seconds between two lines."""
        player, every_s = self._state.get_current_player(), 0.5
        rest = list(words)
        while rest:
            word = rest.pop(0).lower()
            if word in COLOURS:
                player = COLOURS[word]
            elif word == "interval" and rest:
                every_s = self._centiseconds(rest.pop(0))
            elif word.replace(".", "", 1).isdigit():
                every_s = self._centiseconds(word)
            elif word in ("minmoves", "maxmoves", "rootinfo", "ownership", "pvvisits") and rest:
                rest.pop(0)
        return player, every_s

    def _centiseconds(self, text: str) -> float:
        try:
            return max(0.01, float(text) / 100)
        except ValueError:
            raise GtpError(f"an interval is centiseconds, got {text}") from None

    def _info(self, state: GameState, line: Line, order: int, kata: bool) -> str:
        at, names = state.clone(), []
        for action in line.variation or (line.action,):
            names.append(self._points.name(at, action))
            at.apply_action(action)
        bound = line.winrate - (line.winrate * (1 - line.winrate) / max(1, line.visits)) ** 0.5

        def share(value: float) -> str:
            return f"{value:.6f}" if kata else str(round(10000 * max(0.0, value)))

        return (
            f"info move {names[0]} visits {line.visits} winrate {share(line.winrate)} "
            f"prior {share(line.prior)} lcb {share(bound)} order {order} pv {' '.join(names)}"
        )

    def _do_kata_get_rules(self) -> str:
        options = self._game.options
        if self._game.name != "go":
            raise GtpError(f"{self._game.name} has no rules of Go")
        ko = {"positional": "POSITIONAL", "situational": "SITUATIONAL"}.get(
            str(options.get("ko")), "SIMPLE"
        )
        rules = {"ko": ko, "scoring": "AREA", "suicide": bool(options.get("suicide")),
                 "tax": "NONE", "hasButton": False}  # fmt: skip
        return json.dumps(rules)

    # -- GoGui ------------------------------------------------------------------------------

    def _do_gogui_analyze_commands(self) -> str:
        return "\n".join(
            [
                "string/Legal moves/gogui-rules_legal_moves",
                "string/Final score/final_score",
                "gfx/Candidates/ringzero_candidates",
                "hstring/Board/showboard",
            ]
        )

    def _do_ringzero_candidates(self) -> str:
        """What the search thinks of each point, as GoGui's graphics."""
        if self._state.is_terminal():
            raise GtpError("the game is over")
        thought = self._think().think(self._limits)
        most = max(1, thought.best.visits)
        rows = [
            (self._points.name(self._state, line.action), line)
            for line in thought.lines if line.visits
        ]  # fmt: skip
        labels = " ".join(f"{name} {round(100 * line.winrate)}" for name, line in rows)
        influence = " ".join(f"{name} {line.visits / most:.2f}" for name, line in rows)
        return f"INFLUENCE {influence}\nLABEL {labels}\nTEXT value {thought.value:+.2f}"

    def _do_gogui_title(self) -> str:
        return f"ringzero {self._game.name}"

    def _do_gogui_rules_game_id(self) -> str:
        return TITLES.get(self._game.name, self._game.name.capitalize())

    def _do_gogui_rules_board_size(self) -> str:
        rows, columns = self._game.board_shape
        size = str(columns) if rows == columns else f"{columns} {rows}"
        return f"{size} hex" if self._state.drawing().kind == "hexagons" else size

    def _do_gogui_rules_board(self) -> str:
        rows, columns = self._game.board_shape
        pieces = self._state.drawing().pieces
        marks = {"x": "X", "o": "O"}
        return "\n" + "\n".join(
            " ".join(
                marks.get(pieces[cell], "?") if (cell := row * columns + column) in pieces else "."
                for column in range(columns)
            )
            for row in range(rows)
        )

    def _do_gogui_rules_legal_moves(self) -> str:
        return " ".join(self._legal())

    def _do_gogui_rules_side_to_move(self) -> str:
        return NAMES[self._state.get_current_player()]

    def _do_gogui_rules_final_result(self) -> str:
        if not self._state.is_terminal():
            return ""
        result = float(self._state.returns()[0])
        return "Draw" if result == 0 else f"{NAMES[result < 0].capitalize()} wins."
