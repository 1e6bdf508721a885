# One game's search tree: an arena of nodes and edges whose size is fixed at birth.
#
#    node columns          0 = ROOT      1             2
#    first_edge            0             7             14
#    num_edges             7             7             6
#    num_visited           2             0             0        (a prefix, see below)
#                          |
#    edge columns    0  1  2  3  4  5  6 | 7  8  9  10 ...
#    child           1  2  -  -  -  -  - | -  -  -  -
#
# The edges of a node are kept so that the visited ones come first, and right behind them the
# unvisited one of highest prior. An unvisited edge's score grows with its prior alone, so a
# scan that stops there has seen every candidate, however many legal actions the node has.

from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint64_t

from games.base cimport action_t

ctypedef int32_t node_t      # row of the node columns
ctypedef int32_t edge_t      # row of the edge columns

cdef enum:
    NO_NODE = -1
    NO_EDGE = -1
    ROOT = 0

cdef enum node_status_t:
    NODE_WAITING = 0         # its evaluation is in flight; the edges have no prior yet
    NODE_EXPANDED = 1        # evaluated; edges can be selected
    NODE_TERMINAL = 2        # over, or proven by the solver; `value` is exact

cdef enum edge_result_t:     # what an edge leads to, for the player choosing it
    RESULT_LOSS = -1
    RESULT_DRAW = 0
    RESULT_WIN = 1
    RESULT_UNKNOWN = 2       # not proven; always so without the solver

cdef struct tree_t:
    node_t num_nodes         # rows in use
    edge_t num_edges_used
    node_t node_capacity     # rows allocated, for ever
    edge_t edge_capacity

    # Node columns [node_capacity].
    edge_t* first_edge
    int32_t* num_edges       # legal actions
    int32_t* num_visited     # edges of the visited prefix
    int32_t* node_visits     # sum of the edges' visits
    float* value             # the evaluator's, for the player to move here
    float* value_total       # `value` and all edges' value_sum, for the same player
    int16_t* distance        # of a NODE_TERMINAL: plies to the proven end, see solver.pxd
    int8_t* player           # to move here
    uint8_t* status          # node_status_t

    # Edge columns [edge_capacity].
    float* prior             # P, sums to 1 over a node's edges
    float* value_sum         # of finished simulations, for the player choosing the edge
    int32_t* visits          # finished simulations, and those in flight
    node_t* child            # NO_NODE until first visited
    action_t* action
    int8_t* result           # edge_result_t

    # With transpositions, see transposition.pxd; NULL and 0 without.
    uint64_t* key            # [node_capacity] of a position and its ply; the root has none
    node_t* slots            # [num_slots] nodes by key
    uint64_t num_slots

cdef class Tree:
    cdef tree_t columns
    cdef void* memory                      # the one allocation behind all columns
    cdef readonly size_t num_bytes         # its size

    cdef void swap(self, Tree other) noexcept nogil

cdef void tree_copy_subtree(tree_t* tree, const tree_t* source, node_t root) noexcept nogil


cdef inline size_t tree_bytes(size_t nodes, size_t edges) noexcept nogil:
    """Bytes of an arena."""
    return nodes * 28 + edges * 21


cdef inline void tree_clear(tree_t* tree) noexcept nogil:
    tree.num_nodes = 0
    tree.num_edges_used = 0


cdef inline bint tree_has_room(const tree_t* tree, int max_edges) noexcept nogil:
    """Room for one more node of `max_edges` edges?"""
    return (tree.num_nodes < tree.node_capacity
            and tree.num_edges_used + max_edges <= tree.edge_capacity)


cdef inline node_t tree_add_node(tree_t* tree, int player, node_status_t status) noexcept nogil:
    """A new node without edges; the caller has asked `tree_has_room`.

    Its edges, if any, start at `num_edges_used`: write the actions there, then claim them
    with `num_edges[node]` and `num_edges_used`.
    """
    cdef node_t node = tree.num_nodes
    tree.num_nodes = node + 1
    tree.first_edge[node] = tree.num_edges_used
    tree.num_edges[node] = 0
    tree.num_visited[node] = 0
    tree.node_visits[node] = 0
    tree.value[node] = 0.0
    tree.value_total[node] = 0.0
    tree.distance[node] = 0
    tree.player[node] = player
    tree.status[node] = status
    return node


cdef inline edge_t tree_to_front(tree_t* tree, node_t node, edge_t edge) noexcept nogil:
    """Bring an unvisited edge right behind the visited ones; returns where it is now."""
    cdef edge_t front = tree.first_edge[node] + tree.num_visited[node]
    cdef float prior = tree.prior[front]
    cdef action_t action = tree.action[front]
    tree.prior[front] = tree.prior[edge]
    tree.prior[edge] = prior
    tree.action[front] = tree.action[edge]
    tree.action[edge] = action
    return front


cdef inline void tree_best_first(tree_t* tree, node_t node) noexcept nogil:
    """Bring the unvisited edge of highest prior behind the visited ones.

    Equal priors are taken in the order of their actions.
    """
    cdef edge_t front = tree.first_edge[node] + tree.num_visited[node]
    cdef edge_t end = tree.first_edge[node] + tree.num_edges[node]
    cdef edge_t best = front, edge
    cdef float* prior = tree.prior
    cdef action_t* action = tree.action
    for edge in range(front + 1, end):
        if prior[edge] > prior[best] or (
            prior[edge] == prior[best] and action[edge] < action[best]
        ):
            best = edge
    if best != front:
        tree_to_front(tree, node, best)


cdef inline void tree_link(tree_t* tree, node_t parent, edge_t edge, node_t child) noexcept nogil:
    """The edge, the first unvisited one of its node, leads to `child` from now on."""
    tree.child[edge] = child
    tree.num_visited[parent] += 1
    if tree.num_visited[parent] < tree.num_edges[parent]:
        tree_best_first(tree, parent)
