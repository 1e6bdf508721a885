"""Scalars over training steps, in TensorBoard's files.

``tensorboard --logdir runs`` shows every run. The writer comes with torch and is imported only
when one is opened.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

__all__ = ["Metrics"]


class Metrics:
    """Writes ``section/name`` scalars; a context manager.

    Parameters
    ----------
    folder
        The run's ``tensorboard/``. A resumed run adds a file, and the viewer joins them.
    first_step
        The step that this session begins with: later points of a session that died are hidden.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(
            str(folder), purge_step=first_step or None, flush_secs=30
        )

    def write(self, step: int, scalars: Mapping[str, float | None]) -> None:
        """Add a point to each curve; None and values that are not finite are left out."""
        for name, value in scalars.items():
            if value is not None and math.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def text(self, name: str, text: str, step: int = 0) -> None:
        """Keep a text, such as the configuration."""
        self._writer.add_text(name, text, step)

    def flush(self) -> None:
        """Hand everything to the disk, as before a checkpoint."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and end."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
