"""Boards of stones as text, for games whose first player is x and whose second is o.

A text with a ``/`` is a board: rows of ``.``, ``x`` and ``o`` joined by ``/``, top row first, then
a space and the side to move. It may be left out where the players take turns to place one stone,
for then the stones tell. A text without a ``/`` is a sequence of moves from the first position;
the empty text is the first position itself.

Stones are integers whose bit ``i`` is cell ``i``, row by row from the top left.
"""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

from games.base import Game, GameState
from games.errors import GameError, IllegalActionError

__all__ = [
    "MARKS",
    "board_text",
    "labelled_board",
    "letters",
    "not_a_position",
    "numbers",
    "play",
    "read_board",
    "read_cells",
    "read_position",
    "status",
    "stone_at",
]

MARKS = "xo"


def not_a_position(game: Game, text: str, why: str) -> GameError:
    """The error that says why `text` is no position of `game`."""
    return GameError(f"{text!r} is not a position of {game.name}: {why}")


def stone_at(x: int, o: int, cell: int, empty: str = ".") -> str:
    """``x``, ``o`` or `empty`."""
    return MARKS[0] if x >> cell & 1 else MARKS[1] if o >> cell & 1 else empty


def board_text(game: Game, x: int, o: int, player: int) -> str:
    """The board in one line, and the side to move."""
    cells = [stone_at(x, o, cell) for cell in range(game.rows * game.columns)]
    rows = ("".join(cells[i : i + game.columns]) for i in range(0, len(cells), game.columns))
    return f"{'/'.join(rows)} {MARKS[player]}"


def letters(count: int, skip: str = "") -> list[str]:
    """``a b c ...`` for `count` columns, at most 26, without the letters of `skip`."""
    return [letter for letter in ascii_lowercase if letter not in skip][:count]


def numbers(count: int, *, from_top: bool = True) -> list[str]:
    """``1 2 3 ...`` for `count` rows, the first at the top or at the bottom."""
    names = [str(number) for number in range(1, count + 1)]
    return names if from_top else names[::-1]


def labelled_board(game: Game, x: int, o: int, row_names: Sequence[str]) -> list[str]:
    """Lines of the board for people: names at the left of the rows, letters under the columns."""
    width = max(map(len, row_names))
    lines = []
    for row, name in enumerate(row_names):
        cells = range(row * game.columns, (row + 1) * game.columns)
        lines.append(" ".join([name.rjust(width), *(stone_at(x, o, cell) for cell in cells)]))
    return [*lines, " ".join([" " * width, *letters(game.columns)])]


def status(state: GameState) -> str:
    """``x to move``, ``o has won`` or ``draw``."""
    if not state.is_terminal():
        return f"{MARKS[state.get_current_player()]} to move"
    first = state.returns()[0]
    return "draw" if first == 0 else f"{MARKS[0 if first > 0 else 1]} has won"


def read_board(game: Game, text: str) -> tuple[int, int]:
    """x's and o's stones on the board that `text` shows, where turns place one stone each.

    Raises
    ------
    GameError
        As `read_cells` does, and if the players cannot have so many stones after taking turns or
        the side to move does not fit the numbers of stones.
    """
    x, o, player = read_cells(game, text)
    lead = x.bit_count() - o.bit_count()
    if lead not in (0, 1):
        raise not_a_position(
            game,
            text,
            f"x must have as many stones as o or one more, got {x.bit_count()} and {o.bit_count()}",
        )
    if player not in (None, lead):
        raise not_a_position(
            game, text, f"after so many stones {MARKS[lead]} is to move, got {MARKS[1 - lead]!r}"
        )
    return x, o


def read_cells(game: Game, text: str) -> tuple[int, int, int | None]:
    """x's stones, o's stones and, where `text` names it, the player to move.

    Raises
    ------
    GameError
        If the text has other characters or another shape.
    """
    parts = text.split()
    if not 1 <= len(parts) <= 2:
        raise not_a_position(game, text, "it must be a board and the side to move, x or o")
    if len(parts) == 2 and parts[1] not in tuple(MARKS):
        raise not_a_position(game, text, f"the side to move must be x or o, got {parts[1]!r}")
    rows = parts[0].split("/")
    if [len(row) for row in rows] != [game.columns] * game.rows:
        raise not_a_position(
            game, text, f"the board must have {game.rows} rows of {game.columns} cells"
        )
    x = o = 0
    for cell, mark in enumerate("".join(rows)):
        if mark not in ".xo":
            raise not_a_position(game, text, f"a cell must be one of . x o, got {mark!r}")
        x |= (mark == "x") << cell
        o |= (mark == "o") << cell
    return x, o, MARKS.index(parts[1]) if len(parts) == 2 else None


def read_position(game: Game, text: str) -> tuple[int, int, int]:
    """x's and o's stones and the player to move, where the stones do not tell who that is.

    Raises
    ------
    GameError
        As `read_cells` does, and if the side to move is not given.
    """
    x, o, player = read_cells(game, text)
    if player is None:
        raise not_a_position(
            game, text, "the side to move, x or o, must follow the board, got nothing"
        )
    return x, o, player



def play(game: Game, text: str, moves: Iterable[str]) -> GameState:
    """The position after `moves`, which `text` lists; GameError at the first illegal one."""
    state = game.initial_state()
    for number, move in enumerate(moves, 1):
        try:
            state.apply_action(state.move_to_action(move))
        except IllegalActionError as error:
            raise not_a_position(game, text, f"move {number}: {error}") from error
    return state
