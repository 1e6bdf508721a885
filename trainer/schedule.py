"""How the learning rate and the average of the weights go over a run.

::

    cosine      ________          one_cycle     /\\            step     ________
               /        \\                      /  \\                   /        |
              /          `-.                  /    \\_                /         |____
           warm-up   drop_start           half  drop_start        warm-up  drop_start
"""

import math

from trainer.config import LearnerConfig

__all__ = ["average_decay", "learning_rate"]

CYCLE_FLOOR = 0.1
"""One-cycle begins at this share of the peak, and is back there at `drop_start` (Smith and
Topin, arXiv:1708.07120, section 3, take a tenth)."""


def learning_rate(config: LearnerConfig, step: int, progress: float) -> float:
    """Rate of the training step after `step` others.

    Parameters
    ----------
    progress
        Share of the run's budget that is spent, in [0, 1].
    """
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    rate = config.learning_rate * warmup
    fallen = max(0.0, progress - config.drop_start) / max(1 - config.drop_start, 1e-9)
    fallen, end = min(fallen, 1.0), config.final_lr_fraction
    if config.learning_rate_schedule == "one_cycle":
        # Up for the first half of the cycle, down for the second; then on towards nothing.
        half = config.drop_start / 2
        height = max(0.0, 1 - abs(progress - half) / half) if half else 0.0
        cycle = CYCLE_FLOOR + (1 - CYCLE_FLOOR) * height
        return rate * (cycle if fallen == 0 else CYCLE_FLOOR * (1 - (1 - end) * fallen))
    if config.learning_rate_schedule == "step":
        return rate * (1.0 if progress < config.drop_start else end)
    return rate * (end + (1 - end) * (1 + math.cos(math.pi * fallen)) / 2)


def average_decay(config: LearnerConfig, step: int) -> float:
    """What the average keeps of itself after training step `step`, in [0, 1).

    The average of a young run would be mostly its first, random weights: it starts short. With
    `average_share` its memory never stops to grow: ``1 / (1 - decay)`` is that share of all steps
    (polynomial-decay averaging, Shamir and Zhang, arXiv:1212.1824, section 4).
    """
    decay = min(config.ema_decay, (1 + step) / (10 + step))
    return max(decay, 1 - 1 / max(1.0, config.average_share * step))
