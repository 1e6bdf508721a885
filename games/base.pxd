# What a game promises the engine.
#
#   GameState                the contract; its C twins take the GIL and call the Python face,
#    |                       so that a game in plain Python runs everywhere, only slower
#    +-- NativeState         the other way round: a Cython game writes the twins,
#         |                  and its Python face is derived from them
#         +-- connect4.State, tictactoe.State, ...
#
# The twins (names ending in _c) are what the search calls. They never see an illegal action
# and never a terminal state where an action is needed: the callers have asked first.

from libc.stdint cimport int32_t, uint8_t, uint64_t

ctypedef int32_t action_t      # index of an action in [0, num_actions)

cdef class Game:
    """One game with its options fixed: sizes, names, symmetries, the first position."""
    cdef readonly str name                 # registry name, "connect4"
    cdef readonly dict options             # what `make` was called with, defaults filled in
    cdef readonly int num_actions          # A, width of the policy
    cdef readonly int rows                 # H of the board and of the observation
    cdef readonly int columns              # W
    cdef readonly int num_planes           # bit planes of the packed observation
    cdef readonly int num_scalars          # float32 scalars behind the planes
    cdef readonly int max_game_length      # plies; no game is longer
    cdef readonly int max_legal_actions    # legal actions of any position, <= num_actions
    cdef readonly int words_per_plane      # 64-bit words of one plane: ceil(H * W / 64)
    cdef readonly int observation_bytes    # bytes of a packed observation, a multiple of 8

cdef class GameState:
    """A position that actions change in place."""
    cdef readonly Game game                # shared by all states of the game

    # Become a copy of `other`, which is of the same class and game.
    cdef int copy_from_c(self, GameState other) except -1 nogil
    # Play a legal action.
    cdef int apply_c(self, action_t action) except -1 nogil
    # Write the legal actions in increasing order to `out` [max_legal_actions]; return how many.
    cdef int legal_actions_c(self, action_t* out) except -1 nogil
    # 1 if the game is over.
    cdef int is_terminal_c(self) except -1 nogil
    # The player to move, 0 or 1; it need not alternate.
    cdef int current_player_c(self) except -1 nogil
    # What a finished game gave `player`, in [-1, 1].
    cdef float outcome_c(self, int player) except? -2 nogil
    # Write the packed observation, for the player to move, to `out` [observation_bytes].
    cdef int observe_c(self, uint8_t* out) except -1 nogil
    # 64 bits that are equal for equal positions (board, player to move and whatever else
    # decides the future) and, as good as always, different for different ones.
    cdef uint64_t hash_c(self) except? 0 nogil

cdef class NativeState(GameState):
    """Base of games written in Cython: write the twins, and the Python face follows."""


# Spread the bits of x over the word (the finaliser of splitmix64, Steele et al. 2014).
cdef inline uint64_t mix64(uint64_t x) noexcept nogil:
    x = (x ^ (x >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    x = (x ^ (x >> 27)) * <uint64_t>0x94d049bb133111eb
    return x ^ (x >> 31)
