"""The inference process: drains its model's rings into batches and answers in place.

One stream is a thread with an evaluator of its own. On a CPU n streams of one thread beat one
stream of n threads, since no layer waits for its slower half; a device usually has one or two,
so that one batch is assembled while the other computes.
"""

import threading
import time
from dataclasses import replace

import numpy as np

import games
from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy, LatencyCurve, batch_rows, hold_us, measured_curve
from engine.evaluator import Evaluator, Run
from engine.ring import RingSet
from engine.segment import Segment, SegmentSpec
from games.base import Game

__all__ = ["Server", "server_main"]

BEAT_S = 0.1


class Server:
    """Answers the requests of its workers to one model.

    Parameters
    ----------
    segment
        The mapping.
    index
        Which of the pool's servers.
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
        index: int,
        game: Game,
        spec: EvaluatorSpec,
        *,
        streams: int = 1,
        policy: BatchPolicy | None = None,
        spin_us: float = 0.0,
    ) -> None:
        self.segment = segment
        self.index = index
        self.process = segment.spec.num_workers + index
        self.rings = RingSet(segment, index, spin_us)
        self.policy = policy or BatchPolicy()
        path, generation = segment.wanted(index)
        spec = replace(spec, path=path or spec.path)
        segment.beat(self.process)
        self.evaluators = spec.make_streams(
            game, self.policy.max_batch, streams, segment.columns()
        )
        segment.set_about(index, self.evaluators[0].name)
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
        segment.set_loaded(index, generation)
        segment.set_ready(index, True)

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
                if self.segment.is_paused(self.index):
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
        path, generation = self.segment.wanted(self.index)
        if generation == self._generations[k]:
            return
        self.evaluators[k].load(path)
        self.segment.set_about(self.index, self.evaluators[k].name)
        with self._lock:  # or a stream that was slow to tell would undo what a later one told
            self._generations[k] = generation
            self.segment.set_loaded(self.index, min(self._generations))

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
        run = Run.blank(np.zeros((n, game.observation_bytes), np.uint8), game.num_actions)
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
    index: int,
    game_spec: dict[str, object],
    spec: EvaluatorSpec,
    streams: int,
    policy: BatchPolicy,
    spin_us: float,
) -> None:
    """What the inference process runs."""
    segment = Segment(segment_spec, fd)
    game = games.from_spec(game_spec)
    Server(segment, index, game, spec, streams=streams, policy=policy, spin_us=spin_us).run()
