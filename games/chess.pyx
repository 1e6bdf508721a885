"""Chess and Chess960 with all rules; the game ends at once where a rule makes it a draw.

Checkmate wins. Stalemate, insufficient material, the third occurrence of a position, 100 half-moves
without a capture or pawn move and `max_game_length` plies are draws, no claim being needed; mate
comes first. Positions are equal, for the third occurrence, if pieces, player to move, castling
rights and legal captures en passant are.

**Actions.** The 1792 pairs of cells that a queen or a knight joins, seen by the player to move, and
three underpromotions for each of the 22 ways onto the last row: 1858, as lc0's list, where
AlphaZero's 73 planes have 4672 outputs of which most can never be legal. The policy head, the
evaluation cache and each ring slot shrink with it. Castling is the king taking its own rook,
in both games.

**Observation.** 15 bit planes and a scalar, 128 bytes, seen by the player to move: own pawns,
knights, bishops, rooks, queens, king; the same of the other player; rooks that may castle; the cell
that can be captured en passant; all ones if the position has occurred before, so that its next
occurrence ends the game; the clock, 1.0 at 100 half-moves. The eight positions of AlphaZero's
history are left out: what the rules need of the past are the last two items, and with nothing else
of it a position has one observation however it came about, which the evaluation cache lives on.

**Hash.** Equal for equal pieces, player to move, castling rights, legal captures en passant, clock
and number of earlier occurrences: all that the observation shows, and all that decides the future
except which other earlier positions could still come again, and the plies left before
`max_game_length`. These two would tell apart nearly all positions reached in different ways.

**Text.** `to_text` is a FEN (castling by the rooks' files in Chess960, an en passant cell only if
it can be captured legally). `history_text` is the FEN of the last position that still matters for
repetition, ``moves`` and the moves since; `state_from_text` reads both.
"""

from dataclasses import replace

from libc.stdint cimport int16_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from games.base cimport Game, GameState, NativeState, action_t, mix64
from games.chess_attacks cimport board_t, cell_bit, count_cells
from games.chess_moves cimport (
    KING,
    MAX_LEGAL,
    NUM_ACTIONS,
    PAWN,
    checkers,
    complete,
    count_moves,
    generate,
    is_insufficient,
    kind_at,
    make_move,
    move_of,
    position_t,
)

from games import chess_notation
from games.chess_fen import (
    NAMES,
    START,
    Setup,
    chess960_start,
    diagram,
    read_fen,
    rewind,
    write_fen,
)
from games.chess_notation import Move
from games.errors import GameError, IllegalActionError
from games.stones import letters, not_a_position, numbers
from games.svg import CHESS_GLYPHS

__all__ = ["Chess", "ChessState", "make"]

cdef str KINDS = "PNBRQK"
cdef enum:
    NUM_BIT_PLANES = 15
# 96 pawn moves and 30 captures, of which at least 8 are pawn moves too, each after at most 99
# other half-moves, and 100 at the end.
LONGEST = (96 + 30 - 8) * 100 + 100


def make(*, chess960=False, max_game_length=1024):
    """The game; a draw after `max_game_length` plies, 1 to 11900 (where no game gets)."""
    return Chess(chess960, max_game_length)


cdef class Chess(Game):
    """Chess.

    Parameters
    ----------
    chess960
        Kings and rooks may castle from any start position of Chess960, and moves and texts name
        castling by the rook. The first position is the usual one (number 518); the others come
        from `numbered_start`.
    max_game_length
        Plies after which the game is a draw, counted by the move number. The longest tournament
        games have about 600; records of training games take memory for every ply allowed.

    Raises
    ------
    GameError
        If an option is of another type or out of range.
    """

    def __init__(self, chess960=False, max_game_length=1024):
        if type(chess960) is not bool:
            raise GameError(f"chess960 of chess must be True or False, got {chess960!r}")
        if type(max_game_length) is not int or not 1 <= max_game_length <= LONGEST:
            raise GameError(
                f"max_game_length of chess must be an integer from 1 to {LONGEST}, "
                f"got {max_game_length!r}"
            )
        super().__init__(
            "chess", num_actions=NUM_ACTIONS, board_shape=(8, 8), num_planes=NUM_BIT_PLANES,
            num_scalars=1, max_game_length=max_game_length, max_legal_actions=MAX_LEGAL,
            options={"chess960": chess960, "max_game_length": max_game_length},
        )
        self.chess960 = chess960
        fill(&self.start, read_fen(self, START, chess960=chess960))
        complete(&self.start)

    def initial_state(self):
        """The first position."""
        return ChessState(self)

    def numbered_start(self, number):
        """Start position `number` of Chess960, 0 to 959 in Scharnagl's order."""
        return self.state_from_text(chess960_start(number))

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A FEN, of 6 fields or the first 4, or ``startpos``; then, if wanted, ``moves`` and moves
            in UCI or SAN. Castling rights are ``KQkq`` or the rooks' files. An en passant cell that
            no pawn can capture is dropped.

        Raises
        ------
        GameError
            Naming what is wrong: pieces that cannot be, the player who is not to move in check,
            rights without king or rook, or an illegal move.
        """
        words = text.split()
        at = words.index("moves") if "moves" in words else len(words)
        fen = START if words[:at] == ["startpos"] else " ".join(words[:at])
        state = self._set_up(text, read_fen(self, fen, chess960=self.chess960))
        for number, move in enumerate(words[at + 1:], 1):
            try:
                state.apply_action(state.move_to_action(move))
            except IllegalActionError as error:
                raise not_a_position(self, text, f"move {number}: {error}") from error
        return state

    def _set_up(self, text, setup):
        cdef ChessState state = ChessState(self), turned = ChessState(self)
        if 2 * setup.move_number - 2 + setup.black > self.max_game_length:
            raise not_a_position(
                self, text, f"move {setup.move_number} lies behind the end of the game after "
                f"{self.max_game_length} plies; write a smaller move number"
            )
        fill(&turned.position, setup._replace(black=not setup.black))
        if checkers(&turned.position):
            raise not_a_position(
                self, text, f"{'White' if setup.black else 'Black'} is in check, but "
                f"{'Black' if setup.black else 'White'} is to move"
            )
        fill(&state.position, setup)
        if count_cells(checkers(&state.position)) > 2:
            raise not_a_position(self, text, "more than two pieces give check")
        complete(&state.position)
        state.settle()
        return state


cdef int fill(position_t* position, setup) except -1:
    """Set up pieces, rights and counters, seen by the player to move."""
    cdef int cell, turn = 56 if setup.black else 0
    cdef board_t bit
    memset(position, 0, sizeof(position_t))
    for cell, piece in enumerate(setup.board):
        if piece != ".":
            bit = cell_bit(cell ^ turn)
            position.pieces[<int>KINDS.index(piece.upper())] |= bit
            if piece.islower() == setup.black:
                position.own |= bit
            else:
                position.other |= bit
    for cell in setup.castling:
        position.castling |= cell_bit(cell ^ turn)
    if setup.en_passant is not None:
        position.en_passant = cell_bit(<int>setup.en_passant ^ turn)
    position.black = setup.black
    position.clock = setup.clock
    position.ply = 2 * setup.move_number - 2 + setup.black
    return 0


cdef class ChessState(NativeState):
    """A position of chess."""

    def __init__(self, Chess game not None):
        super().__init__(game)
        self.position = game.start
        self.settle()

    cdef void look(self) noexcept nogil:
        if self.num_legal < 0:
            self.num_legal = generate(&self.position, self.legal)

    cdef void settle(self) noexcept nogil:
        self.num_legal = -1
        self.drawn = (
            self.repetitions >= 2 or self.position.clock >= MAX_CLOCK
            or self.position.ply >= self.game.max_game_length or is_insufficient(&self.position))

    cdef void copy(self, ChessState other) noexcept nogil:
        self.position = other.position
        self.num_past = other.num_past
        self.repetitions = other.repetitions
        self.drawn = other.drawn
        self.num_legal = -1
        memcpy(self.keys, other.keys, other.num_past * sizeof(uint64_t))
        memcpy(self.played, other.played, other.num_past * sizeof(int16_t))

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        self.copy(<ChessState>other)
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef int num = self.num_past, i
        self.keys[num] = self.position.key
        self.played[num] = action
        self.repetitions = 0
        if make_move(&self.position, move_of(action)):
            self.num_past = 0
        else:
            self.num_past = num + 1
            # The same player moves every second ply, and comes back in four at the earliest.
            for i in range(num - 3, -1, -2):
                self.repetitions += self.keys[i] == self.position.key
        self.settle()
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef int i
        self.look()
        if self.num_legal > MAX_LEGAL:
            raise GameError(
                f"{self.num_legal} legal moves in {self.to_text()!r}, no game reaches more "
                f"than {MAX_LEGAL}"
            )
        for i in range(self.num_legal):
            out[i] = self.legal[i]
        return self.num_legal

    cdef int is_terminal_c(self) except -1 nogil:
        if self.drawn:
            return 1
        self.look()
        return self.num_legal == 0

    cdef int current_player_c(self) except -1 nogil:
        return self.position.black

    cdef float outcome_c(self, int player) except? -2 nogil:
        self.look()
        if self.num_legal > 0 or checkers(&self.position) == 0:
            return 0
        return -1 if player == self.position.black else 1

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        cdef uint64_t* planes = <uint64_t*>out
        cdef int kind
        for kind in range(6):
            planes[kind] = self.position.pieces[kind] & self.position.own
            planes[6 + kind] = self.position.pieces[kind] & self.position.other
        planes[12] = self.position.castling
        planes[13] = self.position.en_passant
        planes[14] = ~<uint64_t>0 if self.repetitions else 0
        planes[15] = 0
        (<float*>(planes + NUM_BIT_PLANES))[0] = <float>self.position.clock / MAX_CLOCK
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        cdef uint64_t counters = (<uint64_t>self.position.clock << 8 | <uint64_t>self.repetitions)
        return mix64(self.position.key ^ mix64(counters + 1))

    # -- for people -------------------------------------------------------------------------

    def board(self):
        """64 letters from a8, row by row: ``PNBRQK`` White's, ``pnbrqk`` Black's, ``.`` empty."""
        cdef int cell, at
        figures = []
        for cell in range(64):
            at = cell ^ (56 if self.position.black else 0)
            if not (self.position.own | self.position.other) >> at & 1:
                figures.append(".")
                continue
            letter = KINDS[kind_at(&self.position, at)]
            white = (self.position.own >> at & 1) != <board_t>self.position.black
            figures.append(letter if white else letter.lower())
        return "".join(figures)

    def _setup(self):
        cdef int cell, turn = 56 if self.position.black else 0
        cdef board_t castling = self.position.castling, en_passant = self.position.en_passant
        return Setup(
            self.board(), bool(self.position.black),
            tuple([cell for cell in range(64) if castling >> (cell ^ turn) & 1]),
            next((cell for cell in range(64) if en_passant >> (cell ^ turn) & 1), None),
            self.position.clock, self.position.ply // 2 + 1,
        )

    def to_text(self):
        """The position as FEN."""
        return write_fen(self._setup(), chess960=(<Chess>self.game).chess960)

    def history_text(self):
        """The FEN of the first position that may still be repeated, and the moves since."""
        cdef int i, turn
        moves = []
        for i in range(self.num_past):
            turn = 56 if (self.num_past - i + self.position.black) & 1 else 0
            moves.append((move_of(self.played[i]).source ^ turn,
                          move_of(self.played[i]).target ^ turn))
        if not moves:
            return self.to_text()
        first = write_fen(rewind(self._setup(), moves), chess960=(<Chess>self.game).chess960)
        return " ".join([first, "moves", *(NAMES[source] + NAMES[target]
                                           for source, target in moves)])

    def _move(self, action_t action):
        """What a legal action does."""
        cdef const position_t* position = &self.position
        cdef int source = move_of(action).source, target = move_of(action).target
        cdef int kind = kind_at(position, source), turn = 56 if position.black else 0
        cdef board_t target_bit = cell_bit(target)
        return Move(
            KINDS[kind], source ^ turn, target ^ turn,
            KINDS[move_of(action).promotion] if kind == PAWN and target < 8 else "",
            bool(target_bit & position.other) or (
                kind == PAWN and target_bit == position.en_passant),
            kind == KING and bool(target_bit & position.own),
        )

    def action_to_move(self, action):
        """UCI: ``e2e4``, ``e7e8q``; castling ``e1g1``, in Chess960 ``e1h1``."""
        if not 0 <= action < NUM_ACTIONS:
            raise IllegalActionError(
                f"an action of chess must be from 0 to {NUM_ACTIONS - 1}, got {action!r}")
        return chess_notation.uci(self._move(action), chess960=(<Chess>self.game).chess960)

    def move_to_action(self, str text not None):
        """The legal action that `text` names in UCI or SAN; see `chess_notation.find`."""
        actions = self.get_legal_actions()
        legal = [self._move(action) for action in actions]
        try:
            found = chess_notation.find(text.strip(), legal)
        except GameError as error:
            raise IllegalActionError(
                f"{text!r} does not name one move of chess in {self.to_text()!r}: {error}"
            ) from None
        if found is None:
            raise self._illegal(text)
        return actions[found]

    def san(self, action):
        """The legal `action` in standard algebraic notation, with ``+`` or ``#``."""
        actions = self.get_legal_actions()
        if action not in actions:
            raise self._illegal(action)
        cdef ChessState after = self.clone()
        after.apply_c(action)
        text = chess_notation.san(self._move(action), [self._move(a) for a in actions])
        if not checkers(&after.position):
            return text
        after.look()
        return text + ("#" if after.num_legal == 0 else "+")

    def in_check(self):
        """Whether the king of the player to move is attacked."""
        return checkers(&self.position) != 0

    def end_reason(self):
        """Why the game is over: ``checkmate``, ``stalemate``, ``insufficient_material``,
        ``threefold``, ``fifty_moves`` or ``max_game_length``; None while it goes on."""
        self.look()
        if self.num_legal == 0:
            return "checkmate" if self.in_check() else "stalemate"
        if is_insufficient(&self.position):
            return "insufficient_material"
        if self.repetitions >= 2:
            return "threefold"
        if self.position.clock >= MAX_CLOCK:
            return "fifty_moves"
        return "max_game_length" if self.drawn else None

    def perft(self, int depth, *, bint bulk=True):
        """Sequences of `depth` legal moves, as chess programs count them: no draw ends a game.

        Parameters
        ----------
        depth
            Plies, >= 0.
        bulk
            Count the last move of each sequence without making it.
        """
        if depth < 0:
            raise ValueError(f"depth must be >= 0, got {depth}")
        cdef position_t position = self.position
        with nogil:
            total = count_moves(&position, depth, bulk)
        return total

    def drawing(self):
        """Figures on light and dark squares, white below."""
        return replace(super().drawing(), kind="checkers", glyphs=CHESS_GLYPHS,
                       column_names=letters(8), row_names=numbers(8, from_top=False),
                       caption=self._status())

    def __str__(self):
        return f"{diagram(self.board())}\n{self._status()}"

    def _status(self):
        side, other = ("black", "white") if self.position.black else ("white", "black")
        reason = self.end_reason()
        if reason is None:
            return f"{side} to move"
        if reason == "checkmate":
            return f"checkmate, {other} has won"
        return f"draw, {reason.replace('_', ' ')}"
