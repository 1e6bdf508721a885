"""When to evaluate what is waiting, as pure functions of what is known.

A free stream takes what is there. It holds back only where the measured latency curve says that
the rows expected meanwhile make up for the time, and never longer than the queue-delay limit.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import ConfigError

__all__ = ["BatchPolicy", "LatencyCurve", "batch_rows", "hold_us"]


@dataclass(frozen=True, slots=True)
class LatencyCurve:
    """Measured seconds of a batch by its rows, both increasing."""

    rows: tuple[int, ...]
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.seconds) or not self.rows:
            raise ConfigError("a latency curve needs as many rows as seconds, and at least one")
        if any(a >= b for a, b in zip(self.rows, self.rows[1:], strict=False)):
            raise ConfigError(f"the rows of a latency curve must increase, got {self.rows}")

    def batch_seconds(self, rows: int) -> float:
        """Interpolated between the measured points, proportional beyond the last one."""
        at = bisect_left(self.rows, rows)
        if at == 0:
            return self.seconds[0]
        if at == len(self.rows):
            return self.seconds[-1] * rows / self.rows[-1]
        low, high = self.rows[at - 1], self.rows[at]
        share = (rows - low) / (high - low)
        return self.seconds[at - 1] * (1 - share) + self.seconds[at] * share


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """What a stream may do."""

    max_batch: int = 128
    """Rows of a batch, at most."""
    queue_delay_us: float = 200.0
    """Longest time that a row may be held back for company; 0: never."""
    curve: LatencyCurve | None = None
    """Of the back end; without it nothing is held back."""

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ConfigError(f"max_batch must be >= 1, got {self.max_batch}")
        if self.queue_delay_us < 0:
            raise ConfigError(f"queue_delay_us must be >= 0, got {self.queue_delay_us}")


def batch_rows(policy: BatchPolicy, waiting: int, idle_streams: int) -> int:
    """Rows to take now: an even share for every idle stream, at most `max_batch`."""
    return min(policy.max_batch, -(-waiting // max(1, idle_streams)))


def hold_us(policy: BatchPolicy, waiting: int, waited_us: float, rows_per_s: float) -> float:
    """Microseconds to hold `waiting` rows back, 0 to evaluate them now.

    Parameters
    ----------
    waiting
        Rows in the rings.
    waited_us
        How long the oldest of them has waited.
    rows_per_s
        Rate at which rows have been arriving.

    Holding for d pays if (n + rate * d) / (d + T(n + rate * d)) > n / T(n), T being the curve.
    The best d among an eighth, a quarter, a half and all of what the limit leaves is taken.
    """
    left_us = policy.queue_delay_us - waited_us
    if policy.curve is None or waiting >= policy.max_batch or left_us <= 0 or waiting == 0:
        return 0.0
    best_us, best_rate = 0.0, waiting / policy.curve.batch_seconds(waiting)
    for share in (0.125, 0.25, 0.5, 1.0):
        delay_s = left_us * share * 1e-6
        rows = min(policy.max_batch, waiting + int(rows_per_s * delay_s))
        rate = rows / (delay_s + policy.curve.batch_seconds(rows))
        # Only a clear gain: the arrival rate is an estimate.
        if rate > best_rate * 1.05:
            best_us, best_rate = left_us * share, rate
    return best_us


def measured_curve(rows: Sequence[int], seconds: Sequence[float]) -> LatencyCurve:
    """A curve from raw timings: a bigger batch is never quicker than a smaller one."""
    steady, longest = [], 0.0
    for value in seconds:
        longest = max(longest, value)
        steady.append(longest)
    return LatencyCurve(tuple(rows), tuple(steady))
