# What a training search does at its root, and undoes in the policy target.
#
#   the evaluator's prior ─▶ temperature ─▶ Dirichlet noise ─▶ searched with forced playouts
#                                                                          │
#                         the policy target ◀─ forced visits taken off ◀───┘
#
# All of it acts on the root alone, whose prior column is changed in place; the search remembers
# what stood there, see Search.root_prior.

from libc.math cimport log, pow, sqrt
from libc.stdint cimport int32_t

from engine.puct cimport exploration_scale, puct_t
from engine.rng cimport next_gamma, rng_t
from engine.tree cimport NO_EDGE, RESULT_LOSS, ROOT, edge_t, tree_t

cdef struct root_rules_t:
    float policy_temperature  # of the prior; 1: as it is
    float dirichlet_alpha     # of an edge, on average, where `dirichlet_total` is 0
    float dirichlet_total     # of all edges together
    float dirichlet_fraction  # weight of the noise
    bint dirichlet_shaped     # more alpha where the prior is higher
    float forced_playouts     # k; 0: none


cdef inline void temper_prior(tree_t* tree, double temperature) noexcept nogil:
    """prior ** (1 / temperature), normalised; above 1 it is flatter."""
    cdef edge_t first = tree.first_edge[ROOT], edge
    cdef edge_t end = first + tree.num_edges[ROOT]
    cdef float* prior = tree.prior
    cdef double total = 0.0, highest = 0.0
    for edge in range(first, end):
        highest = max(highest, <double>prior[edge])
    for edge in range(first, end):
        # A share of the highest: a power of less than 1 could underflow everywhere.
        prior[edge] = <float>pow(prior[edge] / highest, 1.0 / temperature)
        total += prior[edge]
    for edge in range(first, end):
        prior[edge] = <float>(prior[edge] / total)


cdef inline void shape_alpha(const tree_t* tree, float* shape) noexcept nogil:
    """How many times the mean alpha each edge gets, 1 on average: shaped Dirichlet noise.

    Half is the same for all. Half goes by how far the logarithm of the prior, cut off at 0.01,
    is above its mean, so that it is spread over all that is not hopeless (Wu, KataGo's methods).
    """
    cdef edge_t first = tree.first_edge[ROOT]
    cdef int32_t i, num = tree.num_edges[ROOT]
    cdef double mean = 0.0, total = 0.0
    for i in range(num):
        shape[i] = <float>log(min(0.01, <double>tree.prior[first + i]) + 1e-20)
        mean += shape[i] / num
    for i in range(num):
        # Equal logarithms are no shape, whatever their mean was rounded to.
        shape[i] = <float>max(0.0, shape[i] - mean - 1e-6)
        total += shape[i]
    for i in range(num):
        shape[i] = <float>(0.5 + 0.5 * num * shape[i] / total) if total > 0.0 else 1.0


cdef inline void mix_noise(tree_t* tree, const root_rules_t* rules, rng_t* rng,
                           float* scratch) noexcept nogil:
    """prior = (1 - f) prior + f Dirichlet(alpha) (Silver et al. 2018); scratch: [num_edges]."""
    cdef edge_t first = tree.first_edge[ROOT]
    cdef int32_t i, num = tree.num_edges[ROOT]
    cdef double alpha = rules.dirichlet_alpha, total = 0.0
    cdef float fraction = rules.dirichlet_fraction
    if rules.dirichlet_total > 0.0:
        alpha = rules.dirichlet_total / num
    if rules.dirichlet_shaped:
        shape_alpha(tree, scratch)
    for i in range(num):
        scratch[i] = <float>next_gamma(
            rng, alpha * scratch[i] if rules.dirichlet_shaped else alpha)
        total += scratch[i]
    if total > 0.0:
        for i in range(num):
            tree.prior[first + i] = ((1 - fraction) * tree.prior[first + i]
                                     + fraction * scratch[i] / <float>total)


cdef inline double forced_visits(const tree_t* tree, float forced_playouts,
                                 edge_t edge) noexcept nogil:
    """The square of the visits that the edge shall have once it has one: k P N, where N counts
    the visits of all edges (Wu 2019, section 3.2)."""
    return <double>forced_playouts * tree.prior[edge] * tree.node_visits[ROOT]


cdef inline edge_t forced_edge(const tree_t* tree, float forced_playouts) noexcept nogil:
    """The first visited edge that has too few visits and is not proven lost, or NO_EDGE."""
    cdef edge_t first = tree.first_edge[ROOT], edge
    cdef double visits
    for edge in range(first, first + tree.num_visited[ROOT]):
        visits = tree.visits[edge]
        if (visits * visits < forced_visits(tree, forced_playouts, edge)
                and tree.result[edge] != RESULT_LOSS):
            return edge
    return NO_EDGE


cdef inline double visited_score(const tree_t* tree, const puct_t* puct, edge_t edge,
                                 int32_t visits) noexcept nogil:
    """PUCT of a root edge of its final value, had it only `visits` visits."""
    return (<double>tree.value_sum[edge] / tree.visits[edge]
            + <double>exploration_scale(puct, tree.node_visits[ROOT]) * tree.prior[edge]
            / (1 + visits))


cdef inline int32_t unforced_visits(const tree_t* tree, const puct_t* puct,
                                    float forced_playouts, edge_t edge, double best_score,
                                    int32_t kept) noexcept nogil:
    """The visits of an edge less the forced ones, as far as its PUCT stays below `best_score`,
    that of the most visited edge (policy target pruning, Wu 2019, section 3.2).

    At most all but `kept` are taken off: those were made before this search and forced by nobody.
    An edge that is left with one visit loses it, too.
    """
    cdef int32_t visits = tree.visits[edge]
    cdef int32_t least = max(
        kept, visits - <int32_t>sqrt(forced_visits(tree, forced_playouts, edge)))
    while visits > least and visited_score(tree, puct, edge, visits - 1) < best_score:
        visits -= 1
    return visits if visits > 1 else 0
