"""Is a run getting stronger? Matches against baselines, known positions, and mistakes counted
where the right answers are known, in the time that the budget has for it."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from engine.backends.spec import EvaluatorSpec
from games.base import Game
from trainer.arena.match import play_match
from trainer.arena.players import Contestant, contestant, match_search
from trainer.config import RunConfig
from trainer.evaluate import grade, read_positions
from trainer.metrics import Metrics
from trainer.progress import Strength, Truth
from trainer.replay import ReplayStore
from trainer.reserve import START_S, match_seconds, rollout_seconds
from trainer.runs import RunFolder
from trainer.spending import Spending
from trainer.stopping import Stop
from trainer.truth import known_positions, mistakes
from trainer.watching import Watch

__all__ = ["Measuring"]

CLOSING_S = 1.0  # for the processes to end


class Measuring:
    """All measurements of a run.

    Parameters
    ----------
    folder, game, config, store
        The run's. What earlier sessions measured is in the store.
    spending
        The run's time; its reserve learns from here what a measurement takes.
    watch, stop
        Where progress is shown, and what ends a measurement without a result.
    serial
        Play matches in this process, step by step.

    Raises
    ------
    ConfigError
        If the positions to grade cannot be read.
    """

    def __init__(
        self,
        folder: RunFolder,
        game: Game,
        config: RunConfig,
        store: ReplayStore,
        spending: Spending,
        watch: Watch,
        stop: Stop,
        *,
        serial: bool = False,
    ) -> None:
        self._folder, self._game, self._config, self._store = folder, game, config, store
        self._spending, self._watch, self._stop, self._serial = spending, watch, stop, serial
        evaluation = config.evaluation
        file, most = evaluation.positions, evaluation.truth_positions
        self._positions = read_positions(file, game) if file else []
        self._known = known_positions(game, most) if evaluation.truth == "auto" else []
        matches = store.matches()
        self.strength = [Strength(**row["strength"]) for row in matches if "strength" in row]
        self.truth = [Truth(**row["truth"]) for row in matches if "truth" in row]
        self._rollout_s = 0.0
        self._every_s = evaluation.every_minutes * 60 or math.inf
        self._next_s = spending.elapsed_s + self._every_s

    @property
    def is_due(self) -> bool:
        """Whether the time for another one has come, and there will be time for the last one."""
        return self._spending.elapsed_s >= self._next_s and not self._spending.ends_soon

    def is_complete(self, since_s: float) -> bool:
        """Whether weights of the time `since_s` have met everything that they shall be measured
        by."""
        evaluation, since = self._config.evaluation, since_s / 60
        wanted = {*evaluation.baselines, *(["positions"] if self._positions else [])}
        return wanted <= {found.label for found in self.strength if found.minutes >= since} and (
            not self._known or any(found.minutes >= since for found in self.truth)
        )

    def foresee(self, plies: float) -> None:
        """Before anything is measured: reserve what it should take, going by the newest games.

        Parameters
        ----------
        plies
            Their mean length, nan without any.
        """
        evaluation, reserve = self._config.evaluation, self._spending.reserve
        if reserve.is_measured or math.isnan(plies):
            return
        simulations_per_s = self._watch.rates().get("simulations_per_s", 0.0)
        if not simulations_per_s > 0:
            return
        if not self._rollout_s:
            self._rollout_s = rollout_seconds(self._game)
        opponents = [int(name.partition(":")[2] or 0) for name in evaluation.baselines]
        asked = len(self._known) + len(self._positions)
        reserve.forecast(
            asked * evaluation.simulations / simulations_per_s
            + sum(
                match_seconds(
                    evaluation.games, plies, evaluation.simulations, 1 / simulations_per_s,
                    rollouts * self._rollout_s,
                )
                for rollouts in opponents
            )
        )  # fmt: skip

    def measure(
        self,
        checkpoint: str,
        settled: EvaluatorSpec | None,
        metrics: Metrics,
        *,
        generation: int,
        step: int,
        final: bool = False,
    ) -> None:
        """Measure the weights of `checkpoint`, which is of `generation` and `step`.

        Parameters
        ----------
        settled
            What the pool has found to evaluate them best with, if it plays with a network.
        final
            The last measurement: it has the rest of the budget, and plays fewer games in less.
        """
        spending, evaluation = self._spending, self._config.evaluation
        self._next_s = spending.elapsed_s + self._every_s
        search = match_search(evaluation.simulations, self._config.search)
        player = contestant(checkpoint, 1, compute=self._config.compute)
        player = replace(player, search=search, settled=settled)
        minutes, began = spending.elapsed_s / 60, time.monotonic()
        left_s = math.inf
        if final and spending.before_s < spending.max_time_s:  # or else the session is only for it
            left_s = spending.max_time_s - spending.elapsed_s - CLOSING_S
        num_games = spending.reserve.games(evaluation.games, left_s)
        if self._known:
            truth = self._count_mistakes(player, minutes)
            if truth is None:
                return
            self.truth.append(truth)
            self._store.add_match({"truth": asdict(truth), "final": final})
            scalars = {
                "truth/mistakes": truth.mistakes,
                "truth/mistakes_network": truth.mistakes_network,
            }
            metrics.write(step, scalars)
            self._store.add_metrics(scalars, generation=generation, step=step)
        found = self._play(player, minutes, num_games, began + left_s)
        if found is None:
            return
        if self._positions:
            report = grade(
                player, self._game, self._positions, on_progress=lambda _: bool(self._stop)
            )
            if report is None:
                return
            score = report["outcome_perfect"]
            found.append((Strength(minutes=minutes, label="positions", score=score), report))
        for strength, data in found:
            self.strength.append(strength)
            self._store.add_match({**data, "strength": asdict(strength), "final": final})
            scalars = {
                f"strength/{strength.label}": strength.score,
                f"elo/{strength.label}": strength.elo,
            }
            metrics.write(step, scalars)
        if num_games == evaluation.games:
            spending.measurement_took(time.monotonic() - began)

    def _count_mistakes(self, player: Contestant, minutes: float) -> Truth | None:
        """Ask where the answers are known; None if a signal came meanwhile."""
        num = len(self._known)
        wrong = mistakes(
            self._game, player.evaluator().devices[0], player.search, self._known,
            seed=self._config.seed + 1, on_progress=self._progress("asking known positions", num),
        )  # fmt: skip
        if wrong is None:
            return None
        return Truth(
            minutes=minutes, positions=num, simulations=player.search.num_simulations,
            mistakes=wrong[0], mistakes_network=wrong[1],
        )  # fmt: skip

    def _play(
        self, player: Contestant, minutes: float, num_games: int, until: float
    ) -> list[tuple[Strength, dict[str, Any]]] | None:
        """Play each baseline, while there is time, the time.monotonic() `until`; None if a signal
        came meanwhile."""
        found: list[tuple[Strength, dict[str, Any]]] = []
        for label in self._config.evaluation.baselines:
            if self._stop:
                return None
            if time.monotonic() + START_S >= until:
                self._watch.say(f"no time was left to play against {label}")
                continue
            result = play_match(
                self._game,
                player,
                contestant(label, 1),
                num_games,
                opening_plies=self._config.evaluation.opening_plies,
                seed=self._config.seed + 1,
                log_dir=str(self._folder.logs / "matches"),
                serial=self._serial,
                until=until,
                on_game=self._progress(f"evaluating vs {label}", num_games),
            )
            if self._stop:
                return None
            if result is None:
                self._watch.say(f"no pair of games against {label} was over in time")
                continue
            elo = result.elo
            found.append((
                Strength(minutes=minutes, label=label, score=result.score,
                         elo=elo.elo, lo=elo.lo, hi=elo.hi),
                result.as_json(),
            ))  # fmt: skip
        return found

    def _progress(self, phase: str, num: int) -> Callable[..., bool]:
        """Shows how many of `num` are done in `phase`, and answers whether to give it up."""

        def on_progress(done: int, *_: object) -> bool:
            self._watch.show(phase, done / num)
            return bool(self._stop)

        return on_progress
