"""Go on square boards: area scoring without dead stones (Tromp-Taylor), two passes end the game.

Actions are the points row by row from the top left, then the pass; moves are ``e5`` and ``pass``.

Why the observation has these planes: Wu, "Accelerating Self-Play Learning in Go", arXiv:1902.10565,
gives its network liberties, points forbidden by ko and the last moves (appendix A), and learns
slower without its Go-specific planes (section 5). AlphaGo Zero's eight past boards say the same
less directly. Two last moves show what is being answered.
"""

from dataclasses import replace

import numpy as np

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from games.base cimport Game, GameState, NativeState, action_t
from games.cells cimport list_bits
from games.go_board cimport (
    BLACK,
    EMPTY,
    MAX_WORDS,
    NO_MOVE,
    POSITIONAL,
    SIMPLE_KO,
    SITUATIONAL,
    WHITE,
    board_area,
    board_begin,
    board_copy,
    board_free,
    board_init,
    board_liberties,
    board_move,
    board_moves,
    board_over,
    board_owned,
    board_place,
    board_play,
    rules_init,
    rules_t,
    turn_t,
)

from games.endings import signed_cells
from games.errors import GameError
from games.go_text import LETTERS, play_on, point_name, read_point, read_position
from games.stones import board_text, letters, not_a_position, numbers, status, stone_at

__all__ = ["Go", "GoState", "make"]

cdef enum:
    NUM_PLANES = 8
    NUM_SCALARS = 3

cdef inline void mark(uint64_t* points, int point) noexcept nogil:
    points[point >> 6] |= <uint64_t>1 << (point & 63)


REPETITIONS = {"simple": SIMPLE_KO, "positional": POSITIONAL, "situational": SITUATIONAL}


def make(*, size=9, komi=0.0, ko="positional", suicide=False, max_plies=None):
    """The game; see `Go` for the options."""
    return Go(size, komi, ko, suicide, max_plies)


cdef class Go(Game):
    """Go.

    Parameters
    ----------
    size
        Of the board, 2 to 19.
    komi
        Points added to white's area, a multiple of 0.5. By default none, as in the game records
        that this game is tested with; for fair games give 7 (9x9, where it draws) or 7.5.
    ko
        What a move may not repeat: ``positional``, any earlier board; ``situational``, any
        earlier board with the same player to move; ``simple``, the board before the last move.
    suicide
        Whether a player may take off own stones by filling their last liberty. One stone alone
        never may.
    max_plies
        The game ends here too, and is scored as it stands; at most 10000. By default twice as many
        plies as points, but 162, as on 9x9, on smaller boards, where fights about repetition
        outlast the points.

    Raises
    ------
    GameError
        If an option has another value.
    """

    def __init__(self, size=9, komi=0.0, ko="positional", suicide=False, max_plies=None):
        if type(size) is not int or not 2 <= size <= 19:
            raise GameError(f"size of go must be an integer from 2 to 19, got {size!r}")
        if (type(komi) not in (int, float) or not abs(komi) <= size * size
                or 2 * komi != int(2 * komi)):
            raise GameError(
                f"komi of go must be a multiple of 0.5 from -{size * size} to {size * size}, "
                f"got {komi!r}"
            )
        if type(ko) is not str or ko not in REPETITIONS:
            raise GameError(f"ko of go must be one of {', '.join(REPETITIONS)}, got {ko!r}")
        if type(suicide) is not bool:
            raise GameError(f"suicide of go must be true or false, got {suicide!r}")
        if max_plies is not None and (type(max_plies) is not int or not 1 <= max_plies <= 10000):
            raise GameError(
                f"max_plies of go must be an integer from 1 to 10000, got {max_plies!r}"
            )
        super().__init__(
            "go", num_actions=size * size + 1, board_shape=(size, size), num_planes=NUM_PLANES,
            num_scalars=NUM_SCALARS, max_game_length=max_plies or 2 * max(size, 9) ** 2,
            options={"size": size, "komi": komi, "ko": ko, "suicide": suicide,
                     "max_plies": max_plies},
        )
        self.komi = komi
        rules_init(&self.rules, size, self.max_game_length, REPETITIONS[ko], suicide)

    def initial_state(self):
        """The empty board, black (``x``) to move."""
        return GoState(self)

    def state_from_text(self, str text not None):
        """The position that `text` describes.

        Parameters
        ----------
        text
            A position as `games.go_text` describes it, of which the board is enough, or, if it
            has no ``/``, the moves from the empty board: ``e5 c3 pass``.

        Raises
        ------
        GameError
            If a chain has no liberty, a move is illegal, or the moves lead elsewhere.
        """
        cdef GoState state = GoState(self)
        cdef int point, colour
        if "/" not in text:
            play_on(state, text, text.split())
            return state
        position = read_position(self, text)
        for point, colour in position.setup:
            board_place(&state.board, &self.rules, point, colour)
        for point, colour in position.setup:
            # Captures cannot have happened unless some chain lacks liberties.
            if (state.board.colour[point] != colour
                    or board_liberties(&state.board, &self.rules, point, 1) == 0):
                raise not_a_position(
                    self, text, f"the chain of {point_name(point, self.rows)} has no liberty"
                )
        board_begin(&state.board, &self.rules, position.first_player)
        play_on(state, text, position.moves)
        shown = board_text(self, *state.stones(), state.board.turn.player)
        if shown != position.shown:
            raise not_a_position(self, text, f"its moves lead to {shown!r}")
        return state

    def symmetries(self):
        """The eight of the square; see `Game.symmetries`."""
        cells = np.arange(self.rows * self.rows, dtype=np.int32).reshape(self.rows, self.rows)
        tables = np.stack([
            np.rot90(board, turns).ravel() for board in (cells, cells.T) for turns in range(4)
        ])
        passes = np.full((8, 1), self.rows * self.rows, np.int32)
        return tables, np.hstack([tables, passes])


cdef class GoState(NativeState):
    """A position of Go, with the boards that may not come back."""

    def __cinit__(self, Go game not None):
        board_init(&self.board, &game.rules)
        self.rules = &game.rules

    def __init__(self, Go game not None):
        super().__init__(game)

    def __dealloc__(self):
        board_free(&self.board)

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        board_copy(&self.board, &(<GoState>other).board, self.rules)
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        assert action == self.rules.num_points or self.board.colour[action] == EMPTY
        board_play(&self.board, self.rules, action)
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef uint64_t[MAX_WORDS] legal
        cdef uint64_t[MAX_WORDS] repeating
        cdef int i, num = 0, num_points = self.rules.num_points
        board_moves(&self.board, self.rules, legal, repeating)
        for i in range(0, num_points, 64):
            num += list_bits(legal[i >> 6], i, min(64, num_points - i), out + num)
        out[num] = num_points
        return num + 1

    cdef int is_terminal_c(self) except -1 nogil:
        return board_over(&self.board, self.rules)

    cdef int current_player_c(self) except -1 nogil:
        return self.board.turn.player

    cdef float outcome_c(self, int player) except? -2 nogil:
        cdef int[2] areas
        cdef double lead
        board_area(&self.board, self.rules, areas)
        lead = areas[player] - areas[1 - player]
        lead += (<Go>self.game).komi if player == WHITE else -(<Go>self.game).komi
        return (lead > 0) - (lead < 0)

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        cdef const rules_t* rules = self.rules
        cdef const turn_t* turn = &self.board.turn
        cdef int num_words = rules.num_words, point, stone, num, k
        cdef size_t plane = 8 * <size_t>num_words
        cdef uint64_t[MAX_WORDS] legal
        cdef uint64_t* planes = <uint64_t*>out
        cdef float* scalars = <float*>(out + NUM_PLANES * plane)
        memset(out, 0, self.game.observation_bytes)
        memcpy(planes, self.board.stones + turn.player * num_words, plane)
        memcpy(planes + num_words, self.board.stones + (1 - turn.player) * num_words, plane)
        for point in range(rules.num_points):
            if self.board.chain[point] != point:
                continue
            num = board_liberties(&self.board, rules, point, 4)
            if num == 4:
                continue
            stone = point
            while True:
                mark(planes + (1 + num) * num_words, stone)
                stone = self.board.next[stone]
                if stone == point:
                    break
        if not board_over(&self.board, rules):
            board_moves(&self.board, rules, legal, planes + 5 * num_words)
        for k in range(2):
            point = board_move(&self.board, k + 1)
            if point != NO_MOVE and point != rules.num_points:
                mark(planes + (6 + k) * num_words, point)
        # Komi over 20 as in KataGo. The end by length is told once it is a board's points away.
        scalars[0] = <float>((<Go>self.game).komi / 20)
        if turn.player == BLACK:
            scalars[0] = -scalars[0]
        scalars[1] = board_move(&self.board, 1) == rules.num_points
        scalars[2] = min(1.0, (rules.max_plies - turn.ply) / <float>rules.num_points)
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        # Every earlier board decides the future, so positions are equal only if all their moves
        # are, and are never met by two orders of moves.
        return self.board.turn.line

    def move_to_action(self, str text not None):
        """The legal action that `text` names: ``e5``, ``E5`` or ``pass``."""
        action = read_point(text.strip().lower(), self.rules.size)
        if action is None or action not in self.get_legal_actions():
            raise self._illegal(text)
        return action

    def action_to_move(self, action):
        """``e5``, without i, row 1 at the bottom; ``pass``."""
        return point_name(action, self.rules.size)

    def to_text(self):
        """The board and the moves that led to it, as `games.go_text` describes."""
        cdef const turn_t* turn = &self.board.turn
        cdef int i
        words = [board_text(self.game, *self.stones(), turn.player)]
        if turn.ply:
            words.append(",".join(
                [point_name(self.board.moves[i], self.rules.size) for i in range(turn.ply)]))
        first = board_text(self.game, *self._points(self.board.setup), turn.first_player)
        if turn.ply and first != board_text(self.game, 0, 0, BLACK):
            words.append(first)
        return " ".join(words)

    def stones(self):
        """Black's and white's stones, bit ``i`` for point ``i``, row by row from the top left."""
        return self._points(self.board.stones)

    cdef tuple _points(self, const uint64_t* points):
        cdef int i, num_words = self.rules.num_words
        return tuple([
            sum([<object>points[colour * num_words + i] << 64 * i for i in range(num_words)])
            for colour in (BLACK, WHITE)
        ])

    def ko_points(self):
        """Empty points that only the repetition of an earlier board forbids, as actions."""
        cdef uint64_t[MAX_WORDS] legal
        cdef uint64_t[MAX_WORDS] repeating
        cdef int point
        if board_over(&self.board, self.rules):
            return []
        board_moves(&self.board, self.rules, legal, repeating)
        return [
            point for point in range(self.rules.num_points)
            if repeating[point >> 6] >> (point & 63) & 1
        ]

    def area(self):
        """Black's and white's points: stones, and what only the own stones reach."""
        cdef int[2] areas
        board_area(&self.board, self.rules, areas)
        return areas[BLACK], areas[WHITE]

    def score(self):
        """Black's area less white's and komi, nothing removed as dead; also before the end."""
        black, white = self.area()
        return black - white - (<Go>self.game).komi

    def final_owners(self, int player):
        """Whose area each point is: a stone's, or that of the only stones that reach it."""
        cdef uint64_t[2 * MAX_WORDS] points
        board_owned(&self.board, self.rules, points)
        owned = self._points(points)
        return signed_cells(owned[player], owned[1 - player], self.rules.num_points)

    def final_margin(self, int player):
        """Points by which `player` leads, komi included."""
        return -self.score() if player == WHITE else self.score()

    def drawing(self):
        """Stones where lines cross, row 1 at the bottom, and the board's star points."""
        size = self.game.columns
        edge = 3 if size > 12 else 2
        lines = {edge, size - 1 - edge, *([size // 2] if size % 2 else [])}
        stars = [row * size + column for row in lines for column in lines] if size > 6 else []
        return replace(super().drawing(), kind="lines", stars=stars,
                       column_names=letters(size, skip="i"),
                       row_names=numbers(size, from_top=False))

    def __str__(self):
        x, o = self.stones()
        size = self.rules.size
        rows = [
            " ".join([str(size - row).rjust(2),
                      *(stone_at(x, o, row * size + column) for column in range(size))])
            for row in range(size)
        ]
        return "\n".join([*rows, "   " + " ".join(LETTERS[:size]), status(self)])
