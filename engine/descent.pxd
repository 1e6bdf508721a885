# The part of a search that goes down its tree and back up: a resumable step machine.
#
#      begin ──▶ gather ──▶ a leaf needs its evaluation ──▶ scatter_* ──▶ gather ──▶ ... ──▶ DONE
#                  │  terminals back up at once and gather goes on          (any order)
#                  └─▶ BLOCKED: every path leads to a leaf already in flight
#
# Who evaluates is no business of this module: a ring's slot, or a local evaluator.

from libc.stdint cimport int32_t, uint8_t, uint64_t

from engine.endgame cimport Endgame
from engine.gumbel cimport GumbelRoot
from engine.local cimport LocalEvaluator
from engine.puct cimport puct_t
from engine.rng cimport rng_t
from engine.root cimport root_rules_t
from engine.tree cimport Tree, edge_t, node_t
from games.base cimport Game, GameState, action_t

cdef enum:
    GATHER_DONE = -2         # the search has its simulations, or its arena is full
    GATHER_BLOCKED = -3      # scatter something first

cdef struct pending_t:       # a leaf in flight
    node_t leaf
    edge_t first_edge        # of the leaf
    int32_t depth            # edges from the root to it; path row i holds them

cdef class Descent:
    cdef readonly Game game
    cdef readonly object config            # the SearchConfig it was made with
    cdef Tree tree
    cdef Tree spare                        # of the same size, shared by a worker's searches
    cdef GameState root                    # the position at the root
    cdef int32_t root_ply                  # plies from `set_root` to it
    cdef GameState state                   # scratch; after gather, the position of the leaf
    cdef puct_t puct
    cdef int32_t target                    # visits that the root's edges shall have together
    cdef bint noisy                        # a training search: its root has noise
    cdef rng_t noise                       # its stream
    cdef root_rules_t rules                # of a noisy root; its temperature is a caller's to set
    cdef bint root_changed                 # the root's prior is not the evaluator's any more
    cdef GumbelRoot gumbel                 # plans the simulations of the root
    cdef bint by_gumbel                    # whether the config wants that
    cdef bint reuse_tree
    cdef bint count_kept
    cdef bint solver
    cdef bint decisive                     # look for moves that win at once
    cdef GameState after                   # scratch: a move later
    cdef readonly Endgame endgame          # shared by a worker's searches; None: never
    cdef bint try_endgame                  # this root may be near enough to the end; a caller's
    cdef bint solved                       # and it was: the tree is the endgame search's
    cdef readonly Endgame leaf_endgame     # of leaves, shared in the same way; None: never
    cdef int32_t leaf_endgame_from         # ply of the game
    cdef int32_t leaf_endgame_depth        # edges from the root to that ply; a caller's
    cdef int32_t max_depth                 # columns of a path row
    cdef int32_t leaves_in_flight          # rows of the next three
    cdef int32_t num_pending               # leaves in flight now
    cdef pending_t* pending                # [leaves_in_flight]; depth -1 marks a free row
    cdef node_t* path_nodes                # [leaves_in_flight, max_depth]
    cdef edge_t* path_edges                # [leaves_in_flight, max_depth]
    cdef float* scratch                    # [max_legal_actions]
    cdef float* root_prior                 # [num_actions] of the root's actions, before noise
    cdef int32_t* kept_visits              # [num_actions] of theirs, before the search
    cdef bint restricted                   # the root has the wanted actions only
    cdef uint8_t* wanted                   # [num_actions]
    cdef float prior_value                 # the evaluator's of the root, for the player to move
    cdef readonly uint64_t num_simulations # finished, ever
    cdef readonly uint64_t sum_depths      # of their leaves, in edges from the root
    cdef readonly uint64_t num_full_stops  # searches that a full arena ended early

    cdef int set_root(self, GameState state) except -1 nogil
    cdef int gather(self) except -1 nogil
    cdef void prefetch_leaf(self, int index) noexcept nogil
    cdef int scatter_logits(self, int index, const float* policy_logits,
                            const float* wdl_logits) except -1 nogil
    cdef int scatter_uniform(self, int index, float value) except -1 nogil
    cdef int run_local(self, LocalEvaluator evaluator) except -1 nogil
    # The root has its evaluation: what engine.search makes of it before the first simulation.
    cdef int _open_root(self) except -1 nogil
    cdef int _finish(self, int index, float value) except -1 nogil
    cdef void _backup(self, int row, int depth, float value, int player,
                      bint counted) noexcept nogil
    cdef bint _has_decisive_move(self) except -1 nogil
    cdef int32_t _wanted_of(self, action_t* actions, int32_t num) noexcept nogil
    cdef node_t _find_shared(self, node_t parent, edge_t edge, int32_t depth) except -2 nogil
    cdef void _correct(self, int row, int depth) noexcept nogil
    cdef int32_t _others_passing(self, const int32_t* paths, int row, int depth,
                                 int32_t passed) noexcept nogil
