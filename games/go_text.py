"""Go's notation: points, and positions in one line.

A point is its column, a letter without i, and its row, counted from the bottom: ``e5``. A position
is its board, top row first, and what else the players can see:

    ..../.xo./x.o./.xo. o 12 c3,b2 b3
    |                   | |  |     points that only a repetition forbids now, or -
    |                   | |  the last two moves, the older one first; one of them, or -
    |                   | plies played
    |                   the side to move

Only the board is needed. Without the rest x is to move, and nothing is known of earlier moves.

Earlier boards are not written down, as a chess position leaves out its repetitions: a move that
would repeat one is known as forbidden where it is so now, and is forbidden from then on as well.
A list of moves (``e5 c3 pass``) keeps them all.
"""

from typing import NamedTuple

from games.base import Game
from games.stones import MARKS, not_a_position

__all__ = ["LETTERS", "Position", "point_name", "read_point", "read_position"]

LETTERS = "abcdefghjklmnopqrst"


class Position(NamedTuple):
    """What a text says; points and moves are actions."""

    stones: list[tuple[int, int]]
    """Point and player of each."""
    player: int
    """To move."""
    ply: int
    last_moves: list[int]
    """At most two, the older one first."""
    repeating: list[int]
    """Points forbidden now by repetition alone."""


def point_name(action: int, size: int) -> str:
    """``e5``, or ``pass``."""
    if action == size * size:
        return "pass"
    row, column = divmod(action, size)
    return f"{LETTERS[column]}{size - row}"


def read_point(text: str, size: int) -> int | None:
    """The action that `text` names in lower case, or None."""
    if text == "pass":
        return size * size
    column, row = LETTERS.find(text[:1]), text[1:]
    rows = {str(number): number for number in range(1, size + 1)}
    if not text or not 0 <= column < size or row not in rows:
        return None
    return (size - rows[row]) * size + column


def read_position(game: Game, text: str) -> Position:
    """The parts of a position; whether the rules allow it remains to be seen.

    Raises
    ------
    GameError
        If the text is not written like a position.
    """
    size = game.rows
    board, *words = text.split()
    if len(words) > 4:
        raise not_a_position(
            game, text, "it must be a board, the side to move, plies, last and forbidden moves"
        )
    player, plies, last_moves, repeating = [*words, *("x", "0", "-", "-")[len(words) :]]
    rows = board.split("/")
    if [len(row) for row in rows] != [size] * size:
        raise not_a_position(game, text, f"the board must have {size} rows of {size} points")
    wrong = sorted(set("".join(rows)) - set("." + MARKS))
    if wrong:
        raise not_a_position(game, text, f"a point must be one of . x o, got {wrong[0]!r}")
    if player not in (*MARKS,):
        raise not_a_position(game, text, f"the side to move must be x or o, got {player!r}")
    if not (plies.isascii() and plies.isdigit() and len(plies) <= 6):
        raise not_a_position(game, text, f"the plies played must be a number, got {plies!r}")
    return Position(
        [(i, MARKS.index(mark)) for i, mark in enumerate("".join(rows)) if mark != "."],
        MARKS.index(player),
        int(plies),
        _read_moves(game, text, last_moves),
        _read_moves(game, text, repeating),
    )


def _read_moves(game: Game, text: str, words: str) -> list[int]:
    if words == "-":
        return []
    actions = []
    for word in words.lower().split(","):
        action = read_point(word, game.rows)
        if action is None:
            raise not_a_position(game, text, f"{word!r} is no move")
        actions.append(action)
    return actions
