"""Tables of chess attacks, filled at import; boards and inline functions are in the .pxd."""

from libc.string cimport memset

cdef attacks_t TABLES


cdef const attacks_t* attack_tables() noexcept nogil:
    return &TABLES


cdef inline bint on_board(int row, int column) noexcept nogil:
    return 0 <= row < 8 and 0 <= column < 8


cdef board_t ray(int cell, int down, int right, int steps) noexcept nogil:
    """The cells reached from `cell` in one direction within `steps`."""
    cdef board_t found = 0
    cdef int row = (cell >> 3) + down, column = (cell & 7) + right
    while steps > 0 and on_board(row, column):
        found |= cell_bit(8 * row + column)
        row += down
        column += right
        steps -= 1
    return found


cdef void fill_row_attacks() noexcept nogil:
    cdef int column, inner, at
    for column in range(8):
        for inner in range(64):
            for at in range(column - 1, -1, -1):
                TABLES.horizontal[column][inner] |= <uint8_t>(1 << at)
                if inner << 1 & 1 << at:
                    break
            for at in range(column + 1, 8):
                TABLES.horizontal[column][inner] |= <uint8_t>(1 << at)
                if inner << 1 & 1 << at:
                    break


cdef void fill_cell(int cell) noexcept nogil:
    cdef int down, right, step
    cdef board_t seen
    for down in range(-2, 3):
        for right in range(-2, 3):
            if abs(down) + abs(right) == 3:
                TABLES.knight[cell] |= ray(cell, down, right, 1)
    TABLES.pawn[cell] = ray(cell, -1, -1, 1) | ray(cell, -1, 1, 1)
    TABLES.vertical[cell] = ray(cell, -1, 0, 7) | ray(cell, 1, 0, 7)
    TABLES.falling[cell] = ray(cell, -1, -1, 7) | ray(cell, 1, 1, 7)
    TABLES.rising[cell] = ray(cell, -1, 1, 7) | ray(cell, 1, -1, 7)
    TABLES.straight[cell] = TABLES.vertical[cell] | ray(cell, 0, -1, 7) | ray(cell, 0, 1, 7)
    TABLES.diagonal[cell] = TABLES.falling[cell] | TABLES.rising[cell]
    for down in range(-1, 2):
        for right in range(-1, 2):
            if down == 0 and right == 0:
                continue
            TABLES.king[cell] |= ray(cell, down, right, 1)
            for step in range(1, 8):
                if not on_board((cell >> 3) + step * down, (cell & 7) + step * right):
                    break
                seen = ray(cell, down, right, step - 1)
                TABLES.between[cell][cell + step * (8 * down + right)] = seen
                TABLES.line[cell][cell + step * (8 * down + right)] = (
                    cell_bit(cell) | ray(cell, down, right, 7) | ray(cell, -down, -right, 7))


cdef void fill() noexcept nogil:
    cdef int cell
    memset(&TABLES, 0, sizeof(attacks_t))
    fill_row_attacks()
    for cell in range(NUM_CELLS):
        fill_cell(cell)


fill()
