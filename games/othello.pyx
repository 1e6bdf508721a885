"""Othello on 4x4, 6x6 and 8x8: a disc that encloses opposing discs in a line turns them over.

Black (``x``) begins with discs on e4 and d5, white (``o``) has d4 and e5 (on other sizes the
middle four likewise), a1 is the top left corner. Who cannot turn any disc must pass, and may not
otherwise; when neither player can, more discs win. Actions are the cells row by row, then `pass`;
moves are ``d3`` and ``pass``.

The observation has a third plane, the cells where the player to move may place a disc. A line
can be as long as the board, so a shallow network cannot see all legal moves, and how many there
are is what the middle game is about. The search has asked for them anyway.
"""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t

from games.base cimport Game, GameState, NativeState, action_t, mix64
from games.bits cimport highest, lowest_bit, popcount

from games.endings import signed_cells
from games.errors import GameError
from games.stones import (
    board_text, labelled_board, letters, not_a_position, numbers, play, read_position, status,
)

__all__ = ["Othello", "OthelloState", "make"]

cdef uint64_t SALT = <uint64_t>0x6f7468656c6c6f21    # spreads the side to move over the hash

# Towards higher bits, then towards lower ones, as (rows down, columns right).
_RAYS = [(0, 1), (1, -1), (1, 0), (1, 1), (0, -1), (-1, 1), (-1, 0), (-1, -1)]


cdef inline uint64_t turned_up(uint64_t ray, uint64_t own, uint64_t other) noexcept nogil:
    # The nearest cell of the ray that is not the opponent's must be ours: turn what is below it.
    cdef uint64_t ends = ray & ~other
    cdef uint64_t end = ends & (0 - ends) & own
    return ray & (end - (end != 0))


cdef inline uint64_t turned_down(uint64_t ray, uint64_t own, uint64_t other) noexcept nogil:
    # Cell 0 stands in where there is no such cell; it counts for nothing, as in that case it is
    # the opponent's or not on the ray.
    cdef uint64_t end = highest(ray & ~other | 1) & ray & own
    return ray & (0 - (end << 1))


cdef inline uint64_t reach(uint64_t own, uint64_t other, int step) noexcept nogil:
    # Cells at the far ends of lines of up to six of `other` that begin beside `own`, `step` bits
    # apart, both ways: doubling as in Kogge and Stone (1973), so no loop and no branch.
    cdef uint64_t up = other & (own << step), down = other & (own >> step), pairs
    up |= other & (up << step)
    down |= other & (down >> step)
    pairs = other & (other << step)
    up |= pairs & (up << 2 * step)
    up |= pairs & (up << 2 * step)
    pairs >>= step
    down |= pairs & (down >> 2 * step)
    down |= pairs & (down >> 2 * step)
    return up << step | down >> step


cdef inline uint64_t places(
    uint64_t own, uint64_t other, uint64_t inner, int size
) noexcept nogil:
    # Where `own` may place a disc, or a disc is. Only discs off the side columns can be turned
    # in a row or a diagonal, which also keeps the shifts from running round the edge.
    return (
        reach(own, other & inner, 1)
        | reach(own, other & inner, size - 1)
        | reach(own, other, size)
        | reach(own, other & inner, size + 1)
    )


cdef inline uint64_t free_places(Othello game, uint64_t own, uint64_t other) noexcept nogil:
    cdef uint64_t found
    # The sizes are spelled out to make the shifts constants.
    if game.columns == 8:
        found = places(own, other, game.inner, 8)
    elif game.columns == 6:
        found = places(own, other, game.inner, 6)
    else:
        found = places(own, other, game.inner, 4)
    return found & game.board & ~(own | other)


def _ray(size, row, column, down, right):
    # The cells from (row, column), without it, to the edge.
    bits = 0
    row, column = row + down, column + right
    while 0 <= row < size and 0 <= column < size:
        bits |= 1 << row * size + column
        row, column = row + down, column + right
    return bits


def make(*, size=8):
    """The game on a board of `size` by `size`: 4, 6 or 8."""
    return Othello(size)


cdef class Othello(Game):
    """Othello.

    Parameters
    ----------
    size
        Rows and columns: 4, 6 or 8. A board is one 64-bit word, so 10 is too large.

    Raises
    ------
    GameError
        If there is no such board.
    """

    def __init__(self, size=8):
        cdef int cell, ray
        if type(size) is not int or size not in (4, 6, 8):
            raise GameError(f"size of othello must be 4, 6 or 8, got {size!r}")
        cells = size * size
        # Each disc may come after a pass; the first and the one after the last do not.
        super().__init__(
            "othello", num_actions=cells + 1, board_shape=(size, size), num_planes=3,
            max_game_length=2 * (cells - 4) - 1, max_legal_actions=cells - 4,
            options={"size": size},
        )
        self.num_cells = cells
        self.board = (1 << cells) - 1
        self.inner = sum(((1 << size - 2) - 1) << row * size + 1 for row in range(size))
        for cell in range(cells):
            for ray, (down, right) in enumerate(_RAYS):
                self.rays[cell][ray] = _ray(size, *divmod(cell, size), down, right)

    def initial_state(self):
        """The middle four, black to move."""
        cdef OthelloState state = OthelloState(self)
        cdef uint64_t first = <uint64_t>1 << (self.num_cells - self.columns) // 2 - 1
        state.own = first << 1 | first << self.columns        # e4, d5
        state.other = first | first << self.columns + 1       # d4, e5
        return state

    def initial_image(self, int symmetry):
        """The middle four, the colours swapped for odd symmetries."""
        cdef OthelloState state = self.initial_state()
        if symmetry & 1:
            state.own, state.other = state.other, state.own
        return state

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A board and the side to move, such as ``..../.ox./.xo./.... x`` on 4x4, or, if it has
            no ``/``, the moves from the first position, passes too: ``d3 c5``.

        Raises
        ------
        GameError
            If it is no board with discs in the middle four cells. Beyond that it is not asked
            whether a game can reach the position.
        """
        if "/" not in text:
            return play(self, text, text.split())
        cdef OthelloState state = OthelloState(self)
        x, o, player = read_position(self, text)
        cdef OthelloState first = self.initial_state()
        if (first.own | first.other) & ~(x | o):
            raise not_a_position(self, text, "the middle four cells must have discs")
        state.own, state.other = (o, x) if player else (x, o)
        state.player = player
        return state

    def symmetries(self):
        """The eight of the square, half of them swapping the colours of the first position.

        The rules know no difference between them, so all serve to multiply positions, though
        the odd ones show what comes of the first position with its colours swapped; see
        `initial_image`.
        """
        board = np.arange(self.num_cells, dtype=np.int32).reshape(self.board_shape)
        cells = np.stack([
            np.rot90(image, turns).ravel()
            for image, turns in ((board, 0), (board, 1), (board.T, 0), (board.T, 1),
                                 (board, 2), (board, 3), (board.T, 2), (board.T, 3))
        ])
        passes = np.full((len(cells), 1), self.num_cells, dtype=np.int32)
        return cells, np.concatenate([cells, passes], axis=1)


cdef class OthelloState(NativeState):
    """A position of Othello."""

    def __init__(self, Othello game not None):
        super().__init__(game)

    cdef uint64_t mobility(self) noexcept nogil:
        if not self.known:
            self.moves = free_places(<Othello>self.game, self.own, self.other)
            self.known = True
        return self.moves

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        self.own = (<OthelloState>other).own
        self.other = (<OthelloState>other).other
        self.moves = (<OthelloState>other).moves
        self.known = (<OthelloState>other).known
        self.player = (<OthelloState>other).player
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef uint64_t own = self.own, other = self.other, turned
        cdef uint64_t* rays
        if action < (<Othello>self.game).num_cells:
            rays = (<Othello>self.game).rays[action]
            turned = (
                turned_up(rays[0], own, other) | turned_up(rays[1], own, other)
                | turned_up(rays[2], own, other) | turned_up(rays[3], own, other)
                | turned_down(rays[4], own, other) | turned_down(rays[5], own, other)
                | turned_down(rays[6], own, other) | turned_down(rays[7], own, other)
            )
            assert turned != 0 and not (own | other) >> action & 1
            own |= turned | <uint64_t>1 << action
            other &= ~turned
        self.own = other
        self.other = own
        self.player ^= 1
        self.known = False
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef uint64_t moves = self.mobility()
        cdef int num = 0
        if moves == 0:
            out[0] = (<Othello>self.game).num_cells
            return 1
        while moves:
            out[num] = lowest_bit(moves)
            num += 1
            moves &= moves - 1
        return num

    cdef int is_terminal_c(self) except -1 nogil:
        return self.mobility() == 0 and free_places(
            <Othello>self.game, self.other, self.own) == 0

    cdef int current_player_c(self) except -1 nogil:
        return self.player

    cdef float outcome_c(self, int player) except? -2 nogil:
        cdef int lead = popcount(self.own) - popcount(self.other)
        if player != self.player:
            lead = -lead
        return (lead > 0) - (lead < 0)

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        (<uint64_t*>out)[0] = self.own
        (<uint64_t*>out)[1] = self.other
        (<uint64_t*>out)[2] = self.mobility()
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        # Two multiplications a board are cheaper than a key for every disc turned.
        return mix64(self.own ^ mix64(self.other ^ mix64(SALT ^ <uint64_t>self.player)))

    def action_to_move(self, action):
        """``d3`` is column d from the left, row 3 from the top."""
        if action == (<Othello>self.game).num_cells:
            return "pass"
        row, column = divmod(action, self.game.columns)
        return f"{chr(ord('a') + column)}{row + 1}"

    def to_text(self):
        """The board, top row first, and the side to move: ``..../.ox./.xo./.... x``."""
        x, o = self.stones()
        return board_text(self.game, x, o, self.player)

    def stones(self):
        """x's and o's discs, bit ``i`` for cell ``i``, row by row from the top left."""
        return (self.other, self.own) if self.player else (self.own, self.other)

    def score(self):
        """x's discs minus o's; empty cells count for nobody."""
        x, o = self.stones()
        return x.bit_count() - o.bit_count()

    def final_owners(self, int player):
        """Whose disc lies on each cell."""
        stones = self.stones()
        return signed_cells(stones[player], stones[1 - player], self.game.rows * self.game.columns)

    def final_margin(self, int player):
        """Discs by which `player` leads."""
        return -self.score() if player else self.score()

    def drawing(self):
        """Discs on green squares, row 1 at the top."""
        size = self.game.columns
        return replace(super().drawing(), ground="#3a8f5c", column_names=letters(size),
                       row_names=numbers(size))

    def __str__(self):
        x, o = self.stones()
        return "\n".join([
            *labelled_board(self.game, x, o, numbers(self.game.rows)),
            f"{status(self)} (x {x.bit_count()}, o {o.bit_count()})",
        ])
