"""The run folder: where everything a run needs to go on is kept.

::

    runs/NAME/
        config.toml        the resolved configuration
        run.db             games, generations, metrics, matches (SQLite)
        best.json          which checkpoint is labelled best; see `trainer.best`
        checkpoints/STEP/  model and training state (safetensors, JSON)
        tensorboard/  logs/  profiles/
        run.lock           held while a process trains here
        pool.json          where its shared segment is, for onlookers
"""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

import games
from engine.errors import ConfigError, StoreError
from trainer.config import RunConfig, resolve, to_toml
from trainer.files import write_atomically

__all__ = ["RunFolder"]

LOCK = "run.lock"
FIXED = ("seed", "deterministic", "game", "network")
"""Sections that a resumed run cannot change."""


class RunFolder:
    """Paths of a run, and the lock that keeps a second trainer out; a context manager."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock: int | None = None

    @property
    def config_path(self) -> Path:
        return self.path / "config.toml"

    @property
    def database(self) -> Path:
        return self.path / "run.db"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def profiles(self) -> Path:
        return self.path / "profiles"

    @property
    def pool_file(self) -> Path:
        """See `engine.onlooker`; only while a process trains here does it mean anything."""
        return self.path / "pool.json"

    @property
    def exists(self) -> bool:
        """True if a run was begun here."""
        return self.config_path.exists()

    def open_config(
        self, preset: str, files: list[Path], overrides: Mapping[str, Any]
    ) -> RunConfig:
        """The configuration to train with: a new run's, or the saved one with changes laid over.

        Raises
        ------
        StoreError
            If the folder holds something else than a run.
        ConfigError
            If the preset is of another game than the run, or a change does not fit a run that
            has begun.
        """
        if not self.exists:
            if self.path.exists() and not (self.path.is_dir() and self._is_unused()):
                raise StoreError(
                    f"{self.path} is not empty and holds no run (no config.toml); choose another "
                    "--run folder"
                )
            config = resolve(preset, files, overrides)
            # A game that does not exist is told before the folder does.
            games.make(config.game.name, **config.game.options)
            return config
        saved = resolve(str(self.config_path))
        wanted = resolve(preset)
        if (wanted.game.name, wanted.game.options) != (saved.game.name, saved.game.options):
            raise StoreError(
                f"{self.path} is a run of {_called(saved)}, not of {_called(wanted)}; choose "
                "another --run folder"
            )
        config = resolve(str(self.config_path), files, overrides)
        for name in FIXED:
            if getattr(config, name) != getattr(saved, name):
                raise ConfigError(
                    f"{name} cannot change in a run that has begun: {self.path} has "
                    f"{getattr(saved, name)}, asked for {getattr(config, name)}; choose another "
                    "--run folder"
                )
        return config

    def trainer_pid(self) -> int:
        """The process that trains here now.

        It is the one that the lock names and that has the lock open: trying the lock instead
        could keep a trainer out that starts just then.

        Raises
        ------
        StoreError
            If there is no run, nobody trains it, or another user does.
        """
        if not self.exists:
            raise StoreError(f"{self.path} holds no run (no config.toml)")
        lock = self.path / LOCK
        try:
            pid = int(lock.read_text())
            files = psutil.Process(pid).open_files()
            if any(Path(file.path) == lock.resolve() for file in files):
                return pid
        except psutil.AccessDenied as error:
            raise StoreError(
                f"{self.path} is trained by process {error.pid} of another user; look on as that "
                "user"
            ) from None
        except (OSError, ValueError, psutil.NoSuchProcess):
            pass
        raise StoreError(f"{self.path} is not being trained now; start it: ringzero train")

    def _is_unused(self) -> bool:
        """True if nothing is here but what a trainer that died at once has left."""
        return all(
            path.name == LOCK or path in self._unfinished() for path in self.path.iterdir()
        )

    def _unfinished(self) -> list[Path]:
        """Files that a trainer was writing when it died."""
        return list(self.path.glob(".config.toml.*.tmp"))

    def save_config(self, config: RunConfig) -> None:
        """Keep the resolved configuration."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.config_path, to_toml(config).encode())

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written: {error.strerror}; choose another --run folder"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
            os.close(fd)
            raise StoreError(
                f"{self.path} is being trained by process {holder or 'unknown'}; stop it first, "
                "or choose another --run folder"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._lock = fd
        for path in self._unfinished():
            path.unlink()
        return self

    def __exit__(self, *error: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _called(config: RunConfig) -> str:
    """The game with its options."""
    options = "".join(f" {key}={value}" for key, value in config.game.options.items())
    return f"{config.game.name}{options}"
