"""An accelerator that is not there: answers of a uniform network, after the time it would take.

With it, rings, workers and batch policy can be driven to the limit of a card on a machine that
has none. ``instant`` takes no time at all, so what is left is the pipeline's own limit.

A batch of ``n`` rows takes, on a device that serves one batch at a time::

    copy in | launch + layers * per layer + n * row | copy out
            '------- one stream after another ------'
    row = max(2 * multiply-adds / (U * peak), activations moved / (U * memory rate))

Copies of one stream overlap the computing of another. The second term of `row` is the roofline's
other side: a trunk of few channels is limited by memory, not by multiplications.

What is published: the peaks in `ACCELERATORS`, dense and with 32-bit accumulation, from NVIDIA's
H100 data sheet and the white papers of the Ada GA102 and AD102 chips. What is assumed: U, the
share of both peaks that is reached, and the two overheads. They are of the size that engines
report: lc0 on an RTX 2080 Super (89 TFLOPS in fp16) evaluates 101,000 rows/s of a 10x128 chess
network in batches of 192 and 9,300 of a 24x320 one (lc0 pull request 1101), which is 43 % and
59 % of the multiplications. Smaller networks reach less; treat a figure as right within a factor
of two.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from engine.backends.plan import Plan
from engine.backends.uniform import UniformEvaluator
from engine.errors import ConfigError
from engine.evaluator import Run

__all__ = ["ACCELERATORS", "Accelerator", "SimulatedEvaluator", "Timing", "network_timing"]

UTILISATION = 0.4
LAUNCH_US = 20.0  # start of a captured graph and the wait for its end
LAYER_US = 3.0  # the shortest kernel; a layer is never quicker
SPIN_NS = 100_000  # the kernel wakes a sleeper up to so much late


@dataclass(frozen=True, slots=True)
class Accelerator:
    """A device's published peaks."""

    teraflops: float
    """1e12 multiplications and additions per second of 16-bit numbers, dense, summed in fp32."""
    memory_gb_per_s: float
    """1e9 bytes per second between the chip and its memory."""
    link_gb_per_s: float
    """1e9 bytes per second between host and device, each way."""


ACCELERATORS = {
    "h100": Accelerator(989.4, 3350, 64),  # SXM5; PCIe 5.0 x16
    "rtx4090": Accelerator(165.2, 1008, 32),  # PCIe 4.0 x16
    "rtx3090": Accelerator(71.0, 936, 32),  # PCIe 4.0 x16
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Microseconds of a batch by its rows."""

    fixed_us: float = 0.0
    row_us: float = 0.0
    copy_row_us: float = 0.0
    """There and back together; overlaps the computing of another batch."""

    def compute_us(self, rows: int) -> float:
        """How long the device is taken by a batch."""
        return self.fixed_us + rows * self.row_us

    def batch_us(self, rows: int) -> float:
        """How long a batch takes on an idle device, copies included."""
        return self.compute_us(rows) + rows * self.copy_row_us


def network_timing(device: str, plan: Plan) -> Timing:
    """What `plan` would take on one of the `ACCELERATORS`."""
    peak = ACCELERATORS[device]
    _, height, width = plan.observation_shape
    cells = height * width
    convolutions = [plan.stem, plan.heads]
    for block in plan.blocks:
        convolutions += [block.first, block.second]
    linear = [plan.policy, plan.hidden, plan.value]
    linear += [block.pool for block in plan.blocks if block.pool is not None]
    multiply_adds = sum(layer.weight.size for layer in linear) + cells * sum(
        layer.weight.size for layer in convolutions
    )
    # Every convolution reads its inputs and writes its outputs, two bytes each.
    moved = 2 * cells * sum(sum(layer.weight.shape[:2]) for layer in convolutions)
    link_bytes = 2 * cells * plan.observation_shape[0] / 16 + 4 * (plan.num_actions + 3)
    return Timing(
        fixed_us=LAUNCH_US + LAYER_US * (len(convolutions) + len(linear)),
        row_us=max(
            2e-6 * multiply_adds / (UTILISATION * peak.teraflops),
            1e-3 * moved / (UTILISATION * peak.memory_gb_per_s),
        ),
        copy_row_us=1e-3 * link_bytes / peak.link_gb_per_s,
    )


class _Device:
    """What the streams of a process share: the moment at which it is free again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_ns = 0

    def reserve(self, ready_ns: int, compute_ns: int) -> int:
        """The device works for `compute_ns` from `ready_ns` on, or when it is free; returns the
        end, in nanoseconds of the monotonic clock."""
        with self._lock:
            self._free_ns = max(ready_ns, self._free_ns) + compute_ns
            return self._free_ns


@cache
def _device(name: str) -> _Device:
    return _Device()


class SimulatedEvaluator(UniformEvaluator):
    """Zero logits, when the device would have them.

    Parameters
    ----------
    name
        ``instant``, one of `ACCELERATORS`, or ``curve:FIXED+ROW``, in microseconds a batch and a
        row: ``curve:120+0.5``.
    path
        Model file whose network is timed; only named devices read it.
    load_plan
        Reads it.

    Raises
    ------
    ConfigError
        If there is no such device.
    """

    def __init__(
        self, name: str, path: str = "", load_plan: Callable[[str], Plan] | None = None
    ) -> None:
        curve = re.fullmatch(r"curve:(\d+(?:\.\d+)?)\+(\d+(?:\.\d+)?)", name)
        if curve is None and name != "instant" and name not in ACCELERATORS:
            raise ConfigError(
                f"a simulated device must be instant, {', '.join(ACCELERATORS)} or "
                f"curve:FIXED_US+ROW_US, like curve:120+0.5, got {name!r}"
            )
        self.name = f"simulated {name}"
        self.timing = Timing()
        self._accelerator = name if name in ACCELERATORS else None
        self._load_plan = load_plan
        self._device = _device(name)
        if curve is not None:
            self.timing = Timing(fixed_us=float(curve[1]), row_us=float(curve[2]))
        else:
            self.load(path)

    def load(self, path: str) -> None:
        """Time the network in the file `path`; other than a named device reads nothing."""
        if self._accelerator is None:
            return
        if self._load_plan is None:
            raise ConfigError(f"{self.name} needs a network to time: name a model file")
        self.timing = network_timing(self._accelerator, self._load_plan(path))

    def evaluate(self, runs: Sequence[Run]) -> None:
        """Zero the results of every run, at the moment when the device would be done."""
        start = time.monotonic_ns()
        # Written even where a slot holds zeros: a device's answers cross from core to core, too.
        super().evaluate(runs)
        rows = sum(len(run.observations) for run in runs)
        compute_ns = int(1e3 * self.timing.compute_us(rows))
        if compute_ns == 0:
            return
        copy_ns = int(0.5e3 * rows * self.timing.copy_row_us)
        end = self._device.reserve(start + copy_ns, compute_ns) + copy_ns
        while (left := end - time.monotonic_ns()) > 0:
            # Far from the end, asleep; near it, in naps that let other threads run.
            time.sleep(max(0, left - SPIN_NS) * 1e-9)
