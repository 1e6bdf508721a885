"""A training run in numbers: at one moment, as a display shows it, and at a session's end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Losses", "Outcome", "Progress", "Strength", "Truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Mean losses of one generation; nan where there was nothing to measure."""

    policy: float
    """Training loss of the policy, in nats."""
    value: float
    """Training loss of win/draw/loss, in nats."""
    validation_policy: float = math.nan
    """The same on games held out."""
    validation_value: float = math.nan
    """The same on games held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """One measurement of the weights that play."""

    minutes: float
    """Time trained when it was made."""
    label: str
    """The opponent, ``mcts:1000``, or what was graded, ``positions``."""
    score: float
    """Share of the points, or of the positions answered well, in [0, 1]."""
    elo: float = math.nan
    """Elo above the opponent; nan where there is none."""
    lo: float = math.nan
    """Lower end of the 95 % interval."""
    hi: float = math.nan
    """Upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """How often the weights that play were wrong where the right answers are known. A mistake is
    a move that does not keep the game's outcome."""

    minutes: float
    """Time trained when it was measured."""
    positions: int
    """Asked about."""
    simulations: int
    """Of a searched move."""
    mistakes: float
    """Share of the positions with a mistake after a search, in [0, 1]."""
    mistakes_network: float
    """The same of the network's own policy, without a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run at one moment. Rates are of the last seconds; totals count from the run's start."""

    run: str
    """The run's folder, as typed."""
    game: str
    """The game's name."""
    elapsed_s: float
    """Seconds trained, over all sessions."""
    budget_s: float = math.inf
    """Seconds after which the run ends, infinite without a limit."""
    generation: int = 0
    """Number of the current generation."""
    phase: str = "starting"
    """What is going on: self-play, training, evaluating vs mcts:1000, stopping."""
    phase_done: float = math.nan
    """Share of the phase that is done, nan if unknown."""
    games: int = 0
    """Finished games."""
    samples: int = 0
    """Samples stored."""
    steps: int = 0
    """Training steps."""
    learning_rate: float = math.nan
    """Of the last step."""
    games_per_s: float = math.nan
    """Finished games per second."""
    positions_per_s: float = math.nan
    """Plies played per second."""
    simulations_per_s: float = math.nan
    """Simulations per second."""
    evaluations_per_s: float = math.nan
    """Rows that the network answered per second."""
    batch_fill: float = math.nan
    """Mean batch over the largest allowed, in [0, 1]."""
    mean_batch: float = math.nan
    """Rows of a mean batch."""
    queue_delay_us: float = math.nan
    """Mean wait of a request, in microseconds."""
    latency_us: float = math.nan
    """Mean time that a batch takes to be evaluated, in microseconds."""
    depth: float = math.nan
    """Mean depth of a simulation's leaf, in plies."""
    cache_hit_rate: float = math.nan
    """Share of the leaves that the cache answered, or the row of one in flight; without a cache
    there is none."""
    backend: str = ""
    """What evaluates: ``openvino int8``."""
    verdict: str = ""
    """What bounds self-play, in one line; see `engine.tuning.verdict`."""
    losses: Sequence[Losses] = ()
    """By generation, oldest first."""
    strength: Sequence[Strength] = ()
    """Measurements, oldest first."""
    truth: Sequence[Truth] = ()
    """Measurements where the right answers are known, oldest first."""
    statistics: Mapping[str, float] = field(default_factory=dict)
    """Of the last generation's searches and games; see `trainer.statistics.Tally.take`."""
    workers: int = 0
    """Worker processes wanted."""
    workers_alive: int = 0
    """Worker processes that answer."""
    restarts: int = 0
    """Processes replaced since the session's start."""
    memory_bytes: int = 0
    """Resident memory of all processes of the run."""


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
