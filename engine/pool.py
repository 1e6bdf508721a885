"""The processes of self-play or a match: started, watched, restarted, stopped.

::

    parent ──spawn──▶ worker 0 .. W-1 ──rings──▶ server 0 .. (one a model and device)
       └─ copies finished games out of their journals; the caller commits, then releases them
"""

import contextlib
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection, reduction
from pathlib import Path
from typing import Any

import games
from engine.backends.choose import Choice
from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy
from engine.config import SearchConfig
from engine.errors import ConfigError, PoolError
from engine.handout import Handout
from engine.journal import Journal
from engine.onlooker import publish, withdraw
from engine.player import PlayerSpec
from engine.process import Child, cpu_count, spawn
from engine.records import GameRecord
from engine.segment import Segment, SegmentSpec, cache_entries
from engine.server import Server, server_main
from engine.starts import Start, StartTable
from engine.tuning import RING_S, Settings, seconds_per_simulation, settings
from engine.worker import Worker
from games.base import Game

__all__ = ["Finished", "Pool", "PoolConfig", "segment_spec"]

log = logging.getLogger(__name__)

SILENCE_S = 120.0  # a child without a sign of life for so long is taken for hung
STOP_S = 5.0  # time to end by itself before it is killed
MAX_CRASHES = 3  # exceptions of one child before the pool gives up; kills do not count
NO_LIMIT = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """How many of what."""

    workers: int = 1
    """Processes that search; 0: as the measured rates ask for."""
    games_per_worker: int = 256
    """Games in progress in each worker; half of them search while the other half waits. 0: as
    the measured rates ask for."""
    streams: int = 1
    """Batches that an inference process evaluates at once; 0: as measured."""
    batch: BatchPolicy = BatchPolicy()
    worker_spin_us: float = 0.0
    """Spinning pays only where a core is free for it."""
    server_spin_us: float = 0.0
    cache_mb: float = 64.0
    """Megabytes of the evaluation cache that all workers share; 0: none, and identical positions
    in flight are all evaluated."""
    canonical: bool = True
    """Ask about a position's canonical image, so that mirror images share one answer; False asks
    about positions as they are, to measure what that is worth. Games with one symmetry are asked
    the same either way."""
    starts: int = 0
    """Most starts that `Pool.offer_starts` can offer at once; 0: none."""
    reanalyses: int = 0
    """Most positions that `Pool.offer_reanalyses` can offer at once; 0: none."""
    memory_mb: float = 0.0
    """Megabytes (1e6 bytes) of all workers' search trees together. Every tree gets the same share,
    and so does the spare arena that a worker's games share where subtrees are kept. A search that
    fills its arena ends early and is counted as a full stop. 0: what the simulations need."""
    begin_anew: bool = False
    """A dead worker's games are played again from their first ply: they come out as they would
    have without its death, kept subtrees included."""
    serial: bool = False
    """Everything in this process, step by step: for debugging."""
    nice: int = 0
    """Added to the children's niceness: a learner beside them goes first."""
    log_dir: str | None = None
    """Folder for the children's stderr; None leaves it on the parent's."""
    publish: str | None = None
    """File that lets other processes look on while the pool runs; see `engine.onlooker`."""

    def __post_init__(self) -> None:
        for name in ("cache_mb", "memory_mb"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be >= 0, got {getattr(self, name)!r}")
        for name in ("workers", "games_per_worker", "streams", "starts", "reanalyses", "nice"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be an integer >= 0, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished game and the journal that still holds it."""

    record: GameRecord
    journal: int


def segment_spec(
    game: Game,
    players: Sequence[PlayerSpec],
    num_models: int,
    config: PoolConfig,
    servers_per_model: int = 1,
) -> SegmentSpec:
    """The layout that these games need."""
    leaves = max(player.search.leaves_in_flight for player in players)
    # A worker has each half's tickets twice: those in flight and those that it read last.
    slots = 1
    while slots < 2 * config.games_per_worker * leaves:
        slots *= 2
    entries = max(_target_entries(player.search, game) for player in players)
    return SegmentSpec(
        num_workers=config.workers,
        num_models=num_models,
        num_slots=slots,
        observation_bytes=game.observation_bytes,
        num_actions=game.num_actions,
        # Spare journals take finished games until the parent has committed them.
        journals_per_worker=config.games_per_worker + max(16, config.games_per_worker // 2),
        max_plies=game.max_game_length,
        journal_entries=game.max_game_length * entries,
        # A cache is of use only where a network answers.
        cache_entries=cache_entries(config.cache_mb, game.num_actions)
        if any(player.kind == "network" for player in players)
        else 0,
        servers_per_model=servers_per_model,
        num_starts=config.starts,
        num_reanalyses=config.reanalyses,
    )


def _target_entries(search: SearchConfig, game: Game) -> int:
    """Most actions of a policy target: the root edges that a search can have visited, its kept
    tree included, or all of a Gumbel root."""
    if search.gumbel_actions:
        return game.max_legal_actions
    visits = 4 * max(search.num_simulations, search.fast_simulations) + 64
    return min(game.max_legal_actions, visits)


class Pool:
    """Workers and inference processes around one shared segment.

    Use it as a context manager from the main thread: children end with it, whatever happens.

    Parameters
    ----------
    game
        Rules.
    players
        One `PlayerSpec` for self-play, two for a match.
    evaluators
        One `EvaluatorSpec` for each model that the players name; none if no player has one. On
        D devices, D servers share the workers: worker w asks the one on device w % D.
    config
        How many of what.
    seed
        Of every random draw.
    first_game, game_limit
        Numbers of the first game and of the first one not to be played.
    openings, plies_per_game
        See `engine.worker.Worker`.
    say
        Told of back ends being measured, which takes some seconds; None: the log is.
    """

    def __init__(
        self,
        game: Game,
        players: Sequence[PlayerSpec],
        evaluators: Sequence[EvaluatorSpec] = (),
        config: PoolConfig | None = None,
        *,
        seed: int = 0,
        first_game: int = 0,
        game_limit: int | None = None,
        openings: Sequence[Sequence[int]] = (),
        plies_per_game: int = 0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.game = game
        self.players = list(players)
        self.evaluators = list(evaluators)
        self.config = config or PoolConfig()
        self.choices: list[Choice | None] = [None] * len(self.evaluators)
        """What was measured for each model's back end."""
        self._streams = [max(1, self.config.streams)] * len(self.evaluators)
        self.seed = seed
        self.openings = [list(opening) for opening in openings]
        self.plies_per_game = plies_per_game
        for player in self.players:
            if player.kind == "network" and player.model >= len(self.evaluators):
                raise ConfigError(
                    f"a player needs model {player.model}, but there are "
                    f"{len(self.evaluators)} evaluators"
                )
        if not self.config.serial:
            self._measure(say)
        limit = NO_LIMIT if game_limit is None else game_limit - first_game
        self.config = self._filled(self.config, limit)
        shares = self._servers_per_model()
        self._servers = [
            specs[i % len(specs)]
            for specs in (evaluator.devices for evaluator in self.evaluators)
            for i in range(shares)
        ]
        models = max(1, len(self.evaluators))
        spec = segment_spec(game, self.players, models, self.config, shares)
        self.segment = Segment(spec)
        self.segment.next_game = first_game
        self.segment.game_limit = NO_LIMIT if game_limit is None else first_game
        self._handout: Handout | None = None
        if game_limit is not None:
            self.hand_out(range(first_game, game_limit))
        self._journals = [
            Journal(self.segment, i) for i in range(spec.num_workers * spec.journals_per_worker)
        ]
        self._taken: set[int] = set()  # journals that the caller has and has not released
        self._children: dict[int, Child] = {}
        self._crashes: dict[int, int] = {}
        self.num_restarts = 0
        self._serial_workers: list[Worker] = []
        self._serial_servers: list[Server] = []

    def _measure(self, say: Callable[[str], None] | None) -> None:
        """Choose every model's back end."""
        for model, spec in enumerate(self.evaluators):
            self.evaluators[model], self._streams[model], self.choices[model] = spec.resolved(
                self.game, self.config.streams, say
            )

    def _filled(self, config: PoolConfig, num_games: int) -> PoolConfig:
        """`config` with the numbers that it leaves to measurements; at most `num_games` games."""
        if config.workers and config.games_per_worker:
            return config
        wanted = Settings(workers=1 if self.evaluators else cpu_count(), games_per_worker=256)
        choice = next((choice for choice in self.choices if choice is not None), None)
        if choice is not None:
            wanted = settings(
                choice.rows_per_s,
                choice.streams,
                choice.batch,
                seconds_per_simulation(self.game) + RING_S,
                cpu_count(),
                shares_cores=True,
            )
        workers = config.workers or wanted.workers
        most = max(1, -(-num_games // workers))
        return replace(
            config,
            workers=workers,
            games_per_worker=config.games_per_worker or min(wanted.games_per_worker, most),
        )

    def _servers_per_model(self) -> int:
        """One a device, while there is a worker for each."""
        devices = max((len(evaluator.devices) for evaluator in self.evaluators), default=1)
        if devices > self.config.workers:
            log.warning("idle_devices devices=%d workers=%d", devices, self.config.workers)
        return min(devices, self.config.workers)

    # -- life -----------------------------------------------------------------------------

    def __enter__(self) -> "Pool":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _num_workers(self) -> int:
        return self.config.workers

    def start(self) -> None:
        """Start every process; returns at once, `ready` tells when they answer."""
        if self.config.publish is not None:
            names = [self._name(i) for i in range(self.segment.spec.num_processes)]
            publish(self.config.publish, self.segment, names, max(self._streams, default=1))
        if self.config.serial:
            for index, evaluator in enumerate(self._servers):
                self._serial_servers.append(
                    Server(self.segment, index, self.game, evaluator, policy=self.config.batch)
                )
            for index in range(self._num_workers):
                self._serial_workers.append(
                    Worker(self.segment, index, self.game, **self._plays())
                )
            return
        # The slow ones first: workers are ready long before the network is.
        for server in range(len(self._servers)):
            self._start_child(self._num_workers + server)
        for index in range(self._num_workers):
            self._start_child(index)

    def _name(self, process: int) -> str:
        if process < self._num_workers:
            return f"worker-{process}"
        return f"inference-{process - self._num_workers}"

    def _log_path(self, process: int) -> str | None:
        if self.config.log_dir is None:
            return None
        return str(Path(self.config.log_dir) / f"{self._name(process)}.log")

    def _start_child(self, process: int) -> None:
        self.segment.beat(process)
        shared = (SegmentHandle(self.segment.fd), self.segment.spec)
        rules = games.spec(self.game)
        target: Callable[..., None]
        args: tuple[Any, ...]
        if process < self._num_workers:
            target = worker_main
            args = (*shared, process, rules, self._plays(), self.config.worker_spin_us)
        else:
            server, config = process - self._num_workers, self.config
            self.segment.set_ready(server, False)
            target = server_main
            streams = self._streams[server // self.segment.spec.servers_per_model]
            args = (*shared, server, rules, self._servers[server], streams, config.batch,
                    config.server_spin_us)  # fmt: skip
        self._children[process] = spawn(
            self._name(process), target, args, self._log_path(process), self.config.nice
        )

    def _plays(self) -> dict[str, Any]:
        """What every worker plays: the same arguments in serial mode and in a process."""
        return {
            "players": self.players,
            "games": self.config.games_per_worker,
            "seed": self.seed,
            "openings": self.openings,
            "plies_per_game": self.plies_per_game,
            "memory_mb": self.config.memory_mb / self.config.workers,
            "canonical": self.config.canonical,
            "begin_anew": self.config.begin_anew,
        }

    def streams(self, model: int) -> int:
        """Batches that the model's process evaluates at once."""
        return self._streams[model]

    @property
    def ready(self) -> bool:
        """True once every inference process answers."""
        return all(self.segment.ready(server) for server in range(len(self._servers)))

    def wait_ready(self, timeout_s: float = 120.0) -> None:
        """Wait until every inference process answers, replacing what dies meanwhile."""
        deadline = time.monotonic() + timeout_s
        while not self.ready:
            self.watch()
            if time.monotonic() > deadline:
                raise PoolError(
                    f"the inference process was not ready after {timeout_s:.0f} s; "
                    f"see {self._log_path(self._num_workers) or 'its output above'}"
                )
            connection.wait([c.sentinel for c in self._children.values()], 0.02)

    def watch(self) -> list[str]:
        """Replace dead and hung children; returns what happened, one line each.

        Raises
        ------
        PoolError
            If a child keeps failing by itself (being killed does not count).
        """
        events = []
        for process, child in list(self._children.items()):
            if child.is_alive():
                age = self.segment.heartbeat_age_s(process)
                if age < SILENCE_S:
                    continue
                child.kill()
                child.join()
                reason = f"gave no sign of life for {age:.0f} s"
            else:
                code = child.exitcode
                if code is not None and code >= 0:
                    self._crashes[process] = self._crashes.get(process, 0) + 1
                    reason = f"ended with exit code {code}"
                else:
                    reason = f"was killed by signal {-(code or 0)}"
            name = self._name(process)
            if self._crashes.get(process, 0) > MAX_CRASHES:
                raise PoolError(
                    f"{name} failed {MAX_CRASHES + 1} times; "
                    f"{_tail(self._log_path(process)) or 'its error is above'}"
                )
            child.close()
            self.num_restarts += 1
            self.segment.count_restart(process)
            self._start_child(process)
            events.append(f"{name} {reason}; it was restarted")
            log.warning("restart process=%s reason=%r", name, reason)
        return events

    def stop(self) -> None:
        """End every child; those that do not within seconds are killed."""
        self.segment.stop()
        deadline = time.monotonic() + STOP_S
        for child in self._children.values():
            child.join(max(0.0, deadline - time.monotonic()))
            if child.is_alive():
                child.kill()
                child.join()
            child.close()
        self._children.clear()
        if self.config.publish is not None:
            withdraw(self.config.publish)

    @property
    def pids(self) -> dict[str, int]:
        """Process id of every child by name."""
        return {self._name(i): c.pid for i, c in self._children.items() if c.pid is not None}

    # -- games ----------------------------------------------------------------------------

    def hand_out(self, numbers: Iterable[int]) -> None:
        """Have the games with these numbers played, each to be `finished` once, and no others.

        For a pool with a `game_limit`, whose games have all finished.
        """
        self._handout = Handout(self.segment, numbers)

    def finished(self, timeout_s: float = 0.0) -> list[Finished]:
        """Games that have finished since the last call, waiting up to `timeout_s` for one.

        They stay in their journals, and in the workers' way, until they are `release`d; commit
        them first.
        """
        found = self._collect()
        deadline = time.monotonic() + timeout_s
        while not found:
            if self.config.serial:
                self._pump()
                found = self._collect()
                if time.monotonic() >= deadline:
                    break
                continue
            seen = self.segment.wait_finished(0, 0.0)
            found = self._collect()
            left = deadline - time.monotonic()
            if found or left <= 0:
                break
            self.segment.wait_finished(seen, min(left, 0.1))
            found = self._collect()
        return found

    def _collect(self) -> list[Finished]:
        found = []
        for index, journal in enumerate(self._journals):
            if journal.is_finished and index not in self._taken:
                record = journal.record(self.seed)
                if self._handout is not None and not self._handout.came_back(record.number):
                    journal.free()  # handed out twice: taken for lost while it was being begun
                    continue
                self._taken.add(index)
                found.append(Finished(record, index))
        if self._handout is not None:
            self._handout.advance(all(journal.is_free for journal in self._journals))
        return found

    def release(self, finished: Sequence[Finished]) -> None:
        """The games are committed: their journals are free again."""
        for game in finished:
            self._taken.discard(game.journal)
            self._journals[game.journal].free()

    def games(
        self, timeout_s: float = 3600.0, *, until: float = math.inf
    ) -> Iterator[GameRecord]:
        """Every game up to `game_limit`, as they finish: for matches and evaluation. From `until`
        on, by time.monotonic(), no more are waited for.

        Raises
        ------
        PoolError
            If no game finished for `timeout_s`, or there is no `game_limit`.
        """
        if self._handout is None:
            raise PoolError("games() never ends without a game_limit; use finished()")
        last = time.monotonic()
        while self._handout.missing and time.monotonic() < until:
            self.watch()
            finished = self.finished(0.2)
            if finished:
                last = time.monotonic()
            elif time.monotonic() - last > timeout_s:
                raise PoolError(
                    f"no game finished for {timeout_s:.0f} s; "
                    f"{len(self._handout.missing)} are missing"
                )
            for game in finished:
                yield game.record
            self.release(finished)

    def _pump(self) -> None:
        """Serial mode: every worker's halves and every server in turn, once; nothing in a pause."""
        if self.segment.is_paused(0):
            return
        for group in (0, 1):
            for worker in self._serial_workers:
                worker.step(group, False)
            for server in self._serial_servers:
                while server.step():
                    pass

    # -- the models -----------------------------------------------------------------------

    def load(self, model: int, path: str | os.PathLike[str], generation: int) -> None:
        """Ask the model's processes to go on with the weights at `path`."""
        shares = self.segment.spec.servers_per_model
        for server in range(model * shares, (model + 1) * shares):
            self.segment.set_model(server, os.path.abspath(path), generation)

    def offer_starts(self, starts: Sequence[Sequence[int]], share: float) -> None:
        """From now on begin this share of the games with one of `starts`, lists of actions.

        Which games these are, and which start each takes, depends on the game's number alone.
        `PoolConfig.starts` must have room for them; they are for self-play, not for matches.
        """
        StartTable(self.segment).renew([Start(start) for start in starts], share)

    def offer_reanalyses(self, positions: Sequence[Start], share: float) -> None:
        """From now on this share of what would be games search one of `positions` again instead,
        each with its stored game's returns; their records end as `Ending.REANALYSED`.

        Which numbers these are, and which position each takes, depends on the number alone.
        `PoolConfig.reanalyses` must have room for them; they are for self-play, not for matches.
        """
        StartTable(self.segment, "reanalyses").renew(positions, share)

    def has_loaded(self, generation: int) -> bool:
        """True once every inference process answers with the weights of `generation`."""
        if self.config.serial:
            for server in self._serial_servers:
                server.step()
        return self.ready and all(
            self.segment.loaded(server) == generation for server in range(len(self._servers))
        )

    def set_progress(self, progress: float) -> None:
        """Say how much of the run's budget is spent, in [0, 1]: searches grow with it."""
        self.segment.progress = progress

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is evaluated inside: the cores are the caller's."""
        self.segment.pause(True)
        try:
            yield
        finally:
            self.segment.pause(False)

    def counters(self) -> dict[str, dict[str, int]]:
        """Every process's counters by its name."""
        num = self._num_workers + len(self._servers)
        return {self._name(i): self.segment.counters(i) for i in range(num)}


class SegmentHandle:
    """The segment's descriptor on its way to a spawned child, where it arrives as an int."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _detach, (reduction.DupFd(self.fd),)


def _detach(duplicate: Any) -> int:
    fd: int = duplicate.detach()
    return fd


def worker_main(
    fd: int,
    spec: SegmentSpec,
    index: int,
    game_spec: dict[str, Any],
    plays: dict[str, Any],
    spin_us: float,
) -> None:
    """What a worker process runs."""
    segment = Segment(spec, fd)
    Worker(segment, index, games.from_spec(game_spec), **plays, spin_us=spin_us).run()


def _tail(path: str | None, lines: int = 12) -> str:
    """The last lines of a child's log."""
    if path is None or not os.path.exists(path):
        return ""
    text = Path(path).read_text(errors="replace").strip().splitlines()
    return f"from {path}:\n" + "\n".join(text[-lines:])
