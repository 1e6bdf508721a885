"""What is kept of each generation: its losses, its curves, a line of the log."""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict

from trainer.harvest import Harvest
from trainer.learner import Learner, StepMetrics
from trainer.metrics import Metrics
from trainer.progress import Losses
from trainer.replay import ReplayStore
from trainer.statistics import grouped

__all__ = ["Generations"]

log = logging.getLogger(__name__)


class Generations:
    """The generations of a run.

    Parameters
    ----------
    store
        Keeps them.
    newest
        Number of the newest one that has a checkpoint: a later one comes again.
    """

    def __init__(self, store: ReplayStore, newest: int) -> None:
        self._store = store
        self.newest = newest
        self.losses = [
            Losses(**row["losses"]) for row in store.generations() if row["generation"] <= newest
        ]
        self.statistics: dict[str, float] = {}
        """Of the newest one's games and searches, see `trainer.statistics.Tally.take`."""

    def add(
        self,
        trained: StepMetrics,
        held_out: Mapping[str, float],
        learner: Learner,
        harvest: Harvest,
        rates: Mapping[str, float],
        elapsed_s: float,
        metrics: Metrics,
    ) -> None:
        """A generation is learned.

        Parameters
        ----------
        trained, held_out
            What its training came to, and the validation after it, if any.
        rates
            Of self-play, see `trainer.watching.Watch.rates`.
        """
        self.newest += 1
        losses = Losses(
            policy=trained.policy_loss,
            value=trained.value_loss,
            validation_policy=held_out.get("policy_loss", math.nan),
            validation_value=held_out.get("value_loss", math.nan),
        )
        self.losses.append(losses)
        self.statistics = harvest.tally.take()
        resignations = harvest.resignations
        scalars = {
            "loss/policy": losses.policy,
            "loss/value": losses.value,
            "loss/policy_validation": losses.validation_policy,
            "loss/value_validation": losses.validation_value,
            "validation/policy_top1": held_out.get("policy_top1", math.nan),
            "validation/value_sign": held_out.get("value_sign", math.nan),
            **{f"loss/{name}": loss for name, loss in learner.auxiliary_losses.items()},
            "validation/known_positions": harvest.held_out.share_known_to(harvest.window),
            "learner/learning_rate": trained.learning_rate,
            "learner/grad_norm": trained.grad_norm,
            "learner/samples_per_s": trained.samples_per_s,
            "selfplay/games": float(harvest.num_games),
            **grouped(rates),
            **self.statistics,
            "selfplay/false_resignations": resignations.false_share,
        }
        metrics.write(learner.step, scalars)
        self._store.add_metrics(
            {k: v for k, v in scalars.items() if math.isfinite(v)},
            generation=self.newest,
            step=learner.step,
        )
        self._store.add_generation(
            self.newest,
            {
                "step": learner.step,
                "games": harvest.num_games,
                "samples": harvest.window.total_rows,
                "elapsed_s": elapsed_s,
                "losses": asdict(losses),
            },
        )
        log.info(
            "generation number=%d step=%d games=%d policy=%.4f value=%.4f",
            self.newest, learner.step, harvest.num_games, losses.policy, losses.value,
        )  # fmt: skip
        if resignations.too_many:
            log.warning(
                "false_resignations share=%.3f games=%d; lower search.resign_value",
                resignations.false_share, resignations.num_games,
            )  # fmt: skip
