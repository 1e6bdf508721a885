# Transpositions: a position that several lines of play reach is one node, and the tree a graph.
#
#       a     b        The edges a-c and b-c hold the visits that a and b gave them, and each takes
#        \   /         on c's value whenever a descent passes it; what c has from elsewhere is not
#          c           a visit of either. So a node's value stays that of its own choices.
#         / \          (Wu, KataGo's docs/GraphSearch.md; Czech, Korus, Kersting, "Monte-Carlo
#        d   e         graph search for AlphaZero", 2020.)
#
# Only positions of the same ply share a node. The graph is then free of cycles whatever the game
# repeats, and its layers are the plies: an edge leads from one to the next.
#
# Each arena finds its nodes by key in a table of its own, with open addressing and linear
# probing. It has two slots a node, so that it is never more than half full, and nothing is ever
# removed from it but everything. The root is not in it: no move leads there.

from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset

from engine.tree cimport NO_NODE, NODE_EXPANDED, NODE_TERMINAL, edge_t, node_t, tree_t
from games.base cimport mix64

cdef enum:
    SLOTS_PER_NODE = 2


cdef inline size_t transposition_bytes(size_t nodes) noexcept nogil:
    """Bytes of an arena's keys and slots."""
    return nodes * (sizeof(uint64_t) + SLOTS_PER_NODE * sizeof(node_t))


cdef inline uint64_t node_key(uint64_t position_hash, int32_t ply) noexcept nogil:
    """What tells a node from all others. That two positions of one search share it by accident
    has a chance of nodes ** 2 / 2 ** 65."""
    return mix64(position_hash ^ mix64(<uint64_t>ply + 1))


cdef inline void forget_nodes(tree_t* tree) noexcept nogil:
    """Empty the table, if there is one."""
    memset(tree.slots, 0xff, tree.num_slots * sizeof(node_t))     # NO_NODE everywhere


cdef inline node_t* slot_of(const tree_t* tree, uint64_t key) noexcept nogil:
    """Where the node of that key is, or where it belongs."""
    cdef uint64_t at = (key >> 32) * tree.num_slots >> 32
    while tree.slots[at] != NO_NODE and tree.key[tree.slots[at]] != key:
        at += 1
        if at == tree.num_slots:
            at = 0
    return tree.slots + at


cdef inline node_t find_node(const tree_t* tree, uint64_t key) noexcept nogil:
    """The node of that key, or NO_NODE."""
    return slot_of(tree, key)[0]


cdef inline void remember_node(tree_t* tree, node_t node, uint64_t key) noexcept nogil:
    """Let a new node, or one that the next row will hold, be found by a key that no other has."""
    tree.key[node] = key
    slot_of(tree, key)[0] = node


cdef inline bint is_ahead(const tree_t* tree, node_t child, edge_t edge) noexcept nogil:
    """Whether the child had more visits, its evaluation included, than the edge before this one.

    What the edge asks of it has then been searched on behalf of another parent, and the descent
    ends. In a tree both have always as many.
    """
    return (1 + tree.node_visits[child] >= tree.visits[edge]
            and tree.status[child] == NODE_EXPANDED)


cdef inline void correct_edge(tree_t* tree, node_t node, edge_t edge, int32_t edge_in_flight,
                              int32_t child_in_flight, float virtual_loss) noexcept nogil:
    """A visit of the node's edge is finished: the edge takes on its child's value for all of its
    finished visits, and the node's value follows.

    edge_in_flight, child_in_flight
        Visits of the edge, and of the child's edges, that other leaves in flight still owe.
    """
    cdef node_t child = tree.child[edge]
    cdef float q, finished, charged = virtual_loss * edge_in_flight
    if tree.status[child] == NODE_TERMINAL:
        q = tree.value[child]
    else:
        q = tree.value_total[child] / (1 + tree.node_visits[child] - child_in_flight)
    if tree.player[child] != tree.player[node]:
        q = -q
    finished = (tree.visits[edge] - edge_in_flight) * q
    tree.value_total[node] += finished - (tree.value_sum[edge] + charged + virtual_loss)
    tree.value_sum[edge] = finished - charged
