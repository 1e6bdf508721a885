"""Checkpoints: folders from which training goes on exactly where it was.

::

    checkpoints/00001200/            the step, 8 digits
        model.safetensors            averaged weights, those that play
        training.safetensors         raw weights and the optimiser's moments
        meta.json                    counters, a digest of the other files, and one of the weights

A checkpoint is written under a name that starts with a dot, synced, and renamed: it is there as a
whole or not at all.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from engine.errors import StoreError
from trainer.best import read_best
from trainer.files import sync_directory, write_synced
from trainer.learner import Learner
from trainer.network import Network, load_model, save_model

__all__ = ["CheckpointStore", "weights_digest"]

FORMAT = "ringzero-checkpoint"
VERSION = 1
MODEL, TRAINING, META = "model.safetensors", "training.safetensors", "meta.json"


class CheckpointStore:
    """The checkpoints of a run.

    Parameters
    ----------
    folder
        ``checkpoints`` of the run folder; made when something is saved. The checkpoint that the
        run folder's best.json names is never dropped.
    keep
        The newest checkpoints that stay, >= 1.
    keep_every
        Checkpoints of every n-th generation stay for ever; 0: none do.
    """

    def __init__(self, folder: Path | str, *, keep: int = 5, keep_every: int = 10) -> None:
        self.folder = Path(folder)
        self._keep, self._keep_every = keep, keep_every

    def path(self, step: int) -> Path:
        """Folder of the checkpoint of `step`."""
        return self.folder / f"{step:08d}"

    def model_path(self, step: int) -> Path:
        """File of the weights that play, as of `step`."""
        return self.path(step) / MODEL

    def steps(self) -> list[int]:
        """Steps of the checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdecimal())

    def latest(self) -> int | None:
        """Step of the newest checkpoint, None without one."""
        return max(self.steps(), default=None)

    def save(
        self,
        learner: Learner,
        game: Mapping[str, Any],
        info: Mapping[str, Any],
        *,
        config: str = "",
    ) -> Path:
        """Write a checkpoint of `learner`, then drop those that need not stay.

        Parameters
        ----------
        game
            ``{"name": ..., "options": {...}}``.
        info
            JSON values to get back from `load` and to show to people; "generation", if there,
            says which generation it is.
        config
            The run's resolved configuration, kept beside the rest.

        Returns
        -------
        The checkpoint's folder. One of the same step is replaced.

        Raises
        ------
        StoreError
            If it cannot be written; the others are unchanged.
        """
        final = self.path(learner.step)
        temporary = self.folder / f".{final.name}.{os.getpid()}.tmp"
        try:
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir(parents=True)
        except OSError as error:
            raise StoreError(
                f"{temporary} cannot be made: {error.strerror}; check space and permissions"
            ) from error
        try:
            save_model(temporary / MODEL, learner.average, game, {**info, "steps": learner.step})
            tensors, state = learner.state()
            write_synced(temporary / TRAINING, safetensors.torch.save(tensors))
            meta = {
                "format": FORMAT,
                "version": VERSION,
                "game": dict(game),
                "learner": state,
                "info": dict(info),
                "saved_at": time.time(),
                "weights": weights_digest(learner.average),
                "sha256": {name: _digest(temporary / name) for name in (MODEL, TRAINING)},
            }
            write_synced(temporary / META, json.dumps(meta, indent=1).encode())
            if config:
                write_synced(temporary / "config.toml", config.encode())
            sync_directory(temporary)
            if final.exists():
                # `sweep` puts the old one back if the next line is never reached.
                old = self.folder / f".{final.name}.old.tmp"
                os.rename(final, old)
                os.rename(temporary, final)
                shutil.rmtree(old)
            else:
                os.rename(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)  # the first error is the one to show
            raise
        sync_directory(self.folder)
        self._prune()
        return final

    def load(self, step: int, learner: Learner) -> dict[str, Any]:
        """Restore `learner` from the checkpoint of `step`; return the `info` it was saved with.

        Raises
        ------
        StoreError
            If the checkpoint is damaged, foreign, of a newer version or of another network.
        """
        meta = self.check(step)
        average, _ = load_model(self.model_path(step))
        try:
            tensors = safetensors.torch.load_file(self.path(step) / TRAINING)
        except (OSError, safetensors.SafetensorError) as error:
            raise self._damaged(step, f"{TRAINING}: {error}") from error
        learner.restore(tensors, meta["learner"], average)
        info: dict[str, Any] = meta["info"]
        return info

    def check(self, step: int) -> dict[str, Any]:
        """The checkpoint's meta.json, after reading all of its files.

        Raises
        ------
        StoreError
            If the checkpoint is not there, damaged, foreign or of a newer version.
        """
        path = self.path(step)
        try:
            meta: dict[str, Any] = json.loads((path / META).read_bytes())
            kind, version, digests = meta["format"], meta["version"], meta["sha256"]
            if kind != FORMAT:
                raise StoreError(
                    f"{path} is no ringzero checkpoint: its format is {kind!r}, expected "
                    f"{FORMAT!r}; use another one"
                )
            if version > VERSION:
                raise StoreError(
                    f"checkpoint {path} has version {version}, this program reads up to "
                    f"{VERSION}; upgrade ringzero"
                )
            for name in (MODEL, TRAINING):
                if _digest(path / name) != digests[name]:
                    raise self._damaged(step, f"{name} is not as it was written")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(step, str(error)) from error
        return meta

    def weights(self, step: int) -> str:
        """SHA-256 of the weights that play, as of `step`, in hexadecimal; see `weights_digest`."""
        try:
            return str(json.loads((self.path(step) / META).read_bytes()).get("weights", ""))
        except (OSError, ValueError) as error:
            raise self._damaged(step, str(error)) from error

    def newest_readable(self) -> tuple[int | None, dict[int, str]]:
        """Step of the newest checkpoint that is whole, None if none is, and what is wrong with
        each newer one. Nothing falls back by itself: the caller says so, or stops."""
        damaged: dict[int, str] = {}
        for step in reversed(self.steps()):
            try:
                self.check(step)
            except StoreError as error:
                damaged[step] = str(error)
            else:
                return step, damaged
        return None, damaged

    def sweep(self) -> list[Path]:
        """Tidy up after a crash while saving; return what was removed. For the writer only."""
        removed = []
        for path in sorted(self.folder.glob(".*.tmp")):
            name = path.name.split(".")[1]
            if path.name.endswith(".old.tmp") and not (self.folder / name).exists():
                os.rename(path, self.folder / name)
            else:
                shutil.rmtree(path)
                removed.append(path)
        return removed

    def _prune(self) -> None:
        best = read_best(self.folder.parent)
        for step in self.steps()[: -self._keep]:
            if best is not None and step == best.step:
                continue
            try:
                generation = json.loads((self.path(step) / META).read_bytes())["info"]["generation"]
            except (OSError, ValueError, KeyError):
                continue  # damaged, or of no generation: a person decides
            if self._keep_every and generation % self._keep_every == 0:
                continue
            # Renamed first, so that half a checkpoint is never taken for one.
            doomed = self.folder / f".{self.path(step).name}.doomed.tmp"
            os.rename(self.path(step), doomed)
            shutil.rmtree(doomed)

    def _damaged(self, step: int, why: str) -> StoreError:
        return StoreError(
            f"checkpoint {self.path(step)} is damaged ({why}); move it away, and the run goes on "
            "from the one before"
        )


def weights_digest(network: Network) -> str:
    """SHA-256 of a network's tensors alone, in hexadecimal.

    That of their file also covers when and after how many seconds it was written.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
