# What exact values prove, taken up the tree, and how far away the proven end is
# (Winands, Bjornsson, Saito, "Monte-Carlo tree search solver", 2008).
#
#   result of a node:   won if one edge wins; once all edges are proven, the best of them
#   distance, plies:    0 where the rules end the game
#                       won     1 + the nearest child that is lost for its mover
#                       lost    1 + the farthest child: the loser holds out
#                       drawn   1 + the farthest child that draws: nobody hurries
#
# A distance is a promise, not the shortest one possible: the winner can end the game within so
# many plies, however the loser plays. A search stops at its first proof of a win, and a shorter
# one may lie in what it did not look at.

from libc.stdint cimport INT16_MAX, int8_t, int16_t, int32_t

from engine.tree cimport (
    NODE_TERMINAL,
    RESULT_DRAW,
    RESULT_UNKNOWN,
    RESULT_WIN,
    edge_t,
    node_t,
    tree_t,
)


cdef inline int16_t one_ply_before(int16_t distance) noexcept nogil:
    """The distance seen from a ply earlier; no column is wide enough for every length."""
    return distance + (distance < INT16_MAX)


cdef inline bint keeps_proof(const tree_t* tree, node_t node, edge_t edge) noexcept nogil:
    """Whether an edge of a proven node is one to play: the shortest win, the longest loss, any
    draw."""
    cdef int8_t result = <int8_t>tree.value[node]
    return tree.result[edge] == result and (
        result == RESULT_DRAW
        or one_ply_before(tree.distance[tree.child[edge]]) == tree.distance[node])


cdef inline int16_t proof_distance(const tree_t* tree, node_t node, int8_t result) noexcept nogil:
    """Of a node whose edges prove `result`."""
    cdef edge_t edge, first = tree.first_edge[node]
    cdef int16_t distance, best = -1
    for edge in range(first, first + tree.num_visited[node]):
        if tree.result[edge] == result:
            distance = one_ply_before(tree.distance[tree.child[edge]])
            if best < 0 or (distance < best if result == RESULT_WIN else distance > best):
                best = distance
    return best


cdef inline void prove_path(tree_t* tree, const node_t* nodes, const edge_t* edges,
                            int32_t depth) noexcept nogil:
    """A path of `depth` edges has ended in an exact value: take it up as far as it proves
    something."""
    cdef node_t node, child
    cdef edge_t edge, first
    cdef int32_t i
    cdef float value
    cdef int8_t best
    for i in range(depth - 1, -1, -1):
        node = nodes[i]
        child = tree.child[edges[i]]
        value = tree.value[child]
        if tree.player[child] != tree.player[node]:
            value = -value
        if value != -1.0 and value != 0.0 and value != 1.0:
            return      # a result between loss and win orders moves, but proves nothing
        tree.result[edges[i]] = <int8_t>value
        best = <int8_t>value
        if best != RESULT_WIN:
            if tree.num_visited[node] < tree.num_edges[node]:
                return
            first = tree.first_edge[node]
            for edge in range(first, first + tree.num_edges[node]):
                if tree.result[edge] == RESULT_UNKNOWN:
                    return
                best = max(best, tree.result[edge])
        tree.status[node] = NODE_TERMINAL
        tree.value[node] = best
        tree.distance[node] = proof_distance(tree, node, best)
