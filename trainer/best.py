"""The "best" label of a run: a small file that names one checkpoint.

Every generation's weights play, but the label moves only when a sequential match has shown newer
ones to be stronger. A checkpoint that has the label is never deleted.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from engine.errors import StoreError
from trainer.files import write_atomically

__all__ = ["FILE", "Best", "read_best", "write_best"]

FILE = "best.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """Which checkpoint is the best, and how it came to be."""

    step: int
    """Of the checkpoint."""
    generation: int
    elapsed_s: float
    """Seconds trained when it got the label."""
    games: int = 0
    """Games of the match against the one before; 0: it is the first."""
    llr: float = 0.0
    """Log-likelihood ratio at which the match ended."""


def read_best(run: Path) -> Best | None:
    """The label of the run in folder `run`; None if no checkpoint has it yet.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    path = run / FILE
    try:
        values = json.loads(path.read_bytes())
        kinds = {item.name: item.type for item in fields(Best)}
        return Best(**{name: kinds[name](value) for name, value in values.items()})  # type: ignore[operator]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            f"{path} does not name a checkpoint ({error}); delete it, and the newest checkpoint "
            "gets the label"
        ) from error


def write_best(run: Path, best: Best) -> None:
    """Give the label to a checkpoint of the run in folder `run`."""
    write_atomically(run / FILE, json.dumps(asdict(best), indent=1).encode() + b"\n")
