# A worker: many games, each with its search; half of them wait while the other half searches.
#
#   step(group):  wait for the group's answers
#                 for each of its games:  scatter ─▶ gather ─▶ fill a slot
#                                            └─ search done: move, journal, next game
#                 publish once
#
# A leaf may wait for a ticket that a leaf of its own half or of the other waits for as well. The
# halves take turns, so that it is answered by then, and a half's tickets are released one turn
# after they were read, when nobody can want them any more:
#
#   tickets:   other half's last turn │ own last turn │ other half's turn │ own new turn
#   in step:   released at the end    │ read now      │ in flight         │ being filled
#                                                     └── `waited`: shared from here on

from libc.stdint cimport int32_t, int64_t, uint64_t

from engine.cache cimport Cache
from engine.ending cimport early_t
from engine.inflight cimport InFlight
from engine.journal cimport Journal
from engine.local cimport LocalEvaluator
from engine.ring cimport Ring
from engine.rng cimport rng_t
from engine.search cimport Search
from engine.segment cimport Segment, control_t, process_t
from engine.symmetry cimport Canonical
from games.base cimport Game, action_t

cdef enum player_kind_t:
    PLAYER_NETWORK = 0
    PLAYER_LOCAL = 1
    PLAYER_RANDOM = 2

cdef struct leaf_t:          # a leaf in flight
    uint64_t ticket          # whose answer it waits for; another leaf may wait for the same
    uint64_t key             # of the cache
    int32_t index            # of Search.gather
    int32_t symmetry         # the image that the ticket asks about

cdef class Player:
    cdef player_kind_t kind
    cdef object config                     # SearchConfig
    cdef LocalEvaluator evaluator          # of a local player
    cdef Ring ring                         # of a network player
    cdef int32_t model                     # whose the ring is
    cdef int32_t server                    # who answers it
    cdef int32_t num_simulations
    cdef int32_t fast_simulations
    cdef double progress                   # of the run, which num_simulations belongs to
    cdef double full_fraction
    cdef int32_t full_plies                # after a game's opening
    cdef double temperature
    cdef double final_temperature
    cdef int32_t temperature_plies
    cdef double root_policy_temperature
    cdef double final_root_policy_temperature
    cdef int32_t endgame_from              # ply; -1: never
    cdef double endgame_fraction           # of what is solved there
    cdef bint noise                        # at the root, in full searches
    cdef bint noise_always                 # in fast ones, too: nothing else varies a Gumbel root
    cdef early_t early                     # how it may end games

cdef class GameSlot:
    # One of a worker's games.
    cdef bint playing
    cdef uint64_t number                   # of the game
    cdef int32_t ply
    cdef bint full_search                  # of the current move
    cdef Journal journal                   # None unless playing
    cdef Search first                      # of player 0 of the match, or of both in self-play
    cdef Search second                     # of player 1; the same object in self-play
    cdef bint swapped                      # seat 0 is taken by player 1
    cdef int32_t in_flight                 # leaves that wait for an answer
    cdef leaf_t* leaves                    # [leaves_in_flight]
    cdef uint64_t generation               # of the weights when the leaves were handed over

cdef class Worker:
    cdef readonly Segment segment
    cdef readonly Game game
    cdef readonly int index
    cdef readonly uint64_t seed
    cdef readonly int num_slots
    cdef readonly double arena_bytes       # of each search's arena; 0: the configs say
    cdef control_t* control
    cdef process_t* process
    cdef Player first
    cdef Player second                     # the same object in self-play
    cdef bint is_match
    cdef list slots                        # GameSlot; `slot_pointers` borrows from it
    cdef void** slot_pointers              # [num_slots]
    cdef list journals
    cdef int next_journal
    cdef list openings                     # list of action lists; game n uses n // 2 of them
    cdef object starts                     # StartTable; None in a match and where there is none
    cdef object reanalyses                 # the same, of stored positions
    cdef int plies_per_game                # searched plies; 0: to the end
    cdef bint begin_anew                   # a dead predecessor's games, not go on with them
    cdef Canonical canonical
    cdef Cache cache
    cdef InFlight in_flight
    cdef list rings                        # all rings of network players
    cdef uint64_t group_first[2][2]        # [group, ring] tickets that the group filled last
    cdef uint64_t group_end[2][2]
    cdef action_t* actions                 # [max_legal_actions] scratch

    cdef bint _wait(self, int group, int index, bint wait) except -1
    cdef int _play(self, GameSlot slot) except -1 nogil
    cdef void _prefetch(self, GameSlot slot) noexcept nogil
    cdef void _prefetch_of(self, GameSlot slot, Search search, Player player) noexcept nogil
    cdef int _scatter(self, GameSlot slot) except -1 nogil
    cdef int _scatter_to(self, GameSlot slot, Search search, Player player) except -1 nogil
    cdef uint64_t _generation(self, Player player) noexcept nogil
    cdef int _advance(self, GameSlot slot) except -1 nogil
    cdef int _answer(self, Search search, const leaf_t* leaf, const float* policy_logits,
                     const float* wdl_logits) except -1 nogil
    cdef int _gather(self, GameSlot slot, Search search, Player player) except -1 nogil
    cdef void _count(self, Search search) noexcept nogil
    cdef early_t* _early_of(self, GameSlot slot, int32_t ply) noexcept nogil
    cdef bint _mover_is_second(self, GameSlot slot) noexcept nogil
    cdef bint _start(self, GameSlot slot) except -1
    cdef object _opening(self, uint64_t number)
    cdef int _enter(self, GameSlot slot, Journal journal) except -1
    cdef int _ending(self, GameSlot slot) except -2 nogil
    cdef int _follow(self, GameSlot slot, action_t action) except -1 nogil
    cdef int _go_on(self, GameSlot slot) except -1 nogil
    cdef int _begin_move(self, GameSlot slot) except -1 nogil
    cdef int _begin_search(self, GameSlot slot, Search search, Player player) except -1 nogil
    cdef int _make_move(self, GameSlot slot) except -1 nogil
    cdef void _choose_row(self, GameSlot slot, Search search, Player player) noexcept nogil
    cdef action_t _draw(self, GameSlot slot, Search search, Player player) noexcept nogil
    cdef int _record(self, GameSlot slot, Journal journal, Search search,
                     action_t action) except -1 nogil
    cdef int _finish(self, GameSlot slot, Journal journal, int ending) except -1 nogil
    cdef int _recover(self) except -1
