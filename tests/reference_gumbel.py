"""The Gumbel root search again, short and in plain Python, for `test_gumbel.py`.

It follows the paper's text: one list of considered moves, a generator that hands out simulations
round by round and halves the list, and every formula over all legal moves at once. What lies below
the root is `reference_search.ReferenceSearch`.
"""

import math
from collections.abc import Iterator, Mapping

from reference_search import Evaluate, Node, ReferenceSearch

from engine.config import SearchConfig
from games import GameState


class GumbelReference(ReferenceSearch):
    """One game's search; `noise` is g of each action, none where it is not named."""

    def __init__(self, state: GameState, config: SearchConfig, evaluate: Evaluate) -> None:
        super().__init__(state, config, evaluate)
        self.noise: Mapping[int, float] = {}
        self.before: dict[int, int] = {}
        self.plan: Iterator[int] | None = None
        self.budget = 0

    def search(self, num_simulations: int, noise: Mapping[int, float]) -> None:
        kept = sum(self.root.visits.values()) if self.root else 0
        target = num_simulations if self.config.count_kept else num_simulations + kept
        self.noise, self.plan, self.budget = noise, None, target - kept
        self.before = dict(self.root.visits) if self.root else {}
        self.run(target)

    def played(self) -> int:
        """The best score among the moves of most new visits."""
        assert self.root is not None
        new = {a: self.root.visits.get(a, 0) - self.before.get(a, 0) for a in self.root.prior}
        return max(new, key=lambda a: (new[a], self.score(a), -a))

    def score(self, action: int) -> float:
        assert self.root is not None
        sigma = self.sigma(self.root)
        return self.noise.get(action, 0.0) + math.log(self.root.prior[action]) + sigma[action]

    def values(self, node: Node) -> dict[int, float]:
        """Completed values, for the player to move at the node."""
        q = {a: float(node.value_sum[a]) / n for a, n in node.visits.items() if n}
        prior = {a: float(p) for a, p in node.prior.items()}
        num = sum(node.visits.values())
        mix = float(node.value)
        if q:
            mean = sum(prior[a] * q[a] for a in q) / sum(prior[a] for a in q)
            mix = (mix + num * mean) / (1 + num)
        return {a: q.get(a, mix) for a in prior}

    def sigma(self, node: Node) -> dict[int, float]:
        most = max(node.visits.values(), default=0)
        scale = (self.config.gumbel_c_visit + most) * self.config.gumbel_c_scale
        return {a: scale * (q + 1) / 2 for a, q in self.values(node).items()}

    def improved(self, node: Node) -> dict[int, float]:
        """softmax(logits + sigma(completed values)): at the root, the policy target."""
        logits = {a: math.log(node.prior[a]) + s for a, s in self.sigma(node).items()}
        highest = max(logits.values())
        total = sum(math.exp(x - highest) for x in logits.values())
        return {a: math.exp(x - highest) / total for a, x in logits.items()}

    def _ranked(self, actions: list[int]) -> list[int]:
        return sorted(actions, key=lambda a: (-self.score(a), a))

    def _halving(self) -> Iterator[int]:
        assert self.root is not None
        considered = self._ranked(list(self.root.prior))[: self.config.gumbel_actions]
        phases = max(1, math.ceil(math.log2(len(considered))))
        while True:
            for _ in range(max(1, self.budget // (phases * len(considered)))):
                yield from considered
            considered = self._ranked(considered)[: max(2, len(considered) // 2)]

    def _select(self, node: Node, is_noisy_root: bool) -> int:
        if node is self.root:
            self.plan = self.plan or self._halving()
            return next(self.plan)
        if not self.config.gumbel_interior:
            return super()._select(node, False)
        visits = 1 + sum(node.visits.values())
        lag = {a: p - node.visits.get(a, 0) / visits for a, p in self.improved(node).items()}
        return max(lag, key=lambda a: (lag[a], -a))
