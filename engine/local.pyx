"""Evaluators that live in the worker: no network, no ring."""

from engine.rng cimport PURPOSE_ROLLOUT, next_below, rng_for, rng_t
from games.base cimport Game, GameState, action_t

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc


cdef class LocalEvaluator:
    """Base of the evaluators that need no network."""

    cdef int evaluate_c(self, GameState state, float* value) except -1 nogil:
        raise NotImplementedError("evaluate_c is not written")

    cdef void restart(self, uint64_t game, uint64_t ply) noexcept nogil:
        pass


cdef class LocalUniform(LocalEvaluator):
    """Every position is worth 0: what the search itself costs."""

    cdef int evaluate_c(self, GameState state, float* value) except -1 nogil:
        value[0] = 0.0
        return 0


cdef class LocalRollout(LocalEvaluator):
    """Random play to the end: the evaluator of plain Monte Carlo tree search.

    Parameters
    ----------
    game
        Rules.
    seed
        Of the random play; each rollout of each ply of each game has a stream of its own.
    """

    def __cinit__(self, Game game not None, uint64_t seed=0):
        self.game = game
        self.seed = seed
        self.actions = <action_t*>malloc(game.max_legal_actions * sizeof(action_t))
        if self.actions == NULL:
            raise MemoryError(f"no memory for {game.max_legal_actions} actions")

    def __dealloc__(self):
        free(self.actions)

    cdef void restart(self, uint64_t game, uint64_t ply) noexcept nogil:
        self.stream = game
        self.num_rollouts = ply << 32

    cdef int evaluate_c(self, GameState state, float* value) except -1 nogil:
        cdef rng_t rng = rng_for(self.seed, self.stream, self.num_rollouts, PURPOSE_ROLLOUT)
        cdef int player = state.current_player_c(), num
        self.num_rollouts += 1
        while not state.is_terminal_c():
            num = state.legal_actions_c(self.actions)
            state.apply_c(self.actions[next_below(&rng, num)])
        value[0] = state.outcome_c(player)
        return 0
