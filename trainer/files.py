"""Writing files so that a crash leaves the old one or the new one, never half of one."""

import os
from pathlib import Path

from engine.errors import StoreError

__all__ = ["sync_directory", "write_atomically", "write_synced"]


def write_synced(path: Path, data: bytes) -> None:
    """Write `data` to `path` and wait until the disk has it."""
    try:
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"{path} could not be written: {error.strerror}; free space or choose another folder"
        ) from error


def sync_directory(path: Path) -> None:
    """Wait until the disk knows the names in directory `path`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path`: under another name, synced, then renamed.

    Raises
    ------
    StoreError
        If it cannot be written; what was at `path` is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_synced(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
