"""The names of moves in GTP: points of a board, whatever the game calls them.

GTP counts columns by letters without the i and rows from the bottom; boards such as Sabaki and
GoGui know no others. So a move is named by the cell on which its stone appears, in every game that
puts one stone on the board with each move. Games whose moves are something else keep their own
words.
"""

from games.base import Game, GameState
from games.errors import IllegalActionError

__all__ = ["Points"]

LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


class Points:
    """The moves of `game` as points.

    Parameters
    ----------
    own
        Keep the game's own notation instead, in capitals: what HexGui and Othello engines expect.
    """

    def __init__(self, game: Game, *, own: bool = False) -> None:
        self._game = game
        cells = game.rows * game.columns
        self._by_number = game.num_actions in (cells, cells + 1)
        self._own = own or game.columns > len(LETTERS) or not self._puts_stones()

    def _puts_stones(self) -> bool:
        """Whether moves are told apart by where a stone appears; pieces that move are not."""
        if self._by_number:
            return True
        state = self._game.initial_state()
        legal = state.get_legal_actions()
        cells = {self.cell(state, action) for action in legal}
        return None not in cells and len(cells) == len(legal)

    def cell(self, state: GameState, action: int) -> int | None:
        """Where the action's stone appears; None: it is no stone."""
        cells = self._game.rows * self._game.columns
        if self._by_number:
            return action if action < cells else None
        before = state.drawing().pieces
        after = state.clone()
        after.apply_action(action)
        new = after.drawing().pieces.keys() ^ before.keys()
        return new.pop() if len(new) == 1 else None

    def target(self, state: GameState, action: int) -> int | None:
        """The cell that a move changes for its player: where its stone appears, or where a piece
        goes; None: there is none, as with a pass."""
        cell = self.cell(state, action)
        if cell is not None or self._by_number:
            return cell
        before, after = state.drawing().pieces, state.clone()
        after.apply_action(action)
        changed = [c for c, piece in after.drawing().pieces.items() if before.get(c) != piece]
        return min(changed) if changed else None

    def name(self, state: GameState, action: int) -> str:
        """Of a legal action."""
        cell = None if self._own else self.cell(state, action)
        if cell is None:
            move = state.action_to_move(action)
            return move if len(move) > 3 and move != "swap" else move.upper()
        return self.of_cell(cell)

    def of_cell(self, cell: int) -> str:
        """A cell's point."""
        row, column = divmod(cell, self._game.columns)
        return f"{LETTERS[column]}{self._game.rows - row}"

    def action(self, state: GameState, text: str) -> int:
        """The legal action of that name.

        Raises
        ------
        IllegalActionError
            If there is none.
        """
        wanted = text.strip().upper()
        if self._own:
            return state.move_to_action(text.strip().lower())
        for action in state.get_legal_actions():
            if self.name(state, action).upper() == wanted:
                return action
        raise IllegalActionError(f"{text!r} is no legal move in {state.to_text()!r}")
