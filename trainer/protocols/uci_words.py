"""How UCI names positions and moves of the games that boards know.

Chess is FEN and moves such as ``e2e4``. cutechess plays Connect Four, tic-tac-toe and Gomoku as
chess variants (``UCI_Variant`` cfour, tictactoe, gomokufreestyle): stones are pawns, P of the first
player and p of the second, and a move drops one, ``P@d1``. Other games keep their own words and
begin at ``startpos``.
"""

import re

import games
from games.base import Game, GameState
from games.errors import GameError, IllegalActionError

__all__ = ["UciWords"]

VARIANTS = {"connect4": "cfour", "tictactoe": "tictactoe", "gomoku": "gomokufreestyle"}
FILES = "abcdefghijklmnopqrstuvwxyz"


class UciWords:
    """The words of one game."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.drops = game.name in VARIANTS

    @property
    def variant(self) -> str:
        """Its ``UCI_Variant``."""
        return VARIANTS.get(self.game.name, self.game.name)

    def chess960(self, wanted: bool) -> "UciWords":
        """The words of chess with castling as Chess960 writes it, or without."""
        if self.game.name != "chess":
            return self
        return UciWords(games.make("chess", **{**self.game.options, "chess960": wanted}))

    def state(self, fen: str | None) -> GameState:
        """The position of a FEN; None: the first one.

        Raises
        ------
        GameError
            If it is none.
        """
        if fen is None:
            return self.game.initial_state()
        return self.game.state_from_text(self._board(fen) if self.drops else fen)

    def _board(self, fen: str) -> str:
        """A variant's FEN as the game writes positions."""
        board, _, rest = fen.partition(" ")
        rows = re.sub(r"\[.*?\]", "", board)
        rows = re.sub(r"\d+", lambda number: "." * int(number[0]), rows)
        if not re.fullmatch(r"[Pp./]+", rows):
            raise GameError(f"{fen!r} is no position of {self.variant}")
        side = "o" if rest.startswith("b") else "x"
        return f"{rows.translate(str.maketrans('Pp', 'xo'))} {side}"

    def move(self, state: GameState, action: int) -> str:
        """Of a legal action."""
        if not self.drops:
            return state.action_to_move(action)
        cell = self._cell(state, action)
        row, column = divmod(cell, self.game.columns)
        return f"P@{FILES[column]}{self.game.rows - row}"

    def _cell(self, state: GameState, action: int) -> int:
        """Where the stone comes to lie."""
        if self.game.name != "connect4":
            return action
        pieces = state.drawing().pieces
        cells = range(action, self.game.rows * self.game.columns, self.game.columns)
        return max(cell for cell in cells if cell not in pieces)

    def action(self, state: GameState, text: str) -> int:
        """The legal action of that move.

        Raises
        ------
        IllegalActionError
            If there is none.
        """
        if not self.drops:
            return state.move_to_action(text)
        for action in state.get_legal_actions():
            if self.move(state, action).lower() == text.lower():
                return action
        raise IllegalActionError(f"{text!r} is no legal move in {state.to_text()!r}")
