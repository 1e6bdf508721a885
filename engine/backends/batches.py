"""Which shapes a batch is run in, as pure functions.

A back end that prepares every shape beforehand (a CUDA graph, a oneDNN primitive) can afford a
few: a batch is cut into chunks, and a chunk is padded to the next of those few.
"""

from bisect import bisect_left
from collections.abc import Sequence

from engine.evaluator import Run

__all__ = ["bucket_for", "buckets", "split"]

STEP = 8  # rows; below 4 * STEP a device is busy with launches, not with rows


def buckets(max_rows: int) -> tuple[int, ...]:
    """The batch sizes to prepare for up to `max_rows` rows.

    Multiples of `STEP`, then four sizes an octave, so that padding adds less than a quarter:
    8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, ... `max_rows`.
    """
    sizes, rows, step = [], STEP, STEP
    while rows < max_rows:
        sizes.append(rows)
        if rows == 8 * step:
            step *= 2
        rows += step
    return (*sizes, max_rows)


def bucket_for(rows: int, sizes: Sequence[int]) -> int:
    """The smallest of `sizes`, which increase, that `rows` rows fit into."""
    return sizes[bisect_left(sizes, rows)]


def split(runs: Sequence[Run], max_rows: int) -> list[list[Run]]:
    """`runs` cut into lists of at most `max_rows` rows; all but the last are full."""
    chunks: list[list[Run]] = []
    room = 0
    for run in runs:
        start = 0
        while start < len(run.observations):
            if room == 0:
                chunks.append([])
                room = max_rows
            stop = min(start + room, len(run.observations))
            chunks[-1].append(
                Run(
                    run.observations[start:stop],
                    run.policy_logits[start:stop],
                    run.wdl_logits[start:stop],
                )
            )
            room -= stop - start
            start = stop
    return chunks
