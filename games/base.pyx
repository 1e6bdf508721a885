"""The two faces of a game: Python for people, nogil C twins for the search.

Shapes: ``A`` actions, ``C`` observation planes (bit planes, then scalars), ``H, W`` the board.
Players are 0 (moves first) and 1. The sum of a finished game's returns is zero.

A packed observation is ``num_planes`` planes of ``words_per_plane`` 64-bit little-endian words,
bit ``i`` of a plane being cell ``i`` row by row from the top left, then ``num_scalars`` float32,
then zeros up to a multiple of 8 bytes. Workers write it into a ring's slot, the device unpacks
it, and the replay store keeps it.
"""

import copy
import hashlib

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcpy, memset

import numpy as np

from games.errors import GameError, IllegalActionError


cdef class Game:
    """Rules with their options fixed.

    Parameters
    ----------
    name, options
        How `games.make` reaches this game again.
    num_actions
        Width of the policy, A.
    board_shape
        (H, W) of the board; the observation's planes have the same shape.
    num_planes, num_scalars
        Bit planes and scalars of an observation; C is their sum.
    max_game_length
        No game has more plies.
    max_legal_actions
        Legal actions of any one position; `num_actions` unless told.
    """

    def __init__(self, str name not None, *, int num_actions, tuple board_shape,
                 int num_planes, int max_game_length, int num_scalars=0,
                 max_legal_actions=None, options=None):
        if num_actions < 1:
            raise GameError(f"num_actions must be >= 1, got {num_actions}")
        if len(board_shape) != 2 or min(board_shape) < 1:
            raise GameError(f"board_shape must be (rows, columns), got {board_shape!r}")
        if num_planes < 1:
            raise GameError(f"num_planes must be >= 1, got {num_planes}")
        if num_scalars < 0:
            raise GameError(f"num_scalars must be >= 0, got {num_scalars}")
        if max_game_length < 1:
            raise GameError(f"max_game_length must be >= 1, got {max_game_length}")
        self.name = name
        self.options = dict(options or {})
        self.num_actions = num_actions
        self.rows, self.columns = board_shape
        self.num_planes = num_planes
        self.num_scalars = num_scalars
        self.max_game_length = max_game_length
        self.max_legal_actions = num_actions if max_legal_actions is None else max_legal_actions
        self.words_per_plane = (self.rows * self.columns + 63) // 64
        self.observation_bytes = 8 * (
            num_planes * self.words_per_plane + (num_scalars + 1) // 2
        )

    @property
    def board_shape(self):
        """(H, W)."""
        return (self.rows, self.columns)

    @property
    def observation_shape(self):
        """(C, H, W) of `GameState.observation`."""
        return (self.num_planes + self.num_scalars, self.rows, self.columns)

    def initial_state(self):
        """The position before the first move."""
        raise NotImplementedError(f"{type(self).__name__}.initial_state is not written")

    def initial_image(self, int symmetry):
        """The first position as `symmetry` of `symmetries` shows it.

        That is the first position itself, unless a game says otherwise: Othello's first four
        discs have their colours swapped by half of the symmetries of its rules.
        """
        return self.initial_state()

    def state_from_text(self, str text not None):
        """The position that `GameState.to_text` wrote.

        Raises
        ------
        GameError
            If the text is not a position of this game.
        """
        raise NotImplementedError(f"{type(self).__name__}.state_from_text is not written")

    def symmetries(self):
        """Board symmetries, the identity first.

        Returns
        -------
        cells : [S, H*W] int32
            Symmetry ``s`` shows at cell ``i`` what cell ``cells[s, i]`` shows.
        actions : [S, A] int32
            In the position of symmetry ``s``, action ``i`` is what ``actions[s, i]`` was.
        """
        cells = np.arange(self.rows * self.columns, dtype=np.int32)[None]
        return cells, np.arange(self.num_actions, dtype=np.int32)[None]

    def unpack(self, packed):
        """Observations from their packed form.

        Parameters
        ----------
        packed : [B, observation_bytes] uint8

        Returns
        -------
        [B, C, H, W] float32
        """
        packed = np.ascontiguousarray(packed, dtype=np.uint8).reshape(-1, self.observation_bytes)
        num_rows, cells = len(packed), self.rows * self.columns
        plane_bytes = 8 * self.num_planes * self.words_per_plane
        bits = np.unpackbits(packed[:, :plane_bytes], axis=1, bitorder="little")
        planes = bits.reshape(num_rows, self.num_planes, -1)[:, :, :cells]
        out = np.empty((num_rows, self.num_planes + self.num_scalars, cells), np.float32)
        out[:, :self.num_planes] = planes
        if self.num_scalars:
            scalars = np.ascontiguousarray(packed[:, plane_bytes:]).view("<f4")
            out[:, self.num_planes:] = scalars[:, :self.num_scalars, None]
        return out.reshape(num_rows, -1, self.rows, self.columns)

    def to_svg(self):
        """The first position as an SVG document."""
        return self.initial_state().to_svg()

    def _repr_svg_(self):    # what notebooks show
        return self.to_svg()

    def __repr__(self):
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"games.make({self.name!r}{options})"


cdef class GameState:
    """A position of a two-player zero-sum game; a plain-Python game derives from this class.

    Such a game writes `is_terminal`, `get_legal_actions`, `apply_action`,
    `get_current_player`, `returns`, `observation`, `to_text` and, for people, `__str__`,
    `action_to_move` and `move_to_action`. Everything else has a default.
    """

    def __init__(self, Game game not None):
        self.game = game

    # -- the Python face ------------------------------------------------------------------

    def is_terminal(self):
        """True if the game is over."""
        raise NotImplementedError(f"{type(self).__name__}.is_terminal is not written")

    def get_legal_actions(self):
        """The legal actions in increasing order; empty if the game is over."""
        raise NotImplementedError(f"{type(self).__name__}.get_legal_actions is not written")

    def apply_action(self, action):
        """Play `action`.

        Raises
        ------
        IllegalActionError
            If it is not legal here; the state is unchanged.
        """
        raise NotImplementedError(f"{type(self).__name__}.apply_action is not written")

    def get_current_player(self):
        """The player to move, 0 or 1; after the end, whoever would have moved."""
        raise NotImplementedError(f"{type(self).__name__}.get_current_player is not written")

    def returns(self):
        """[player 0's, player 1's] result in [-1, 1]; zeros while the game goes on."""
        raise NotImplementedError(f"{type(self).__name__}.returns is not written")

    def observation(self):
        """[C, H, W] float32, seen by the player to move: bit planes (0 or 1), then scalars."""
        raise NotImplementedError(f"{type(self).__name__}.observation is not written")

    def to_text(self):
        """One line that `Game.state_from_text` reads back."""
        raise NotImplementedError(f"{type(self).__name__}.to_text is not written")

    def history_text(self):
        """One line from which `Game.state_from_text` makes this very state again.

        It is `to_text` unless the rules ask for the past (a third repetition) and the usual text
        of a position does not tell it.
        """
        return self.to_text()

    # What a finished game can teach beside its result. `player` is the one who looks: cells are
    # laid out as that player's observation shows them. None: the game does not say.

    def final_owners(self, int player):
        """[H*W] int8 of a finished game: 1 where a cell has become `player`'s own, -1 the
        other's, 0 nobody's; None by default."""
        return None

    def final_margin(self, int player):
        """Points by which `player` has won a finished game, negative if lost; None by default."""
        return None

    def winning_cells(self, int player):
        """[H*W] int8 of a finished game: 1 on the line or link that has won it for `player`, -1
        on one that has won it for the other, 0 elsewhere; None by default."""
        return None

    def clone(self):
        """An independent copy."""
        cls = type(self)
        cdef GameState twin = cls.__new__(cls)
        twin.game = self.game
        # The game is shared, also where a state keeps it under another name.
        vars(twin).update(copy.deepcopy(vars(self), {id(self.game): self.game}))
        return twin

    def action_to_move(self, action):
        """`action` in the game's own notation."""
        return str(action)

    def move_to_action(self, str text not None):
        """The legal action that `text` names, in the game's own notation.

        Raises
        ------
        IllegalActionError
            If no legal action is written like that.
        """
        wanted = text.strip().lower()
        for action in self.get_legal_actions():
            if self.action_to_move(action).lower() == wanted:
                return action
        raise self._illegal(text)

    def drawing(self):
        """A `games.svg.Drawing` of the board: by default what `to_text` or `str` shows."""
        from games.svg import derived    # it imports this module, and only pictures need it

        return derived(self)

    def to_svg(self, marks=()):
        """The board as an SVG document.

        Parameters
        ----------
        marks
            Cells to ring, such as that of the last move.
        """
        from games.svg import render

        return render(self.drawing(), marks)

    def _repr_svg_(self):    # what notebooks show
        return self.to_svg()

    def position_hash(self):
        """64 bits that are equal for equal positions."""
        text = f"{self.get_current_player()} {self.history_text()}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")

    def packed_observation(self):
        """[observation_bytes] uint8: `observation`, packed as the module describes."""
        game = self.game
        obs = np.asarray(self.observation(), dtype=np.float32)
        if obs.shape != game.observation_shape:
            raise GameError(
                f"observation of {game.name} must have shape {game.observation_shape}, "
                f"got {obs.shape}"
            )
        planes = obs[:game.num_planes].reshape(game.num_planes, -1)
        if not ((planes == 0) | (planes == 1)).all():
            raise GameError(f"the bit planes of {game.name} must hold 0 or 1 only")
        bits = np.zeros((game.num_planes, 64 * game.words_per_plane), np.uint8)
        bits[:, :planes.shape[1]] = planes
        out = np.zeros(game.observation_bytes, np.uint8)
        packed = np.packbits(bits, bitorder="little")
        out[:len(packed)] = packed
        scalars = obs[game.num_planes:, 0, 0].astype("<f4").view(np.uint8)
        out[len(packed):len(packed) + len(scalars)] = scalars
        return out

    def _illegal(self, what):
        legal = " ".join(self.action_to_move(a) for a in self.get_legal_actions())
        return IllegalActionError(
            f"{what!r} is not a legal move of {self.game.name} in {self.to_text()!r}; "
            f"legal: {legal or 'none, the game is over'}"
        )

    # -- the C twins, for games in plain Python -------------------------------------------

    cdef int copy_from_c(self, GameState other) except -1 nogil:
        with gil:
            self.game = other.game
            attributes = vars(other.clone())
            vars(self).clear()
            vars(self).update(attributes)
        return 0

    cdef int apply_c(self, action_t action) except -1 nogil:
        with gil:
            self.apply_action(action)
        return 0

    cdef int legal_actions_c(self, action_t* out) except -1 nogil:
        cdef int num = 0
        with gil:
            actions = self.get_legal_actions()
            if len(actions) > self.game.max_legal_actions:
                raise GameError(
                    f"{self.game.name} has {len(actions)} legal actions in "
                    f"{self.to_text()!r}, more than max_legal_actions = "
                    f"{self.game.max_legal_actions}"
                )
            for action in actions:
                out[num] = action
                num += 1
        return num

    cdef int is_terminal_c(self) except -1 nogil:
        with gil:
            return 1 if self.is_terminal() else 0

    cdef int current_player_c(self) except -1 nogil:
        with gil:
            return self.get_current_player()

    cdef float outcome_c(self, int player) except? -2 nogil:
        with gil:
            return self.returns()[player]

    cdef int observe_c(self, uint8_t* out) except -1 nogil:
        cdef const uint8_t[::1] packed
        with gil:
            packed = self.packed_observation()
            memcpy(out, &packed[0], self.game.observation_bytes)
        return 0

    cdef uint64_t hash_c(self) except? 0 nogil:
        with gil:
            return self.position_hash()


cdef class NativeState(GameState):
    """Base of games written in Cython: the Python face is derived from the C twins."""

    def is_terminal(self):
        """True if the game is over."""
        return bool(self.is_terminal_c())

    def get_legal_actions(self):
        """The legal actions in increasing order; empty if the game is over."""
        cdef int i, num
        cdef action_t* actions = <action_t*>PyMem_Malloc(
            self.game.max_legal_actions * sizeof(action_t))
        if actions == NULL:
            raise MemoryError(f"no memory for {self.game.max_legal_actions} actions")
        try:
            if self.is_terminal_c():
                return []
            num = self.legal_actions_c(actions)
            return [actions[i] for i in range(num)]
        finally:
            PyMem_Free(actions)

    def apply_action(self, action):
        """Play `action`; raise `IllegalActionError`, and change nothing, if it is not legal."""
        if action not in self.get_legal_actions():
            raise self._illegal(action)
        self.apply_c(action)

    def get_current_player(self):
        """The player to move, 0 or 1; after the end, whoever would have moved."""
        return self.current_player_c()

    def returns(self):
        """[player 0's, player 1's] result in [-1, 1]; zeros while the game goes on."""
        if not self.is_terminal_c():
            return [0.0, 0.0]
        return [self.outcome_c(0), self.outcome_c(1)]

    def observation(self):
        """[C, H, W] float32, seen by the player to move: bit planes (0 or 1), then scalars."""
        return self.game.unpack(self.packed_observation())[0]

    def packed_observation(self):
        """[observation_bytes] uint8, packed as the module describes."""
        out = np.zeros(self.game.observation_bytes, np.uint8)
        cdef uint8_t[::1] view = out
        memset(&view[0], 0, self.game.observation_bytes)
        self.observe_c(&view[0])
        return out

    def position_hash(self):
        """64 bits that are equal for equal positions."""
        return self.hash_c()

    def clone(self):
        """An independent copy."""
        cls = type(self)
        cdef GameState twin = cls(self.game)
        twin.copy_from_c(self)
        return twin
