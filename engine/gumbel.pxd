# Gumbel AlphaZero's search of the root (Danihelka et al., "Policy improvement by planning with
# Gumbel", ICLR 2022): which edge a simulation takes, what is played, and what is taught.
#
#   g(a) ~ Gumbel(0, 1),  score(a) = g(a) + log P(a) + sigma(q(a))
#
#   the m best by score ──▶ k of them, each visited n / (k log2 m) times ──▶ the better half ─┐
#                           ▲                                                                 │
#                           └────────────── until the n simulations are spent ────────────────┘
#
#   played: the best score of the most visited     taught: softmax(log P + sigma(q)), all edges
#
# q(a) is an edge's proven result, else its mean value, else v_mix, which completes the values of
# edges that nobody has visited (equation 33):
#
#   v_mix = (v + N sum_b P(b) q(b) / sum_b P(b)) / (1 + N)      over the visited b, N their visits
#   sigma(q) = (c_visit + max_b N(b)) c_scale (q + 1) / 2       (equation 8)
#
# Values are known to lie in [-1, 1], so (q + 1) / 2 brings them to [0, 1]. The authors' library
# (mctx, qtransform_completed_by_mix_value) stretches each node's values to [0, 1] by their own
# extremes instead, since a learned model's rewards have no known range, and takes c_scale = 0.1
# with it: there the best and the worst move are equally far apart however alike they are.

from libc.math cimport exp, fmax, log
from libc.stdint cimport int32_t

from engine.rng cimport next_uniform, rng_t
from engine.tree cimport RESULT_UNKNOWN, edge_t, node_t, tree_t
from games.base cimport action_t

cdef struct sigma_t:
    double c_visit
    double c_scale

cdef struct improved_t:      # the improved policy of a node; `improved_share` of an edge
    double mix               # v_mix, for the player to move
    double gain              # sigma(q) is gain * (q + 1)
    double peak              # the highest q
    double total             # sum over all edges of P exp(sigma(q) - sigma(peak))

cdef class GumbelRoot:
    cdef sigma_t sigma
    cdef readonly bint interior            # other nodes follow the improved policy, too
    cdef int32_t max_considered            # m
    cdef double noise_scale                # of g
    # The search that is on:
    cdef int32_t budget                    # n
    cdef int32_t num_phases                # log2 m, rounded up
    cdef int32_t num_considered            # k
    cdef int32_t next                      # row of `considered`; k: a round is over
    cdef int32_t rounds                    # of the phase, the one that is on included
    cdef action_t* considered              # [max_legal_actions] best first
    cdef int32_t* kept                     # [num_actions] visits that the root's edges had before
    cdef double* noise                     # [num_actions] g of the root's actions
    cdef double* scores                    # [num_actions] as `score` left them

    cdef void begin(self, const tree_t* tree, int32_t budget, bint noisy,
                    rng_t stream) noexcept nogil
    cdef edge_t next_edge(self, tree_t* tree, bint in_flight) noexcept nogil
    cdef edge_t select_inside(self, const tree_t* tree, node_t node) noexcept nogil
    cdef void score(self, const tree_t* tree) noexcept nogil
    cdef bint is_better(self, const tree_t* tree, edge_t edge, edge_t other) noexcept nogil
    cdef float value(self, const tree_t* tree) noexcept nogil
    cdef bint _scores_more(self, action_t action, action_t other) noexcept nogil
    cdef void _consider(self, const tree_t* tree, int32_t most) noexcept nogil

cdef improved_t improved_policy(const tree_t* tree, node_t node,
                                const sigma_t* sigma) noexcept nogil


cdef inline double next_gumbel(rng_t* rng) noexcept nogil:
    """Standard Gumbel: the argmax of g(a) + log P(a) is a draw from P, the m largest are m draws
    without replacement (Kool et al. 2019)."""
    return -log(-log(next_uniform(rng)))


cdef inline double log_prior(const tree_t* tree, edge_t edge) noexcept nogil:
    return log(fmax(tree.prior[edge], 1e-30))     # a softmax may round to 0


cdef inline double completed_value(const tree_t* tree, edge_t edge, double mix) noexcept nogil:
    """q of an edge, for the player choosing it."""
    if tree.result[edge] != RESULT_UNKNOWN:
        return tree.result[edge]
    return <double>tree.value_sum[edge] / tree.visits[edge] if tree.visits[edge] > 0 else mix


cdef inline double improved_share(const improved_t* improved, double prior,
                                  double q) noexcept nogil:
    """The improved policy's probability of an edge of this prior and value."""
    return prior * exp(improved.gain * (q - improved.peak)) / improved.total
