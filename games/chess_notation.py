"""Chess moves as text: UCI and SAN, both ways.

Cells are numbered 0 to 63 from a8, row by row.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from games.chess_fen import NAMES
from games.errors import GameError

__all__ = ["Move", "find", "san", "uci"]

# Small or capital letters, but not B5b4, a bishop's move in SAN.
_UCI = re.compile("([a-h][1-8]){2}[qrbnQRBN]?|([A-H][1-8]){2}[QRBN]?")
_CASTLING = re.compile(r"([O0]-[O0])(-[O0])?[+#]?[!?]*")
_SAN = re.compile(r"([NBRQK]?)([a-h]?)([1-8]?)[x-]?([a-h][1-8])(?:=?([NBRQ]))?[+#]?[!?]*")


class Move(NamedTuple):
    """A legal move."""

    piece: str  # P N B R Q K
    source: int
    target: int  # of castling: the rook's cell
    promotion: str  # N B R Q, or nothing
    capture: bool
    castling: bool

    @property
    def king_target(self) -> int:
        """Where the king lands that castles."""
        return (self.target & 56) + (6 if self.target > self.source else 2)


def uci(move: Move, *, chess960: bool) -> str:
    """``e2e4``, ``e7e8q``; castling as the king's move, in Chess960 as the king taking the rook."""
    target = move.king_target if move.castling and not chess960 else move.target
    return NAMES[move.source] + NAMES[target] + move.promotion.lower()


def san(move: Move, legal: Sequence[Move]) -> str:
    """``Nbd7``, ``exd6``, ``O-O`` or ``e8=Q``, without the sign for check or mate."""
    if move.castling:
        return "O-O" if move.target > move.source else "O-O-O"
    source, target = NAMES[move.source], NAMES[move.target]
    capture = "x" if move.capture else ""
    if move.piece == "P":
        promotion = f"={move.promotion}" if move.promotion else ""
        return f"{source[0] if capture else ''}{capture}{target}{promotion}"
    others = [
        NAMES[other.source]
        for other in legal
        if (other.piece, other.target) == (move.piece, move.target)
        and other.source != move.source
        and not other.castling
    ]
    if not others:
        origin = ""
    elif all(other[0] != source[0] for other in others):
        origin = source[0]
    elif all(other[1] != source[1] for other in others):
        origin = source[1]
    else:
        origin = source
    return f"{move.piece}{origin}{capture}{target}"


def find(text: str, legal: Sequence[Move]) -> int | None:
    """The index in `legal` of the move that `text` means in UCI or SAN, None if there is none.

    Castling may be written ``O-O``, as the king's move and as the king taking the rook; where the
    king has a plain move of the same name (Chess960), that is meant.

    Raises
    ------
    GameError
        If several moves could be meant.
    """
    found: list[int] = []
    if _UCI.fullmatch(text):
        wanted = text.lower()
        found = [i for i, move in enumerate(legal) if wanted == uci(move, chess960=True)] or [
            i
            for i, move in enumerate(legal)
            if move.castling and wanted == uci(move, chess960=False)
        ]
    elif match := _CASTLING.fullmatch(text):
        right = match[2] is None
        found = [
            i
            for i, move in enumerate(legal)
            if move.castling and (move.target > move.source) == right
        ]
    elif match := _SAN.fullmatch(text):
        piece, file, rank, target, promotion = match.groups()
        found = [
            i
            for i, move in enumerate(legal)
            if not move.castling
            and (move.piece, NAMES[move.target]) == (piece or "P", target)
            and move.promotion == (promotion or "")
            and NAMES[move.source].startswith(file)
            and NAMES[move.source].endswith(rank)
        ]
    if len(found) > 1:
        names = " ".join(uci(legal[i], chess960=True) for i in found)
        raise GameError(f"it could mean {names}")
    return found[0] if found else None
