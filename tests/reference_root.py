"""What a training search does at its root, in plain Python: for `test_root.py`.

Actions key everything; nothing is in place. A prior that the search compares is float32.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from engine.config import SearchConfig

F = np.float32
Prior = Mapping[int, np.float32]


def widened(config: SearchConfig, visits: float) -> float:
    """How many edges a node of so many visits, its own evaluation included, may have visited."""
    if config.widening_base == 0:
        return math.inf
    return math.ceil(float(F(config.widening_base)) * visits ** float(F(config.widening_exponent)))


def tempered(prior: Prior, temperature: float) -> dict[int, np.float32]:
    """prior ** (1 / temperature), normalised."""
    if temperature == 1.0:
        return dict(prior)
    highest = float(max(prior.values()))
    powers = {a: F((float(p) / highest) ** (1 / temperature)) for a, p in prior.items()}
    total = sum(float(p) for p in powers.values())
    return {a: F(float(p) / total) for a, p in powers.items()}


def alphas(config: SearchConfig, prior: Prior) -> dict[int, float]:
    """The Dirichlet distribution of the noise over a tempered prior."""
    num = len(prior)
    total = config.dirichlet_total or config.dirichlet_alpha * num
    logs = {a: math.log(min(0.01, float(p)) + 1e-20) for a, p in prior.items()}
    mean = sum(logs.values()) / num
    above = {a: max(0.0, x - mean) for a, x in logs.items()}
    height = sum(above.values())
    if not config.dirichlet_shaped or height < 1e-6:
        return dict.fromkeys(prior, total / num)
    return {a: total / 2 * (1 / num + x / height) for a, x in above.items()}


def gamma(uniforms: Iterator[float], alpha: float) -> float:
    """Marsaglia and Tsang's method, with Box and Muller's normal numbers."""
    boost = 1.0
    if alpha < 1:
        boost = next(uniforms) ** (1 / alpha)
        alpha += 1
    d = alpha - 1 / 3
    while True:
        radius = math.sqrt(-2 * math.log(next(uniforms)))
        x = radius * math.cos(2 * math.pi * next(uniforms))
        v = (1 + x / math.sqrt(9 * d)) ** 3
        if v > 0 and math.log(next(uniforms)) < x * x / 2 + d - d * v + d * math.log(v):
            return boost * d * v


def policy_target(
    config: SearchConfig,
    prior: Prior,
    visits: Mapping[int, int],
    value_sum: Mapping[int, np.float32],
    kept: Mapping[int, int],
) -> dict[int, int]:
    """The visits of a search with forced playouts, less those that PUCT would not have made.

    `prior` is the noisy one; `kept` are the visits that were there before the search.
    """
    total = sum(visits.values())
    c = math.log((2 + total + config.c_base) / config.c_base) + config.c_init
    scale = float(F(c * math.sqrt(total + 1)))

    def score(action: int, n: int) -> float:
        q = float(value_sum[action]) / visits[action]
        return q + scale * float(prior[action]) / (1 + n)

    best = max(visits, key=lambda a: (visits[a], prior[a], -a))
    target = {best: visits[best]}
    for action, n in visits.items():
        if action == best:
            continue
        forced = math.sqrt(config.forced_playouts * float(prior[action]) * total)
        most = min(math.floor(forced), n - kept.get(action, 0))
        taken = 0
        while taken < most and score(action, n - taken - 1) < score(best, visits[best]):
            taken += 1
        if n - taken > 1:
            target[action] = n - taken
    return target
