"""A whole run: all its sections, and those that say what it is about and how long it lasts."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from engine.config import SearchConfig, check_fields
from engine.errors import ConfigError
from trainer.compute import Compute
from trainer.config.evaluation import EvaluationConfig
from trainer.config.learning import LearnerConfig, NetworkConfig
from trainer.config.quantities import duration
from trainer.config.selfplay import SelfplayConfig

__all__ = ["BudgetConfig", "CheckpointConfig", "GameConfig", "RunConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GameConfig:
    """Which game is learned."""

    name: str = "connect4"
    """A name that `ringzero games` lists, or the path of a plain-Python game file."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the game is made with, for example size = 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """Which checkpoints stay on disk."""

    keep: int = 5
    """Newest checkpoints to keep, >= 1."""
    keep_every: int = 10
    """Every n-th generation's checkpoint stays for ever; 0: none does."""

    def __post_init__(self) -> None:
        check_fields(
            self,
            keep=("an integer >= 1", self.keep >= 1),
            keep_every=("an integer >= 0", self.keep_every >= 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """When the run ends by itself; what is spent counts over all its sessions."""

    max_time: str = "15m"
    """Time spent training, such as 90s, 20m or 1h30m; 0: no limit."""
    max_games: int = 0
    """Finished games; 0: no limit."""
    max_generations: int = 0
    """Generations; 0: no limit."""

    def __post_init__(self) -> None:
        try:
            duration(self.max_time)
        except ConfigError as error:
            raise ConfigError(f"max_time: {error}") from error
        check_fields(
            self,
            max_games=("an integer >= 0", self.max_games >= 0),
            max_generations=("an integer >= 0", self.max_generations >= 0),
        )

    @property
    def max_time_s(self) -> float:
        """`max_time` in seconds, infinite without a limit."""
        return duration(self.max_time) or math.inf

    def spent(self, elapsed_s: float, games: int, generations: float) -> float:
        """Share of the budget that is spent, in [0, 1]: of the limit that is nearest; 1 without
        any, since a run without an end has no beginning to be treated otherwise."""
        shares = [elapsed_s / self.max_time_s] if math.isfinite(self.max_time_s) else []
        shares += [games / self.max_games] if self.max_games else []
        shares += [generations / self.max_generations] if self.max_generations else []
        return min(max(shares, default=1.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that determines a run."""

    seed: int = 0
    """Keys every random draw, >= 0."""
    deterministic: bool = False
    """The same seed gives the same games and weights, to the bit, on one machine and build, with
    any number of workers and whatever is killed meanwhile; slower. `max_time` does not end it."""
    game: GameConfig = field(default_factory=GameConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    selfplay: SelfplayConfig = field(default_factory=SelfplayConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)

    def __post_init__(self) -> None:
        check_fields(self, seed=("an integer in [0, 2**63)", 0 <= self.seed < 2**63))
        if self.learner.learning_rate_schedule == "one_cycle" and not self.budget.max_time_s < (
            math.inf
        ):
            raise ConfigError(
                "learner.learning_rate_schedule must be cosine or step for a run without end, got "
                "one_cycle, which is laid over budget.max_time"
            )
        if self.selfplay.gating and not self.evaluation.best_every_minutes:
            raise ConfigError(
                "selfplay.gating needs evaluation.best_every_minutes > 0: without tests no new "
                "weights would ever play"
            )
        proofs = self.search.solver or not self.learner.relabel
        check_fields(self.learner, relabel=("false without search.solver", proofs))

    @property
    def compute(self) -> Compute:
        """What its networks run on; in one fixed shape where it is deterministic."""
        return replace(self.selfplay.compute, fixed_shape=self.deterministic)
