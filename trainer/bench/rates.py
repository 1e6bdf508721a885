"""A back end at its own best rate: a process that evaluates the same rows again and again.

It runs like an inference process does (spawned, one OpenMP thread a stream, one evaluator a
thread), only without rings, so that the difference is what the pipeline costs.
"""

import random
import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

import numpy as np

import games
from engine.errors import PoolError
from engine.evaluator import Evaluator, Run
from engine.process import spawn
from games.base import Game

__all__ = ["BackendProcess", "EvaluatorMaker", "positions"]


class EvaluatorMaker(Protocol):
    """An `engine.server.EvaluatorSpec` or its like: travels to the process by pickling."""

    def make(self, game: Game, max_batch: int) -> Evaluator:
        """An evaluator for one stream."""


class BackendProcess:
    """Evaluates when told to; use it as a context manager from the main thread.

    Parameters
    ----------
    game
        Whose positions.
    maker
        Makes the evaluators.
    streams
        Threads, with an evaluator each.
    max_batch
        Rows of the largest batch.
    """

    def __init__(self, game: Game, maker: EvaluatorMaker, streams: int, max_batch: int) -> None:
        self._connection, theirs = Pipe()
        args: tuple[Any, ...] = (theirs, games.spec(game), maker, streams, max_batch)
        self._child = spawn("bench-backend", _main, args, None)
        theirs.close()
        try:
            self.name: str = self._receive()
        except BaseException:
            self.close()
            raise
        """What the evaluators call themselves."""

    def rows_per_s(self, batch: int, seconds: float) -> float:
        """Rate of all streams together, each on batches of `batch` rows, after a tenth of
        `seconds` that does not count."""
        self._connection.send((batch, seconds))
        rate: float = self._receive()
        return rate

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError as error:
            self._child.join()
            raise PoolError(
                f"the benchmark's back-end process ended with exit code {self._child.exitcode}; "
                "its error is above"
            ) from error

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._child.join(5)
        if self._child.is_alive():
            self._child.kill()
            self._child.join()
        self._child.close()

    def __enter__(self) -> "BackendProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def positions(game: Game, rows: int, seed: int = 0) -> Run:
    """Positions of random games, and room for their results."""
    rng = random.Random(seed)
    observations = np.zeros((rows, game.observation_bytes), np.uint8)
    state = game.initial_state()
    for row in range(rows):
        observations[row] = state.packed_observation()
        state.apply_action(rng.choice(state.get_legal_actions()))
        if state.is_terminal():
            state = game.initial_state()
    return Run(
        observations,
        np.zeros((rows, game.num_actions), np.float32),
        np.zeros((rows, 3), np.float32),
    )


def _main(
    connection: Connection,
    game_spec: dict[str, object],
    maker: EvaluatorMaker,
    streams: int,
    max_batch: int,
) -> None:
    game = games.from_spec(game_spec)
    evaluators = [maker.make(game, max_batch) for _ in range(streams)]
    connection.send(evaluators[0].name)
    while True:
        try:
            batch, seconds = connection.recv()
        except EOFError:
            return
        runs = [positions(game, batch, seed) for seed in range(streams)]
        connection.send(_rate(evaluators, runs, seconds))


def _rate(evaluators: list[Evaluator], runs: list[Run], seconds: float) -> float:
    """Rows/s of all evaluators at once, each on a thread and a run of its own."""
    rates = [0.0] * len(evaluators)
    failures: list[BaseException] = []
    together = threading.Barrier(len(evaluators))

    def stream(k: int) -> None:
        evaluate, batch = evaluators[k].evaluate, [runs[k]]
        try:
            evaluate(batch)
            together.wait()
            end = time.perf_counter() + seconds / 10
            while time.perf_counter() < end:
                evaluate(batch)
            count, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < seconds or count == 0:
                evaluate(batch)
                count += 1
            rates[k] = count * len(runs[k].observations) / elapsed
        except BaseException as error:
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=stream, args=(k,)) for k in range(len(evaluators))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(rates)
