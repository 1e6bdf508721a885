"""A back end at its own best rate: a process that evaluates the same rows again and again.

It runs like an inference process does (spawned, one OpenMP thread a stream, one evaluator a
thread), only without rings, so that the difference is what the pipeline costs.
"""

import threading
import time
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

import games
from engine.backends.recent import random_positions
from engine.errors import EngineError, EvaluatorError, PoolError
from engine.evaluator import Evaluator, Run
from engine.process import spawn
from games.base import Game

__all__ = ["BackendProcess", "EvaluatorMaker"]


class EvaluatorMaker(Protocol):
    """An `engine.backends.spec.EvaluatorSpec` or its like: travels to the process by pickling."""

    def make_streams(self, game: Game, max_batch: int, streams: int) -> list[Evaluator]:
        """An evaluator for each stream."""


class BackendProcess:
    """Evaluates when told to; use it as a context manager from the main thread.

    Parameters
    ----------
    game
        Whose positions.
    """

    def __init__(self, game: Game) -> None:
        self._connection, theirs = Pipe()
        self._child = spawn("backend-rate", _main, (theirs, games.spec(game)), None)
        theirs.close()

    def make(self, maker: EvaluatorMaker, streams: int, max_batch: int) -> str:
        """Make these evaluators, a thread each, and drop those before; returns their name.

        Raises
        ------
        EvaluatorError
            If they could not be made.
        """
        return str(self._ask(("make", maker, streams, max_batch)))

    def rows_per_s(self, batch: int, seconds: float) -> float:
        """Rate of all streams together, each on batches of `batch` rows, after a tenth of
        `seconds` that does not count."""
        return float(self._ask(("rate", batch, seconds)))

    def _ask(self, question: tuple[Any, ...]) -> Any:
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, BrokenPipeError) as error:
            self._child.join()
            raise PoolError(
                f"the back ends' measuring process ended with exit code {self._child.exitcode}; "
                "its error is above"
            ) from error
        if isinstance(answer, EngineError):
            raise EvaluatorError(str(answer)) from answer
        return answer

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


def _main(connection: Connection, game_spec: dict[str, object]) -> None:
    game = games.from_spec(game_spec)
    evaluators: list[Evaluator] = []
    while True:
        try:
            what, *details = connection.recv()
        except EOFError:
            return
        try:
            if what == "make":
                maker, streams, max_batch = details
                evaluators = maker.make_streams(game, max_batch, streams)
                connection.send(evaluators[0].name)
            else:
                batch, seconds = details
                runs = [
                    Run.blank(random_positions(game, batch, seed), game.num_actions)
                    for seed in range(len(evaluators))
                ]
                connection.send(_rate(evaluators, runs, seconds))
        except EngineError as error:
            connection.send(error)


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
