"""The arena that one game's search tree lives in; the layout is drawn in tree.pxd."""

from libc.stdint cimport int16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from engine.transposition cimport (
    SLOTS_PER_NODE,
    find_node,
    forget_nodes,
    remember_node,
    transposition_bytes,
)


cdef class Tree:
    """Node and edge columns in one allocation that never grows.

    Parameters
    ----------
    node_capacity, edge_capacity
        Rows; a full tree refuses new nodes, and the search ends early.
    transpositions
        Whether nodes can be found by their positions.

    Raises
    ------
    MemoryError
        If the allocation fails; the text says how many bytes were asked for.
    """

    def __cinit__(self, node_t node_capacity, edge_t edge_capacity, bint transpositions=False):
        if node_capacity < 1 or edge_capacity < 1:
            raise ValueError(
                f"a tree's capacities must be >= 1, got {node_capacity} and {edge_capacity}"
            )
        self.columns.node_capacity = node_capacity
        self.columns.edge_capacity = edge_capacity
        cdef size_t nodes = <size_t>node_capacity, edges = <size_t>edge_capacity
        self.num_bytes = tree_bytes(nodes, edges)
        if transpositions:
            self.num_bytes += transposition_bytes(nodes)
        self.memory = malloc(self.num_bytes)
        if self.memory == NULL:
            raise MemoryError(
                f"no memory for a tree of {node_capacity} nodes and {edge_capacity} edges, "
                f"{self.num_bytes} bytes"
            )
        # Touched once now, so that a process's resident size does not creep up for hours.
        memset(self.memory, 0, self.num_bytes)
        cdef char* at = <char*>self.memory
        # The widest columns first: every column is aligned.
        if transpositions:
            self.columns.num_slots = SLOTS_PER_NODE * nodes
            self.columns.key = <uint64_t*>at
            self.columns.slots = <node_t*>(at + 8 * nodes)
            forget_nodes(&self.columns)
            at += transposition_bytes(nodes)
        self.columns.prior = <float*>at
        self.columns.value_sum = <float*>(at + 4 * edges)
        self.columns.visits = <int32_t*>(at + 8 * edges)
        self.columns.child = <node_t*>(at + 12 * edges)
        self.columns.action = <action_t*>(at + 16 * edges)
        at += 20 * edges
        self.columns.first_edge = <edge_t*>at
        self.columns.num_edges = <int32_t*>(at + 4 * nodes)
        self.columns.num_visited = <int32_t*>(at + 8 * nodes)
        self.columns.node_visits = <int32_t*>(at + 12 * nodes)
        self.columns.value = <float*>(at + 16 * nodes)
        self.columns.value_total = <float*>(at + 20 * nodes)
        at += 24 * nodes
        self.columns.distance = <int16_t*>at
        at += 2 * nodes
        self.columns.player = <int8_t*>at
        self.columns.status = <uint8_t*>(at + nodes)
        self.columns.result = <int8_t*>(at + 2 * nodes)

    def __dealloc__(self):
        free(self.memory)

    @property
    def num_nodes(self):
        """Rows in use."""
        return self.columns.num_nodes

    @property
    def node_capacity(self):
        """Rows allocated."""
        return self.columns.node_capacity

    cdef void swap(self, Tree other) noexcept nogil:
        """Exchange contents with another tree."""
        cdef tree_t columns = self.columns
        self.columns = other.columns
        other.columns = columns
        cdef void* memory = self.memory
        self.memory = other.memory
        other.memory = memory


cdef void tree_copy_subtree(tree_t* tree, const tree_t* source, node_t root) noexcept nogil:
    """Make `tree` the subtree of `source` below `root`, in breadth-first order.

    Both have the same capacities, so it always fits. Until a node is copied, its new row's
    `first_edge` holds its old row: the arena is its own queue. With transpositions it is a graph,
    and a node that has a new row already is found by its key.
    """
    cdef node_t node = 0, old, child, copy
    cdef edge_t edge, to, first
    forget_nodes(tree)
    tree.num_nodes = 1
    tree.num_edges_used = 0
    tree.first_edge[0] = root
    while node < tree.num_nodes:
        old = tree.first_edge[node]
        tree.num_edges[node] = source.num_edges[old]
        tree.num_visited[node] = source.num_visited[old]
        tree.node_visits[node] = source.node_visits[old]
        tree.value[node] = source.value[old]
        tree.value_total[node] = source.value_total[old]
        tree.distance[node] = source.distance[old]
        tree.player[node] = source.player[old]
        tree.status[node] = source.status[old]
        first = source.first_edge[old]
        to = tree.num_edges_used
        tree.first_edge[node] = to
        for edge in range(first, first + source.num_edges[old]):
            tree.prior[to] = source.prior[edge]
            tree.value_sum[to] = source.value_sum[edge]
            tree.visits[to] = source.visits[edge]
            tree.action[to] = source.action[edge]
            tree.result[to] = source.result[edge]
            child = source.child[edge]
            copy = NO_NODE
            if child != NO_NODE:
                if tree.num_slots > 0:
                    copy = find_node(tree, source.key[child])
                if copy == NO_NODE:
                    copy = tree.num_nodes
                    tree.first_edge[copy] = child
                    tree.num_nodes += 1
                    if tree.num_slots > 0:
                        remember_node(tree, copy, source.key[child])
            tree.child[to] = copy
            to += 1
        tree.num_edges_used = to
        node += 1
