"""The training loop, top to bottom: self-play, learn, publish, measure, again.

One process owns the loop, the store and the learner; the pool's processes make the games. On a
CPU the learner and self-play take turns, since both want every core.
"""

import logging
import math
import os
import signal
import time
from collections import deque
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import psutil
import torch

import games
from engine.batching import BatchPolicy
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.tuning import load_between, verdict
from trainer.arena.match import play_match
from trainer.arena.openings import varied_starts
from trainer.arena.players import contestant, match_search
from trainer.checkpoint import CheckpointStore
from trainer.config import RunConfig, to_toml
from trainer.display import Display
from trainer.evaluate import grade, read_positions
from trainer.learner import Learner
from trainer.metrics import Metrics
from trainer.network import Network
from trainer.progress import Losses, Progress, Strength
from trainer.replay import ReplayStore, is_validation
from trainer.resignation import Resignations
from trainer.runs import RunFolder
from trainer.samples import SampleWindow

__all__ = ["Outcome", "Trainer"]

log = logging.getLogger(__name__)

DISPLAY_EVERY_S = 0.25
RATE_WINDOW_S = 30.0
KEEP_TIME_EVERY_S = 5.0
NUM_STARTS = 8192
JUDGE_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session of a run ended."""

    reason: str
    """``budget`` (the run is finished) or ``stopped`` (by a signal)."""
    signal: int
    """Number of the signal that stopped it, 0 without one."""
    generation: int
    games: int
    elapsed_s: float
    strength: tuple[Strength, ...]
    model: str
    """Folder of the newest checkpoint."""


class Trainer:
    """One session of a run: new, or going on where the last one stopped.

    Parameters
    ----------
    folder
        The run's folder, locked by the caller.
    config
        The resolved configuration.
    display
        Where progress goes.
    serial
        Everything in this process, step by step: for debugging.
    """

    def __init__(
        self, folder: RunFolder, config: RunConfig, display: Display, *, serial: bool = False
    ) -> None:
        self._began = time.monotonic()
        self.folder, self.config, self.display, self._serial = folder, config, display, serial
        self.game = games.make(config.game.name, **config.game.options)
        learner = config.learner
        self.store = ReplayStore(
            folder.database,
            self.game,
            seed=config.seed,
            validation_share=learner.validation_share,
        )
        self.checkpoints = CheckpointStore(
            folder.checkpoints,
            keep=config.checkpoints.keep,
            keep_every=config.checkpoints.keep_every,
        )
        torch.manual_seed(config.seed)
        network = Network(self.game.observation_shape, self.game.num_actions, config.network)
        self.learner = Learner(network, learner, seed=config.seed, device=config.selfplay.device)
        self.window = SampleWindow(
            self.game,
            learner.window_rows,
            fraction=learner.window_fraction,
            min_rows=learner.min_rows,
            train_on_fast=learner.train_on_fast,
            value_mix=learner.value_mix,
            relabel=learner.relabel,
        )
        self.held_out = SampleWindow(self.game, max(1, learner.window_rows // 10))
        known = config.evaluation.positions
        self._positions = read_positions(known, self.game) if known else []
        self.generation = 0
        self._signal = 0
        self._told = False  # that it is stopping
        self._spent_before = self._checkpoint_s = 0.0
        self._losses: list[Losses] = []
        self._strength: list[Strength] = []
        self._recent: deque[tuple[float, dict[str, float]]] = deque()
        self._base: dict[str, dict[str, int]] = {}
        self._totals = {"games": 0.0, "plies": 0.0, "simulations": 0.0}
        self._num_games = 0
        self._resignations = Resignations()
        # Share of the budget that was spent when the weights that play were published.
        self._spent = config.budget.spent(0.0, 0, 0)
        self._verdict = ""
        self._unlearned = 0  # rows that came since the learner's last turn
        self._next_display = self._next_save = 0.0
        self._next_measure = math.inf
        self._pool: Pool | None = None
        try:
            self._resume()
        except BaseException:
            self.store.close()
            raise

    # -- beginning ------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take up what the folder holds; a new run gets its first checkpoint."""
        if self.checkpoints.folder.is_dir():
            for path in self.checkpoints.sweep():
                log.warning("sweep path=%s", path)
        latest = self.checkpoints.latest()
        if latest is not None:
            info = self.checkpoints.load(latest, self.learner)
            self.generation = int(info["generation"])
            self._checkpoint_s = float(info["elapsed_s"])
            self._spent = float(info["spent"])
            self._unlearned = self._stored_rows() - int(info["rows"])
        self._spent_before = float(self.store.get("elapsed_s", 0.0))
        self._num_games = self.store.num_games()
        self.window.fill(self.store)
        self.held_out.fill(self.store, validation=True)
        for row in self.store.generations():
            if row["generation"] <= self.generation:  # one without its checkpoint comes again
                self._losses.append(Losses(**row["losses"]))
        for row in self.store.matches():
            if "strength" in row:
                self._strength.append(Strength(**row["strength"]))
        if latest is None:
            self._save_checkpoint()
        every = self.config.evaluation.every_minutes * 60
        self._next_measure = self.elapsed_s + every if every else math.inf

    def _stored_rows(self) -> int:
        """Rows in the store that are trained on."""
        every_ply = self.config.learner.train_on_fast
        return self.store.num_rows(validation=False, all_plies=every_ply)

    @property
    def elapsed_s(self) -> float:
        """Seconds spent training, over all sessions."""
        return self._spent_before + time.monotonic() - self._began

    # -- the loop -------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Train until the budget is spent or a signal asks to stop."""
        if self._over() and self._is_measured():
            return self._outcome()  # typed again after its end: there is only the verdict to tell
        measured = False
        with _signals(self), self._open_pool() as pool, Metrics(
            self.folder.tensorboard, self.learner.step
        ) as metrics:
            self._pool = pool
            metrics.text("config", f"```\n{to_toml(self.config)}```", self.learner.step)
            self._wait_ready(pool)
            while not self._over():
                # Step 1. Self-play: until there is enough to learn from.
                self._self_play(pool)
                # Step 2. Learn: the new rows govern the number of steps.
                self._learn(pool, metrics)
                # Step 3. Publish: the averaged weights play from now on.
                if self.window.total_rows >= self.config.learner.min_rows:
                    self._publish(pool)
                # Step 4. Measure: is it getting stronger?
                if self.elapsed_s >= self._next_measure and not self._over():
                    with pool.paused():
                        self._measure(metrics)
            if not self._signal and self.learner.step:
                with pool.paused():
                    self._measure(metrics, final=True)
                measured = True
            self._show("stopping" if not measured else "done", force=True)
        self._pool = None
        self._keep_time()
        return self._outcome()

    def _is_measured(self) -> bool:
        """Whether the newest checkpoint has met everything that it shall be measured by."""
        evaluation = self.config.evaluation
        wanted = {*evaluation.baselines, *(["positions"] if evaluation.positions else [])}
        since = self._checkpoint_s / 60
        return wanted <= {found.label for found in self._strength if found.minutes >= since}

    def _outcome(self) -> Outcome:
        self.store.close()
        latest = self.checkpoints.latest()
        return Outcome(
            reason="stopped" if self._signal else "budget",
            signal=self._signal,
            generation=self.generation,
            games=self._num_games,
            elapsed_s=self.elapsed_s,
            strength=tuple(self._strength),
            model=str(self.checkpoints.path(latest or 0)),
        )

    def _over(self) -> bool:
        budget = self.config.budget
        return bool(
            self._signal
            or self._out_of_time
            or (budget.max_games and self._num_games >= budget.max_games)
            or (budget.max_generations and self.generation >= budget.max_generations)
        )

    @property
    def _out_of_time(self) -> bool:
        return self.elapsed_s >= self.config.budget.max_time_s - self._reserve_s

    @property
    def _reserve_s(self) -> float:
        """Time kept for the last measurement, so that the budget covers everything."""
        return min(20.0, 0.05 * self.config.budget.max_time_s)

    def _open_pool(self) -> Pool:
        selfplay = self.config.selfplay
        kind = selfplay.evaluator
        evaluators = []
        if kind == "network":
            latest = self.checkpoints.latest() or 0
            path = str(self.checkpoints.model_path(latest).absolute())
            evaluators.append(selfplay.compute.evaluator(path))
        pool = Pool(
            self.game,
            [PlayerSpec(kind=kind, search=self.config.search)],
            evaluators,
            PoolConfig(
                workers=selfplay.workers,
                games_per_worker=selfplay.games_per_worker,
                streams=selfplay.streams,
                batch=BatchPolicy(
                    max_batch=selfplay.max_batch, queue_delay_us=selfplay.queue_delay_us
                ),
                cache_mb=selfplay.cache_mb,
                memory_mb=selfplay.memory_mb,
                serial=self._serial,
                log_dir=str(self.folder.logs),
                publish=str(self.folder.pool_file),
            ),
            seed=self.config.seed,
            first_game=self.store.last_number() + 1,
            openings=self._starts(),
            say=self.display.message,
        )
        pool.set_progress(self._spent)
        if evaluators:
            pool.load(0, evaluators[0].path, self.generation)
        return pool

    def _starts(self) -> list[list[int]]:
        """Where games begin; game n of the run takes the n-th, round and round."""
        plies = self.config.selfplay.opening_plies
        return varied_starts(self.game, NUM_STARTS, plies, self.config.seed) if plies else []

    def _wait_ready(self, pool: Pool) -> None:
        self._show("starting", force=True)
        if not self._serial:
            pool.wait_ready()

    # -- Step 1 ---------------------------------------------------------------------------

    def _self_play(self, pool: Pool) -> None:
        """Collect games until the learner has its rows, or the run is over."""
        learner = self.config.learner
        before, began = pool.counters(), time.monotonic()
        while not self._over():
            wanted = self.config.selfplay.rows_per_generation
            if not self.learner.step:
                wanted = max(1, learner.min_rows - self.window.total_rows + self._unlearned)
            self._collect(pool, timeout_s=0.05)
            self._judge(pool, before, began)
            self._show("self-play", self._unlearned / wanted)
            if self._unlearned >= wanted:
                return

    def _collect(self, pool: Pool, timeout_s: float) -> None:
        """Commit finished games, count them, and only then give their journals back."""
        for event in pool.watch():
            self.display.message(event)
        finished = pool.finished(timeout_s)
        if finished:
            records = sorted((f.record for f in finished), key=lambda r: r.number)
            self.store.add_games(records)
            pool.release(finished)
            self._num_games += len(records)
            self._resignations.add(records)
            share = self.config.learner.validation_share
            kept = [r for r in records if not is_validation(r.number, share)]
            self._unlearned += self.window.add(kept)
            self.held_out.add(r for r in records if is_validation(r.number, share))
        now = time.monotonic()
        if now >= self._next_save:
            self._next_save = now + KEEP_TIME_EVERY_S
            self._keep_time()

    def _keep_time(self) -> None:
        self.store.put("elapsed_s", self.elapsed_s)

    # -- Step 2 ---------------------------------------------------------------------------

    def _learn(self, pool: Pool, metrics: Metrics) -> None:
        """The learner's turn; self-play waits, games that had finished are committed."""
        if self._signal:
            return
        if self.window.total_rows < self.config.learner.min_rows or not self._unlearned:
            return
        steps = self.learner.steps_due(self._unlearned)
        self._unlearned = 0
        done = 0

        def on_step(_: object) -> bool:
            nonlocal done
            done += 1
            self._collect(pool, timeout_s=0.0)
            self._show("training", done / steps)
            self.learner.set_progress(self._progress())
            return bool(self._signal) or self._out_of_time

        self.learner.set_progress(self._progress())
        with pool.paused():
            trained = self.learner.train(steps, self.window, on_step)
            if trained is None:
                return
            held_out = {} if self._signal else self.learner.validate(self.held_out)
        self.generation += 1
        losses = Losses(
            policy=trained.policy_loss,
            value=trained.value_loss,
            validation_policy=held_out.get("policy_loss", math.nan),
            validation_value=held_out.get("value_loss", math.nan),
        )
        self._losses.append(losses)
        scalars = {
            "loss/policy": losses.policy,
            "loss/value": losses.value,
            "loss/policy_validation": losses.validation_policy,
            "loss/value_validation": losses.validation_value,
            "validation/policy_top1": held_out.get("policy_top1", math.nan),
            "validation/value_sign": held_out.get("value_sign", math.nan),
            "learner/learning_rate": trained.learning_rate,
            "learner/grad_norm": trained.grad_norm,
            "learner/samples_per_s": trained.samples_per_s,
            "selfplay/games": float(self._num_games),
            "selfplay/false_resignations": self._resignations.false_share,
            **{f"selfplay/{name}": value for name, value in self._rates().items()},
        }
        metrics.write(self.learner.step, scalars)
        self.store.add_metrics(
            {k: v for k, v in scalars.items() if math.isfinite(v)},
            generation=self.generation,
            step=self.learner.step,
        )
        self.store.add_generation(
            self.generation,
            {
                "step": self.learner.step,
                "games": self._num_games,
                "samples": self.window.total_rows,
                "elapsed_s": self.elapsed_s,
                "losses": {name: getattr(losses, name) for name in Losses.__slots__},
            },
        )
        log.info(
            "generation number=%d step=%d games=%d policy=%.4f value=%.4f",
            self.generation, self.learner.step, self._num_games, losses.policy, losses.value,
        )  # fmt: skip

        if self._resignations.too_many:
            log.warning(
                "false_resignations share=%.3f games=%d; lower search.resign_value",
                self._resignations.false_share, self._resignations.num_games,
            )  # fmt: skip

    def _progress(self) -> float | None:
        """Share of the budget that is spent; None without an end."""
        limit = self.config.budget.max_time_s - self._reserve_s
        return None if math.isinf(limit) else self.elapsed_s / limit

    # -- Step 3 ---------------------------------------------------------------------------

    def _publish(self, pool: Pool) -> None:
        if self.checkpoints.latest() == self.learner.step:
            return
        self._spent = self.config.budget.spent(
            self.elapsed_s, self._num_games, self.generation
        )
        path = self._save_checkpoint()
        pool.set_progress(self._spent)
        if self.config.selfplay.evaluator == "network":
            pool.load(0, path / "model.safetensors", self.generation)

    def _save_checkpoint(self) -> Any:
        return self.checkpoints.save(
            self.learner,
            games.spec(self.game),
            {
                "generation": self.generation,
                "games": self._num_games,
                # Rows the learner's turns have covered: a resumed run owes the rest.
                "rows": self._stored_rows() - self._unlearned,
                "elapsed_s": self.elapsed_s,
                "spent": self._spent,
            },
            config=to_toml(self.config),
        )

    # -- Step 4 ---------------------------------------------------------------------------

    def _measure(self, metrics: Metrics, *, final: bool = False) -> None:
        """Play the newest weights against fixed opponents, and grade known positions."""
        evaluation = self.config.evaluation
        self._next_measure = self.elapsed_s + (evaluation.every_minutes * 60 or math.inf)
        model = str(self.checkpoints.path(self.checkpoints.latest() or 0))
        search = match_search(evaluation.simulations, self.config.search)
        compute = self.config.selfplay.compute
        player = replace(contestant(model, 1, compute=compute), search=search)
        minutes = self.elapsed_s / 60
        found: list[tuple[Strength, dict[str, Any]]] = []
        for label in evaluation.baselines:
            if self._signal:
                return
            phase = f"evaluating vs {label}"

            def on_game(done: int, _: object, phase: str = phase) -> bool:
                self._show(phase, done / evaluation.games)
                return bool(self._signal)

            result = play_match(
                self.game,
                player,
                contestant(label, 1),
                evaluation.games,
                opening_plies=evaluation.opening_plies,
                seed=self.config.seed + 1,
                log_dir=str(self.folder.logs / "matches"),
                serial=self._serial,
                on_game=on_game,
            )
            if result is None:
                return
            elo = result.elo
            found.append((
                Strength(minutes=minutes, label=label, score=result.score,
                         elo=elo.elo, lo=elo.lo, hi=elo.hi),
                result.as_json(),
            ))  # fmt: skip
        if self._positions:
            report = grade(
                player,
                self.game,
                self._positions,
                on_progress=lambda _: bool(self._signal),
            )
            if report is None:
                return
            strength = Strength(
                minutes=minutes, label="positions", score=report["outcome_perfect"]
            )
            found.append((strength, report))
        for strength, data in found:
            self._strength.append(strength)
            values = {name: getattr(strength, name) for name in Strength.__slots__}
            self.store.add_match({**data, "strength": values, "final": final})
            scalars = {
                f"strength/{strength.label}": strength.score,
                f"elo/{strength.label}": strength.elo,
            }
            metrics.write(self.learner.step, scalars)

    # -- what a person sees ---------------------------------------------------------------

    def _rates(self) -> dict[str, float]:
        """Rates of the last seconds, from the counters of the pool's processes."""
        pool = self._pool
        if pool is None:
            return {}
        now = time.monotonic()
        sums = {"games": float(self._num_games)}
        for name, counters in pool.counters().items():
            side = "server" if name.startswith("inference") else "worker"
            for key, value in counters.items():
                sums[f"{side}.{key}"] = sums.get(f"{side}.{key}", 0.0) + value
        self._recent.append((now, sums))
        while len(self._recent) > 2 and now - self._recent[0][0] > RATE_WINDOW_S:
            self._recent.popleft()
        then, old = self._recent[0]
        seconds = max(now - then, 1e-9)
        delta = {key: value - old.get(key, 0.0) for key, value in sums.items()}
        batches = max(delta.get("server.batches", 0.0), 1.0)
        rows = delta.get("server.evaluations", 0.0)
        hits = delta.get("worker.cache_hits", 0.0) + delta.get("worker.shared", 0.0)
        lookups = max(delta.get("worker.cache_lookups", 0.0), 1.0)
        if pool.segment.spec.cache_entries == 0:
            lookups = math.nan
        return {
            "games_per_s": delta["games"] / seconds,
            "positions_per_s": delta.get("worker.plies", 0.0) / seconds,
            "simulations_per_s": delta.get("worker.simulations", 0.0) / seconds,
            "evaluations_per_s": rows / seconds,
            "mean_batch": rows / batches,
            "batch_fill": rows / max(delta.get("server.padded_rows", 0.0), 1.0),
            "queue_delay_us": delta.get("server.queue_ns", 0.0) / batches / 1e3,
            "cache_hit_rate": hits / lookups,
        }

    def _judge(self, pool: Pool, before: dict[str, dict[str, int]], began: float) -> None:
        """Say what has bounded this turn of self-play; the learner's turns do not count."""
        seconds = time.monotonic() - began
        if self.config.selfplay.evaluator == "network" and seconds >= JUDGE_AFTER_S:
            choice = pool.choices[0]
            rate = choice.rows_per_s if choice is not None else 0.0
            self._verdict = verdict(
                load_between(before, pool.counters(), seconds, pool.streams(0), rate)
            )

    def _show(self, phase: str, done: float = math.nan, *, force: bool = False) -> None:
        if self._signal and not self._told:
            self._told = True
            self.display.message("stopping: saving a checkpoint (again: stop at once)")
        now = time.monotonic()
        if not force and now < self._next_display:
            return
        self._next_display = now + DISPLAY_EVERY_S
        pool = self._pool
        budget = self.config.budget
        rates = self._rates()
        pids = pool.pids if pool is not None else {}
        self.display.update(
            Progress(
                run=str(self.folder.path),
                game=self.game.name,
                elapsed_s=self.elapsed_s,
                budget_s=budget.max_time_s,
                generation=self.generation,
                phase=phase,
                phase_done=done,
                games=self._num_games,
                samples=self.window.total_rows,
                steps=self.learner.step,
                learning_rate=self.learner.learning_rate(),
                losses=self._losses,
                strength=self._strength,
                backend=pool.segment.about(0) if pool is not None else "",
                verdict=self._verdict,
                workers=pool.config.workers if pool is not None else 0,
                workers_alive=sum(name.startswith("worker") for name in pids),
                restarts=pool.num_restarts if pool is not None else 0,
                memory_bytes=_resident([os.getpid(), *pids.values()]),
                **rates,
            )
        )


class _signals:
    """SIGINT and SIGTERM: the first asks the loop to stop, the second stops it at once."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._received)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        # Nothing is printed here: the loop may be in the middle of a line.
        if self._trainer._signal:
            raise KeyboardInterrupt
        self._trainer._signal = number


def _resident(pids: list[int]) -> int:
    """Resident bytes of these processes; those just gone count nothing."""
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
