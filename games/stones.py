"""Boards of stones as text, for games whose players take turns to place one stone, x first.

A text with a ``/`` is a board: rows of ``.``, ``x`` and ``o`` joined by ``/``, top row first, then
a space and the side to move, which may be left out. A text without one is a sequence of moves from
the first position; the empty text is the first position itself.

Stones are integers whose bit ``i`` is cell ``i``, row by row from the top left.
"""

from collections.abc import Iterable

from games.base import Game, GameState
from games.errors import GameError, IllegalActionError

__all__ = [
    "MARKS",
    "board_text",
    "not_a_position",
    "play",
    "read_board",
    "read_cells",
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


def status(state: GameState) -> str:
    """``x to move``, ``o has won`` or ``draw``."""
    if not state.is_terminal():
        return f"{MARKS[state.get_current_player()]} to move"
    first = state.returns()[0]
    return "draw" if first == 0 else f"{MARKS[0 if first > 0 else 1]} has won"


def read_board(game: Game, text: str) -> tuple[int, int]:
    """x's and o's stones on the board that `text` shows.

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


def play(game: Game, text: str, moves: Iterable[str]) -> GameState:
    """The position after `moves`, which `text` lists; GameError at the first illegal one."""
    state = game.initial_state()
    for number, move in enumerate(moves, 1):
        try:
            state.apply_action(state.move_to_action(move))
        except IllegalActionError as error:
            raise not_a_position(game, text, f"move {number}: {error}") from error
    return state
