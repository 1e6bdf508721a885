"""A board game in one class of plain Python: write what is special, and the rest is derived.

The position is the board and the player to move. `BoardGame` makes of them the observation, the
text and its parser, names of the moves, a drawing, clones and hashes. A game whose future depends
on more than that derives from `games.Game` and `games.GameState` instead.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import Game, GameState
from games.errors import IllegalActionError
from games.stones import MARKS, not_a_position, play, status

__all__ = ["BoardGame", "BoardState"]

EMPTY = "."


class BoardGame(Game):
    """A board, pieces on it, two players who take turns.

    A subclass writes `legal_actions` and `play`; `result` too if it is not that who cannot move
    has lost, and `move_name` if its actions are not the cells.

    A board is a list of characters, row by row from the top left: ``.`` is an empty cell, the
    others are pieces.

    Parameters
    ----------
    start
        The first board, its rows joined by ``/``; the first player begins.
    max_game_length
        No game has more plies.
    options
        The arguments of the subclass that are the game's options.
    pieces
        The kinds of pieces of each player, a character each. Other characters in `start` are
        pieces of nobody.
    num_actions
        Width of the policy; by default the number of cells.
    name
        By default the name of the class in lower case.
    """

    def __init__(
        self, start: str, *, max_game_length: int, options: Mapping[str, Any] | None = None,
        pieces: tuple[str, str] = ("x", "o"), num_actions: int | None = None,
        max_legal_actions: int | None = None, name: str | None = None,
    ) -> None:  # fmt: skip
        rows = start.split("/")
        self.start = list("".join(rows))
        self.pieces = pieces
        own, other = pieces
        neutral = sorted({*self.start} - {EMPTY, *own, *other})
        # Planes for the first player to move and for the second.
        self.kinds = [[*own, *other, *neutral], [*other, *own, *neutral]]
        super().__init__(
            name or type(self).__name__.lower(),
            num_actions=len(self.start) if num_actions is None else num_actions,
            board_shape=(len(rows), len(rows[0])),
            num_planes=len(self.kinds[0]),
            num_scalars=1,  # who is to move: the rules may differ for the two players
            max_game_length=max_game_length,
            max_legal_actions=max_legal_actions,
            options=options,
        )

    # -- what a game writes ---------------------------------------------------------------

    def legal_actions(self, board: list[str], player: int) -> Iterable[int]:
        """The actions that `player` may choose from, in any order."""
        raise NotImplementedError(f"{type(self).__name__}.legal_actions is not written")

    def play(self, board: list[str], player: int, action: int) -> int | None:
        """Change `board` as `action` does; return who moves next if it is not the other player."""
        raise NotImplementedError(f"{type(self).__name__}.play is not written")

    def result(self, board: list[str], player: int, legal: list[int]) -> float | None:
        """What the game gives `player`, who is to move, in [-1, 1]; None while it goes on."""
        return None if legal else -1.0

    def move_name(self, board: list[str], player: int, action: int) -> str:
        """`action` for people: by default a letter for the column and a number for the row."""
        return self.cell_name(action) if self.num_actions == len(board) else str(action)

    # -- what helps to write it -----------------------------------------------------------

    def cell_name(self, cell: int) -> str:
        """``a1`` is the top left cell, ``b1`` the one to its right."""
        row, column = divmod(cell, self.columns)
        return f"{_letters(column)}{row + 1}"

    def step(self, cell: int, down: int, right: int) -> int | None:
        """The cell so many rows and columns away, None if that is off the board."""
        row, column = divmod(cell, self.columns)
        row, column = row + down, column + right
        inside = 0 <= row < self.rows and 0 <= column < self.columns
        return row * self.columns + column if inside else None

    # -- what follows from it -------------------------------------------------------------

    def initial_state(self) -> "BoardState":
        return BoardState(self, self.start, 0)

    def state_from_text(self, text: str) -> "BoardState":
        """The position of a board and a side to move, ``x../.o./... x``, or after some moves."""
        parts = text.split()
        if len(parts) != 2 or parts[1] not in tuple(MARKS):
            return play(self, text, parts)  # type: ignore[return-value]  # ours are of this class
        rows = parts[0].split("/")
        if [len(row) for row in rows] != [self.columns] * self.rows:
            raise not_a_position(
                self, text, f"the board must have {self.rows} rows of {self.columns} cells"
            )
        known = {EMPTY, *self.kinds[0]}
        for mark in parts[0].replace("/", ""):
            if mark not in known:
                raise not_a_position(
                    self, text, f"a cell must be one of {' '.join(sorted(known))}, got {mark!r}"
                )
        try:
            return BoardState(self, list("".join(rows)), MARKS.index(parts[1]))
        except Exception as error:  # the rules are written for boards that games reach
            raise not_a_position(self, text, f"the rules do not apply to it, {error!r}") from error


class BoardState(GameState):
    """A position of a `BoardGame`."""

    game: BoardGame

    def __init__(self, game: BoardGame, board: list[str], player: int) -> None:
        super().__init__(game)
        self.board = list(board)
        self.player = player
        self._look()

    def _look(self) -> None:
        legal = sorted(self.game.legal_actions(self.board, self.player))
        self.result = self.game.result(self.board, self.player, legal)
        self.legal = legal if self.result is None else []

    def clone(self) -> "BoardState":
        twin = BoardState.__new__(BoardState)
        GameState.__init__(twin, self.game)
        twin.board, twin.player = list(self.board), self.player
        twin.legal, twin.result = self.legal, self.result  # replaced, never changed
        return twin

    def is_terminal(self) -> bool:
        return self.result is not None

    def get_legal_actions(self) -> list[int]:
        return list(self.legal)

    def apply_action(self, action: int) -> None:
        if action not in self.legal:
            raise IllegalActionError(
                f"{action!r} is not a legal action of {self.game.name} in {self.to_text()!r}"
            )
        following = self.game.play(self.board, self.player, action)
        self.player = 1 - self.player if following is None else following
        self._look()

    def get_current_player(self) -> int:
        return self.player

    def returns(self) -> list[float]:
        mine = self.result or 0.0
        return [mine, -mine] if self.player == 0 else [-mine, mine]

    def observation(self) -> npt.NDArray[np.float32]:
        game = self.game
        board = np.array(self.board).reshape(game.board_shape)
        planes = [board == kind for kind in game.kinds[self.player]]
        return np.stack([*planes, np.full(board.shape, self.player)]).astype(np.float32)

    def final_owners(self, player: int) -> npt.NDArray[np.int8]:
        """Whose piece stands on each cell."""
        own, other = self.game.pieces[player], self.game.pieces[1 - player]
        return np.array([(mark in own) - (mark in other) for mark in self.board], np.int8)

    def to_text(self) -> str:
        return f"{'/'.join(self._rows())} {MARKS[self.player]}"

    def action_to_move(self, action: int) -> str:
        return self.game.move_name(self.board, self.player, action)

    def __str__(self) -> str:
        rows = [f"{row:2} {' '.join(cells)}" for row, cells in enumerate(self._rows(), 1)]
        names = " ".join(map(_letters, range(self.game.columns)))
        return "\n".join([f"   {names}", *rows, status(self)])

    def _rows(self) -> list[str]:
        width = self.game.columns
        return ["".join(self.board[i : i + width]) for i in range(0, len(self.board), width)]


def _letters(column: int) -> str:
    """a to z, then aa, ab, ..."""
    before = _letters(column // 26 - 1) if column >= 26 else ""
    return before + "abcdefghijklmnopqrstuvwxyz"[column % 26]
