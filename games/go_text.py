"""Go's notation: points, and positions in one line.

A point is its column, a letter without i, and its row, counted from the bottom: ``e5``. A position
is its board, top row first, the side to move, and how the game went, for a move may be forbidden
because it would repeat any earlier board:

    .../.x./..o x                          as set up, nothing happened before
    .../.x./..o x b2,c1                    after these moves from the empty board
    .../.x./..o x c1 .../.x./... o         after this move from that set-up

The side to move may be left out if nothing follows; it is x then.
"""

from collections.abc import Iterable
from typing import NamedTuple

from games.base import Game, GameState
from games.errors import IllegalActionError
from games.stones import MARKS, not_a_position

__all__ = ["LETTERS", "Position", "play_on", "point_name", "read_point", "read_position"]

LETTERS = "abcdefghjklmnopqrst"


class Position(NamedTuple):
    """What a text says."""

    setup: list[tuple[int, int]]
    """Point and player of each stone at the beginning."""
    first_player: int
    """To move at the beginning."""
    moves: list[str]
    """Since then."""
    shown: str
    """The board and the side to move after them."""


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
    words = text.split()
    if len(words) == 1:
        words.append(MARKS[0])
    if len(words) not in (2, 3, 5):
        raise not_a_position(
            game,
            text,
            "it must be a board, the side to move, moves, and board and side before them",
        )
    empty = "/".join(["." * game.columns] * game.rows)
    before = words[3:] or (words[:2] if len(words) == 2 else [empty, MARKS[0]])
    for board, player in (words[:2], before):
        _check_board(game, text, board, player)
    return Position(
        [
            (point, MARKS.index(mark))
            for point, mark in enumerate(before[0].replace("/", ""))
            if mark != "."
        ],
        MARKS.index(before[1]),
        words[2].split(",") if len(words) > 2 else [],
        " ".join(words[:2]),
    )


def _check_board(game: Game, text: str, board: str, player: str) -> None:
    rows = board.split("/")
    if [len(row) for row in rows] != [game.columns] * game.rows:
        raise not_a_position(
            game, text, f"the board must have {game.rows} rows of {game.columns} points"
        )
    wrong = sorted(set("".join(rows)) - set("." + MARKS))
    if wrong:
        raise not_a_position(game, text, f"a point must be one of . x o, got {wrong[0]!r}")
    if player not in (*MARKS,):
        raise not_a_position(game, text, f"the side to move must be x or o, got {player!r}")


def play_on(state: GameState, text: str, moves: Iterable[str]) -> None:
    """Play `moves`, which `text` lists; GameError at the first illegal one."""
    for number, move in enumerate(moves, 1):
        try:
            state.apply_action(state.move_to_action(move))
        except IllegalActionError as error:
            raise not_a_position(state.game, text, f"move {number}: {error}") from error
