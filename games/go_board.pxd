# A Go board that moves change in place: chains of stones, captures, and the boards seen so far.
#
# Points are numbered row by row from the top left. The neighbours of a point are four, of which
# those beyond the edge are the point `num_points`, whose colour is WALL:
#
#      0  1  2        neighbours of 0:  9 9 1 3
#      3  4  5        neighbours of 4:  1 3 5 7
#      6  7  8   9 = beyond the edge
#
# The stones of a chain are a ring, and each of them knows the stone that stands for the chain:
#
#      x  x  .        chain  0  0  9        next  1  3  -
#      x  .  .               0  9  9              0  -  -
#
# liberties[0] counts each empty neighbour once for each stone that touches it (pseudo-liberties:
# 4 here, point 4 twice). A move changes such counts by one a neighbour, where real liberties
# would have to be counted again. They answer all that the rules ask: a chain is captured if none
# is left, and it lives on a single point p if and only if its whole count comes from stones
# that touch p.

from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint64_t

from games.base cimport action_t
from games.cells cimport MAX_CELLS, MAX_WORDS

cdef enum:
    BLACK = 0
    WHITE = 1
    EMPTY = 2
    WALL = 3
    NO_MOVE = -1

cdef enum repetition_t:        # what a move may not bring back
    SIMPLE_KO = 0              # the board before the opponent's last move
    POSITIONAL = 1             # any earlier board
    SITUATIONAL = 2            # any earlier board with the same player to move

cdef struct rules_t:           # what all boards of one game share
    int size
    int num_points             # size * size; as an action, the pass
    int num_words              # 64-bit words of a set of points
    int max_plies
    repetition_t repetition
    bint suicide               # of two stones or more
    size_t fixed_bytes         # of the block of a board_t, without `seen` and `moves`
    size_t filter_words        # of board_t.filter, a power of two
    int16_t neighbours[MAX_CELLS][4]
    # Sets of points, with an empty word at either end so that a shift needs no special case.
    uint64_t all_points[MAX_WORDS + 2]
    uint64_t not_first[MAX_WORDS + 2]      # without the leftmost column
    uint64_t not_last[MAX_WORDS + 2]       # without the rightmost column

cdef struct turn_t:
    uint64_t hash              # Zobrist key of the stones
    uint64_t line              # of the set-up and of all moves since, in their order
    int32_t ply                # moves since the set-up
    int8_t player              # to move
    int8_t first_player        # to move at the set-up

# The pointers are into one block, in this order; of `seen` and `moves` the filled part is copied.
cdef struct board_t:
    turn_t turn
    uint64_t* stones           # [2, num_words] sets of points: black, white
    uint64_t* ever             # [2, num_words] points where black, white has ever put a stone
    uint64_t* setup            # [2, num_words] the stones that the game began with
    uint64_t* filter           # [filter_words] bits of the keys in `seen`, a Bloom filter
    int16_t* chain             # [num_points + 1] the stone that stands for the chain, or num_points
    int16_t* next              # [num_points + 1] the next stone of the ring
    int16_t* liberties         # [num_points + 1] of the chain that this stone stands for
    int16_t* length            # [num_points + 1] stones of that chain
    uint8_t* colour            # [num_points + 1] BLACK, WHITE, EMPTY or WALL
    uint64_t* seen             # [max_plies + 1] keys of all boards so far, the present one last
    int16_t* moves             # [max_plies] since the set-up

cdef int rules_init(rules_t* rules, int size, int max_plies, repetition_t repetition,
                    bint suicide) except -1
cdef int board_init(board_t* board, const rules_t* rules) except -1
cdef void board_free(board_t* board) noexcept
cdef void board_copy(board_t* board, const board_t* other, const rules_t* rules) noexcept nogil
# Put a stone on an empty point and take off what it captures.
cdef void board_place(board_t* board, const rules_t* rules, int point, int colour) noexcept nogil
# A legal move or pass of the player to move.
cdef void board_play(board_t* board, const rules_t* rules, int action) noexcept nogil
# The board is what the game begins with, `player` to move.
cdef void board_begin(board_t* board, const rules_t* rules, int player) noexcept nogil
# Sets of points, [num_words]: where the player to move may play, and where only the repetition
# of an earlier board forbids it.
cdef void board_moves(const board_t* board, const rules_t* rules,
                      uint64_t* legal, uint64_t* repeating) noexcept nogil
# Sets of points, [2 * num_words], black's before white's: those that a colour's stones hold or that
# only its stones reach over empty points; and how many they are.
cdef void board_owned(const board_t* board, const rules_t* rules, uint64_t* points) noexcept nogil
cdef void board_area(const board_t* board, const rules_t* rules, int* areas) noexcept nogil
# Real liberties of a point's chain, counted up to `limit`.
cdef int board_liberties(const board_t* board, const rules_t* rules, int point,
                         int limit) noexcept nogil


# The move that was played `back` plies ago, 1 for the last; NO_MOVE if the game had not begun.
cdef inline int board_move(const board_t* board, int back) noexcept nogil:
    return board.moves[board.turn.ply - back] if board.turn.ply >= back else NO_MOVE


cdef inline bint board_over(const board_t* board, const rules_t* rules) noexcept nogil:
    return (board.turn.ply >= rules.max_plies
            or board_move(board, 1) == rules.num_points == board_move(board, 2))
