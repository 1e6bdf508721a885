"""Chess positions as FEN, read strictly; Chess960 castling as Shredder-FEN or X-FEN.

Cells are numbered 0 to 63 from a8, row by row, as in the text.
"""

import re
from typing import NamedTuple

from games.base import Game
from games.errors import GameError
from games.stones import not_a_position

__all__ = [
    "NAMES",
    "START",
    "Setup",
    "chess960_start",
    "diagram",
    "read_fen",
    "rewind",
    "write_fen",
]

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_FILES = "abcdefgh"


class Setup(NamedTuple):
    """What a FEN says."""

    board: str  # 64 of "PNBRQK" (White), "pnbrqk" (Black) and "."
    black: bool  # to move
    castling: tuple[int, ...]  # cells of the rooks that may castle, in the order of the text
    en_passant: int | None  # cell behind a pawn that has just made two steps
    clock: int  # half-moves since the last capture or pawn move
    move_number: int


NAMES = tuple(f"{file}{rank}" for rank in range(8, 0, -1) for file in _FILES)
"""``a8`` for cell 0, ``h1`` for 63."""


def write_fen(setup: Setup, *, chess960: bool) -> str:
    """The FEN of a position; castling by the rooks' files in Chess960, else as ``KQkq``."""
    rows = (setup.board[row : row + 8] for row in range(0, 64, 8))
    placement = "/".join(re.sub(r"\.+", lambda gap: str(len(gap[0])), row) for row in rows)
    castling = ""
    # White first, king's side first.
    for cell in sorted(setup.castling, key=lambda cell: (cell < 8, -cell)):
        letter = _FILES[cell & 7] if chess960 else "k" if cell & 7 == 7 else "q"
        castling += letter if cell < 8 else letter.upper()
    en_passant = "-" if setup.en_passant is None else NAMES[setup.en_passant]
    side = "b" if setup.black else "w"
    return f"{placement} {side} {castling or '-'} {en_passant} {setup.clock} {setup.move_number}"


def read_fen(game: Game, text: str, *, chess960: bool) -> Setup:
    """What `text` says, all that can be told without moving a piece being checked.

    The clock and the move number may be left out together.

    Raises
    ------
    GameError
        Naming the field, what was expected and what was got.
    """
    fields = text.split()
    if len(fields) not in (4, 6):
        raise not_a_position(
            game,
            text,
            "a FEN must have 6 fields, placement, side, castling, en passant, clock and move "
            f"number, or the first 4 of them, got {len(fields)}",
        )
    try:
        board = _read_placement(fields[0])
        if fields[1] not in ("w", "b"):
            raise GameError(f"the side to move must be w or b, got {fields[1]!r}")
        black = fields[1] == "b"
        return Setup(
            board,
            black,
            _read_castling(fields[2], board, chess960),
            _read_en_passant(fields[3], board, black),
            _read_number("clock", fields[4], 0, 100) if fields[4:] else 0,
            _read_number("move number", fields[5], 1, 99_999) if fields[4:] else 1,
        )
    except GameError as error:
        raise not_a_position(game, text, str(error)) from None


def _read_number(what: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not low <= int(text) <= high:
        raise GameError(f"the {what} must be a number from {low} to {high}, got {text!r}")
    return int(text)


def _read_placement(text: str) -> str:
    rows = text.split("/")
    if len(rows) != 8:
        raise GameError(f"the board must have 8 ranks separated by /, got {len(rows)}")
    for rank, row in zip(range(8, 0, -1), rows, strict=True):
        if not re.fullmatch("[1-8PNBRQKpnbrqk]+", row) or re.search("[1-8]{2}", row):
            raise GameError(f"rank {rank} must be of PNBRQK, pnbrqk and single digits, got {row!r}")
        if sum(int(mark) if mark.isdigit() else 1 for mark in row) != 8:
            raise GameError(f"rank {rank} must have 8 cells, got {row!r}")
    board = re.sub("[1-8]", lambda gap: "." * int(gap[0]), "".join(rows))
    for colour, pieces in (("White", "PNBRQK"), ("Black", "pnbrqk")):
        pawns, knights, bishops, rooks, queens, kings = map(board.count, pieces)
        if kings != 1:
            raise GameError(f"{colour} must have one king, got {kings}")
        promoted = sum(
            max(0, count - usual)
            for count, usual in ((knights, 2), (bishops, 2), (rooks, 2), (queens, 1))
        )
        if pawns + promoted > 8:
            raise GameError(
                f"{colour} must have at most 8 pawns and promoted pieces, got {pawns} pawns and "
                f"at least {promoted} promoted pieces"
            )
    if "p" in (board[:8] + board[56:]).lower():
        raise GameError("a pawn stands on rank 1 or rank 8")
    return board


def _read_castling(text: str, board: str, chess960: bool) -> tuple[int, ...]:
    if text == "-":
        return ()
    rooks: dict[tuple[bool, bool], int] = {}  # (white, right of the king) -> cell
    for letter in text:
        white = letter.isupper()
        row = 56 if white else 0
        rank = board[row : row + 8]
        king = rank.find("K" if white else "k")
        on_files = [file for file in range(8) if rank[file] == ("R" if white else "r")]
        outer = [file for file in on_files if file > king]
        if letter in "Kk":
            file = max(outer, default=-1)
        elif letter in "Qq":
            file = min(set(on_files) - set(outer), default=-1)
        else:
            file = _FILES.find(letter.lower())
        side = (white, file > king)
        if king < 0 or file not in on_files or side in rooks:
            raise GameError(
                f"castling {text!r} must name once each side to which a king on its first rank "
                f"may castle with a rook there, {letter!r} does not"
            )
        if not chess960 and (king != 4 or file not in (0, 7)):
            raise GameError(
                f"castling {letter!r} needs a king on the e-file and a rook in the corner; for "
                "other places make the game with chess960=True"
            )
        rooks[side] = row + file
    return tuple(rooks.values())


def _read_en_passant(text: str, board: str, black: bool) -> int | None:
    if text == "-":
        return None
    down = -8 if black else 8  # from the cell to the pawn that has passed it
    if not re.fullmatch(f"[a-h][{'3' if black else '6'}]", text):
        raise GameError(
            f"the en passant cell must be - or on rank {'3' if black else '6'}, got {text!r}"
        )
    cell = _FILES.index(text[0]) + 8 * (8 - int(text[1]))
    pawn = "P" if black else "p"
    if board[cell + down] != pawn or board[cell] != "." or board[cell - down] != ".":
        raise GameError(f"no pawn can have passed the en passant cell {text} with its last move")
    return cell


def rewind(setup: Setup, moves: list[tuple[int, int]]) -> Setup:
    """The position before `moves`, pairs of cells from and to, that led to `setup`.

    They neither capture nor move a pawn, castle, end a right or make use of one.
    """
    board = list(setup.board)
    for source, target in reversed(moves):
        board[source], board[target] = board[target], "."
    ply = 2 * setup.move_number + setup.black - len(moves)
    return setup._replace(
        board="".join(board),
        black=bool(ply & 1),
        en_passant=None,
        clock=setup.clock - len(moves),
        move_number=ply // 2,
    )


def diagram(board: str) -> str:
    """The board for people, White below, with the names of files and ranks."""
    rows = [f"{8 - row} {' '.join(board[8 * row : 8 * row + 8])}" for row in range(8)]
    return "\n".join([*rows, f"  {' '.join(_FILES)}"])


def chess960_start(number: int) -> str:
    """The FEN of a start position of Chess960, 0 to 959; 518 is the one of usual chess.

    References
    ----------
    Reinhard Scharnagl's numbering: the light-coloured bishop, the dark one, the queen, then which
    two of the remaining cells have the knights.
    """
    if type(number) is not int or not 0 <= number < 960:
        raise GameError(f"number of a start position must be from 0 to 959, got {number!r}")
    row = [""] * 8
    number, light = divmod(number, 4)
    number, dark = divmod(number, 4)
    row[2 * light + 1] = row[2 * dark] = "B"
    knights, queen = divmod(number, 6)
    row[_empty(row)[queen]] = "Q"
    pairs = [(first, second) for first in range(5) for second in range(first + 1, 5)]
    empty = _empty(row)
    for at in pairs[knights]:
        row[empty[at]] = "N"
    for file, piece in zip(_empty(row), "RKR", strict=True):
        row[file] = piece
    pieces = "".join(row)
    left, right = (file for file in range(8) if row[file] == "R")
    board = pieces.lower() + "p" * 8 + "." * 32 + "P" * 8 + pieces
    return write_fen(
        Setup(board, False, (left, right, 56 + left, 56 + right), None, 0, 1), chess960=True
    )


def _empty(row: list[str]) -> list[int]:
    return [file for file in range(8) if not row[file]]
