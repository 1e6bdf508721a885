"""Fixtures of all tests."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.logs import LIBRARIES

# The tests' tiny networks need no measured back end; where one is wanted, a test asks for it.
os.environ["RINGZERO_BACKEND"] = "torch"


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Commands called in this process must not decide what later tests get to see."""
    ours = [logging.getLogger(name) for name in LIBRARIES]
    before = [(logger.level, logger.handlers[:]) for logger in ours]
    yield
    for logger, (level, handlers) in zip(ours, before, strict=True):
        logger.setLevel(level)
        for handler in set(logger.handlers) - set(handlers):
            logger.removeHandler(handler)
            handler.close()


@pytest.fixture(autouse=True)
def no_matches_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matches of players without a run are kept in the test's own folder."""
    monkeypatch.setattr("trainer.arena.identity.ELSEWHERE", tmp_path / "arena.db")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the larger reference data, which is not part of the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("RINGZERO_SHARED_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no reference data in {path}; RINGZERO_SHARED_DATA can say where it is")
    return path


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of tic-tac-toe with a tiny network; copy it before changing it."""
    from running import options, ringzero

    run = tmp_path_factory.mktemp("tiny") / "run"
    done = ringzero(
        *("train", "tictactoe", "--run", run, "--seed", "3", "--serial", "--quiet"),
        *options(budget__max_generations=2, checkpoints__keep=2),
    )
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stderr
    return run
