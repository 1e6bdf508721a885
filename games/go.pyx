"""Go on square boards: area scoring without dead stones (Tromp-Taylor), two passes end the game.

Actions are the points row by row from the top left, then the pass; moves are ``e5`` and ``pass``.

Why the observation has these planes: Wu, "Accelerating Self-Play Learning in Go", arXiv:1902.10565,
gives its network liberties, points forbidden by ko and the last moves (appendix A), and learns
slower without its Go-specific planes (section 5). AlphaGo Zero's eight past boards say the same
less directly. Two last moves show what is being answered; with more, fewer positions would be met
again by the same moves in another order, and the evaluation cache lives on those.
"""

import numpy as np

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from games.base cimport Game, GameState, NativeState, action_t, mix64
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
    board_copy,
    board_forget,
    board_free,
    board_init,
    board_key,
    board_key_after,
    board_liberties,
    board_moves,
    board_over,
    board_place,
    board_play,
    board_remember,
    rules_init,
    rules_t,
    turn_t,
)

from games.errors import GameError
from games.go_text import LETTERS, point_name, read_point, read_position
from games.stones import MARKS, board_text, not_a_position, play, status, stone_at

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
            If the rules do not allow it: a chain without liberties, a last move that is not on the
            board, a forbidden point that could not be played anyway.
        """
        if "/" not in text:
            return play(self, text, text.split())
        position = read_position(self, text)
        cdef GoState state = GoState(self)
        cdef int point, colour
        for point, colour in position.stones:
            board_place(&state.board, &self.rules, point, colour)
        for point, colour in position.stones:
            # Captures cannot have happened unless some chain lacks liberties.
            if (state.board.colour[point] != colour
                    or board_liberties(&state.board, &self.rules, point, 1) == 0):
                raise not_a_position(
                    self, text, f"the chain of {point_name(point, self.rows)} has no liberty"
                )
        state.set_history(text, position)
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
        cdef int num_words = rules.num_words, point, stone, num
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
        if 0 <= turn.last < rules.num_points:
            mark(planes + 6 * num_words, turn.last)
        if 0 <= turn.before_last < rules.num_points:
            mark(planes + 7 * num_words, turn.before_last)
        # Komi over 20 as in KataGo. The end by length is told once it is a board's points away.
        scalars[0] = <float>((<Go>self.game).komi / 20)
        if turn.player == BLACK:
            scalars[0] = -scalars[0]
        scalars[1] = turn.last == rules.num_points
        scalars[2] = min(1.0, (rules.max_plies - turn.ply) / <float>rules.num_points)
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        # All that `to_text` says and a network sees. Earlier boards decide the future as well, but
        # only where they forbid a point now are they hashed: any more, and no position would be
        # met twice by two orders of moves.
        cdef uint64_t[MAX_WORDS] legal
        cdef uint64_t[MAX_WORDS] repeating
        cdef const turn_t* turn = &self.board.turn
        cdef uint64_t key = mix64(
            turn.hash ^ mix64((<uint64_t>turn.ply << 32) ^ (<uint64_t>(turn.last + 1) << 16)
                              ^ (<uint64_t>(turn.before_last + 1) << 4) ^ turn.player))
        cdef int i
        if board_over(&self.board, self.rules):
            return key
        board_moves(&self.board, self.rules, legal, repeating)
        for i in range(self.rules.num_words):
            if repeating[i]:
                key = mix64(key ^ mix64(repeating[i] + i))
        return key

    cdef int set_history(self, str text, position) except -1:
        """Take over what a text says beside the stones, which are on the board."""
        cdef board_t* board = &self.board
        cdef const rules_t* rules = self.rules
        cdef turn_t* turn = &board.turn
        cdef uint64_t[MAX_WORDS] legal
        cdef uint64_t[MAX_WORDS] repeating
        cdef int point, k
        game = self.game
        if position.ply > rules.max_plies:
            raise not_a_position(game, text, f"no game is longer than {rules.max_plies} plies")
        if len(position.last_moves) > min(2, position.ply):
            raise not_a_position(
                game, text, f"the last moves are at most two and not more than the "
                f"{position.ply} plies played"
            )
        turn.player = position.player
        turn.ply = position.ply
        for k, point in enumerate(reversed(position.last_moves)):
            if k:
                turn.before_last = point
            else:
                turn.last = point
            mover = turn.player if k else 1 - turn.player
            # The stone before the last may have been captured; a suicide leaves its point free.
            fits = (
                point == rules.num_points or board.colour[point] == mover
                or k and rules.suicide or board.colour[point] == EMPTY and (k or rules.suicide)
            )
            if not fits:
                raise not_a_position(
                    game, text,
                    f"the last moves include {point_name(point, rules.size)} by {MARKS[mover]}, "
                    "whose stone is not there"
                )
        board_forget(board, rules)
        if not board_over(board, rules):
            board_moves(board, rules, legal, repeating)
            for point in position.repeating:
                if point < rules.num_points and legal[point >> 6] >> (point & 63) & 1:
                    board_remember(board, rules, board_key_after(board, rules, point))
                    mark(board.ever + turn.player * rules.num_words, point)
        board_remember(board, rules, board_key(board, rules))
        if self.ko_points() != sorted(position.repeating):
            raise not_a_position(
                game, text, "the forbidden points are not those that repetition can forbid"
            )
        return 0

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
        """The position in one line, as `games.go_text` describes it; not the earlier boards."""
        cdef const turn_t* turn = &self.board.turn
        x, o = self.stones()
        return " ".join([
            board_text(self.game, x, o, turn.player),
            str(turn.ply),
            self._moves([move for move in (turn.before_last, turn.last) if move != NO_MOVE]),
            self._moves(self.ko_points()),
        ])

    def _moves(self, actions):
        return ",".join(map(self.action_to_move, actions)) or "-"

    def stones(self):
        """Black's and white's stones, bit ``i`` for point ``i``, row by row from the top left."""
        cdef int i, num_words = self.rules.num_words
        return tuple(
            sum(<object>self.board.stones[colour * num_words + i] << 64 * i
                for i in range(num_words))
            for colour in (BLACK, WHITE)
        )

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

    def __str__(self):
        x, o = self.stones()
        size = self.rules.size
        rows = [
            " ".join([str(size - row).rjust(2),
                      *(stone_at(x, o, row * size + column) for column in range(size))])
            for row in range(size)
        ]
        return "\n".join([*rows, "   " + " ".join(LETTERS[:size]), status(self)])
