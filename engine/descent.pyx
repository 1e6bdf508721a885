"""The step machine of a search: select, expand, evaluate, backup (drawn in descent.pxd).

A value is for the player to move at its node.

References
----------
Silver et al., Science 362 (2018), for the search; Wu, arXiv:1902.10565, for first-play urgency;
Segal, "On the scalability of parallel UCT" (2010), for virtual loss.
"""

from libc.math cimport isfinite
from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from engine.atomic cimport prefetch
from engine.decisive cimport wins_at_once
from engine.endgame cimport Endgame, first_ply
from engine.gumbel cimport GumbelRoot
from engine.local cimport LocalEvaluator
from engine.puct cimport SCALE_TABLE, exploration_scale, select_edge
from engine.root cimport forced_edge
from engine.softmax cimport exp_below_zero
from engine.solver cimport prove_path
from engine.tree cimport (
    NO_NODE,
    NODE_EXPANDED,
    NODE_TERMINAL,
    NODE_WAITING,
    NO_EDGE,
    RESULT_UNKNOWN,
    ROOT,
    Tree,
    edge_t,
    node_t,
    tree_add_node,
    tree_best_first,
    tree_bytes,
    tree_clear,
    tree_has_room,
    tree_link,
    tree_t,
)
from engine.transposition cimport (
    correct_edge,
    find_node,
    forget_nodes,
    is_ahead,
    node_key,
    remember_node,
    transposition_bytes,
)
from games.base cimport Game, GameState, action_t

from engine.config import SearchConfig
from engine.errors import ConfigError, EvaluatorError

# Edges of an arena by its nodes where a budget is to be met: games with more legal actions than
# this fill the edge columns first, which leaves 1/26th of the bytes unused.
cdef int EDGES_PER_NODE = 32


def arena_rows(Game game not None, config not None, num_bytes=0):
    """(nodes, edges) of an arena.

    Parameters
    ----------
    game
        Whose actions.
    config
        Whose simulations fit, and a kept subtree.
    num_bytes
        Of the arena instead, whatever the simulations; 0: as many as they need.

    Raises
    ------
    ConfigError
        If so few bytes hold no search.
    """
    if not num_bytes:
        nodes = (2 if config.count_kept else 4) * max(
            config.num_simulations, config.fast_simulations) + 64
        return nodes, min(nodes * game.max_legal_actions, 2**31 - 1)
    per_node = min(EDGES_PER_NODE, game.max_legal_actions)
    node_bytes = tree_bytes(1, per_node) + (transposition_bytes(1) if config.transpositions else 0)
    nodes = min(int(num_bytes) // node_bytes, 2**31 // per_node - 1)
    # The root and its children, each with its edges.
    least = (1 + game.max_legal_actions) * game.max_legal_actions
    if nodes * per_node < least or nodes <= game.max_legal_actions:
        least = max(-(-least // per_node), game.max_legal_actions + 1)
        raise ConfigError(
            f"memory must be at least {least * node_bytes} bytes an arena for "
            f"{game.name}, got {int(num_bytes)}; raise it, or play fewer games at once")
    return nodes, nodes * per_node


cdef class Descent:
    """The part of a search that goes down its tree and back up.

    Parameters
    ----------
    game
        Rules; the search owns two states of it.
    config
        How a move is searched.
    node_capacity
        Nodes of the arena; a search that needs more ends early and is counted. By default a
        kept subtree and a full search fit, or as many as the config's memory holds.
    spare
        Another search of the same game and capacity whose spare arena and endgame searches this
        one shares.
    arena_bytes
        Of each arena, in place of the config's memory; 0: the config's.
    """

    def __cinit__(self, Game game not None, config not None, node_capacity=None,
                  Descent spare=None, *, arena_bytes=0):
        cdef int32_t i
        if not isinstance(config, SearchConfig):
            raise TypeError(f"config must be a SearchConfig, got {type(config).__name__}")
        self.game = game
        self.config = config
        if node_capacity is None:
            nodes, edges = arena_rows(
                game, config,
                arena_bytes or config.memory_mb * 1e6 / (2 if config.reuse_tree else 1))
        else:
            nodes = max(int(node_capacity), 2)
            edges = min(nodes * game.max_legal_actions, 2**31 - 1)
        self.tree = Tree(nodes, edges, config.transpositions)
        if not config.reuse_tree:
            self.spare = Tree(1, 1)      # never used
        elif spare is None:
            self.spare = Tree(nodes, edges, config.transpositions)
        else:
            self.spare = spare.spare
            if (self.spare.columns.node_capacity != nodes
                    or self.spare.columns.edge_capacity != edges
                    or (self.spare.columns.num_slots > 0) != config.transpositions):
                raise ValueError(
                    "spare must be a search of the same game, capacity and transpositions")
        self.root = game.initial_state()
        self.state = game.initial_state()
        self.puct.c_init = config.c_init
        self.puct.c_base = config.c_base
        self.puct.fpu_reduction = config.fpu_reduction
        self.puct.root_fpu_reduction = config.root_fpu_reduction
        self.leaves_in_flight = config.leaves_in_flight
        if config.endgame_nodes:
            self.endgame = (Endgame(game, config.endgame_nodes) if spare is None
                            else spare.endgame)
        self.try_endgame = self.endgame is not None
        if config.leaf_endgame_nodes:
            self.leaf_endgame = (Endgame(game, config.leaf_endgame_nodes) if spare is None
                                 else spare.leaf_endgame)
        self.leaf_endgame_from = first_ply(game, config.leaf_endgame_from)
        self.leaf_endgame_depth = self.leaf_endgame_from
        self.reuse_tree = config.reuse_tree
        self.count_kept = config.count_kept
        self.solver = config.solver
        self.decisive = config.decisive_moves
        self.after = game.initial_state()
        self.rules.policy_temperature = config.root_policy_temperature
        self.rules.dirichlet_alpha = config.dirichlet_alpha
        self.rules.dirichlet_total = config.dirichlet_total
        self.rules.dirichlet_fraction = config.dirichlet_fraction
        self.rules.dirichlet_shaped = config.dirichlet_shaped
        self.rules.forced_playouts = config.forced_playouts
        self.puct.widening_base = config.widening_base
        self.puct.widening_exponent = config.widening_exponent
        self.gumbel = GumbelRoot(game, config)
        self.by_gumbel = config.gumbel_actions > 0
        self.puct.virtual_loss = config.virtual_loss if self.leaves_in_flight > 1 else 0.0
        for i in range(SCALE_TABLE):
            self.puct.scale[i] = exploration_scale(&self.puct, i)
        self.max_depth = game.max_game_length + 1
        rows = <size_t>self.leaves_in_flight
        self.pending = <pending_t*>malloc(rows * sizeof(pending_t))
        self.path_nodes = <node_t*>malloc(rows * self.max_depth * sizeof(node_t))
        self.path_edges = <edge_t*>malloc(rows * self.max_depth * sizeof(edge_t))
        self.scratch = <float*>malloc(game.max_legal_actions * sizeof(float))
        self.root_prior = <float*>malloc(game.num_actions * sizeof(float))
        self.kept_visits = <int32_t*>malloc(game.num_actions * sizeof(int32_t))
        self.wanted = <uint8_t*>calloc(game.num_actions, 1)
        if (self.pending == NULL or self.path_nodes == NULL or self.path_edges == NULL
                or self.scratch == NULL or self.root_prior == NULL or self.kept_visits == NULL
                or self.wanted == NULL):
            raise MemoryError(f"no memory for {rows} paths of {self.max_depth} edges")
        self.set_root(self.root)

    def __dealloc__(self):
        free(self.pending)
        free(self.path_nodes)
        free(self.path_edges)
        free(self.scratch)
        free(self.root_prior)
        free(self.kept_visits)
        free(self.wanted)

    cdef int _open_root(self) except -1 nogil:
        raise NotImplementedError("_open_root is engine.search's")

    cdef int set_root(self, GameState state) except -1 nogil:
        """Search `state` from nothing; leaves in flight are forgotten."""
        cdef int32_t i
        if state is not self.root:
            self.root.copy_from_c(state)
        tree_clear(&self.tree.columns)
        forget_nodes(&self.tree.columns)
        self.root_ply = 0
        for i in range(self.leaves_in_flight):
            self.pending[i].depth = -1
        self.num_pending = 0
        self.target = 0
        self.solved = False
        self.noisy = False
        self.root_changed = False
        return 0

    cdef int gather(self) except -1 nogil:
        """Descend until a leaf needs its evaluation and return its index for scatter.

        The leaf's position is then in `state`. GATHER_DONE and GATHER_BLOCKED are the other
        answers; a search is over when it is done and nothing is in flight.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef int32_t row = 0, depth, num
        cdef int max_legal = self.game.max_legal_actions
        cdef node_t node, parent
        cdef edge_t edge
        cdef bint transpositions = tree.num_slots > 0
        cdef node_t* nodes
        cdef edge_t* edges
        cdef float reduction, root_reduction = (
            self.puct.root_fpu_reduction if self.noisy else self.puct.fpu_reduction)
        cdef float virtual_loss = self.puct.virtual_loss
        cdef float forced_playouts = self.rules.forced_playouts if self.noisy else 0.0

        if self.num_pending == self.leaves_in_flight:
            return GATHER_BLOCKED
        while self.pending[row].depth >= 0:
            row += 1
        nodes = self.path_nodes + <size_t>row * self.max_depth
        edges = self.path_edges + <size_t>row * self.max_depth

        while True:
            self.state.copy_from_c(self.root)
            depth = 0
            if tree.num_nodes == 0:
                node = tree_add_node(tree, self.state.current_player_c(),
                                     NODE_TERMINAL if self.state.is_terminal_c() else NODE_WAITING)
                if tree.status[node] == NODE_WAITING:
                    break
            if tree.status[ROOT] == NODE_TERMINAL:
                return GATHER_DONE
            if tree.status[ROOT] == NODE_WAITING:
                return GATHER_BLOCKED
            if tree.node_visits[ROOT] >= self.target:
                return GATHER_DONE
            if not tree_has_room(tree, max_legal):
                if self.num_pending == 0:
                    self.num_full_stops += 1
                return GATHER_DONE

            # Step 1. Select: follow the best edges, each counted on the way down.
            node = ROOT
            reduction = root_reduction
            while tree.status[node] == NODE_EXPANDED:
                edge = NO_EDGE
                if self.by_gumbel and node == ROOT:
                    edge = self.gumbel.next_edge(tree, self.num_pending > 0)
                    if edge == NO_EDGE:
                        return GATHER_BLOCKED
                elif self.by_gumbel and self.gumbel.interior:
                    edge = self.gumbel.select_inside(tree, node)
                elif forced_playouts > 0.0 and depth == 0:
                    edge = forced_edge(tree, forced_playouts)
                if edge == NO_EDGE:
                    edge = select_edge(tree, node, &self.puct, reduction)
                reduction = self.puct.fpu_reduction
                nodes[depth] = node
                edges[depth] = edge
                depth += 1
                tree.node_visits[node] += 1
                tree.visits[edge] += 1
                tree.value_sum[edge] -= virtual_loss
                self.state.apply_c(tree.action[edge])
                parent = node
                node = tree.child[edge]
                if transpositions:
                    if node == NO_NODE:
                        node = self._find_shared(parent, edge, depth)
                    if node != NO_NODE and is_ahead(tree, node, edge):
                        break
                if node == NO_NODE:
                    # Step 2. Expand: the new node is terminal, or as good as that, or it waits for
                    # its evaluation.
                    node = tree_add_node(tree, self.state.current_player_c(), NODE_WAITING)
                    tree_link(tree, parent, edge, node)
                    if self.state.is_terminal_c():
                        tree.status[node] = NODE_TERMINAL
                        tree.value[node] = self.state.outcome_c(tree.player[node])
                    elif self.decisive and self._has_decisive_move():
                        tree.status[node] = NODE_TERMINAL
                        tree.value[node] = 1.0
                        tree.distance[node] = 1
                    elif (self.leaf_endgame is not None and depth >= self.leaf_endgame_depth
                            and self.leaf_endgame.prove_value(self.state)):
                        tree.status[node] = NODE_TERMINAL
                        tree.value[node] = self.leaf_endgame.result
                        tree.distance[node] = self.leaf_endgame.distance
                    else:
                        self.pending[row].depth = depth
                        break
            if self.pending[row].depth >= 0:
                break

            if tree.status[node] == NODE_WAITING:
                # Another leaf in flight holds this node: take the descent back.
                self.gumbel.next -= self.by_gumbel
                while depth > 0:
                    depth -= 1
                    tree.node_visits[nodes[depth]] -= 1
                    tree.visits[edges[depth]] -= 1
                    tree.value_sum[edges[depth]] += virtual_loss
                return GATHER_BLOCKED
            # Step 4. Backup, at once: a terminal value is exact, a shared node's known.
            self._backup(row, depth, tree.value[node], tree.player[node], True)
            if self.solver and tree.status[node] == NODE_TERMINAL:
                prove_path(tree, nodes, edges, depth)

        # Step 2, ended: the leaf's edges.
        self.pending[row].leaf = node
        self.pending[row].first_edge = tree.num_edges_used
        self.pending[row].depth = depth
        self.num_pending += 1
        num = self.state.legal_actions_c(tree.action + tree.num_edges_used)
        if self.restricted and node == ROOT:
            num = self._wanted_of(tree.action + tree.num_edges_used, num)
        tree.num_edges[node] = num
        for edge in range(tree.num_edges_used, tree.num_edges_used + num):
            tree.visits[edge] = 0
            tree.value_sum[edge] = 0.0
            tree.child[edge] = NO_NODE
            tree.result[edge] = RESULT_UNKNOWN
        tree.num_edges_used += num
        return row

    cdef bint _has_decisive_move(self) except -1 nogil:
        """Whether whoever is to move in `state` can win at once; the next node's room for actions
        is overwritten."""
        cdef action_t* actions = self.tree.columns.action + self.tree.columns.num_edges_used
        cdef int32_t i
        for i in range(self.state.legal_actions_c(actions)):
            if wins_at_once(self.state, self.after, actions[i]):
                return True
        return False

    cdef int32_t _wanted_of(self, action_t* actions, int32_t num) noexcept nogil:
        """Leave the wanted ones of `num` actions, in their order; returns how many those are."""
        cdef int32_t i, kept = 0
        for i in range(num):
            actions[kept] = actions[i]
            kept += self.wanted[actions[i]]
        return kept

    cdef node_t _find_shared(self, node_t parent, edge_t edge, int32_t depth) except -2 nogil:
        """The node of the position in `state`, found by another line of play: the unvisited edge
        now leads there, too, unless the node still waits for its evaluation.

        NO_NODE: the position is new, and the table expects its node in the next row.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef uint64_t key = node_key(self.state.hash_c(), self.root_ply + depth)
        cdef node_t node = find_node(tree, key)
        if node == NO_NODE:
            remember_node(tree, tree.num_nodes, key)
        elif tree.status[node] != NODE_WAITING:
            tree_link(tree, parent, edge, node)
        return node

    cdef void prefetch_leaf(self, int index) noexcept nogil:
        """Ask for the memory that scattering to the leaf, and the next descent, will read."""
        cdef tree_t* tree = &self.tree.columns
        cdef pending_t* leaf = &self.pending[index]
        cdef node_t* nodes = self.path_nodes + <size_t>index * self.max_depth
        cdef edge_t* edges = self.path_edges + <size_t>index * self.max_depth
        cdef int32_t i
        prefetch(tree.prior + leaf.first_edge)
        prefetch(tree.action + leaf.first_edge)
        prefetch(tree.first_edge + leaf.leaf)
        prefetch(tree.num_edges + leaf.leaf)
        prefetch(tree.value + leaf.leaf)
        for i in range(leaf.depth):
            prefetch(tree.value_sum + edges[i])
            prefetch(tree.value_total + nodes[i])
            prefetch(tree.visits + edges[i])
            prefetch(tree.prior + edges[i])
            prefetch(tree.child + edges[i])

    cdef int scatter_logits(self, int index, const float* policy_logits,
                            const float* wdl_logits) except -1 nogil:
        """Step 3, evaluate: mask and normalise a network's answer, then expand and back up.

        policy_logits : [A]; wdl_logits : [3] win, draw, loss for the player to move at the leaf.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef node_t leaf = self.pending[index].leaf
        cdef edge_t first = tree.first_edge[leaf], edge
        cdef edge_t end = first + tree.num_edges[leaf]
        cdef action_t* action = tree.action
        cdef float* prior = tree.prior
        cdef float highest = -1e30, total = 0.0, p, win, draw, loss, peak
        for edge in range(first, end):
            p = policy_logits[action[edge]]
            prior[edge] = p
            if p > highest:
                highest = p
        for edge in range(first, end):
            prior[edge] = exp_below_zero(prior[edge] - highest)
        for edge in range(first, end):
            total += prior[edge]
        peak = max(wdl_logits[0], max(wdl_logits[1], wdl_logits[2]))
        win = exp_below_zero(wdl_logits[0] - peak)
        draw = exp_below_zero(wdl_logits[1] - peak)
        loss = exp_below_zero(wdl_logits[2] - peak)
        win = (win - loss) / (win + draw + loss)
        if not (isfinite(total) and isfinite(win)):
            with gil:
                raise EvaluatorError(
                    "the evaluator answered with something that is not finite; "
                    "the weights or the back end are broken"
                )
        p = 1.0 / total
        for edge in range(first, end):
            prior[edge] *= p
        return self._finish(index, win)

    cdef int scatter_uniform(self, int index, float value) except -1 nogil:
        """Step 3 for evaluators without a policy: every legal action has the same prior."""
        cdef tree_t* tree = &self.tree.columns
        cdef node_t leaf = self.pending[index].leaf
        cdef edge_t first = tree.first_edge[leaf], edge
        cdef float prior = <float>(1.0 / tree.num_edges[leaf])
        for edge in range(first, first + tree.num_edges[leaf]):
            tree.prior[edge] = prior
        return self._finish(index, value)

    cdef int _finish(self, int index, float value) except -1 nogil:
        cdef tree_t* tree = &self.tree.columns
        cdef node_t leaf = self.pending[index].leaf
        cdef int32_t depth = self.pending[index].depth
        tree.value[leaf] = value
        tree.value_total[leaf] = value
        tree.status[leaf] = NODE_EXPANDED
        tree_best_first(tree, leaf)
        if leaf == ROOT:
            self._open_root()
        # Step 4. Backup.
        self._backup(index, depth, value, tree.player[leaf], depth > 0)
        self.pending[index].depth = -1
        self.num_pending -= 1
        return 0

    cdef void _backup(self, int row, int depth, float value, int player,
                      bint counted) noexcept nogil:
        """Add `value`, for `player`, to every edge of the path, and give virtual loss back."""
        cdef tree_t* tree = &self.tree.columns
        cdef node_t* nodes = self.path_nodes + <size_t>row * self.max_depth
        cdef edge_t* edges = self.path_edges + <size_t>row * self.max_depth
        cdef float* value_sum = tree.value_sum
        cdef float* value_total = tree.value_total
        cdef float virtual_loss = self.puct.virtual_loss, signed_value
        cdef int32_t i
        self.num_simulations += counted
        self.sum_depths += depth
        if tree.num_slots > 0:
            self._correct(row, depth)
            return
        for i in range(depth - 1, -1, -1):
            signed_value = value if tree.player[nodes[i]] == player else -value
            value_sum[edges[i]] += virtual_loss + signed_value
            value_total[nodes[i]] += signed_value

    cdef void _correct(self, int row, int depth) noexcept nogil:
        """Backup on a graph: every edge of the path takes on its child's value, the last first."""
        cdef tree_t* tree = &self.tree.columns
        cdef node_t* nodes = self.path_nodes + <size_t>row * self.max_depth
        cdef edge_t* edges = self.path_edges + <size_t>row * self.max_depth
        cdef int32_t i, edge_others = 0, child_others = 0
        for i in range(depth - 1, -1, -1):
            if self.leaves_in_flight > 1:
                edge_others = self._others_passing(self.path_edges, row, i, edges[i])
                child_others = self._others_passing(
                    self.path_nodes, row, i + 1, tree.child[edges[i]])
            correct_edge(tree, nodes[i], edges[i], edge_others, child_others,
                         self.puct.virtual_loss)

    cdef int32_t _others_passing(self, const int32_t* paths, int row, int depth,
                                 int32_t passed) noexcept nogil:
        """Leaves in flight, but for that of `row`, whose path has `passed` at `depth`: a node or
        an edge is at the same depth of every path."""
        cdef int32_t other, num = 0
        for other in range(self.leaves_in_flight):
            num += (other != row and self.pending[other].depth > depth
                    and paths[<size_t>other * self.max_depth + depth] == passed)
        return num

    cdef int run_local(self, LocalEvaluator evaluator) except -1 nogil:
        """Search to the end with an evaluator that answers at once."""
        cdef int index
        cdef float value = 0.0
        while True:
            index = self.gather()
            if index < 0:
                return 0
            evaluator.evaluate_c(self.state, &value)
            self.scatter_uniform(index, value)
