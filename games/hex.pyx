"""Hex on boards of 2x2 to 19x19: the first player joins top and bottom, the second left and right.

Moves are cells, a letter for the column and a number for the row: ``a1`` is the top left corner,
an acute one. With the swap rule the second player may begin with ``swap``: the first player's
stone changes its colour and goes to the mirrored cell, b1 to a2.

Actions are the cells row by row as the player to move sees the board: the first player as it is
drawn, the second player transposed, so that whoever is to move joins top and bottom (as in
NeuroHex, Young, Hayward and Vasan, arXiv:1604.07097). The last action is the swap, if there is one.
"""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from games.base cimport Game, GameState, NativeState, action_t, mix64
from games.cells cimport MAX_CELLS, list_bits, lowest_bit

from games.endings import shortest_links, signed_cells, transposed
from games.errors import GameError
from games.stones import (
    MARKS,
    board_text,
    letters,
    not_a_position,
    numbers,
    play,
    read_cells,
    status,
    stone_at,
)

__all__ = ["Hex", "HexState", "make"]

cdef uint64_t SALT = <uint64_t>0x6865782d62616b21    # the empty board must not hash to 0

_LETTERS = "abcdefghijklmnopqrs"


def make(*, size=11, swap=False):
    """The game on a board of `size` by `size`, 2 to 19; `swap` allows the second player to swap."""
    return Hex(size, swap)


cdef class Hex(Game):
    """Hex.

    Parameters
    ----------
    size
        Rows and columns of the board, 2 to 19.
    swap
        Whether the second player may take over the first stone instead of placing one.

    Raises
    ------
    GameError
        If there is no such board or option.
    """

    def __init__(self, size=11, swap=False):
        if type(size) is not int or not 2 <= size <= 19:
            raise GameError(f"size of hex must be an integer from 2 to 19, got {size!r}")
        if type(swap) is not bool:
            raise GameError(f"swap of hex must be True or False, got {swap!r}")
        cells = size * size
        super().__init__(
            "hex", num_actions=cells + swap, board_shape=(size, size), num_planes=2,
            num_scalars=1 if swap else 0, max_game_length=cells + swap,
            max_legal_actions=cells, options={"size": size, "swap": swap},
        )
        self.size = size
        self.swap = swap
        self.num_cells = cells
        self.num_words = self.words_per_plane
        for cell in range(cells):
            self.set_cell(cell)

    def set_cell(self, int cell):
        # Fills the row of `cells`.
        cdef cell_t* at = &self.cells[cell]
        row, column = divmod(cell, self.size)
        steps = ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0))
        near = [
            (row + down) * self.size + column + right
            for down, right in steps
            if 0 <= row + down < self.size and 0 <= column + right < self.size
        ]
        at.word = min(near) // 64
        at.near[:] = [0, 0]
        for other in near:
            at.near[other // 64 - at.word] |= <uint64_t>1 << other % 64
        at.transposed = column * self.size + row
        at.rows = (row == 0) | (row == self.size - 1) << 1

    def initial_state(self):
        """The empty board."""
        return HexState(self)

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A board such as ``x../.o./... x``, or, if it has no ``/``, the moves from the empty
            board, such as ``b1 swap c2``. The players may have any numbers of stones; the side
            to move may be left out where x has as many stones as o or one more.

        Raises
        ------
        GameError
            If a side to move has won already or cannot be told.
        """
        if "/" not in text:
            return play(self, text, text.split())
        cdef HexState state = HexState(self)
        cdef int owner, cell
        x, o, player = read_cells(self, text)
        lead = x.bit_count() - o.bit_count()
        if player is None:
            if lead not in (0, 1):
                raise not_a_position(
                    self, text,
                    f"the side to move must be told where x has {x.bit_count()} stones and o "
                    f"{o.bit_count()}",
                )
            player = lead
        for owner, stones in enumerate((x, o)):
            for cell in range(self.num_cells):
                if stones >> cell & 1:
                    state.place(owner, self.cells[cell].transposed if owner else cell)
        state.player = player
        if state.winner == state.player:
            raise not_a_position(self, text, f"{MARKS[player]} is to move and has won already")
        return state

    def symmetries(self):
        """The identity and half a turn; see `Game.symmetries`."""
        cells = np.arange(self.num_cells, dtype=np.int32)
        actions = np.arange(self.num_actions, dtype=np.int32)
        turned = actions.copy()
        turned[:self.num_cells] = cells[::-1]
        return np.stack([cells, cells[::-1]]), np.stack([actions, turned])


cdef class HexState(NativeState):
    """A position of Hex."""

    def __init__(self, Hex game not None):
        super().__init__(game)
        self.winner = -1

    cdef void place(self, int owner, int cell) noexcept nogil:
        cdef cell_t* at = &(<Hex>self.game).cells[cell]
        cdef int other = at.transposed, rows = at.rows, side
        cdef slice_t* near = &self.board[at.word]
        for side in range(2):
            if (near[0].joined[owner][side] & at.near[0]
                    | near[1].joined[owner][side] & at.near[1]):
                rows |= 1 << side
        self.board[cell >> 6].stones[owner][owner] |= <uint64_t>1 << (cell & 63)
        self.board[other >> 6].stones[1 - owner][owner] |= <uint64_t>1 << (other & 63)
        self.num_stones += 1
        if rows == 3:
            self.winner = owner
        elif rows:
            self.join(owner, rows - 1, cell)

    cdef void join(self, int owner, int side, int cell) noexcept nogil:
        # Take `cell` and what hangs on it into the set of stones joined to a side.
        cdef cell_t* cells = (<Hex>self.game).cells
        cdef int waiting[MAX_CELLS]
        cdef int num = 1, i, base
        cdef slice_t* word
        cdef cell_t* at
        cdef uint64_t fresh
        waiting[0] = cell
        self.board[cell >> 6].joined[owner][side] |= <uint64_t>1 << (cell & 63)
        while num:
            num -= 1
            at = &cells[waiting[num]]
            for i in range(2):
                word = &self.board[at.word + i]
                fresh = word.stones[owner][owner] & at.near[i] & ~word.joined[owner][side]
                word.joined[owner][side] |= fresh
                base = (at.word + i) << 6
                while fresh:
                    waiting[num] = base + lowest_bit(fresh)
                    num += 1
                    fresh &= fresh - 1

    cdef bint may_swap(self) noexcept nogil:
        # A lone stone of the other player; after a swap it is the first player's turn.
        return (<Hex>self.game).swap and self.num_stones == 1 and self.player == 1

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        memcpy(self.board, (<HexState>other).board,
               (<Hex>self.game).num_words * sizeof(slice_t))
        self.player = (<HexState>other).player
        self.num_stones = (<HexState>other).num_stones
        self.winner = (<HexState>other).winner
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        cdef int cell
        assert 0 <= action < self.game.num_actions
        if action == (<Hex>self.game).num_cells:
            assert self.may_swap()
            # Take the other player's place: the stone lies as it did for that player.
            cell = self.lone_stone()
            memset(self.board, 0, sizeof(self.board))
            self.num_stones = 0
            action = cell
        self.place(self.player, action)
        self.player = 1 - self.player
        return 0

    cdef int lone_stone(self) noexcept nogil:
        # The cell of the other player's only stone in that player's frame.
        cdef int other = 1 - self.player, w = 0
        while self.board[w].stones[other][other] == 0:
            w += 1
        return (w << 6) + lowest_bit(self.board[w].stones[other][other])

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef int cells = (<Hex>self.game).num_cells, num = 0, w
        cdef uint64_t* stones
        for w in range((<Hex>self.game).num_words):
            stones = self.board[w].stones[self.player]
            num += list_bits(~(stones[0] | stones[1]), w << 6, min(64, cells - (w << 6)), out + num)
        if self.may_swap():
            out[num] = cells
            num += 1
        return num

    cdef int is_terminal_c(self) except -1 nogil:
        return self.winner >= 0

    cdef int current_player_c(self) except -1 nogil:
        return self.player

    cdef float outcome_c(self, int player) except? -2 nogil:
        return 1 if player == self.winner else -1

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        # Own stones, the other player's; with the swap rule, whether it may be used now.
        cdef uint64_t* planes = <uint64_t*>out
        cdef int words = (<Hex>self.game).num_words, w
        for w in range(words):
            planes[w] = self.board[w].stones[self.player][self.player]
            planes[words + w] = self.board[w].stones[self.player][1 - self.player]
        if (<Hex>self.game).swap:
            planes[2 * words] = 0
            (<float*>(planes + 2 * words))[0] = self.may_swap()
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        # Not kept move by move: a search plays several moves for every position that it hashes.
        cdef uint64_t bits = mix64(SALT + self.player)
        cdef int w
        for w in range((<Hex>self.game).num_words):
            bits = mix64(mix64(bits ^ self.board[w].stones[0][0]) ^ self.board[w].stones[0][1])
        return bits

    def action_to_move(self, action):
        """The cell's column and row, ``c2``, or ``swap``."""
        cdef Hex game = self.game
        if action == game.num_cells:
            return "swap"
        row, column = divmod(game.cells[action].transposed if self.player else action, game.size)
        return f"{_LETTERS[column]}{row + 1}"

    def to_text(self):
        """The board as it is drawn, top row first, and the side to move: ``x../.o./... x``."""
        x, o = self.stones()
        return board_text(self.game, x, o, self.player)

    def stones(self):
        """x's and o's stones, bit ``i`` for cell ``i``, row by row from the top left."""
        words = range((<Hex>self.game).num_words)
        return tuple(
            sum(self.board[w].stones[0][owner] << 64 * w for w in words) for owner in range(2)
        )

    def final_owners(self, int player):
        """Whose stone lies on each cell; the second player sees the board transposed."""
        return self.seen_by(player, self.stones())

    def winning_cells(self, int player):
        """The cells of all shortest chains between the sides that the winner has joined."""
        x, o = self.stones()
        size = self.game.rows
        sides = transposed(o, size)    # so that both players join top and bottom
        return self.seen_by(
            player, (shortest_links(x, size), transposed(shortest_links(sides, size), size))
        )

    def seen_by(self, int player, stones):
        """[H*W] int8: 1 for the player's stones among x's and o's, -1 for the other's."""
        size = self.game.rows
        if player:
            stones = tuple(transposed(each, size) for each in stones)
        return signed_cells(stones[player], stones[1 - player], size * size)

    def drawing(self):
        """A rhombus of hexagons, a1 at its acute corner at the top left."""
        size = self.game.columns
        return replace(super().drawing(), kind="hexagons", column_names=letters(size),
                       row_names=numbers(size))

    def __str__(self):
        x, o = self.stones()
        size = self.game.rows
        rows = [
            f"{' ' * row}{row + 1:2} "
            + " ".join(stone_at(x, o, row * size + column) for column in range(size))
            for row in range(size)
        ]
        return "\n".join([f"   {' '.join(_LETTERS[:size])}", *rows, status(self)])
