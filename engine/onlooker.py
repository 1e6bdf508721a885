"""Looking on at a pool from another process, without touching it.

The segment has no name, but its descriptor can be opened again through ``/proc`` by whoever may
look into the process that holds it. A pool that is told to writes a small file saying which
process and descriptor that is; the onlooker maps the segment without the right to write.
"""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from engine.errors import LayoutError, PoolError
from engine.segment import Segment, SegmentSpec

__all__ = ["Onlooker", "publish", "withdraw"]


def publish(path: str, segment: Segment, names: Sequence[str], streams: int) -> None:
    """Write to `path` what `Onlooker.open` needs: a pool of this process has begun."""
    data = {
        "pid": os.getpid(),
        "fd": segment.fd,
        "spec": asdict(segment.spec),
        "names": list(names),
        "streams": streams,
    }
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(data))
    temporary.replace(path)


def withdraw(path: str) -> None:
    """The pool has ended."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@dataclass(frozen=True, slots=True)
class Onlooker:
    """A pool seen from outside; nothing here may write to `segment`, which is mapped read-only."""

    segment: Segment
    pid: int
    """Of the pool's parent."""
    names: tuple[str, ...]
    """Of its processes, in the order of the segment."""
    streams: int
    """Batches that an inference process evaluates at once."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Attach to the pool that `path` tells of.

        Raises
        ------
        PoolError
            If no pool has written `path`, or the one that did is gone, or this user may not look
            into it.
        """
        try:
            data = json.loads(Path(path).read_text())
            spec = SegmentSpec(**data["spec"])
            link = f"/proc/{int(data['pid'])}/fd/{int(data['fd'])}"
            names, streams = tuple(data["names"]), int(data["streams"])
        except FileNotFoundError:
            raise PoolError(f"no pool is running: {os.fspath(path)} does not exist") from None
        except (ValueError, KeyError, TypeError) as error:
            raise PoolError(
                f"{os.fspath(path)} was written by another version ({error!r}); look on with the "
                "version that runs"
            ) from error
        try:
            segment = Segment(spec, os.open(link, os.O_RDONLY | os.O_CLOEXEC), read_only=True)
        except PermissionError:
            raise PoolError(
                f"the pool of process {data['pid']} belongs to another user; look on as that one"
            ) from None
        except (OSError, LayoutError) as error:
            raise PoolError(f"the pool of {os.fspath(path)} is gone ({error})") from error
        return cls(segment, int(data["pid"]), names, streams)
