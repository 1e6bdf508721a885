"""The search again, short and in plain Python, for `test_search.py`.

Nodes are objects with dictionaries, keyed by action, instead of an arena; there is no scan that
stops early and no state in place. Only the arithmetic is copied: float32, in the same order, and
the C library's `expf`, so that the visits must agree edge for edge and not just nearly.
"""

import ctypes
import ctypes.util
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import reference_root

from engine.config import SearchConfig
from engine.evaluator import Run
from games import GameState

F = np.float32
ZERO = F(0.0)
_libm = ctypes.CDLL(ctypes.util.find_library("m"))
_libm.expf.restype, _libm.expf.argtypes = ctypes.c_float, [ctypes.c_float]

Evaluate = Callable[[GameState], tuple[dict[int, np.float32], np.float32]]


def expf(x: np.float32) -> np.float32:
    return F(_libm.expf(x))


class HashEvaluator:
    """Numbers in [-2, 2] that depend on nothing but the packed observation."""

    name = "hash"

    def evaluate(self, runs: Sequence[Run]) -> None:
        for run in runs:
            num_actions = run.policy_logits.shape[1]
            for row, observation in enumerate(run.observations):
                logits = hash_logits(observation, num_actions + 3)
                run.policy_logits[row] = logits[:num_actions]
                run.wdl_logits[row] = logits[num_actions:]

    def load(self, path: str) -> None:
        raise AssertionError(f"nothing to load from {path}")


def hash_logits(observation: npt.NDArray[np.uint8], num: int) -> npt.NDArray[np.float32]:
    words = hashlib.blake2b(observation.tobytes(), digest_size=64).digest()
    return (np.frombuffer(words, np.uint32)[:num] * (4 / 2**32) - 2).astype(np.float32)


def uniform_evaluation(state: GameState) -> tuple[dict[int, np.float32], np.float32]:
    """What `LocalUniform` gives: (prior by action, value for the player to move)."""
    legal = state.get_legal_actions()
    return {action: F(1.0 / len(legal)) for action in legal}, F(0.0)


def hash_evaluation(
    state: GameState, sharpness: float = 1.0
) -> tuple[dict[int, np.float32], np.float32]:
    """What the search makes of `HashEvaluator`: masked softmax, and win minus loss.

    `sharpness` multiplies the policy's logits.
    """
    num = state.game.num_actions
    logits = hash_logits(state.packed_observation(), num + 3)
    logits[:num] *= F(sharpness)
    legal = state.get_legal_actions()
    highest = max(logits[action] for action in legal)
    prior = {action: expf(logits[action] - highest) for action in legal}
    total = F(0.0)
    for p in prior.values():
        total += p
    scale = F(1.0 / float(total))
    peak = max(logits[num:])
    win, draw, loss = (expf(x - peak) for x in logits[num:])
    return {a: p * scale for a, p in prior.items()}, (win - loss) / (win + draw + loss)


@dataclass(eq=False)
class Node:
    state: GameState
    prior: dict[int, np.float32] = field(default_factory=dict)
    visits: dict[int, int] = field(default_factory=dict)  # in the order of the first visits
    value_sum: dict[int, np.float32] = field(default_factory=dict)
    children: dict[int, "Node"] = field(default_factory=dict)
    value_total: np.float32 = ZERO
    value: np.float32 = ZERO
    is_waiting: bool = True

    @property
    def player(self) -> int:
        return self.state.get_current_player()


class ReferenceSearch:
    """One game's search."""

    def __init__(self, state: GameState, config: SearchConfig, evaluate: Evaluate) -> None:
        self.root: Node | None = None
        self.state = state.clone()
        self.config = config
        self.evaluate = evaluate
        self.virtual_loss = F(config.virtual_loss if config.leaves_in_flight > 1 else 0.0)

    def run(self, num_simulations: int, gammas: Sequence[float] | None = None) -> None:
        """Until the root's edges have so many visits; `gammas` are its noise before scaling."""
        if self.root is not None and gammas is not None:
            self._add_noise(self.root, gammas)
        while True:
            pending: list[list[tuple[Node, int]]] = []
            leaves: list[Node] = []
            while len(pending) < self.config.leaves_in_flight:
                found = self._descend(num_simulations, gammas is not None)
                if found is None:
                    break
                leaf, path = found
                leaves.append(leaf)
                pending.append(path)
            if not leaves:
                return
            for leaf, path in zip(leaves, pending, strict=True):
                leaf.prior, leaf.value = self.evaluate(leaf.state)
                leaf.value_total = leaf.value
                leaf.is_waiting = False
                if leaf is self.root and gammas is not None:
                    self._add_noise(leaf, gammas)
                self._backup(path, leaf.value, leaf.player)

    def advance(self, action: int) -> None:
        """Play `action` and keep its subtree, if it has been evaluated."""
        self.state.apply_action(action)
        child = self.root.children.get(action) if self.root else None
        keep = child is not None and not child.is_waiting and not child.state.is_terminal()
        self.root = child if keep else None

    def _descend(self, target: int, noisy: bool) -> tuple[Node, list[tuple[Node, int]]] | None:
        """A new leaf and the path to it; None if there is none to be had now."""
        while True:
            if self.root is None:
                self.root = Node(self.state.clone())
                return self.root, []
            if self.root.is_waiting or sum(self.root.visits.values()) >= target:
                return None
            node, path = self.root, []
            while not node.is_waiting and not node.state.is_terminal():
                action = self._select(node, noisy and node is self.root)
                path.append((node, action))
                is_new = action not in node.children
                if is_new:
                    node.children[action] = Node(node.state.clone())
                    node.children[action].state.apply_action(action)
                    node.visits[action], node.value_sum[action] = 0, F(0.0)
                node.visits[action] += 1
                node.value_sum[action] -= self.virtual_loss
                node = node.children[action]
                if is_new and not node.state.is_terminal():
                    return node, path
                if is_new:
                    node.is_waiting = False
                    node.value = F(node.state.returns()[node.player])
            if node.is_waiting:
                for parent, action in reversed(path):
                    parent.visits[action] -= 1
                    parent.value_sum[action] += self.virtual_loss
                return None
            self._backup(path, node.value, node.player)

    def _select(self, node: Node, is_noisy_root: bool) -> int:
        config = self.config
        total = sum(node.visits.values())
        n = total + 1.0
        if is_noisy_root:
            for action, visits in node.visits.items():
                if visits < math.sqrt(config.forced_playouts * float(node.prior[action]) * total):
                    return action
        c_base, c_init = float(F(config.c_base)), float(F(config.c_init))
        scale = F((math.log((1.0 + n + c_base) / c_base) + c_init) * math.sqrt(n))
        best, best_score, visited_prior = -1, F(-1e30), F(0.0)
        for action, visits in node.visits.items():
            visited_prior += node.prior[action]
            score = node.value_sum[action] / F(visits)
            score = score + scale * node.prior[action] / F(1 + visits)
            if score > best_score:
                best, best_score = action, score
        unvisited = [action for action in node.prior if action not in node.visits]
        if len(node.visits) >= reference_root.widened(config, n):
            unvisited = []
        reduction = config.root_fpu_reduction if is_noisy_root else config.fpu_reduction
        fpu = node.value_total / F(1 + total) - F(reduction) * np.sqrt(visited_prior)
        for action in sorted(unvisited, key=lambda a: (-node.prior[a], a)):
            score = fpu + scale * node.prior[action]
            if score > best_score:
                best, best_score = action, score
        return best

    def _backup(self, path: list[tuple[Node, int]], value: np.float32, player: int) -> None:
        for node, action in reversed(path):
            signed = value if node.player == player else -value
            node.value_sum[action] += self.virtual_loss + signed
            node.value_total += signed

    def _add_noise(self, root: Node, gammas: Sequence[float]) -> None:
        """`gammas` belong to the edges in their order in the arena, which a test knows."""
        root.prior = reference_root.tempered(root.prior, self.config.root_policy_temperature)
        fraction = F(self.config.dirichlet_fraction)
        draws = [F(g) for g in gammas]
        total = F(sum(float(g) for g in draws))
        for action, g in zip(root.prior, draws, strict=True):
            root.prior[action] = (F(1) - fraction) * root.prior[action] + fraction * g / total
