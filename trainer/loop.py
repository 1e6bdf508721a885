"""The training loop, top to bottom: self-play, learn, publish, measure, label, again.

One process owns the loop, the store and the learner; the pool's processes make the games. On a
CPU the learner and self-play take turns, since both want every core.
"""

import logging
import math
import os
import signal
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from types import FrameType
from typing import Any

import numpy as np
import psutil
import torch

import games
from engine.batching import BatchPolicy
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.records import Ending, GameRecord
from engine.tuning import load_between, verdict
from trainer.arena.match import play_match
from trainer.arena.openings import varied_starts
from trainer.arena.players import Contestant, contestant, match_search
from trainer.checkpoint import CheckpointStore
from trainer.config import RunConfig, to_toml
from trainer.display import Display
from trainer.evaluate import grade, read_positions
from trainer.growth import borrow_games, start_from
from trainer.labelling import Labelling
from trainer.learner import Learner
from trainer.metrics import Metrics
from trainer.network import Network
from trainer.progress import Losses, Progress, Strength, Truth
from trainer.reanalysis import NUM_OFFERED as NUM_REANALYSES
from trainer.reanalysis import StoredPositions
from trainer.replay import ReplayStore, is_held_out
from trainer.reproducible import end_of_turn, reproducible_arithmetic, share_spent
from trainer.reserve import START_S, Reserve, match_seconds, rollout_seconds
from trainer.resignation import Resignations
from trainer.runs import RunFolder
from trainer.samples import SampleWindow
from trainer.starts import NUM_OFFERED, RECENT_GAMES, StartArchive
from trainer.statistics import Tally, grouped
from trainer.targets import declared
from trainer.truth import known_positions, mistakes

__all__ = ["Outcome", "Trainer"]

log = logging.getLogger(__name__)

DISPLAY_EVERY_S = 0.25
RATE_WINDOW_S = 30.0
KEEP_TIME_EVERY_S = 5.0
NUM_STARTS = 8192
JUDGE_AFTER_S = 2.0
CLOSING_S = 1.0  # for the processes to end


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
    truth: tuple[Truth, ...]
    model: str
    """Folder of the newest checkpoint."""
    weights: str
    """SHA-256 of its weights, see `trainer.checkpoint.weights_digest`."""


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
    began
        The time.monotonic() from which on the session's time counts; None: from now on.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        display: Display,
        *,
        serial: bool = False,
        began: float | None = None,
    ) -> None:
        self._began = time.monotonic() if began is None else began
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
        declared(self.game, list(learner.auxiliary))
        self.learner = Learner(network, learner, seed=config.seed, device=config.selfplay.device)
        self.window = SampleWindow.of(self.game, learner)
        self.held_out = SampleWindow(self.game, max(1, learner.window_rows // 10))
        self.starts = StartArchive(config.selfplay.start_measure)
        self.stored = StoredPositions.of(learner)
        known = config.evaluation.positions
        self._positions = read_positions(known, self.game) if known else []
        self._known = (
            known_positions(self.game, config.evaluation.truth_positions)
            if config.evaluation.truth == "auto"
            else []
        )
        self.generation = 0
        self._signal = 0
        self._told = False  # that it is stopping
        self._spent_before = self._checkpoint_s = 0.0
        self._losses: list[Losses] = []
        self._strength: list[Strength] = []
        self._truth: list[Truth] = []
        self._tally = Tally()
        self._statistics: dict[str, float] = {}
        self._recent: deque[tuple[float, dict[str, float]]] = deque()
        self._base: dict[str, dict[str, int]] = {}
        self._totals = {"games": 0.0, "plies": 0.0, "simulations": 0.0}
        self._num_games = 0
        self._resignations = Resignations()
        # Share of the budget that was spent when the weights that play were published.
        self._spent = config.budget.spent(0.0, 0, 0)
        self._verdict = ""
        self._rollout_s = 0.0
        self._unlearned = 0  # rows that came since the learner's last turn
        # Deterministic runs: the games before this one, and no others, are learned from.
        self._turn_end = 0 if config.deterministic else None
        self._compute = replace(config.selfplay.compute, fixed_shape=config.deterministic)
        self._next_display = self._next_save = 0.0
        self._next_measure = math.inf
        self._pool: Pool | None = None
        try:
            self.labelling = Labelling(
                folder, self.game, config, self.checkpoints, self.store, serial=serial
            )
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
            if self._turn_end is not None:
                self._turn_end = int(info["turn_end"])
            self._spent = float(info["spent"])
            self._unlearned = self._stored_rows() - int(info["rows"])
        self._spent_before = float(self.store.get("elapsed_s", 0.0))
        self._num_games = self.store.num_games()
        others = self.config.learner.games_from
        borrowed = borrow_games(others, self.game, self.window, self.held_out)
        if latest is None:
            self._begin(borrowed)
        self.window.fill(self.store, before=self._turn_end)
        self.held_out.fill(self.store, validation=True, before=self._turn_end)
        if self.config.selfplay.start_share:
            recent = max(0, self.store.last_number() + 1 - RECENT_GAMES)
            self.starts.add(self.store.games(recent, validation=False))
        if self.config.selfplay.reanalyse_share:
            self.stored.fill(self.store, self.config.learner.window_rows)
        for row in self.store.generations():
            if row["generation"] <= self.generation:  # one without its checkpoint comes again
                self._losses.append(Losses(**row["losses"]))
        for row in self.store.matches():
            if "strength" in row:
                self._strength.append(Strength(**row["strength"]))
            if "truth" in row:
                self._truth.append(Truth(**row["truth"]))
        self._reserve = Reserve(
            self._max_time_s, float(self.store.get("measurement_s", 0.0))
        )
        if latest is None:
            self._save_checkpoint()
        every = self.config.evaluation.every_minutes * 60
        self._next_measure = self.elapsed_s + every if every else math.inf
        self.labelling.begin(self.generation, self.elapsed_s)

    def _begin(self, borrowed: int) -> None:
        """A new run: take over another's weights, and owe `borrowed` rows of another's games."""
        self._unlearned = borrowed
        path = self.config.learner.start_from
        if path:
            self.display.message(start_from(path, self.learner, self.game))

    def _stored_rows(self) -> int:
        """Rows in the store that are trained on."""
        every_ply = self.config.learner.train_on_fast
        return self.store.num_rows(
            validation=False, all_plies=every_ply, before=self._turn_end
        )

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
        with _signals(self), self._arithmetic(), self._open_pool() as pool, Metrics(
            self.folder.tensorboard, self.learner.step
        ) as metrics:
            self._pool = pool
            metrics.text("config", f"```\n{to_toml(self.config)}```", self.learner.step)
            self._wait_ready(pool)
            while not self._over():
                # Step 1. Self-play: until there is enough to learn from.
                if self._turn_end is None:
                    self._self_play(pool)
                elif not self._play_turn(pool, self._turn_end):
                    break
                # Step 2. Learn: the new rows govern the number of steps.
                if not self._learn(pool, metrics):
                    break
                # Step 3. Publish: the averaged weights play from now on.
                if self.window.total_rows >= self.config.learner.min_rows:
                    self._publish(pool)
                # Step 4. Measure: is it getting stronger?
                if self.elapsed_s >= self._next_measure and not self._ends_soon:
                    with pool.paused():
                        self._measure(metrics)
                # Step 5. Label: is it stronger than the best so far?
                if self.labelling.due(self.elapsed_s) and not self._over():
                    with pool.paused():
                        self._label(pool, metrics)
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
        return wanted <= {found.label for found in self._strength if found.minutes >= since} and (
            not self._known or any(found.minutes >= since for found in self._truth)
        )

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
            truth=tuple(self._truth),
            model=str(self.checkpoints.path(latest or 0)),
            weights=self.checkpoints.weights(latest or 0),
        )

    def _over(self) -> bool:
        budget = self.config.budget
        return bool(
            self._signal
            or self._out_of_time
            or (budget.max_games and self._games_taken_in >= budget.max_games)
            or (budget.max_generations and self.generation >= budget.max_generations)
        )

    @property
    def _games_taken_in(self) -> int:
        """Finished games; in a deterministic run those of finished turns."""
        return self._num_games if self._turn_end is None else self._turn_end

    @property
    def _max_time_s(self) -> float:
        """Time after which the run ends; it does not end a deterministic one."""
        return math.inf if self.config.deterministic else self.config.budget.max_time_s

    @property
    def _out_of_time(self) -> bool:
        return self.elapsed_s >= self._max_time_s - self._reserve.seconds

    @property
    def _ends_soon(self) -> bool:
        """Whether the last measurement is due before one of now would be over."""
        return self._over() or self.elapsed_s >= self._max_time_s - 2 * self._reserve.seconds

    def _arithmetic(self) -> AbstractContextManager[None]:
        if not self.config.deterministic:
            return nullcontext()
        return reproducible_arithmetic(self.config.learner.threads)

    def _open_pool(self) -> Pool:
        selfplay = self.config.selfplay
        kind = selfplay.evaluator
        evaluators = []
        if kind == "network":
            step, generation = self.labelling.playing(self.generation)
            path = str(self.checkpoints.model_path(step).absolute())
            evaluators.append(self._compute.evaluator(path))
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
                starts=NUM_OFFERED if selfplay.start_share else 0,
                reanalyses=NUM_REANALYSES if selfplay.reanalyse_share else 0,
                begin_anew=self.config.deterministic,
                serial=self._serial,
                log_dir=str(self.folder.logs),
                publish=str(self.folder.pool_file),
            ),
            seed=self.config.seed,
            first_game=self.store.last_number() + 1,
            # A deterministic run hands out the games of a turn, and none before.
            game_limit=self.store.last_number() + 1 if self.config.deterministic else None,
            openings=self._starts(),
            say=self.display.message,
        )
        pool.set_progress(self._spent)
        if evaluators:
            pool.load(0, evaluators[0].path, generation)
        self._offer_starts(pool)
        return pool

    def _starts(self) -> list[list[int]]:
        """Where games begin; game n of the run takes the n-th, round and round."""
        plies = self.config.selfplay.opening_plies
        return varied_starts(self.game, NUM_STARTS, plies, self.config.seed) if plies else []

    def _offer_starts(self, pool: Pool) -> None:
        """Send games to where the network has been wrong lately, and searches to old positions."""
        if share := self.config.selfplay.start_share:
            pool.offer_starts(self.starts.best(), share)
        if share := self.config.selfplay.reanalyse_share:
            rng = np.random.default_rng((self.config.seed, self.generation))
            positions = self.stored.draw(NUM_REANALYSES, len(self.window), rng)
            pool.offer_reanalyses(positions, share)

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

    def _play_turn(self, pool: Pool, begin: int) -> bool:
        """Deterministic runs: play the games that belong to the turn, all of them with the newest
        weights, and take them in by their numbers; False if a signal came before."""
        end = end_of_turn(self.store, self.config, begin, self.game.max_game_length)
        num = end - begin
        while not pool.has_loaded(self.generation) and not self._signal:
            self._collect(pool, timeout_s=0.01)
        # Some have been played if the run stopped in this turn.
        missing = set(range(begin, end)) - self.store.numbers(begin, end - 1)
        pool.hand_out(missing)
        before, began = pool.counters(), time.monotonic()
        while missing and not self._signal:
            missing -= self._collect(pool, timeout_s=0.05)
            self._judge(pool, before, began)
            self._show("self-play", 1 - len(missing) / num)
        if missing:
            return False
        self._turn_end = end
        self._take_in(list(self.store.games(begin, end - 1)))
        return True

    def _collect(self, pool: Pool, timeout_s: float) -> set[int]:
        """Commit finished games, count them, and only then give their journals back; returns
        their numbers."""
        for event in pool.watch():
            self.display.message(event)
        finished = pool.finished(timeout_s)
        if finished:
            records = sorted((f.record for f in finished), key=lambda r: r.number)
            self.store.add_games(records)
            pool.release(finished)
            for record in records:
                self._tally.add(record)
            self._num_games += sum(r.ending != Ending.REANALYSED for r in records)
            self._resignations.add(records)
            if self._turn_end is None:
                self._take_in(records)
        now = time.monotonic()
        if now >= self._next_save:
            self._next_save = now + KEEP_TIME_EVERY_S
            self._keep_time()
            self._foresee()
        return {game.record.number for game in finished}

    def _take_in(self, records: list[GameRecord]) -> None:
        """Learn from these games, or validate with them, from now on."""
        share = self.config.learner.validation_share
        kept = [r for r in records if not is_held_out(r, share)]
        self._unlearned += self.window.add(kept)
        if self.config.selfplay.start_share:
            self.starts.add(kept)
        if self.config.selfplay.reanalyse_share:
            self.stored.add(kept)
        self.held_out.add(r for r in records if is_held_out(r, share))

    def _keep_time(self) -> None:
        self.store.put("elapsed_s", self.elapsed_s)

    # -- Step 2 ---------------------------------------------------------------------------

    def _learn(self, pool: Pool, metrics: Metrics) -> bool:
        """The learner's turn; self-play waits, games that had finished are committed.

        False if a signal ended a deterministic run's turn early: a part of it would be another
        run, so that the resumed one does all of it again.
        """
        if self._signal:
            return True
        if self.window.total_rows < self.config.learner.min_rows or not self._unlearned:
            return True
        steps = self.learner.steps_due(self._unlearned)
        self._unlearned = 0
        done = 0

        def on_step(_: object) -> bool:
            nonlocal done
            done += 1
            self._collect(pool, timeout_s=0.0)
            self._show("training", done / steps)
            self.learner.set_progress(self._progress(done / steps))
            return bool(self._signal) or self._out_of_time

        self.learner.set_progress(self._progress(0.0))
        with pool.paused():
            trained = self.learner.train(steps, self.window, on_step)
            if trained is None:
                return True
            if self.config.deterministic and done < steps:
                return False
            held_out = {} if self._signal else self.learner.validate(self.held_out)
        self.generation += 1
        losses = Losses(
            policy=trained.policy_loss,
            value=trained.value_loss,
            validation_policy=held_out.get("policy_loss", math.nan),
            validation_value=held_out.get("value_loss", math.nan),
        )
        self._losses.append(losses)
        self._statistics, rates = self._tally.take(), self._rates()
        scalars = {
            "loss/policy": losses.policy,
            "loss/value": losses.value,
            "loss/policy_validation": losses.validation_policy,
            "loss/value_validation": losses.validation_value,
            "validation/policy_top1": held_out.get("policy_top1", math.nan),
            "validation/value_sign": held_out.get("value_sign", math.nan),
            **{f"loss/{name}": loss for name, loss in self.learner.auxiliary_losses.items()},
            "validation/known_positions": self.held_out.share_known_to(self.window),
            "learner/learning_rate": trained.learning_rate,
            "learner/grad_norm": trained.grad_norm,
            "learner/samples_per_s": trained.samples_per_s,
            "selfplay/games": float(self._num_games),
            **grouped(rates),
            **self._statistics,
            "selfplay/false_resignations": self._resignations.false_share,
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
        return True

    def _progress(self, turn: float) -> float | None:
        """Share of the budget that is spent; None without an end. `turn` is the share of the
        learner's turn that is done: time says nothing in a deterministic run."""
        if self._turn_end is not None:
            return share_spent(self.config.budget, self.generation + turn, self._turn_end)
        limit = self.config.budget.max_time_s - self._reserve.seconds
        return None if math.isinf(limit) else self.elapsed_s / limit

    def _foresee(self) -> None:
        """Before anything is measured: how long it should take, by the newest games."""
        evaluation, plies = self.config.evaluation, self._tally.length
        if self._reserve.is_measured or math.isnan(plies):
            return
        simulations_per_s = self._rates().get("simulations_per_s", 0.0)
        if not simulations_per_s > 0:
            return
        if not self._rollout_s:
            self._rollout_s = rollout_seconds(self.game)
        opponents = [int(name.partition(":")[2] or 0) for name in evaluation.baselines]
        asked = len(self._known) + len(self._positions)
        self._reserve.forecast(
            asked * evaluation.simulations / simulations_per_s
            + sum(
                match_seconds(
                    evaluation.games, plies, evaluation.simulations, 1 / simulations_per_s,
                    rollouts * self._rollout_s,
                )
                for rollouts in opponents
            )
        )  # fmt: skip

    # -- Step 3 ---------------------------------------------------------------------------

    def _publish(self, pool: Pool) -> None:
        if self.checkpoints.latest() == self.learner.step:
            return
        self._spent = (
            self.config.budget.spent(self.elapsed_s, self._num_games, self.generation)
            if self._turn_end is None
            else share_spent(self.config.budget, self.generation, self._turn_end)
        )
        path = self._save_checkpoint()
        pool.set_progress(self._spent)
        if self.config.selfplay.evaluator == "network" and not self.labelling.gates:
            pool.load(0, path / "model.safetensors", self.generation)
        self._offer_starts(pool)

    def _save_checkpoint(self) -> Any:
        return self.checkpoints.save(
            self.learner,
            games.spec(self.game),
            {
                "generation": self.generation,
                "games": self._num_games,
                # Rows the learner's turns have covered: a resumed run owes the rest.
                "rows": self._stored_rows() - self._unlearned,
                **({} if self._turn_end is None else {"turn_end": self._turn_end}),
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
        settled = self._pool.evaluators[0] if self._pool and self._pool.evaluators else None
        player = contestant(model, 1, compute=self._compute)
        player = replace(player, search=search, settled=settled)
        minutes, began = self.elapsed_s / 60, time.monotonic()
        budget_s, left_s = self._max_time_s, math.inf
        if final and self._spent_before < budget_s:  # or else this is all that the session is for
            left_s = budget_s - self.elapsed_s - CLOSING_S
        num_games = self._reserve.games(evaluation.games, left_s)
        if self._known and not self._measure_truth(player, minutes, metrics, final):
            return
        found: list[tuple[Strength, dict[str, Any]]] = []
        for label in evaluation.baselines:
            if self._signal:
                return
            phase = f"evaluating vs {label}"
            if time.monotonic() + START_S >= began + left_s:
                self.display.message(f"no time was left to play against {label}")
                continue

            def on_game(done: int, _: object, phase: str = phase) -> bool:
                self._show(phase, done / num_games)
                return bool(self._signal)

            result = play_match(
                self.game,
                player,
                contestant(label, 1),
                num_games,
                opening_plies=evaluation.opening_plies,
                seed=self.config.seed + 1,
                log_dir=str(self.folder.logs / "matches"),
                serial=self._serial,
                until=began + left_s,
                on_game=on_game,
            )
            if self._signal:
                return
            if result is None:
                self.display.message(f"no pair of games against {label} was over in time")
                continue
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
        if num_games == evaluation.games:
            self._reserve.measured(time.monotonic() - began)
            self.store.put("measurement_s", time.monotonic() - began)

    def _measure_truth(
        self, player: Contestant, minutes: float, metrics: Metrics, final: bool
    ) -> bool:
        """Count the mistakes where the answers are known; False if a signal came meanwhile."""
        num = len(self._known)

        def on_answer(done: int) -> bool:
            self._show("asking known positions", done / num)
            return bool(self._signal)

        wrong = mistakes(
            self.game, player.evaluator().devices[0], player.search, self._known,
            seed=self.config.seed + 1, on_progress=on_answer,
        )  # fmt: skip
        if wrong is None:
            return False
        searched, alone = wrong
        truth = Truth(
            minutes=minutes, positions=num, simulations=player.search.num_simulations,
            mistakes=searched, mistakes_network=alone,
        )  # fmt: skip
        self._truth.append(truth)
        self.store.add_match({"truth": asdict(truth), "final": final})
        scalars = {"truth/mistakes": searched, "truth/mistakes_network": alone}
        metrics.write(self.learner.step, scalars)
        self.store.add_metrics(scalars, generation=self.generation, step=self.learner.step)
        return True

    # -- Step 5 ---------------------------------------------------------------------------

    def _label(self, pool: Pool, metrics: Metrics) -> None:
        """Let the newest weights challenge the best ones."""
        most = self.config.evaluation.best_games

        def on_pair(games: int, _: object) -> bool:
            self._show("testing against the best", games / most)
            return bool(self._signal) or self._out_of_time

        found = self.labelling.test(self.generation, self.elapsed_s, on_pair)
        best = self.labelling.best
        if found is None or best is None:
            return
        metrics.write(self.learner.step, {"best/llr": found.standing.llr, "best/step": best.step})
        self.display.message(
            f"generation {self.generation} against the best: {found.standing.verdict} "
            f"after {found.games} games"
        )
        if best.step == self.learner.step and self.labelling.gates:
            pool.load(0, self.checkpoints.model_path(best.step), best.generation)

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
            "latency_us": delta.get("server.busy_ns", 0.0) / batches / 1e3,
            "depth": delta.get("worker.depth", 0.0) / (delta.get("worker.simulations") or math.nan),
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
        rates = self._rates()
        pids = pool.pids if pool is not None else {}
        self.display.update(
            Progress(
                run=str(self.folder.path),
                game=self.game.name,
                elapsed_s=self.elapsed_s,
                budget_s=self._max_time_s,
                generation=self.generation,
                phase=phase,
                phase_done=done,
                games=self._num_games,
                samples=self.window.total_rows,
                steps=self.learner.step,
                learning_rate=self.learner.learning_rate(),
                losses=self._losses,
                strength=self._strength,
                truth=self._truth,
                statistics=self._statistics,
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
