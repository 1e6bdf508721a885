# The scoring formulas of the search.
#
# PUCT (Silver et al. 2018, supplement): Q + U with
#     U(a) = C(N) * P(a) * sqrt(N) / (1 + n(a)),   C(N) = log((1 + N + c_base) / c_base) + c_init
# where N counts the node's own evaluation and its edges' visits.
# An unvisited edge is worth the node's own mean value less fpu_reduction * sqrt(visited prior),
# first-play urgency as in KataGo (Wu 2019) and lc0.
#
# Progressive widening (Coulom, "Computing Elo ratings of move patterns in the game of Go", 2007;
# Chaslot et al., "Progressive strategies for Monte-Carlo tree search", 2008) keeps all edges but
# the ceil(base * N ** exponent) that came first, which are those of best prior, from being visited.

from libc.math cimport log, pow, sqrt, sqrtf
from libc.stdint cimport int8_t, int32_t

from engine.tree cimport RESULT_LOSS, edge_t, node_t, tree_t

cdef enum:
    SCALE_TABLE = 2048       # visits for which the scale is looked up

cdef struct puct_t:
    float c_init
    float c_base
    float fpu_reduction
    float root_fpu_reduction # used at a root with noise
    float widening_base      # 0: every edge may be visited at any time
    float widening_exponent
    float virtual_loss       # charged to an edge for each leaf in flight below it
    float scale[SCALE_TABLE] # C(N) * sqrt(N) by the sum of the edges' visits


cdef inline float exploration_scale(const puct_t* puct, int32_t edge_visits) noexcept nogil:
    """C(N) * sqrt(N) of a node whose edges have `edge_visits` visits together."""
    cdef double n = edge_visits + 1.0
    return <float>((log((1.0 + n + puct.c_base) / puct.c_base) + puct.c_init) * sqrt(n))


cdef inline bint may_widen(const puct_t* puct, int32_t edge_visits,
                           int32_t num_visited) noexcept nogil:
    """Whether a node with so many visited edges may get another one."""
    return (puct.widening_base == 0.0
            or num_visited < puct.widening_base * pow(edge_visits + 1.0, puct.widening_exponent))


cdef inline edge_t select_edge(const tree_t* tree, node_t node, const puct_t* puct,
                               float fpu_reduction) noexcept nogil:
    """The edge of highest score that is not proven lost; of equal ones the first."""
    cdef edge_t first = tree.first_edge[node]
    cdef int32_t num_visited = tree.num_visited[node]
    cdef int32_t total = tree.node_visits[node], n, num_lost = 0
    cdef const float* prior = tree.prior
    cdef const float* value_sum = tree.value_sum
    cdef const int32_t* visits = tree.visits
    cdef const int8_t* result = tree.result
    cdef float scale, score, best_score = -1e30, visited_prior = 0.0
    cdef edge_t edge, best = first
    if total < SCALE_TABLE:
        scale = puct.scale[total]
    else:
        scale = exploration_scale(puct, total)
    for edge in range(first, first + num_visited):
        n = visits[edge]
        visited_prior += prior[edge]
        if result[edge] == RESULT_LOSS:
            num_lost += 1
            continue
        score = value_sum[edge] / n + scale * prior[edge] / (1 + n)
        if score > best_score:
            best_score = score
            best = edge
    if num_visited < tree.num_edges[node]:
        edge = first + num_visited
        score = (tree.value_total[node] / (1 + total) - fpu_reduction * sqrtf(visited_prior)
                 + scale * prior[edge])
        # A proven loss makes room for another edge, so that there is always one to go on with.
        if score > best_score and may_widen(puct, total, num_visited - num_lost):
            best = edge
    return best
