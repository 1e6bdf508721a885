"""The search on a graph again, short and in plain Python, for `test_transpositions.py`.

Nodes live in a dictionary keyed by the position's text, its player and its ply. What is in flight
is counted where it is, on nodes' edges. Only the arithmetic is that of the search, in float32.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from reference_search import ZERO, Evaluate, F

from engine.config import SearchConfig
from games import GameState

Key = tuple[str, int, int]


@dataclass(eq=False)
class Edge:
    visits: int = 0  # those in flight, too
    in_flight: int = 0
    value_sum: np.float32 = ZERO  # of the finished ones, less virtual loss for the others
    proven: int | None = None


@dataclass(eq=False)
class Node:
    state: GameState
    key: Key
    prior: dict[int, np.float32] = field(default_factory=dict)
    edges: dict[int, Edge] = field(default_factory=dict)  # in the order of the first visits
    children: dict[int, "Node"] = field(default_factory=dict)
    value: np.float32 = ZERO
    value_total: np.float32 = ZERO
    is_waiting: bool = True
    is_exact: bool = False  # over, or proven

    @property
    def player(self) -> int:
        return self.key[1]

    @property
    def visits(self) -> int:
        """Of the edges, together."""
        return sum(edge.visits for edge in self.edges.values())

    @property
    def q(self) -> np.float32:
        """Mean value of the finished visits, for the player to move."""
        if self.is_exact:
            return self.value
        finished = sum(edge.visits - edge.in_flight for edge in self.edges.values())
        return self.value_total / F(1 + finished)

    def below(self) -> Iterator["Node"]:
        """The node and all that can be reached from it, once each."""
        found = {self.key: self}
        for node in (queue := [self]):
            yield node
            for child in node.children.values():
                if child.key not in found:
                    found[child.key] = child
                    queue.append(child)


Path = list[tuple[Node, int]]


class ReferenceGraph:
    """One game's search with transpositions; without noise, forced playouts and widening."""

    def __init__(self, state: GameState, config: SearchConfig, evaluate: Evaluate) -> None:
        self.root: Node | None = None
        self.nodes: dict[Key, Node] = {}
        self.state = state.clone()
        self.ply = 0
        self.config = config
        self.evaluate = evaluate
        self.virtual_loss = F(config.virtual_loss if config.leaves_in_flight > 1 else 0.0)

    def run(self, num_simulations: int) -> None:
        """Until the root's edges have so many visits."""
        while True:
            paths: list[tuple[Node, Path]] = []
            while len(paths) < self.config.leaves_in_flight:
                found = self._descend(num_simulations)
                if found is None:
                    break
                paths.append(found)
            if not paths:
                return
            for leaf, path in paths:
                leaf.prior, leaf.value = self.evaluate(leaf.state)
                leaf.value_total = leaf.value
                leaf.is_waiting = False
                self._backup(path)

    def advance(self, action: int) -> None:
        """Play `action` and keep what can be reached from there, if it has been evaluated."""
        self.state.apply_action(action)
        self.ply += 1
        child = self.root.children.get(action) if self.root else None
        keep = child is not None and not child.is_waiting and not child.state.is_terminal()
        self.root = child if keep else None
        self.nodes = {node.key: node for node in self.root.below()} if self.root else {}

    def _node_of(self, state: GameState, ply: int) -> Node:
        """The position's node; a new one is in `self.nodes` only from now on."""
        key = state.to_text(), state.get_current_player(), ply
        if key not in self.nodes:
            node = self.nodes[key] = Node(state, key)
            if state.is_terminal():
                node.is_waiting, node.is_exact = False, True
                node.value = F(state.returns()[node.player])
        return self.nodes[key]

    def _descend(self, target: int) -> tuple[Node, Path] | None:
        """A new leaf and the path to it; None if there is none to be had now."""
        while True:
            if self.root is None:
                self.root = self._node_of(self.state.clone(), self.ply)
                return self.root, []
            root = self.root
            if root.is_waiting or root.is_exact or root.visits >= target:
                return None
            node, path = root, Path()
            while not node.is_waiting and not node.is_exact:
                action = self._select(node)
                edge = node.edges.setdefault(action, Edge())
                edge.visits += 1
                edge.in_flight += 1
                edge.value_sum -= self.virtual_loss
                path.append((node, action))
                parent, num_nodes = node, len(self.nodes)
                if action not in parent.children:
                    state = parent.state.clone()
                    state.apply_action(action)
                    node = self._node_of(state, parent.key[2] + 1)
                    is_new = len(self.nodes) > num_nodes
                    if is_new or not node.is_waiting:
                        parent.children[action] = node
                    if is_new and node.is_waiting:
                        return node, path
                else:
                    node = parent.children[action]
                if not node.is_waiting and not node.is_exact and 1 + node.visits >= edge.visits:
                    break  # others have searched it enough
            if node.is_waiting:
                for parent, action in path:
                    edge = parent.edges[action]
                    edge.visits -= 1
                    edge.in_flight -= 1
                    edge.value_sum += self.virtual_loss
                    if action not in parent.children:
                        del parent.edges[action]
                return None
            self._backup(path)
            if self.config.solver and node.is_exact:
                self._prove(path)

    def _select(self, node: Node) -> int:
        total = node.visits
        n = total + 1.0
        c_base, c_init = float(F(self.config.c_base)), float(F(self.config.c_init))
        scale = F((math.log((1.0 + n + c_base) / c_base) + c_init) * math.sqrt(n))
        best, best_score, visited_prior = -1, F(-1e30), F(0.0)
        for action, edge in node.edges.items():
            visited_prior += node.prior[action]
            score = edge.value_sum / F(edge.visits)
            score = score + scale * node.prior[action] / F(1 + edge.visits)
            if edge.proven != -1 and score > best_score:
                best, best_score = action, score
        unvisited = [action for action in node.prior if action not in node.edges]
        fpu = node.value_total / F(1 + total)
        fpu = fpu - F(self.config.fpu_reduction) * np.sqrt(visited_prior)
        for action in sorted(unvisited, key=lambda a: (-node.prior[a], a)):
            score = fpu + scale * node.prior[action]
            if score > best_score:
                best, best_score = action, score
        return best

    def _backup(self, path: Path) -> None:
        for node, action in path:
            node.edges[action].in_flight -= 1
        for node, action in reversed(path):
            edge, child = node.edges[action], node.children[action]
            q = child.q if child.player == node.player else -child.q
            charged = self.virtual_loss * F(edge.in_flight)
            finished = F(edge.visits - edge.in_flight) * q
            node.value_total += finished - (edge.value_sum + charged + self.virtual_loss)
            edge.value_sum = finished - charged

    def _prove(self, path: Path) -> None:
        for node, action in reversed(path):
            child = node.children[action]
            if not child.is_exact:
                return
            value = float(child.value if child.player == node.player else -child.value)
            if value not in (-1.0, 0.0, 1.0):
                return
            node.edges[action].proven = int(value)
            proven = [edge.proven for edge in node.edges.values()]
            if value != 1.0 and (len(proven) < len(node.prior) or None in proven):
                return
            node.is_exact = True
            node.value = F(max(result for result in proven if result is not None))
