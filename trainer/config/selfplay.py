"""How games are made: the section ``[selfplay]``."""

import re
from dataclasses import dataclass

from engine.config import check_fields
from trainer.compute import BACKENDS, DEVICES, PRECISIONS, Compute

__all__ = ["SelfplayConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfplayConfig:
    """How games are made."""

    workers: int = 0
    """Worker processes; 0: as many as the measured rates ask for."""
    games_per_worker: int = 0
    """Games that a worker plays at once; half search while the other half waits. 0: as many as
    the measured rates ask for."""
    streams: int = 0
    """Batches that the inference process evaluates at once; 0: as many as measured fastest."""
    max_batch: int = 128
    """Most positions of a batch, >= 1."""
    queue_delay_us: int = 0
    """Longest time that positions may be held back for a fuller batch, in microseconds, >= 0."""
    cache_mb: float = 64.0
    """Megabytes of the evaluation cache that the workers share, >= 0; 0: none, and identical
    positions in flight are all evaluated."""
    memory_mb: float = 0.0
    """Megabytes of all search trees together, each game's share equal, >= 0; a search that fills
    its share ends early and is counted. 0: what the simulations need."""
    opening_plies: int = 0
    """Each game starts with random plies that are not learned from, up to so many, >= 0: without
    them, games of a network that knows what it wants are much alike."""
    start_share: float = 0.0
    """Share of the games that begin where the network misjudged an earlier game's position, in
    [0, 1] (search control: Go-Exploit, arXiv:2302.12359); 0: off."""
    start_measure: str = "value"
    """What tells such positions: value (the network's value against the proven or final result),
    opening (the same where the games began: prioritized level replay, arXiv:2010.03934) or
    surprise (the search's policy against the network's)."""
    reanalyse_share: float = 0.0
    """Share of what would be games that search one position of a stored game again with today's
    weights instead, in [0, 1) (MuZero Reanalyze, arXiv:2104.06294); 0: off."""
    rows_per_generation: int = 20_000
    """New samples between two turns of the learner, >= 1."""
    gating: bool = False
    """Weights play only once they are labelled best (AlphaGo Zero, 2017; AlphaZero lets every
    generation play). Needs evaluation.best_every_minutes > 0."""
    evaluator: str = "network"
    """network, uniform or rollout (no network, for trying things)."""
    device: str = "auto"
    """cpu, cuda, cuda:1 ..., or auto: a CUDA device where there is one. Several, such as
    "cuda:0,cuda:1", share the workers; the learner uses the first."""
    backend: str = "auto"
    """On a CPU: openvino, torch, or auto: what measures fastest."""
    precision: str = "auto"
    """fp32, bf16, int8 (openvino), fp16 or tf32 (both CUDA), or auto: the fastest that is exact
    enough."""

    def __post_init__(self) -> None:
        evaluators = ("network", "uniform", "rollout")
        check_fields(
            self,
            workers=("an integer >= 0", self.workers >= 0),
            games_per_worker=("an integer >= 0", self.games_per_worker >= 0),
            streams=("an integer >= 0", self.streams >= 0),
            max_batch=("an integer >= 1", self.max_batch >= 1),
            queue_delay_us=("an integer >= 0", self.queue_delay_us >= 0),
            cache_mb=(">= 0", self.cache_mb >= 0),
            memory_mb=(">= 0", self.memory_mb >= 0),
            opening_plies=("an integer >= 0", self.opening_plies >= 0),
            start_share=("in [0, 1]", 0 <= self.start_share <= 1),
            start_measure=(
                "value, opening or surprise",
                self.start_measure in ("value", "opening", "surprise"),
            ),
            reanalyse_share=("in [0, 1)", 0 <= self.reanalyse_share < 1),
            rows_per_generation=("an integer >= 1", self.rows_per_generation >= 1),
            evaluator=(f"one of {', '.join(evaluators)}", self.evaluator in evaluators),
            device=(
                "auto, or cpu, cuda or cuda:N, several separated by commas",
                re.fullmatch(DEVICES, self.device) is not None,
            ),
            backend=(f"one of {', '.join(BACKENDS)}", self.backend in BACKENDS),
            precision=(f"one of {', '.join(PRECISIONS)}", self.precision in PRECISIONS),
        )

    @property
    def compute(self) -> Compute:
        """What the network runs on."""
        return Compute(self.device, self.backend, self.precision)
