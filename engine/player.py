"""Who plays: plain descriptions that travel to the workers."""

from dataclasses import dataclass

from engine.config import SearchConfig
from engine.errors import ConfigError

__all__ = ["PlayerSpec"]

KINDS = ("network", "rollout", "uniform", "random")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerSpec:
    """One player of a pool's games."""

    kind: str = "network"
    """``network``: searches with leaves evaluated through the rings; ``rollout`` and
    ``uniform``: searches with a local evaluator; ``random``: plays any legal action."""
    search: SearchConfig = SearchConfig()
    """How it searches; a random player does not."""
    model: int = 0
    """Which of the pool's evaluators answers a network player."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.model < 0:
            raise ConfigError(f"model must be >= 0, got {self.model}")
