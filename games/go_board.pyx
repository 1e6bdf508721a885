"""Go boards, drawn in go_board.pxd: chains, captures, repetition and area.

References
----------
Tromp and Taylor, "The Game of Go", https://tromp.github.io/go.html, for the rules; Zobrist, "A new
hashing method with application for game playing", ICCA Journal 13 (1970), for the keys.
"""

from libc.stdint cimport int16_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from games.base cimport mix64
from games.cells cimport lowest_bit

cdef extern from *:
    int num_bits "__builtin_popcountll" (uint64_t) nogil

cdef uint64_t EMPTY_BOARD = mix64(<uint64_t>0x676f2d656d707479)      # not 0: that is no board
cdef uint64_t WHITE_TO_MOVE = mix64(<uint64_t>0x676f2d7768697465)
cdef uint64_t[2][MAX_CELLS] ZOBRIST

cdef void fill_zobrist() noexcept:      # plain arithmetic into a static table
    cdef int colour, point
    for colour in range(2):
        for point in range(MAX_CELLS):
            ZOBRIST[colour][point] = mix64(<uint64_t>0x676f * MAX_CELLS * (colour + 1) + point)

fill_zobrist()


cdef inline bint has(const uint64_t* points, int point) noexcept nogil:
    return points[point >> 6] >> (point & 63) & 1


cdef inline void flip(uint64_t* points, int point) noexcept nogil:
    points[point >> 6] ^= <uint64_t>1 << (point & 63)


cdef inline void neighbours_of(const rules_t* rules, const uint64_t* points,
                               uint64_t* out) noexcept nogil:
    # Points beside those of `points`, which has an empty word at either end; so has `out`.
    cdef int i, size = rules.size
    cdef uint64_t before, here, after
    cdef const uint64_t* not_first = &rules.not_first[0]
    cdef const uint64_t* not_last = &rules.not_last[0]
    for i in range(1, rules.num_words + 1):
        before = points[i - 1]
        here = points[i]
        after = points[i + 1]
        out[i] = rules.all_points[i] & (
            (here & not_last[i]) << 1 | (before & not_last[i - 1]) >> 63
            | (here & not_first[i]) >> 1 | (after & not_first[i + 1]) << 63
            | here << size | before >> (64 - size)
            | here >> size | after << (64 - size)
        )


cdef inline uint64_t* filter_word(const board_t* board, const rules_t* rules,
                                  uint64_t key) noexcept nogil:
    return board.filter + (key >> 6 & (rules.filter_words - 1))


cdef inline void remember(board_t* board, const rules_t* rules) noexcept nogil:
    cdef uint64_t key = board.turn.hash
    if rules.repetition == SITUATIONAL and board.turn.player == WHITE:
        key ^= WHITE_TO_MOVE
    filter_word(board, rules, key)[0] |= <uint64_t>1 << (key & 63)
    board.seen[board.turn.ply] = key


# -- making and copying -------------------------------------------------------------------


cdef int rules_init(rules_t* rules, int size, int max_plies, repetition_t repetition,
                    bint suicide) except -1:
    cdef int point, row, column, num_points = size * size
    cdef size_t arrays = (num_points + 1) * (4 * sizeof(int16_t) + sizeof(uint8_t))
    memset(rules, 0, sizeof(rules_t))
    rules.size = size
    rules.num_points = num_points
    rules.num_words = (num_points + 63) // 64
    rules.max_plies = max_plies
    rules.repetition = repetition
    rules.suicide = suicide
    # At least eight bits a key keep false alarms rare, up to games of 2048 plies.
    rules.filter_words = 1
    while rules.filter_words * 8 < <size_t>max_plies and rules.filter_words < 256:
        rules.filter_words *= 2
    rules.fixed_bytes = 8 * (6 * rules.num_words + rules.filter_words + (arrays + 7) // 8)
    for point in range(num_points):
        row, column = point // size, point % size
        rules.neighbours[point][0] = point - size if row > 0 else num_points
        rules.neighbours[point][1] = point - 1 if column > 0 else num_points
        rules.neighbours[point][2] = point + 1 if column < size - 1 else num_points
        rules.neighbours[point][3] = point + size if row < size - 1 else num_points
        flip(rules.all_points + 1, point)
        if column > 0:
            flip(rules.not_first + 1, point)
        if column < size - 1:
            flip(rules.not_last + 1, point)
    return 0


cdef int board_init(board_t* board, const rules_t* rules) except -1:
    """The empty board, black to move; free it with `board_free`."""
    cdef int point, num = rules.num_points + 1
    cdef size_t num_bytes = rules.fixed_bytes + 8 + 10 * <size_t>rules.max_plies
    board.stones = <uint64_t*>calloc(num_bytes, 1)
    if board.stones == NULL:
        raise MemoryError(f"no memory for a board of {num_bytes} bytes")
    board.ever = board.stones + 2 * rules.num_words
    board.setup = board.ever + 2 * rules.num_words
    board.filter = board.setup + 2 * rules.num_words
    board.chain = <int16_t*>(board.filter + rules.filter_words)
    board.next = board.chain + num
    board.liberties = board.next + num
    board.length = board.liberties + num
    board.colour = <uint8_t*>(board.length + num)
    board.seen = board.stones + rules.fixed_bytes // 8
    board.moves = <int16_t*>(board.seen + rules.max_plies + 1)
    for point in range(num):
        board.chain[point] = rules.num_points
        board.colour[point] = EMPTY
    board.colour[rules.num_points] = WALL
    memset(&board.turn, 0, sizeof(turn_t))
    board.turn.hash = EMPTY_BOARD
    board_begin(board, rules, BLACK)
    return 0


cdef void board_begin(board_t* board, const rules_t* rules, int player) noexcept nogil:
    memcpy(board.setup, board.stones, 2 * rules.num_words * sizeof(uint64_t))
    memset(board.filter, 0, rules.filter_words * sizeof(uint64_t))
    board.turn.player = board.turn.first_player = player
    board.turn.ply = 0
    board.turn.line = mix64(board.turn.hash + player)
    remember(board, rules)


cdef void board_free(board_t* board) noexcept:      # free() cannot fail; NULL is allowed
    free(board.stones)


cdef void board_copy(board_t* board, const board_t* other, const rules_t* rules) noexcept nogil:
    cdef size_t ply = other.turn.ply
    board.turn = other.turn
    memcpy(board.stones, other.stones, rules.fixed_bytes + 8 * (ply + 1))
    memcpy(board.moves, other.moves, ply * sizeof(int16_t))


# -- playing ------------------------------------------------------------------------------


cdef inline void remove_chain(board_t* board, const rules_t* rules, int head) noexcept nogil:
    cdef int point = head, colour = board.colour[head], k, beside
    cdef const int16_t* neighbours
    while True:
        board.colour[point] = EMPTY
        board.chain[point] = rules.num_points
        board.turn.hash ^= ZOBRIST[colour][point]
        flip(board.stones + colour * rules.num_words, point)
        neighbours = rules.neighbours[point]
        for k in range(4):
            beside = neighbours[k]
            if board.colour[beside] == 1 - colour:
                board.liberties[board.chain[beside]] += 1
        point = board.next[point]
        if point == head:
            return


cdef inline int join_chains(board_t* board, int one, int other) noexcept nogil:
    # The longer one takes over, so that a stone is renamed seldom; return what stands for both.
    cdef int point
    if board.length[one] < board.length[other]:
        one, other = other, one
    board.length[one] += board.length[other]
    board.liberties[one] += board.liberties[other]
    point = other
    while True:
        board.chain[point] = one
        point = board.next[point]
        if point == other:
            break
    board.next[one], board.next[other] = board.next[other], board.next[one]
    return one


cdef void board_place(board_t* board, const rules_t* rules, int point, int colour) noexcept nogil:
    cdef int k, beside, head = point, liberties = 0
    cdef int16_t* chain = board.chain
    cdef const int16_t* neighbours = rules.neighbours[point]
    board.colour[point] = colour
    chain[point] = board.next[point] = point
    board.length[point] = 1
    board.turn.hash ^= ZOBRIST[colour][point]
    flip(board.stones + colour * rules.num_words, point)
    board.ever[colour * rules.num_words + (point >> 6)] |= <uint64_t>1 << (point & 63)
    for k in range(4):
        beside = neighbours[k]
        liberties += board.colour[beside] == EMPTY
        # Empty and outer points belong to chain `num_points`, whose count nobody reads.
        board.liberties[chain[beside]] -= 1
    board.liberties[point] = liberties
    for k in range(4):
        beside = neighbours[k]
        if board.colour[beside] == colour:
            if chain[beside] != head:
                head = join_chains(board, head, chain[beside])
        elif board.colour[beside] == 1 - colour and board.liberties[chain[beside]] == 0:
            remove_chain(board, rules, chain[beside])
    if rules.suicide and board.liberties[head] == 0:
        remove_chain(board, rules, head)


cdef void board_play(board_t* board, const rules_t* rules, int action) noexcept nogil:
    if action != rules.num_points:
        board_place(board, rules, action, board.turn.player)
    board.moves[board.turn.ply] = action
    board.turn.line = mix64(board.turn.line ^ <uint64_t>(action + 1))
    board.turn.player = 1 - board.turn.player
    board.turn.ply += 1
    remember(board, rules)


# -- repetition ---------------------------------------------------------------------------


cdef inline bint was_seen(const board_t* board, const rules_t* rules, uint64_t key) noexcept nogil:
    cdef int i, ply = board.turn.ply
    if rules.repetition == SIMPLE_KO:
        return ply > 0 and board.seen[ply - 1] == key
    if filter_word(board, rules, key)[0] >> (key & 63) & 1:
        for i in range(ply, -1, -1):
            if board.seen[i] == key:
                return True
    return False


cdef inline uint64_t chain_key(const board_t* board, int head) noexcept nogil:
    cdef uint64_t key = 0
    cdef int point = head, colour = board.colour[head]
    while True:
        key ^= ZOBRIST[colour][point]
        point = board.next[point]
        if point == head:
            return key


cdef inline bint has_more(const board_t* board, const int16_t* neighbours, int k) noexcept nogil:
    # Neighbour k's chain has another liberty than this point, which gives it one count for each
    # of the four neighbours that is its stone.
    cdef int j, head = board.chain[neighbours[k]], liberties = board.liberties[head]
    if liberties > 4:
        return True
    for j in range(4):
        liberties -= board.chain[neighbours[j]] == head
    return liberties > 0


cdef inline bint is_first(const board_t* board, const int16_t* neighbours, int k) noexcept nogil:
    # No earlier neighbour is of neighbour k's chain.
    cdef int j
    for j in range(k):
        if board.chain[neighbours[j]] == board.chain[neighbours[k]]:
            return False
    return True


cdef inline bint can_stay(const board_t* board, const rules_t* rules, int point) noexcept nogil:
    # Whether a stone here has an empty neighbour, joins a chain that has another liberty, or
    # captures one that has not.
    cdef const int16_t* neighbours = rules.neighbours[point]
    cdef int k, beside, colour
    for k in range(4):
        beside = neighbours[k]
        colour = board.colour[beside]
        if colour == EMPTY or (
            colour != WALL and has_more(board, neighbours, k) == (colour == board.turn.player)
        ):
            return True
    return False


cdef inline bint joins_own(const board_t* board, const rules_t* rules, int point) noexcept nogil:
    # A suicide of one stone joins nothing. It would be a second way to pass.
    cdef int k
    for k in range(4):
        if board.colour[rules.neighbours[point][k]] == board.turn.player:
            return True
    return False


cdef uint64_t key_after(const board_t* board, const rules_t* rules, int point) noexcept nogil:
    # Key of the board after the player to move has put a stone on an empty point.
    cdef const int16_t* neighbours = rules.neighbours[point]
    cdef int k, beside, player = board.turn.player
    cdef int dying = player
    cdef uint64_t key = board.turn.hash
    if can_stay(board, rules, point):
        dying = 1 - player
        key ^= ZOBRIST[player][point]
    for k in range(4):
        beside = neighbours[k]
        if (board.colour[beside] == dying and not has_more(board, neighbours, k)
                and is_first(board, neighbours, k)):
            key ^= chain_key(board, board.chain[beside])
    if rules.repetition == SITUATIONAL and player == BLACK:
        key ^= WHITE_TO_MOVE
    return key


cdef void board_moves(const board_t* board, const rules_t* rules,
                      uint64_t* legal, uint64_t* repeating) noexcept nogil:
    cdef uint64_t[MAX_WORDS + 2] empty
    cdef uint64_t[MAX_WORDS + 2] beside_empty
    cdef const uint64_t* stones = board.stones
    cdef const uint64_t* placed = board.ever + board.turn.player * rules.num_words
    cdef uint64_t bits, bit, again
    cdef int i, point, num_words = rules.num_words
    empty[0] = empty[num_words + 1] = 0
    for i in range(num_words):
        empty[i + 1] = rules.all_points[i + 1] & ~(stones[i] | stones[num_words + i])
    neighbours_of(rules, empty, beside_empty)
    for i in range(num_words):
        legal[i] = empty[i + 1]
        repeating[i] = 0
        # A board comes back only with a stone that stood there before, or after a suicide.
        again = empty[i + 1] & placed[i]
        # Step 1. A stone beside an empty point stays; look at the others.
        bits = empty[i + 1] & ~beside_empty[i + 1]
        while bits:
            bit = bits & (~bits + 1)
            bits ^= bit
            point = 64 * i + lowest_bit(bit)
            if can_stay(board, rules, point):
                continue
            legal[i] ^= bit
            again &= ~bit
            if rules.suicide and joins_own(board, rules, point):
                if was_seen(board, rules, key_after(board, rules, point)):
                    repeating[i] |= bit
                else:
                    legal[i] |= bit
        # Step 2. Take out what repeats a board.
        while again:
            bit = again & (~again + 1)
            again ^= bit
            point = 64 * i + lowest_bit(bit)
            if was_seen(board, rules, key_after(board, rules, point)):
                legal[i] ^= bit
                repeating[i] |= bit


# -- counting -----------------------------------------------------------------------------


cdef void board_owned(const board_t* board, const rules_t* rules, uint64_t* points) noexcept nogil:
    cdef uint64_t[2][MAX_WORDS + 2] reach
    cdef uint64_t[MAX_WORDS + 2] beside
    cdef uint64_t grown, changed
    cdef int i, colour, num_words = rules.num_words
    for colour in range(2):
        reach[colour][0] = reach[colour][num_words + 1] = 0
        for i in range(num_words):
            reach[colour][i + 1] = board.stones[colour * num_words + i]
        changed = 1
        while changed:
            neighbours_of(rules, reach[colour], beside)
            changed = 0
            for i in range(num_words):
                grown = beside[i + 1] & ~(board.stones[i] | board.stones[num_words + i])
                changed |= grown & ~reach[colour][i + 1]
                reach[colour][i + 1] |= grown
    for i in range(num_words):
        points[BLACK * num_words + i] = reach[BLACK][i + 1] & ~reach[WHITE][i + 1]
        points[WHITE * num_words + i] = reach[WHITE][i + 1] & ~reach[BLACK][i + 1]


cdef void board_area(const board_t* board, const rules_t* rules, int* areas) noexcept nogil:
    cdef uint64_t[2 * MAX_WORDS] points
    cdef int i
    board_owned(board, rules, points)
    areas[BLACK] = areas[WHITE] = 0
    for i in range(rules.num_words):
        areas[BLACK] += num_bits(points[BLACK * rules.num_words + i])
        areas[WHITE] += num_bits(points[WHITE * rules.num_words + i])


cdef int board_liberties(const board_t* board, const rules_t* rules, int point,
                         int limit) noexcept nogil:
    cdef uint64_t[MAX_WORDS] counted
    cdef int k, beside, num = 0, stone = point
    memset(counted, 0, rules.num_words * sizeof(uint64_t))
    while True:
        for k in range(4):
            beside = rules.neighbours[stone][k]
            if board.colour[beside] == EMPTY and not has(counted, beside):
                flip(counted, beside)
                num += 1
                if num == limit:
                    return num
        stone = board.next[stone]
        if stone == point:
            return num
