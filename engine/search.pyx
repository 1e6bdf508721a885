"""One game's search: what its root is opened with, the move and the target it comes to.

Shapes: ``A`` actions, ``E`` edges of the root. A value is for the player to move at its node. How
simulations go down the tree and back up is engine/descent.pyx.
"""

from libc.math cimport fmax, log, pow
from libc.stdint cimport int8_t, int16_t, int32_t

from engine.descent cimport Descent
from engine.decisive cimport wins_at_once
from engine.endgame cimport proof_t
from engine.gumbel cimport completed_value, improved_policy, improved_share, improved_t
from engine.local cimport LocalEvaluator
from engine.rng cimport PURPOSE_NOISE, next_uniform, rng_for, rng_t
from engine.root cimport mix_noise, temper_prior, unforced_visits, visited_score
from engine.solver cimport keeps_proof, one_ply_before, prove_path
from engine.tree cimport (
    NO_NODE,
    NODE_EXPANDED,
    NODE_TERMINAL,
    NODE_WAITING,
    NO_EDGE,
    RESULT_LOSS,
    RESULT_UNKNOWN,
    ROOT,
    edge_t,
    node_t,
    tree_add_node,
    tree_best_first,
    tree_clear,
    tree_copy_subtree,
    tree_t,
    tree_to_front,
)
from engine.transposition cimport forget_nodes
from games.base cimport GameState, action_t

import numpy as np


def _rank(proven, distance):
    """What is proven of a move as a number: wins above all others, losses below them."""
    return 0.0 if not proven else proven * (1.0 + 1.0 / distance)


cdef class Search(Descent):
    """The tree search of one game; see `Descent` for what it is made with."""

    cdef int begin(self, int32_t target, bint noisy, rng_t noise) except -1 nogil:
        """Search the root until its edges have `target` visits; the config says whether those
        kept from the last move count."""
        self.target = target
        self.solved = False
        if not self.count_kept and self.tree.columns.num_nodes > 0:
            self.target += self.tree.columns.node_visits[ROOT]
        self.noisy = noisy
        self.noise = noise
        if self.tree.columns.num_nodes > 0 and self.tree.columns.num_edges[ROOT] > 0:
            self._open_root()
        return 0

    cdef bint counts(self, edge_t edge) noexcept nogil:
        """Whether a root edge is a move to consider: not proven lost while another is not; of a
        proven root the shortest win, the longest loss, or any draw."""
        cdef tree_t* tree = &self.tree.columns
        if tree.status[ROOT] == NODE_TERMINAL:
            return keeps_proof(tree, ROOT, edge)
        return tree.result[edge] != RESULT_LOSS

    cdef int _open_root(self) except -1 nogil:
        """The root's prior is known: keep it, ask how the game ends, and let chance in."""
        cdef tree_t* tree = &self.tree.columns
        if self.root_changed:
            self._restore_prior()
        self._keep_prior()
        if (self.try_endgame and not self.restricted and tree.status[ROOT] == NODE_EXPANDED
                and tree.num_edges[ROOT] < tree.node_capacity):
            self.try_endgame = False        # a search that goes on would only find the same
            if self.endgame.solve(self.root):
                self._take_proofs()
        if self.decisive and tree.status[ROOT] == NODE_EXPANDED and tree.num_visited[ROOT] == 0:
            self._take_decisive_moves()
        if self.by_gumbel:
            self.gumbel.begin(tree, self.target - tree.node_visits[ROOT], self.noisy, self.noise)
        elif self.noisy and tree.status[ROOT] == NODE_EXPANDED:
            self._change_prior()
        return 0

    cdef void _take_proofs(self) noexcept nogil:
        """What the endgame search has found replaces the tree: the root, proven, and an edge with
        a visit for each action whose result is known."""
        cdef tree_t* tree = &self.tree.columns
        cdef int player = tree.player[ROOT]
        cdef proof_t* proof
        cdef node_t child
        cdef edge_t edge = 0
        cdef int32_t i, unknown
        self.solved = True
        tree_clear(tree)
        forget_nodes(tree)
        tree_add_node(tree, player, NODE_TERMINAL)
        tree.value[ROOT] = self.endgame.result
        tree.distance[ROOT] = self.endgame.distance
        tree.num_edges[ROOT] = tree.num_edges_used = self.endgame.num_proofs
        for unknown in range(2):        # what is visited stands in front
            for i in range(self.endgame.num_proofs):
                proof = &self.endgame.proofs[i]
                if (proof.result == RESULT_UNKNOWN) != unknown:
                    continue
                child = NO_NODE
                if not unknown:
                    # As its parent sees it: nobody asks who would be to move there.
                    child = tree_add_node(tree, player, NODE_TERMINAL)
                    tree.value[child] = proof.result
                    tree.distance[child] = proof.distance
                    tree.num_visited[ROOT] += 1
                tree.action[edge] = proof.action
                tree.prior[edge] = self.root_prior[proof.action]
                tree.child[edge] = child
                tree.result[edge] = proof.result
                tree.visits[edge] = 1 - unknown
                tree.value_sum[edge] = 0 if unknown else proof.result
                self.kept_visits[proof.action] = tree.visits[edge]      # forced by nobody
                edge += 1
        tree.node_visits[ROOT] = tree.num_visited[ROOT]

    cdef int _take_decisive_moves(self) except -1 nogil:
        """Visit the root's moves that win at once, each of them once: they prove the root."""
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t edge, front, first = tree.first_edge[ROOT]
        cdef node_t child, root = ROOT
        for edge in range(first, first + tree.num_edges[ROOT]):
            if (tree.num_nodes < tree.node_capacity
                    and wins_at_once(self.root, self.after, tree.action[edge])):
                front = tree_to_front(tree, ROOT, edge)
                child = tree_add_node(tree, self.after.current_player_c(), NODE_TERMINAL)
                tree.value[child] = self.after.outcome_c(tree.player[child])
                tree.child[front] = child
                tree.visits[front] = 1
                tree.value_sum[front] = 1.0
                self.kept_visits[tree.action[front]] = 1    # forced by nobody
                tree.num_visited[ROOT] += 1
                prove_path(tree, &root, &front, 1)
        tree.node_visits[ROOT] = tree.num_visited[ROOT]
        tree.value_total[ROOT] += tree.num_visited[ROOT]
        if tree.num_visited[ROOT] < tree.num_edges[ROOT]:
            tree_best_first(tree, ROOT)
        return 0

    cdef void _keep_prior(self) noexcept nogil:
        """Remember what the evaluator said of the root, before noise or proof change it, and the
        visits that its edges bring along."""
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t edge, first = tree.first_edge[ROOT]
        for edge in range(first, first + tree.num_edges[ROOT]):
            self.root_prior[tree.action[edge]] = tree.prior[edge]
            self.kept_visits[tree.action[edge]] = tree.visits[edge]
        self.prior_value = tree.value[ROOT]

    cdef void _change_prior(self) noexcept nogil:
        """Temperature and noise at the root of a training search, see root.pxd."""
        cdef tree_t* tree = &self.tree.columns
        if self.rules.policy_temperature != 1.0:
            temper_prior(tree, self.rules.policy_temperature)
        mix_noise(tree, &self.rules, &self.noise, self.scratch)
        self.root_changed = True
        if tree.num_visited[ROOT] < tree.num_edges[ROOT]:
            tree_best_first(tree, ROOT)

    cdef void _restore_prior(self) noexcept nogil:
        """Undo `_change_prior`: the root is searched again."""
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t edge, first = tree.first_edge[ROOT]
        for edge in range(first, first + tree.num_edges[ROOT]):
            tree.prior[edge] = self.root_prior[tree.action[edge]]
        self.root_changed = False
        if tree.num_visited[ROOT] < tree.num_edges[ROOT]:
            tree_best_first(tree, ROOT)

    # -- the root -------------------------------------------------------------------------

    cdef int advance(self, action_t action) except -1 nogil:
        """Play `action` at the root, and keep its subtree if the config says so."""
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t edge
        cdef node_t child = NO_NODE
        if tree.num_nodes > 0 and self.reuse_tree:
            for edge in range(tree.first_edge[ROOT], tree.first_edge[ROOT] + tree.num_edges[ROOT]):
                if tree.action[edge] == action:
                    child = tree.child[edge]
                    break
        self.root.apply_c(action)
        self.restricted = False
        if child == NO_NODE or tree.status[child] == NODE_WAITING or tree.num_edges[child] == 0:
            return self.set_root(self.root)
        tree_copy_subtree(&self.spare.columns, tree, child)
        self.tree.swap(self.spare)
        self.root_ply += 1
        self.root_changed = False       # a child's prior never was
        return 0

    cdef edge_t _most_visited(self) noexcept nogil:
        """The root's edge of most visits of those that count, or NO_EDGE.

        Equal visits are told apart by the prior, then by the order of the actions. Before any
        visit, the edge of highest prior may be the answer.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t first = tree.first_edge[ROOT], edge, best = NO_EDGE
        for edge in range(first, first + max(1, tree.num_visited[ROOT])):
            if self.counts(edge) and (best == NO_EDGE or tree.visits[edge] > tree.visits[best] or (
                    tree.visits[edge] == tree.visits[best] and (
                        tree.prior[edge] > tree.prior[best] or (
                            tree.prior[edge] == tree.prior[best]
                            and tree.action[edge] < tree.action[best])))):
                best = edge
        return best

    cdef action_t choose(self, double temperature, rng_t* rng) noexcept nogil:
        """Draw an action by visits ** (1 / temperature); at 0 the most visited one.

        What the solver has proven comes first, see `counts`. Forced visits are visits here: they
        are taken off the policy target alone. A Gumbel root has drawn already.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t first = tree.first_edge[ROOT], edge, best = NO_EDGE
        cdef edge_t end = first + max(1, tree.num_visited[ROOT])
        cdef double total = 0.0, at, share
        if self.by_gumbel:
            self.gumbel.score(tree)
            for edge in range(first, first + tree.num_edges[ROOT]):
                if self.counts(edge) and (
                        best == NO_EDGE or self.gumbel.is_better(tree, edge, best)):
                    best = edge
            return tree.action[best]
        best = self._most_visited()
        if best == NO_EDGE:
            # Every visited move is lost; the next one may not be.
            return tree.action[end if tree.num_visited[ROOT] < tree.num_edges[ROOT] else first]
        if temperature <= 1e-3 or tree.visits[best] == 0:
            return tree.action[best]
        for edge in range(first, end):
            if self.counts(edge):
                total += pow(<double>tree.visits[edge] / tree.visits[best], 1.0 / temperature)
        at = next_uniform(rng) * total
        for edge in range(first, end):
            if not self.counts(edge):
                continue
            share = pow(<double>tree.visits[edge] / tree.visits[best], 1.0 / temperature)
            if at < share:
                return tree.action[edge]
            at -= share
        return tree.action[best]

    cdef float root_value(self) noexcept nogil:
        """Mean value of the root after its search, for the player to move there; of a Gumbel root
        the value of its improved policy."""
        cdef tree_t* tree = &self.tree.columns
        if tree.num_nodes == 0:
            return 0.0
        if tree.status[ROOT] == NODE_TERMINAL:
            return tree.value[ROOT]
        if self.by_gumbel and tree.status[ROOT] == NODE_EXPANDED:
            return self.gumbel.value(tree)
        return tree.value_total[ROOT] / (1 + tree.node_visits[ROOT])

    cdef int8_t root_result(self) noexcept nogil:
        """What is proven of the root, as edge_result_t, for the player to move there."""
        cdef tree_t* tree = &self.tree.columns
        cdef float value = tree.value[ROOT]
        if (tree.num_nodes == 0 or tree.status[ROOT] != NODE_TERMINAL
                or (value != -1.0 and value != 0.0 and value != 1.0)):
            return RESULT_UNKNOWN
        return <int8_t>value

    cdef int16_t root_distance(self) noexcept nogil:
        """Plies to the end that `root_result` promises; 0 where nothing is proven."""
        return 0 if self.root_result() == RESULT_UNKNOWN else self.tree.columns.distance[ROOT]

    cdef int policy_target(self, int32_t* actions, float* weights) noexcept nogil:
        """What the search teaches the policy: the root's actions and their weights, > 0.

        Returns how many there are; room is needed for the root's visited edges, of a Gumbel root
        for all. The weights are the visits of the edges that count, less the forced ones, or
        their shares of the improved policy.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef float forced_playouts = self.rules.forced_playouts if self.noisy else 0.0
        cdef edge_t edge, first, best
        cdef int num = 0
        cdef int32_t visits
        cdef double best_score = 0.0, share
        cdef improved_t improved
        if tree.num_nodes == 0:
            return 0
        first = tree.first_edge[ROOT]
        if self.by_gumbel:
            improved = improved_policy(tree, ROOT, &self.gumbel.sigma)
            for edge in range(first, first + tree.num_edges[ROOT]):
                if self.counts(edge):
                    share = improved_share(&improved, tree.prior[edge],
                                           completed_value(tree, edge, improved.mix))
                    actions[num] = tree.action[edge]
                    weights[num] = <float>fmax(share, 1e-30)     # sigma may round it to 0
                    num += 1
            return num
        if tree.num_visited[ROOT] == 0:
            return 0
        best = self._most_visited()
        if best != NO_EDGE:
            best_score = visited_score(tree, &self.puct, best, tree.visits[best])
        for edge in range(first, first + tree.num_visited[ROOT]):
            if not self.counts(edge):
                continue
            visits = tree.visits[edge]
            if forced_playouts > 0.0 and edge != best:
                visits = unforced_visits(tree, &self.puct, forced_playouts, edge, best_score,
                                         self.kept_visits[tree.action[edge]])
            if visits > 0:
                actions[num] = tree.action[edge]
                weights[num] = visits
                num += 1
        return num

    cdef float surprise(self, const int32_t* actions, const float* weights,
                        int num) noexcept nogil:
        """Kullback-Leibler divergence of a policy target from the root's prior, in nats, >= 0."""
        cdef double total = 0.0, sum_logs = 0.0
        cdef int i
        for i in range(num):
            total += weights[i]
        for i in range(num):
            sum_logs += weights[i] * log(
                weights[i] / (total * fmax(self.root_prior[actions[i]], 1e-12)))
        return <float>fmax(sum_logs / total, 0.0) if num > 0 else 0.0

    # -- the Python face: analysis, play, tests -------------------------------------------

    def set_state(self, GameState state not None, int32_t ply=0):
        """Search `state`, so many plies into its game, from nothing."""
        if state.game is not self.game:
            raise ValueError(f"state must be of {self.game!r}, got one of {state.game!r}")
        self.restricted = False
        self.try_endgame = self.endgame is not None
        self.leaf_endgame_depth = self.leaf_endgame_from - ply
        self.set_root(state)

    def restrict(self, actions):
        """Search the root from nothing, `actions` only; the next position is free again."""
        legal = set(self.root.get_legal_actions())
        if not actions or not legal.issuperset(actions):
            raise ValueError(f"actions must be legal ones, at least one, got {actions!r}")
        for action in range(self.game.num_actions):
            self.wanted[action] = action in actions
        self.restricted = True
        self.set_root(self.root)

    def play(self, action):
        """Make `action` at the root, keeping its subtree if the config says so."""
        if action not in self.root.get_legal_actions():
            raise self.root._illegal(action)
        if self.num_pending:
            raise RuntimeError("leaves are in flight; finish the search first")
        self.try_endgame = self.endgame is not None
        self.leaf_endgame_depth -= 1
        self.advance(action)

    def run(self, evaluator, num_simulations=None, *, seed=None):
        """Search the root until its edges have `num_simulations` visits, kept ones counted.

        Parameters
        ----------
        evaluator
            A `LocalEvaluator`, or an `engine.evaluator.Evaluator` that this process owns.
        num_simulations
            By default the config's. A full arena ends the search early, see `num_full_stops`;
            by default it holds a kept subtree and the config's simulations.
        seed
            Draws the root's noise; None: no noise.
        """
        target = self.config.num_simulations if num_simulations is None else num_simulations
        if target < 1:
            raise ValueError(f"num_simulations must be >= 1, got {target}")
        if self.root.is_terminal():
            raise ValueError(f"the game is over in {self.root.to_text()!r}: nothing to search")
        self.begin(target, seed is not None,
                   rng_for(0 if seed is None else seed, 0, 0, PURPOSE_NOISE))
        if isinstance(evaluator, LocalEvaluator):
            self._run_local(evaluator)
        else:
            self._run_batches(evaluator)

    def _run_local(self, LocalEvaluator evaluator):
        with nogil:
            self.run_local(evaluator)

    def _run_batches(self, evaluator):
        from engine.evaluator import Run

        rows = self.leaves_in_flight
        observations = np.zeros((rows, self.game.observation_bytes), np.uint8)
        policy_logits = np.zeros((rows, self.game.num_actions), np.float32)
        wdl_logits = np.zeros((rows, 3), np.float32)
        cdef unsigned char[:, ::1] observation_rows = observations
        cdef float[:, ::1] policy_rows = policy_logits
        cdef float[:, ::1] wdl_rows = wdl_logits
        cdef int index, num, row
        while True:
            indices = []
            while True:
                index = self.gather()
                if index < 0:
                    break
                self.state.observe_c(&observation_rows[len(indices), 0])
                indices.append(index)
            num = len(indices)
            if num == 0:
                return
            evaluator.evaluate(
                [Run(observations[:num], policy_logits[:num], wdl_logits[:num])])
            for row in range(num):
                self.scatter_logits(indices[row], &policy_rows[row, 0], &wdl_rows[row, 0])

    def root_visits(self):
        """[A] int32: visits of the root's edges, 0 for illegal actions."""
        visits = np.zeros(self.game.num_actions, np.int32)
        for candidate in self.candidates():
            visits[candidate["action"]] = candidate["visits"]
        return visits

    def root_target(self):
        """[A] float32: what the search teaches the policy, of sum 1; see `policy_target`."""
        actions = np.zeros(self.game.max_legal_actions, np.int32)
        weights = np.zeros(self.game.max_legal_actions, np.float32)
        cdef int32_t[::1] action_rows = actions
        cdef float[::1] weight_rows = weights
        cdef int num = self.policy_target(&action_rows[0], &weight_rows[0])
        target = np.zeros(self.game.num_actions, np.float32)
        target[actions[:num]] = weights[:num]
        return target / max(target.sum(), 1e-30)

    def candidates(self):
        """The root's edges, most visited first; what a Gumbel root plays is the first.

        Returns
        -------
        list of dict
            ``action``, ``visits``, ``prior``, ``value``, for the player to move at the root,
            None where unvisited; ``proven``: -1, 0, 1, or None where it is not; ``distance``:
            plies to the proven end, this one counted, or None.
        """
        cdef tree_t* tree = &self.tree.columns
        cdef edge_t edge
        if tree.num_nodes == 0:
            return []
        played = NO_EDGE
        if self.by_gumbel and tree.status[ROOT] != NODE_WAITING:
            played = self.choose(0.0, NULL)
        rows = [
            {
                "action": tree.action[edge],
                "visits": tree.visits[edge],
                "prior": tree.prior[edge],
                "value": tree.value_sum[edge] / tree.visits[edge] if tree.visits[edge] else None,
                "proven": None if tree.result[edge] == RESULT_UNKNOWN else tree.result[edge],
                "distance": None if tree.result[edge] == RESULT_UNKNOWN
                else one_ply_before(tree.distance[tree.child[edge]]),
            }
            for edge in range(tree.first_edge[ROOT], tree.first_edge[ROOT] + tree.num_edges[ROOT])
        ]
        return sorted(
            rows,
            key=lambda r: (r["action"] != played, -_rank(r["proven"], r["distance"]),
                           -r["visits"], -r["prior"], r["action"]))

    def principal_variation(self, max_length=20, action=None):
        """The actions of most visits from the root on, or from its `action` on; what is proven is
        followed to its end."""
        cdef tree_t* tree = &self.tree.columns
        cdef node_t node = ROOT
        cdef edge_t edge, best
        line = []
        if action is not None and tree.num_nodes:
            for edge in range(tree.first_edge[ROOT], tree.first_edge[ROOT] + tree.num_edges[ROOT]):
                if tree.action[edge] == action:
                    line.append(action)
                    node = tree.child[edge]
        while tree.num_nodes and node != NO_NODE and len(line) < max_length:
            if tree.num_visited[node] == 0:
                break
            proven = tree.status[node] == NODE_TERMINAL
            best = NO_EDGE
            for edge in range(tree.first_edge[node],
                              tree.first_edge[node] + tree.num_visited[node]):
                if (best == NO_EDGE or tree.visits[edge] > tree.visits[best]) and (
                        not proven or keeps_proof(tree, node, edge)):
                    best = edge
            line.append(tree.action[best])
            node = tree.child[best]
        return line

    @property
    def value(self):
        """Mean value of the root after its search, for the player to move there."""
        return self.root_value()

    @property
    def num_nodes(self):
        """Nodes of the tree now."""
        return self.tree.num_nodes

    @property
    def node_capacity(self):
        """Nodes that the arena holds."""
        return self.tree.columns.node_capacity

    @property
    def num_bytes(self):
        """Bytes of the arena; the spare one has as many if subtrees are kept."""
        return self.tree.num_bytes

    def dump(self):
        """The whole tree as plain lists, for golden tests: one dict a node in arena order."""
        cdef tree_t* tree = &self.tree.columns
        cdef node_t node
        cdef edge_t edge, first
        nodes = []
        for node in range(tree.num_nodes):
            first = tree.first_edge[node]
            nodes.append({
                "player": tree.player[node],
                "status": tree.status[node],
                "value": tree.value[node],
                "edges": [
                    {"action": tree.action[edge], "visits": tree.visits[edge],
                     "prior": tree.prior[edge], "value_sum": tree.value_sum[edge],
                     "child": tree.child[edge]}
                    for edge in range(first, first + tree.num_edges[node])
                ],
            })
        return nodes
