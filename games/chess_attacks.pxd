# Where chess pieces reach: 64-bit boards, tables and sliding attacks.
#
# A board is seen by the player to move, whose pawns go up. Bit i is cell i, row by row from the
# top left, as in the observation; for White that is
#
#      0  1 ...  7        a8 b8 ... h8
#      8  9 ... 15        a7 b7 ... h7
#      ...
#     56 57 ... 63        a1 b1 ... h1
#
# and for Black the same upside down (a1 is cell 0): `flip` swaps the two views.

from libc.stdint cimport uint8_t, uint64_t

ctypedef uint64_t board_t

cdef extern from * nogil:
    int first_cell "__builtin_ctzll" (board_t board) noexcept      # of a board that is not empty
    int count_cells "__builtin_popcountll" (board_t board) noexcept
    board_t flip "__builtin_bswap64" (board_t board) noexcept      # rows upside down

cdef enum:
    NUM_CELLS = 64

# Written in C: in Cython a constant of 64 bits would be a Python integer.
cdef extern from *:
    """
    #define COLUMN_A 0x0101010101010101ULL
    #define COLUMN_H 0x8080808080808080ULL
    #define TOP_ROW 0x00000000000000ffULL         /* where own pawns promote */
    #define SEVENTH_ROW 0x000000000000ff00ULL     /* from where they do */
    #define THIRD_ROW 0x0000ff0000000000ULL       /* where a first single step ends */
    #define BOTTOM_ROW 0xff00000000000000ULL      /* own king and rooks at the start */
    #define LIGHT_CELLS 0xaa55aa55aa55aa55ULL
    """
    const board_t COLUMN_A, COLUMN_H, TOP_ROW, SEVENTH_ROW, THIRD_ROW, BOTTOM_ROW, LIGHT_CELLS

cdef struct attacks_t:
    board_t king[64]
    board_t knight[64]
    board_t pawn[64]             # cells that an own pawn attacks = cells of enemy pawns attacking
    board_t vertical[64]         # the lines through a cell, without the cell
    board_t falling[64]          # diagonal, down to the right
    board_t rising[64]           # diagonal, up to the right
    board_t straight[64]         # row and column together
    board_t diagonal[64]         # both diagonals together
    uint8_t horizontal[8][64]    # [column][the six inner cells of a row that are occupied]
    board_t between[64][64]      # cells strictly between two on a line, else empty
    board_t line[64][64]         # the whole line through two cells, with them, else empty

# The tables, filled when the module is imported.
cdef const attacks_t* attack_tables() noexcept nogil


cdef inline board_t cell_bit(int cell) noexcept nogil:
    return <board_t>1 << cell


# Hyperbola quintessence (Leorik/Sherwin, chessprogramming.org): subtracting the slider from the
# pieces on its line flips all bits up to the first piece; the other half of the line is the same
# upside down. Two kilobytes of masks serve where magic multiplication wants 840.
cdef inline board_t slide(board_t occupied, board_t line, board_t slider) noexcept nogil:
    cdef board_t pieces = occupied & line
    return ((pieces - slider) ^ flip(flip(pieces) - flip(slider))) & line


cdef inline board_t row_attacks(const attacks_t* table, int cell,
                                board_t occupied) noexcept nogil:
    # A row cannot be turned upside down, so it is looked up.
    cdef int row = cell & 56
    return <board_t>table.horizontal[cell & 7][occupied >> (row + 1) & 63] << row


cdef inline board_t rook_attacks(const attacks_t* table, int cell,
                                 board_t occupied) noexcept nogil:
    return (slide(occupied, table.vertical[cell], cell_bit(cell))
            | row_attacks(table, cell, occupied))


cdef inline board_t bishop_attacks(const attacks_t* table, int cell,
                                   board_t occupied) noexcept nogil:
    cdef board_t slider = cell_bit(cell)
    return (slide(occupied, table.falling[cell], slider)
            | slide(occupied, table.rising[cell], slider))


# All sliders of a kind at once, in one direction (Kogge-Stone fill): no loop, no branch. `free` are
# the cells without a piece, `inside` those that a step can enter without running over the edge.
cdef inline board_t ray_down(board_t sliders, board_t free, board_t inside,
                             int step) noexcept nogil:
    cdef board_t through = free & inside
    sliders |= through & (sliders << step)
    through &= through << step
    sliders |= through & (sliders << 2 * step)
    through &= through << 2 * step
    sliders |= through & (sliders << 4 * step)
    return (sliders << step) & inside


cdef inline board_t ray_up(board_t sliders, board_t free, board_t inside,
                           int step) noexcept nogil:
    cdef board_t through = free & inside
    sliders |= through & (sliders >> step)
    through &= through >> step
    sliders |= through & (sliders >> 2 * step)
    through &= through >> 2 * step
    sliders |= through & (sliders >> 4 * step)
    return (sliders >> step) & inside


cdef inline board_t all_rook_attacks(board_t rooks, board_t free) noexcept nogil:
    return (ray_down(rooks, free, ~<board_t>0, 8) | ray_up(rooks, free, ~<board_t>0, 8)
            | ray_down(rooks, free, ~COLUMN_A, 1) | ray_up(rooks, free, ~COLUMN_H, 1))


cdef inline board_t all_bishop_attacks(board_t bishops, board_t free) noexcept nogil:
    return (ray_down(bishops, free, ~COLUMN_A, 9) | ray_up(bishops, free, ~COLUMN_H, 9)
            | ray_down(bishops, free, ~COLUMN_H, 7) | ray_up(bishops, free, ~COLUMN_A, 7))


cdef inline board_t all_knight_attacks(board_t knights) noexcept nogil:
    cdef board_t right = (knights << 1) & ~COLUMN_A
    cdef board_t left = (knights >> 1) & ~COLUMN_H
    cdef board_t far_right = (right << 1) & ~COLUMN_A
    cdef board_t far_left = (left >> 1) & ~COLUMN_H
    cdef board_t near = right | left, far = far_right | far_left
    return near << 16 | near >> 16 | far << 8 | far >> 8
