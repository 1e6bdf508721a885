"""Legal moves of chess, made and counted; the position and the actions are in the .pxd.

References
----------
chessprogramming.org, "Checks and pinned pieces (bitboards)", for masks instead of trying moves.
"""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint64_t

from games.base cimport action_t, mix64
from games.chess_attacks cimport (
    BOTTOM_ROW,
    COLUMN_A,
    COLUMN_H,
    LIGHT_CELLS,
    NUM_CELLS,
    SEVENTH_ROW,
    THIRD_ROW,
    all_bishop_attacks,
    all_knight_attacks,
    all_rook_attacks,
    attack_tables,
    attacks_t,
    bishop_attacks,
    board_t,
    cell_bit,
    count_cells,
    first_cell,
    flip,
    rook_attacks,
    row_attacks,
)

cdef const attacks_t* TABLE = attack_tables()
cdef move_t MOVES[NUM_ACTIONS]
cdef int16_t ACTIONS[64][64]
# Zobrist keys; cells here are White's, whoever is to move.
cdef uint64_t PIECE_KEYS[2][6][64]     # [black][kind][cell]
cdef uint64_t CASTLING_KEYS[64]        # of a rook that may castle
cdef uint64_t EN_PASSANT_KEYS[8]       # of the column
cdef uint64_t BLACK_KEY


cdef const move_t* move_of(action_t action) noexcept nogil:
    return &MOVES[action]


cdef action_t action_of(int source, int target) noexcept nogil:
    return ACTIONS[source][target]


cdef void fill_actions() noexcept nogil:
    """Number the pairs of cells by source, then target; queen, rook, bishop, knight last."""
    cdef int source, target, kind
    cdef int16_t action = 0
    for source in range(NUM_CELLS):
        for target in range(NUM_CELLS):
            ACTIONS[source][target] = -1
            if not ((TABLE.straight[source] | TABLE.diagonal[source] | TABLE.knight[source])
                    & cell_bit(target)):
                continue
            ACTIONS[source][target] = action
            for kind in range(QUEEN, PAWN, -1):
                MOVES[action].source = <uint8_t>source
                MOVES[action].target = <uint8_t>target
                MOVES[action].promotion = <uint8_t>kind
                action += 1
                if not (source >> 3 == 1 and target < 8 and TABLE.king[source] & cell_bit(target)):
                    break


cdef void fill_keys() noexcept nogil:
    cdef uint64_t state = <uint64_t>0x6368657373      # "chess"
    cdef int black, kind, cell
    for black in range(2):
        for kind in range(6):
            for cell in range(NUM_CELLS):
                PIECE_KEYS[black][kind][cell] = next_key(&state)
    for cell in range(NUM_CELLS):
        CASTLING_KEYS[cell] = next_key(&state)
    for cell in range(8):
        EN_PASSANT_KEYS[cell] = next_key(&state)
    global BLACK_KEY
    BLACK_KEY = next_key(&state)


cdef uint64_t next_key(uint64_t* state) noexcept nogil:
    # splitmix64 (Steele et al. 2014)
    state[0] += <uint64_t>0x9e3779b97f4a7c15
    return mix64(state[0])


cdef int kind_at(const position_t* p, int cell) noexcept nogil:
    """The kind of the piece on `cell`, which is not empty; a sum, so that nothing branches."""
    return <int>((p.pieces[KNIGHT] >> cell & 1) + (p.pieces[BISHOP] >> cell & 1) * 2
                 + (p.pieces[ROOK] >> cell & 1) * 3 + (p.pieces[QUEEN] >> cell & 1) * 4
                 + (p.pieces[KING] >> cell & 1) * 5)


# -- attacks on the player to move --------------------------------------------------------------

cdef inline board_t attackers(const position_t* p, int cell, board_t occupied,
                              board_t by) noexcept nogil:
    """The pieces among `by`, of the other player, that attack `cell` if `occupied` are."""
    return by & (
        TABLE.knight[cell] & p.pieces[KNIGHT]
        | TABLE.pawn[cell] & p.pieces[PAWN]
        | TABLE.king[cell] & p.pieces[KING]
        | bishop_attacks(TABLE, cell, occupied) & (p.pieces[BISHOP] | p.pieces[QUEEN])
        | rook_attacks(TABLE, cell, occupied) & (p.pieces[ROOK] | p.pieces[QUEEN])
    )


cdef inline board_t attacked(const position_t* p, board_t occupied) noexcept nogil:
    """All cells that the other player attacks if `occupied` are occupied."""
    cdef board_t pawns = p.pieces[PAWN] & p.other
    return (
        (pawns << 9 & ~COLUMN_A) | (pawns << 7 & ~COLUMN_H)
        | all_knight_attacks(p.pieces[KNIGHT] & p.other)
        | all_bishop_attacks((p.pieces[BISHOP] | p.pieces[QUEEN]) & p.other, ~occupied)
        | all_rook_attacks((p.pieces[ROOK] | p.pieces[QUEEN]) & p.other, ~occupied)
        | TABLE.king[first_cell(p.pieces[KING] & p.other)]
    )


cdef board_t checkers(const position_t* p) noexcept nogil:
    cdef int king = first_cell(p.pieces[KING] & p.own)
    return attackers(p, king, p.own | p.other, p.other)


cdef bint captures_en_passant(const position_t* p, int pawn, board_t cell) noexcept nogil:
    """Whether the own pawn on `pawn`, which stands beside, may capture onto `cell`.

    Two pawns leave one row at once, which no pin mask tells, so the move is tried.
    """
    cdef board_t victim = cell << 8
    cdef board_t occupied = (p.own | p.other) ^ cell_bit(pawn) ^ victim ^ cell
    cdef int king = first_cell(p.pieces[KING] & p.own)
    return attackers(p, king, occupied, p.other ^ victim) == 0


cdef board_t en_passant_if_legal(const position_t* p, board_t cell) noexcept nogil:
    """`cell`, behind a pawn that has just made two steps, if a pawn may capture there, else 0."""
    cdef board_t beside = (
        (cell << 9 & ~COLUMN_A | cell << 7 & ~COLUMN_H) & p.pieces[PAWN] & p.own)
    while beside:
        if captures_en_passant(p, first_cell(beside), cell):
            return cell
        beside &= beside - 1
    return 0


# -- the generator ------------------------------------------------------------------------------

cdef board_t castling_targets(const position_t* p, int king, board_t danger) noexcept nogil:
    """The rooks with which the king, not in check, may castle now."""
    cdef board_t rooks = p.castling & p.own, found = 0, rook_bit, path, empty, after
    cdef board_t occupied = p.own | p.other
    cdef int rook, king_to, rook_to
    while rooks:
        rook = first_cell(rooks)
        rook_bit = cell_bit(rook)
        rooks ^= rook_bit
        king_to = 62 if rook > king else 58
        rook_to = 61 if rook > king else 59
        path = TABLE.between[king][king_to] | cell_bit(king_to)
        empty = path | TABLE.between[rook][rook_to] | cell_bit(rook_to)
        after = occupied ^ cell_bit(king) ^ rook_bit
        if empty & after or path & danger:
            continue
        # In Chess960 the rook may have covered the king from the side.
        after |= cell_bit(king_to) | cell_bit(rook_to)
        if not (row_attacks(TABLE, king_to, after)
                & (p.pieces[ROOK] | p.pieces[QUEEN]) & p.other):
            found |= rook_bit
    return found


cdef int generate(const position_t* p, int16_t* out) noexcept nogil:
    # Step 1. The king: cells it may enter, the pieces that check it, the pieces pinned to it.
    cdef board_t targets[64]
    cdef board_t occupied = p.own | p.other
    cdef board_t king_bit = p.pieces[KING] & p.own
    cdef int king = first_cell(king_bit), cell
    cdef board_t danger = attacked(p, occupied ^ king_bit)
    cdef board_t straight = p.pieces[ROOK] | p.pieces[QUEEN]
    cdef board_t diagonal = p.pieces[BISHOP] | p.pieces[QUEEN]
    cdef board_t checking = p.other & (
        TABLE.knight[king] & p.pieces[KNIGHT] | TABLE.pawn[king] & p.pieces[PAWN])
    cdef board_t pinned = 0, blockers, left, bit, reach, step
    left = p.other & (TABLE.straight[king] & straight | TABLE.diagonal[king] & diagonal)
    while left:
        cell = first_cell(left)
        blockers = TABLE.between[king][cell] & occupied
        if blockers == 0:
            checking |= cell_bit(cell)
        elif blockers & (blockers - 1) == 0:
            pinned |= blockers & p.own
        left &= left - 1
    targets[king] = TABLE.king[king] & ~p.own & ~danger
    cdef board_t movers = king_bit

    # Step 2. The other pieces, unless two check at once: cells that capture or block a checker.
    cdef board_t allowed = ~p.own
    if checking == 0:
        if p.castling & p.own:
            targets[king] |= castling_targets(p, king, danger)
    else:
        allowed = checking | TABLE.between[king][first_cell(checking)]
    if checking & (checking - 1) == 0:
        movers = p.own
        left = p.own & p.pieces[KNIGHT]
        while left:
            cell = first_cell(left)
            # A pinned knight never stays on the line.
            targets[cell] = 0 if pinned & left & -left else TABLE.knight[cell] & allowed
            left &= left - 1
        left = p.own & p.pieces[BISHOP]
        while left:
            cell = first_cell(left)
            reach = bishop_attacks(TABLE, cell, occupied) & allowed
            targets[cell] = reach & TABLE.line[king][cell] if pinned & left & -left else reach
            left &= left - 1
        left = p.own & p.pieces[ROOK]
        while left:
            cell = first_cell(left)
            reach = rook_attacks(TABLE, cell, occupied) & allowed
            targets[cell] = reach & TABLE.line[king][cell] if pinned & left & -left else reach
            left &= left - 1
        left = p.own & p.pieces[QUEEN]
        while left:
            cell = first_cell(left)
            reach = (bishop_attacks(TABLE, cell, occupied)
                     | rook_attacks(TABLE, cell, occupied)) & allowed
            targets[cell] = reach & TABLE.line[king][cell] if pinned & left & -left else reach
            left &= left - 1
        left = p.own & p.pieces[PAWN]
        while left:
            cell = first_cell(left)
            bit = left & -left
            step = bit >> 8 & ~occupied
            reach = step | ((step & THIRD_ROW) >> 8 & ~occupied) | TABLE.pawn[cell] & p.other
            reach &= allowed
            targets[cell] = reach & TABLE.line[king][cell] if pinned & bit else reach
            if TABLE.pawn[cell] & p.en_passant and captures_en_passant(p, cell, p.en_passant):
                targets[cell] |= p.en_passant
            left ^= bit

    # Step 3. Write them by source, then target: the order of the actions.
    cdef board_t promoting = p.own & p.pieces[PAWN] & SEVENTH_ROW
    cdef const int16_t* actions
    cdef int num = 0, i
    while movers:
        cell = first_cell(movers)
        actions = ACTIONS[cell]
        left = targets[cell]
        if promoting & movers & -movers:
            while left:
                for i in range(4):
                    out[num + i] = actions[first_cell(left)] + i
                num += 4
                left &= left - 1
        else:
            while left:
                out[num] = actions[first_cell(left)]
                num += 1
                left &= left - 1
        movers &= movers - 1
    return num


# -- making a move ------------------------------------------------------------------------------

cdef inline uint64_t lift(position_t* p, board_t* side, int black, int kind,
                          int cell) noexcept nogil:
    """Take a piece from `cell`, or put it there; return the change of the key."""
    side[0] ^= cell_bit(cell)
    p.pieces[kind] ^= cell_bit(cell)
    return PIECE_KEYS[black][kind][cell ^ (56 if p.black else 0)]


cdef inline void turn_board(position_t* p) noexcept nogil:
    cdef board_t own = p.own
    cdef int kind
    p.own = flip(p.other)
    p.other = flip(own)
    for kind in range(6):
        p.pieces[kind] = flip(p.pieces[kind])
    p.castling = flip(p.castling)
    p.black ^= 1


cdef bint make_move(position_t* p, const move_t* move) noexcept nogil:
    cdef int source = move.source, target = move.target
    cdef board_t source_bit = cell_bit(source), target_bit = cell_bit(target), lost
    cdef int black = p.black, kind = kind_at(p, source)
    cdef uint64_t key = p.key ^ BLACK_KEY
    cdef bint final = p.en_passant != 0     # the right to capture en passant never comes back
    if p.en_passant:
        key ^= EN_PASSANT_KEYS[first_cell(p.en_passant) & 7]
    p.ply += 1
    p.clock += 1
    if target_bit & p.own:
        # Castling, the king onto the rook.
        key ^= lift(p, &p.own, black, KING, source)
        key ^= lift(p, &p.own, black, ROOK, target)
        key ^= lift(p, &p.own, black, KING, 62 if target > source else 58)
        key ^= lift(p, &p.own, black, ROOK, 61 if target > source else 59)
    else:
        if target_bit & p.other:
            key ^= lift(p, &p.other, 1 - black, kind_at(p, target), target)
            p.clock = 0
        key ^= lift(p, &p.own, black, kind, source)
        if kind == PAWN:
            p.clock = 0
            if target_bit == p.en_passant:
                key ^= lift(p, &p.other, 1 - black, PAWN, target + 8)
            elif target < 8:
                kind = move.promotion
        key ^= lift(p, &p.own, black, kind, target)
    lost = p.castling & (source_bit | target_bit)
    if kind == KING:
        lost |= p.castling & BOTTOM_ROW
    while lost:
        final = True
        key ^= CASTLING_KEYS[first_cell(lost) ^ (56 if black else 0)]
        p.castling ^= lost & -lost
        lost &= lost - 1
    p.en_passant = 0
    turn_board(p)
    if kind == PAWN and source - target == 16:
        p.en_passant = en_passant_if_legal(p, cell_bit((target ^ 56) - 8))
        if p.en_passant:
            key ^= EN_PASSANT_KEYS[target & 7]
    p.key = key
    return final or p.clock == 0


cdef void complete(position_t* p) noexcept nogil:
    cdef int kind, cell, white_cell
    cdef uint64_t key = BLACK_KEY if p.black else 0
    if p.en_passant:
        p.en_passant = en_passant_if_legal(p, p.en_passant)
    if p.en_passant:
        key ^= EN_PASSANT_KEYS[first_cell(p.en_passant) & 7]
    for cell in range(NUM_CELLS):
        white_cell = cell ^ (56 if p.black else 0)
        if p.castling >> cell & 1:
            key ^= CASTLING_KEYS[white_cell]
        if (p.own | p.other) >> cell & 1:
            kind = kind_at(p, cell)
            key ^= PIECE_KEYS[p.black if p.own >> cell & 1 else 1 - p.black][kind][white_cell]
    p.key = key


cdef bint is_insufficient(const position_t* p) noexcept nogil:
    cdef board_t bishops = p.pieces[BISHOP]
    if p.pieces[PAWN] | p.pieces[ROOK] | p.pieces[QUEEN]:
        return False
    if p.pieces[KNIGHT]:
        return count_cells(p.own | p.other) == 3
    return not (bishops & LIGHT_CELLS and bishops & ~LIGHT_CELLS)


cdef int64_t count_moves(const position_t* p, int depth, bint bulk) noexcept nogil:
    cdef int16_t actions[MAX_LISTED]
    cdef position_t child
    cdef int64_t total = 0
    cdef int i, num
    if depth == 0:
        return 1
    num = generate(p, actions)
    if bulk and depth == 1:
        return num
    for i in range(num):
        child = p[0]
        make_move(&child, &MOVES[actions[i]])
        total += count_moves(&child, depth - 1, bulk)
    return total


fill_actions()
fill_keys()
