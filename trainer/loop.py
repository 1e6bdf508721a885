"""The training loop, top to bottom: self-play, learn, publish, measure, label, again.

One process owns the loop, the store and the learner; the pool's processes make the games. These
go on while the learner takes its steps, a generation ahead at most: steps of small networks fill
one core, and neither they nor self-play fill two. What the steps are made of is elsewhere:

::

    harvest      games from the pool into the store, and to the learner
    generations  what is kept of each turn of the learner
    measuring    matches and known positions
    labelling    which checkpoint is the best
    spending     the budget
    watching     what a person sees
"""

import logging
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import games
from engine.pool import Pool
from trainer.checkpoint import CheckpointStore
from trainer.config import RunConfig, to_toml
from trainer.display import Display
from trainer.generations import Generations
from trainer.growth import start_from
from trainer.harvest import Harvest
from trainer.labelling import Labelling
from trainer.learner import Learner
from trainer.measuring import Measuring
from trainer.memory import keep_freed_memory
from trainer.metrics import Metrics
from trainer.network import Network
from trainer.progress import Outcome, Progress
from trainer.reanalysis import NUM_OFFERED as NUM_REANALYSES
from trainer.replay import ReplayStore
from trainer.reproducible import reproducible_arithmetic
from trainer.runs import RunFolder
from trainer.selfplay import open_pool
from trainer.spending import Spending
from trainer.stopping import Stop
from trainer.targets import declared
from trainer.watching import Watch

__all__ = ["Trainer"]

log = logging.getLogger(__name__)

KEEP_TIME_EVERY_S = 5.0


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
        began = time.monotonic() if began is None else began
        self.folder, self.config, self.display, self._serial = folder, config, display, serial
        keep_freed_memory()
        self._beside = config.learner.beside_selfplay and not (serial or config.deterministic)
        self.game = games.make(config.game.name, **config.game.options)
        self.store = ReplayStore(
            folder.database,
            self.game,
            seed=config.seed,
            validation_share=config.learner.validation_share,
        )
        try:
            self._resume(began)
        except BaseException:
            self.store.close()
            raise

    def _resume(self, began: float) -> None:
        """Take up what the folder holds; a new run gets its first checkpoint."""
        folder, config, game, store = self.folder, self.config, self.game, self.store
        self.checkpoints = CheckpointStore(
            folder.checkpoints,
            keep=config.checkpoints.keep,
            keep_every=config.checkpoints.keep_every,
        )
        torch.manual_seed(config.seed)
        network = Network(game.observation_shape, game.num_actions, config.network)
        declared(game, list(config.learner.auxiliary))
        self.learner = Learner(
            network, replace(config.learner, beside_selfplay=self._beside), seed=config.seed,
            device=config.selfplay.device,
        )  # fmt: skip
        self._stop = Stop()
        self.watch = Watch(self.display, self._standing, self._stop)
        self.spending = Spending(config, store, began)
        self.measuring = Measuring(
            folder, game, config, store, self.spending, self.watch, self._stop,
            serial=self._serial,
        )  # fmt: skip
        self.labelling = Labelling(
            folder, game, config, self.checkpoints, store, serial=self._serial
        )
        if self.checkpoints.folder.is_dir():
            for path in self.checkpoints.sweep():
                log.warning("sweep path=%s", path)
        latest = self.checkpoints.latest()
        info = None if latest is None else self.checkpoints.load(latest, self.learner)
        self.harvest = Harvest(game, config, store, info)
        self.generations = Generations(store, int(info["generation"]) if info else 0)
        # Share of the budget that was spent when the weights that play were published.
        self._spent = float(info["spent"]) if info else config.budget.spent(0.0, 0, 0)
        self._checkpoint_s = float(info["elapsed_s"]) if info else 0.0
        self._next_save = 0.0
        if info is None:
            if config.learner.start_from:
                self.display.message(start_from(config.learner.start_from, self.learner, game))
            self._save_checkpoint()
        self.labelling.begin(self.generations.newest, self.spending.elapsed_s)

    # -- the loop -------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Train until the budget is spent or a signal asks to stop."""
        if self._over() and self.measuring.is_complete(self._checkpoint_s):
            return self._outcome()  # typed again after its end: there is only the verdict to tell
        measured = False
        with (
            self._stop,
            self._arithmetic(),
            self._open_pool() as pool,
            Metrics(self.folder.tensorboard, self.learner.step) as metrics,
        ):
            self.watch.pool = pool
            metrics.text("config", f"```\n{to_toml(self.config)}```", self.learner.step)
            self._wait_ready(pool)
            self.watch.begin_turn()
            while not self._over():
                # Step 1. Self-play: until there is enough to learn from.
                if not self._self_play(pool):
                    break
                # Step 2. Learn: the new rows govern the number of steps.
                if not self._learn(pool, metrics):
                    break
                # Step 3. Publish: the averaged weights play from now on.
                if self.harvest.window.total_rows >= self.config.learner.min_rows:
                    self._publish(pool)
                # Step 4. Measure: is it getting stronger?
                if self.measuring.is_due and not self._over():
                    self._measure(pool, metrics)
                # Step 5. Label: is it stronger than the best so far?
                if self.labelling.due(self.spending.elapsed_s) and not self._over():
                    self._label(pool, metrics)
            if not self._stop and self.learner.step:
                self._measure(pool, metrics, final=True)
                measured = True
            self.watch.show("stopping" if not measured else "done", force=True)
        self.watch.pool = None
        self.spending.keep()
        return self._outcome()

    def _over(self) -> bool:
        return bool(self._stop) or self.spending.is_over(
            self.harvest.num_taken_in, self.generations.newest
        )

    def _outcome(self) -> Outcome:
        self.store.close()
        latest = self.checkpoints.latest()
        return Outcome(
            reason="stopped" if self._stop else "budget",
            signal=self._stop.signal,
            generation=self.generations.newest,
            games=self.harvest.num_games,
            elapsed_s=self.spending.elapsed_s,
            strength=tuple(self.measuring.strength),
            truth=tuple(self.measuring.truth),
            model=str(self.checkpoints.path(latest or 0)),
            weights=self.checkpoints.weights(latest or 0),
        )

    def _standing(self) -> Progress:
        """The run as far as it knows itself, without its processes."""
        return Progress(
            run=str(self.folder.path),
            game=self.game.name,
            elapsed_s=self.spending.elapsed_s,
            budget_s=self.spending.max_time_s,
            generation=self.generations.newest,
            games=self.harvest.num_games,
            samples=self.harvest.window.total_rows,
            steps=self.learner.step,
            learning_rate=self.learner.learning_rate(),
            losses=self.generations.losses,
            strength=self.measuring.strength,
            truth=self.measuring.truth,
            statistics=self.generations.statistics,
        )

    # -- beginning ------------------------------------------------------------------------

    def _arithmetic(self) -> AbstractContextManager[None]:
        if not self.config.deterministic:
            return nullcontext()
        return reproducible_arithmetic(self.config.learner.threads)

    def _open_pool(self) -> Pool:
        step, generation = self.labelling.playing(self.generations.newest)
        path = self.checkpoints.model_path(step)
        pool = open_pool(
            self.folder, self.game, self.config, path, self.store.last_number() + 1,
            serial=self._serial, say=self.display.message,
        )  # fmt: skip
        pool.set_progress(self._spent)
        if pool.evaluators:
            pool.load(0, path, generation)
        self._offer_starts(pool)
        return pool

    def _offer_starts(self, pool: Pool) -> None:
        """Send games to where the network has been wrong lately, and searches to old positions."""
        harvest, config = self.harvest, self.config
        if share := config.selfplay.start_share:
            pool.offer_starts(harvest.starts.best(), share)
        if share := config.selfplay.reanalyse_share:
            rng = np.random.default_rng((config.seed, self.generations.newest))
            positions = harvest.stored.draw(NUM_REANALYSES, len(harvest.window), rng)
            pool.offer_reanalyses(positions, share)

    def _wait_ready(self, pool: Pool) -> None:
        self.watch.show("starting", force=True)
        if not self._serial:
            pool.wait_ready()

    # -- Step 1 ---------------------------------------------------------------------------

    def _self_play(self, pool: Pool) -> bool:
        """Collect games until the learner has its rows, or the run is over; False if a signal
        came in a deterministic run's turn, which is only learned from when it is complete."""
        if self.config.deterministic:
            return self._play_turn(pool)
        harvest, learner = self.harvest, self.config.learner
        if not self._beside:
            self.watch.begin_turn()
        while not self._over():
            wanted = self.config.selfplay.rows_per_generation
            if not self.learner.step:
                wanted = max(1, learner.min_rows - harvest.window.total_rows + harvest.unlearned)
            self._collect(pool, timeout_s=0.05)
            self.watch.judge()
            self.watch.show("self-play", harvest.unlearned / wanted)
            if harvest.unlearned >= wanted:
                break
        return True

    def _play_turn(self, pool: Pool) -> bool:
        """Deterministic runs: play the games that belong to the turn, all of them with the newest
        weights, and take them in; False if a signal came before."""
        while not pool.has_loaded(self.generations.newest) and not self._stop:
            self._collect(pool, timeout_s=0.01)
        turn = self.harvest.next_turn()
        missing = self.harvest.missing(turn)
        pool.hand_out(missing)
        self.watch.begin_turn()
        while missing and not self._stop:
            missing -= self._collect(pool, timeout_s=0.05)
            self.watch.judge()
            self.watch.show("self-play", 1 - len(missing) / len(turn))
        if missing:
            return False
        self.harvest.end_turn(turn)
        return True

    def _collect(self, pool: Pool, timeout_s: float) -> set[int]:
        """Take in the games that have finished and return their numbers; now and then, keep the
        time and foresee what the last measurement takes."""
        for event in pool.watch():
            self.display.message(event)
        numbers = self.harvest.collect(pool, timeout_s)
        now = time.monotonic()
        if now >= self._next_save:
            self._next_save = now + KEEP_TIME_EVERY_S
            self.spending.keep()
            self.measuring.foresee(self.harvest.tally.length)
        return numbers

    # -- Step 2 ---------------------------------------------------------------------------

    def _learn(self, pool: Pool, metrics: Metrics) -> bool:
        """The learner's turn; games that have finished are committed meanwhile. Self-play waits, or
        goes on until the next turn has its rows, too.

        False if a signal ended a deterministic run's turn early: a part of it would be another
        run, so that the resumed one does all of it again.
        """
        harvest, spending, before = self.harvest, self.spending, self.generations.newest
        if self._stop:
            return True
        if harvest.window.total_rows < self.config.learner.min_rows or not harvest.unlearned:
            return True
        steps = self.learner.steps_due(harvest.unlearned)
        harvest.unlearned = 0
        done, plays = 0, True

        def set_progress(turn: float) -> None:
            share = spending.learning_share(harvest.num_taken_in, before + turn)
            self.learner.set_progress(share)

        def on_step(_: object) -> bool:
            nonlocal done
            done += 1
            self._collect(pool, timeout_s=0.0)
            if plays:
                self.watch.judge()
                if harvest.unlearned >= self.config.selfplay.rows_per_generation:
                    wait()
            self.watch.show("training", done / steps)
            set_progress(done / steps)
            return bool(self._stop) or spending.out_of_time

        def wait() -> None:
            nonlocal plays
            plays = False
            turns.enter_context(pool.paused())
            self.learner.take_all_cores()

        set_progress(0.0)
        with ExitStack() as turns:
            self.watch.begin_turn()
            if not self._beside:
                wait()
            trained = self.learner.train(steps, harvest.window, on_step)
            if trained is None:
                return True
            if self.config.deterministic and done < steps:
                return False
            held_out = {} if self._stop else self.learner.validate(harvest.held_out)
        self.generations.add(
            trained, held_out, self.learner, harvest, self.watch.rates(), spending.elapsed_s,
            metrics,
        )  # fmt: skip
        return True

    # -- Step 3 ---------------------------------------------------------------------------

    def _publish(self, pool: Pool) -> None:
        if self.checkpoints.latest() == self.learner.step:
            return
        generation = self.generations.newest
        self._spent = self.spending.share(self.harvest.num_taken_in, generation)
        path = self._save_checkpoint()
        pool.set_progress(self._spent)
        if self.config.selfplay.evaluator == "network" and not self.labelling.gates:
            pool.load(0, path / "model.safetensors", generation)
        self._offer_starts(pool)

    def _save_checkpoint(self) -> Path:
        return self.checkpoints.save(
            self.learner,
            games.spec(self.game),
            {
                "generation": self.generations.newest,
                **self.harvest.info(),
                "elapsed_s": self.spending.elapsed_s,
                "spent": self._spent,
            },
            config=to_toml(self.config),
        )

    # -- Step 4 ---------------------------------------------------------------------------

    def _measure(self, pool: Pool, metrics: Metrics, *, final: bool = False) -> None:
        """Play the newest weights against fixed opponents, and grade known positions."""
        with pool.paused():
            self.measuring.measure(
                str(self.checkpoints.path(self.checkpoints.latest() or 0)),
                pool.evaluators[0] if pool.evaluators else None,
                metrics,
                generation=self.generations.newest,
                step=self.learner.step,
                final=final,
            )

    # -- Step 5 ---------------------------------------------------------------------------

    def _label(self, pool: Pool, metrics: Metrics) -> None:
        """Let the newest weights challenge the best ones."""
        most, generation = self.config.evaluation.best_games, self.generations.newest

        def on_pair(games: int, _: object) -> bool:
            self.watch.show("testing against the best", games / most)
            return bool(self._stop) or self.spending.out_of_time

        with pool.paused():
            found = self.labelling.test(generation, self.spending.elapsed_s, on_pair)
            best = self.labelling.best
            if found is None or best is None:
                return
            scalars = {"best/llr": found.standing.llr, "best/step": best.step}
            metrics.write(self.learner.step, scalars)
            self.display.message(
                f"generation {generation} against the best: {found.standing.verdict} "
                f"after {found.games} games"
            )
            if best.step == self.learner.step and self.labelling.gates:
                pool.load(0, self.checkpoints.model_path(best.step), best.generation)
