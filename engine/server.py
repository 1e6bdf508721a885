"""The inference process: drains its model's rings into batches and answers in place.

One stream is a thread with an evaluator of its own. On a CPU n streams of one thread beat one
stream of n threads, since no layer waits for its slower half; a device usually has one or two,
so that one batch is assembled while the other computes.
"""

import importlib
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import games
from engine.backends.plan import Plan
from engine.backends.simulated import SimulatedEvaluator
from engine.backends.symmetric import SymmetricEvaluator
from engine.backends.uniform import UniformEvaluator
from engine.batching import BatchPolicy, LatencyCurve, batch_rows, hold_us, measured_curve
from engine.errors import ConfigError
from engine.evaluator import Evaluator, Run
from engine.ring import RingSet
from engine.segment import Segment, SegmentSpec
from games.base import Game

__all__ = ["EvaluatorSpec", "Server", "server_main"]

BEAT_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec:
    """Which evaluator a server makes: a plain description that travels to its process."""

    kind: str = "torch"
    """``torch``, ``uniform``, which answers at once, or ``simulated``."""
    name: str = "instant"
    """Of the device that is simulated; see `engine.backends.simulated`."""
    path: str = ""
    """Model file to start with."""
    load_plan: str = "trainer.network:load_plan"
    """``module:function`` that reads a model file into an `engine.backends.plan.Plan`."""
    device: str = "auto"
    precision: str = "auto"
    symmetric: bool = False
    """Average over the board's symmetries: stronger, and as many times slower."""

    @classmethod
    def parse(cls, text: str, **fields: Any) -> "EvaluatorSpec":
        """The evaluator that a person names: ``torch``, ``uniform`` or ``simulated:NAME``."""
        kind, _, name = text.partition(":")
        if kind not in ("torch", "uniform", "simulated") or bool(name) != (kind == "simulated"):
            raise ConfigError(
                f"evaluator must be torch, uniform or simulated:NAME, like simulated:h100, "
                f"got {text!r}"
            )
        return cls(kind=kind, name=name or cls().name, **fields)

    def make(self, game: Game, max_batch: int) -> Evaluator:
        """An evaluator for one stream."""
        evaluator = self._make(game, max_batch)
        return SymmetricEvaluator(evaluator, game) if self.symmetric else evaluator

    def _make(self, game: Game, max_batch: int) -> Evaluator:
        if self.kind == "uniform":
            return UniformEvaluator()
        if self.kind == "simulated":
            return SimulatedEvaluator(self.name, self.path, self._read_plan)
        if self.kind != "torch":
            raise ConfigError(f"evaluator must be torch, uniform or simulated, got {self.kind!r}")
        # Only here is torch imported: workers and the uniform evaluator do without.
        from engine.backends.torch_backend import TorchEvaluator

        return TorchEvaluator(
            game,
            self.path,
            load_plan=self._read_plan,
            max_batch=max_batch,
            device=self.device,
            precision=self.precision,
        )

    def _read_plan(self, path: str) -> Plan:
        """The network in the model file `path`."""
        module, _, function = self.load_plan.partition(":")
        plan: Plan = getattr(importlib.import_module(module), function)(path)
        return plan


class Server:
    """Answers the requests to one model.

    Parameters
    ----------
    segment
        The mapping.
    model
        Which of the pool's models.
    game
        Whose positions.
    spec
        The evaluator.
    streams
        Batches evaluated at once.
    policy
        Batch size and patience; its curve is measured at the start.
    """

    def __init__(
        self,
        segment: Segment,
        model: int,
        game: Game,
        spec: EvaluatorSpec,
        *,
        streams: int = 1,
        policy: BatchPolicy | None = None,
        spin_us: float = 0.0,
    ) -> None:
        self.segment = segment
        self.model = model
        self.process = segment.spec.num_workers + model
        self.rings = RingSet(segment, model, spin_us)
        self.policy = policy or BatchPolicy()
        path, generation = segment.wanted(model)
        spec = replace(spec, path=path or spec.path)
        segment.beat(self.process)
        self.evaluators = [spec.make(game, self.policy.max_batch) for _ in range(streams)]
        self._generations = [generation] * streams
        if self.policy.queue_delay_us > 0:
            curve = measure_latency(self.evaluators[0], game, self.policy.max_batch)
            self.policy = replace(self.policy, curve=curve)
        self._lock = threading.Lock()
        self._idle = streams
        self._arrival_rate = 0.0
        self._rows = 0
        self._since = time.monotonic()
        self._failure: BaseException | None = None
        self.rings.recover()
        segment.set_loaded(model, generation)
        segment.set_ready(model, True)

    def run(self) -> None:
        """Answer until the segment says stop."""
        threads = [
            threading.Thread(target=self._stream, args=(k,), name=f"stream-{k}", daemon=True)
            for k in range(1, len(self.evaluators))
        ]
        for thread in threads:
            thread.start()
        self._stream(0)
        for thread in threads:
            thread.join(timeout=10)
        if self._failure is not None:
            raise self._failure

    def step(self) -> int:
        """Answer one batch, if rows wait, on the calling thread; returns its rows."""
        self._take_over_weights(0)
        return self._batch(0)

    def _stream(self, k: int) -> None:
        try:
            while not self.segment.stopping and self._failure is None:
                self.segment.beat(self.process)
                if self.segment.is_paused(self.model):
                    self.rings.wait(BEAT_S, True)
                    continue
                self._take_over_weights(k)
                if not self._batch(k):
                    start = time.monotonic_ns()
                    self.rings.wait(BEAT_S, False)
                    self.rings.count_wait(time.monotonic_ns() - start)
        except BaseException as error:
            self._failure = self._failure or error
            raise

    def _take_over_weights(self, k: int) -> None:
        """Between two batches: load what the parent asks for, if it is new."""
        path, generation = self.segment.wanted(self.model)
        if generation == self._generations[k]:
            return
        self.evaluators[k].load(path)
        self._generations[k] = generation
        self.segment.set_loaded(self.model, min(self._generations))

    def _batch(self, k: int) -> int:
        with self._lock:
            waiting, oldest_ns = self.rings.waiting()
            if not waiting:
                return 0
            hold = hold_us(self.policy, waiting, oldest_ns * 1e-3, self._arrival_rate)
            if hold > 0:
                time.sleep(hold * 1e-6)
                waiting, oldest_ns = self.rings.waiting()
            rows = batch_rows(self.policy, waiting, self._idle)
            tickets, runs = self.rings.collect(rows)
            self._idle -= 1
            self._rows += rows
            elapsed = time.monotonic() - self._since
            if elapsed > 0.5:
                self._arrival_rate = self._rows / elapsed
                self._rows, self._since = 0, time.monotonic()
        if waiting > rows:
            self.rings.wake_another()
        start = time.monotonic_ns()
        try:
            self.evaluators[k].evaluate(runs)
            self.rings.answer(tickets)
        finally:
            with self._lock:
                self._idle += 1
                self.rings.count_batch(
                    rows, self.policy.max_batch, time.monotonic_ns() - start, oldest_ns
                )
        return rows


def measure_latency(evaluator: Evaluator, game: Game, max_batch: int) -> LatencyCurve:
    """Time batches of 1, 4, 16, ... rows up to `max_batch`: the least of three each."""
    rows = []
    n = 1
    while n < max_batch:
        rows.append(n)
        n *= 4
    rows.append(max_batch)
    seconds = []
    for n in rows:
        run = Run(
            np.zeros((n, game.observation_bytes), np.uint8),
            np.zeros((n, game.num_actions), np.float32),
            np.zeros((n, 3), np.float32),
        )
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            evaluator.evaluate([run])
            best = min(best, time.perf_counter() - start)
        seconds.append(best)
    return measured_curve(rows, seconds)


def server_main(
    fd: int,
    segment_spec: SegmentSpec,
    model: int,
    game_spec: dict[str, object],
    spec: EvaluatorSpec,
    streams: int,
    policy: BatchPolicy,
    spin_us: float,
) -> None:
    """What the inference process runs."""
    segment = Segment(segment_spec, fd)
    game = games.from_spec(game_spec)
    Server(segment, model, game, spec, streams=streams, policy=policy, spin_us=spin_us).run()
