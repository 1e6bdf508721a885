"""Logs: JSON lines for machines in the run's folder, warnings for people on stderr.

The convention is one event a line, ``logger.info("worker_restarted worker=%d", 3)``: a word that
names the event, then ``key=value`` pairs. The JSON line holds the pairs as fields of their own.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["JsonLines", "PlainLines", "log_to_file", "log_to_stderr"]

PAIR = re.compile(r"(\w+)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S+)")
LIBRARIES = ("engine", "games", "trainer")
"""Loggers that are ours."""


class JsonLines(logging.Formatter):
    """A record as one JSON object: time, level, logger, event, its pairs, message."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "event": message.split(" ", 1)[0],
        }
        for key, text in PAIR.findall(message):
            line.setdefault(key, _value(text))
        line["message"] = message
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """``warning: worker_restarted worker=3``."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _value(text: str) -> object:
    """A number where the text is one."""
    if text[0] in "\"'":
        return text[1:-1]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def log_to_stderr(level: str = "warning") -> logging.Handler:
    """Show our events from `level` upwards on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainLines())
    handler.setLevel(level.upper())
    return _attach(handler, logging.getLevelNamesMapping()[level.upper()])


def log_to_file(path: Path, level: str = "info") -> logging.Handler:
    """Append our events from `level` upwards to `path`, a line each; makes its folder.

    Each process has a file of its own; lines are written whole, and nothing is rotated.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(JsonLines())
    handler.setLevel(level.upper())
    return _attach(handler, logging.getLevelNamesMapping()[level.upper()])


def _attach(handler: logging.Handler, level: int) -> logging.Handler:
    """Add `handler` to our loggers, and let them pass what it wants."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(min(level, logger.level or level))
    return handler
