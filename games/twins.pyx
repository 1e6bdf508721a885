"""The C twins of a state, called from Python: for tests, and to count positions fast.

Nothing is checked here that the twins themselves do not check: play legal actions only.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

from games.base cimport Game, GameState, action_t, mix64

__all__ = [
    "apply", "copy_from", "current_player", "is_terminal", "legal_actions", "observe", "outcome",
    "perft", "playouts", "position_hash",
]


def apply(GameState state not None, action_t action):
    """Play `action`, which must be legal."""
    with nogil:
        state.apply_c(action)


def copy_from(GameState state not None, GameState other not None):
    """Make `state` a copy of `other`, a state of the same game."""
    if type(state) is not type(other) or state.game is not other.game:
        raise TypeError(f"states must be of one game, got {state!r} and {other!r}")
    with nogil:
        state.copy_from_c(other)


def legal_actions(GameState state not None):
    """The legal actions, in the order in which the twin writes them."""
    # Room for all actions, so that a game that breaks its max_legal_actions does no harm.
    cdef int i, num
    cdef size_t room = max(state.game.num_actions, state.game.max_legal_actions) + 1
    cdef action_t* actions = <action_t*>PyMem_Malloc(room * sizeof(action_t))
    if actions == NULL:
        raise MemoryError(f"no memory for {room} actions")
    try:
        with nogil:
            num = state.legal_actions_c(actions)
        return [actions[i] for i in range(num)]
    finally:
        PyMem_Free(actions)


def is_terminal(GameState state not None):
    """True if the game is over."""
    cdef int over
    with nogil:
        over = state.is_terminal_c()
    return bool(over)


def current_player(GameState state not None):
    """The player to move, 0 or 1."""
    cdef int player
    with nogil:
        player = state.current_player_c()
    return player


def outcome(GameState state not None, int player):
    """What the finished game gave `player`, in [-1, 1]."""
    cdef float result
    with nogil:
        result = state.outcome_c(player)
    return result


def observe(GameState state not None, int fill=0):
    """[observation_bytes] uint8, every byte `fill` before the twin writes: it must write all."""
    out = np.full(state.game.observation_bytes, fill, np.uint8)
    cdef uint8_t[::1] view = out
    with nogil:
        state.observe_c(&view[0])
    return out


def position_hash(GameState state not None):
    """64 bits that are equal for equal positions."""
    cdef unsigned long long bits
    with nogil:
        bits = state.hash_c()
    return bits


def perft(start not None, int depth, *, bint bulk=True):
    """Count the sequences of `depth` legal moves; a finished game has none.

    Parameters
    ----------
    start
        A `Game`, counted from its first position, or a `GameState`, which is left as it is.
    depth
        Plies, >= 0.
    bulk
        Count the moves of the last ply; otherwise play each, which measures the rules alone.

    Returns
    -------
    int
        Sequences of exactly `depth` moves; 1 for depth 0.
    """
    if depth < 0:
        raise ValueError(f"depth must be >= 0, got {depth}")
    cdef int i
    cdef int64_t total
    root = start.initial_state() if isinstance(start, Game) else start.clone()
    cdef int width = root.game.max_legal_actions
    # One state and one list of actions a ply, allocated before the recursion.
    states = [root, *(root.clone() for _ in range(depth))]
    cdef void** line = <void**>PyMem_Malloc((depth + 1) * sizeof(void*))
    cdef action_t* actions = <action_t*>PyMem_Malloc(
        <size_t>depth * width * sizeof(action_t))
    try:
        if line == NULL or actions == NULL:
            raise MemoryError(f"no memory for {depth} plies of {width} actions")
        for i in range(depth + 1):
            line[i] = <void*>states[i]
        with nogil:
            total = count(line, actions, width, depth, bulk)
        return total
    finally:
        PyMem_Free(line)
        PyMem_Free(actions)


cdef int64_t count(
    void** line, action_t* actions, int width, int depth, bint bulk
) except -1 nogil:
    # line[0] is the position; line[1:] and actions are scratch for the plies below it.
    cdef int64_t total = 0
    cdef int i, num
    if depth == 0:
        return 1
    if (<GameState>line[0]).is_terminal_c():
        return 0
    num = (<GameState>line[0]).legal_actions_c(actions)
    if depth == 1 and bulk:
        return num
    for i in range(num):
        (<GameState>line[1]).copy_from_c(<GameState>line[0])
        (<GameState>line[1]).apply_c(actions[i])
        total += count(line + 1, actions + width, width, depth - 1, bulk)
    return total


def playouts(GameState start not None, int num_games, uint64_t seed=0):
    """Play random games to the end, each move drawn evenly from the legal ones.

    Parameters
    ----------
    start
        Where each game begins; it is left as it is.
    num_games
        How many, >= 0.
    seed
        Of the moves; the same seed plays the same games.

    Returns
    -------
    plies : int
        Moves played in all games together.
    total : float
        Sum of what the games gave player 0.
    """
    if num_games < 0:
        raise ValueError(f"num_games must be >= 0, got {num_games}")
    cdef GameState state = start.clone()
    cdef int64_t plies = 0
    cdef double total = 0
    cdef int _game, num
    cdef uint64_t draw
    cdef action_t* actions = <action_t*>PyMem_Malloc(
        start.game.max_legal_actions * sizeof(action_t))
    if actions == NULL:
        raise MemoryError(f"no memory for {start.game.max_legal_actions} actions")
    seed = mix64(seed + 1)
    try:
        with nogil:
            for _game in range(num_games):
                state.copy_from_c(start)
                while not state.is_terminal_c():
                    num = state.legal_actions_c(actions)
                    plies += 1
                    draw = mix64(seed + <uint64_t>plies * <uint64_t>0x9e3779b97f4a7c15)
                    state.apply_c(actions[(draw >> 32) * num >> 32])
                total += state.outcome_c(0)
        return plies, total
    finally:
        PyMem_Free(actions)
