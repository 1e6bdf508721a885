# A chess position as plain memory, its legal moves, and making one.
#
# Everything is seen by the player to move (see chess_attacks.pxd): making a move ends with turning
# the board upside down, and so one generator without colours serves both players.

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t

from games.base cimport action_t
from games.chess_attacks cimport board_t

cdef enum:
    # Kinds of pieces.
    PAWN = 0
    KNIGHT = 1
    BISHOP = 2
    ROOK = 3
    QUEEN = 4
    KING = 5

cdef enum:
    # Pairs of cells that a queen or a knight joins (1456 + 336), and three underpromotions for
    # each of the 22 ways onto the top row.
    NUM_ACTIONS = 1858
    # Of any position that a game can reach: R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w
    # (Petrović 1964); that none has more was shown by Tobs40, lichess.org 2024.
    MAX_LEGAL = 218
    # Of any set of pieces that promotions can give, on an empty board: room for every list.
    MAX_LISTED = 336

cdef struct position_t:
    board_t own              # pieces of the player to move
    board_t other
    board_t pieces[6]        # [kind] of both players
    board_t castling         # rooks that may still castle, of both players
    board_t en_passant       # the cell behind a pawn that can be captured there legally, else 0
    uint64_t key             # Zobrist: pieces, player to move, castling, en passant
    int32_t ply              # of the game: 2 * (move number - 1) + black
    int16_t clock            # half-moves since the last capture or pawn move
    int16_t black            # 1 if Black is to move

cdef struct move_t:
    uint8_t source           # cells, seen by the player to move
    uint8_t target           # of castling: the rook's
    uint8_t promotion        # kind for a pawn that reaches the top row by this action

# What an action means; and which action joins two cells, the queen's promotion of several.
cdef const move_t* move_of(action_t action) noexcept nogil
cdef action_t action_of(int source, int target) noexcept nogil

# Write the legal moves, actions in increasing order, to `out` [MAX_LISTED]; return how many.
cdef int generate(const position_t* position, int16_t* out) noexcept nogil
# Make a legal move. True if no earlier position can come again after it.
cdef bint make_move(position_t* position, const move_t* move) noexcept nogil
# Pieces of the other player that attack the king of the player to move.
cdef board_t checkers(const position_t* position) noexcept nogil
# Neither player can mate by any sequence of moves, as far as python-chess looks into it.
cdef bint is_insufficient(const position_t* position) noexcept nogil
# After the board was set up by hand: set `key`, and keep `en_passant` only if it can be captured.
cdef void complete(position_t* position) noexcept nogil
# Sequences of `depth` legal moves; draws by rule do not end them.
cdef int64_t count_moves(const position_t* position, int depth, bint bulk) noexcept nogil
cdef int kind_at(const position_t* position, int cell) noexcept nogil
