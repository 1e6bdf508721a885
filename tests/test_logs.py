"""Log lines for machines and for people; TensorBoard files that read back."""

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.logs import LIBRARIES, log_to_file, log_to_stderr
from trainer.metrics import Metrics


@pytest.fixture(autouse=True)
def restored_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        for handler in [h for h in logger.handlers if h not in handlers]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(level)


def test_file_has_one_object_a_line_with_the_pairs_as_fields(tmp_path: Path) -> None:
    log_to_file(tmp_path / "logs" / "learner.jsonl")
    logger = logging.getLogger("trainer.loop")
    logger.info('generation_done generation=%d loss=%.3f name="two words" time=late', 3, 1.25)
    logger.debug("too_detailed")
    try:
        raise ValueError("broken\nthing")
    except ValueError:
        logger.exception("step_failed file=%s", "a.db")
    lines = (tmp_path / "logs" / "learner.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert first["event"] == "generation_done"
    assert (first["generation"], first["loss"], first["name"]) == (3, 1.25, "two words")
    assert first["level"] == "info"
    assert first["logger"] == "trainer.loop"
    assert first["time"].endswith("+00:00")  # a pair cannot replace it
    assert second["file"] == "a.db"
    assert "ValueError: broken\nthing" in second["exception"]


def test_people_see_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    logging.getLogger("engine.pool").info("worker_started worker=1")
    logging.getLogger("engine.pool").warning("worker_restarted worker=1")
    assert capsys.readouterr().err == "warning: worker_restarted worker=1\n"


def test_both_at_once_each_with_its_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_file(tmp_path / "all.jsonl", "debug")
    log_to_stderr("error")
    logging.getLogger("games").debug("seen n=1")
    assert capsys.readouterr().err == ""
    assert json.loads((tmp_path / "all.jsonl").read_text())["n"] == 1


def test_metrics_read_back_from_tensorboard_files(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(1, {"loss/policy": 2.0, "loss/value": math.nan, "cache/hits": None})
        metrics.write(2, {"loss/policy": 1.5})
        metrics.text("config", "seed = 1")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Tags()["scalars"] == ["loss/policy"]
    assert [(e.step, e.value) for e in events.Scalars("loss/policy")] == [(1, 2.0), (2, 1.5)]
