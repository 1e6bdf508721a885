"""Every game of every match, on disk as soon as it is over.

A match is known by its settings: players, weights, rules, openings, seed. Typed again, a match that
was interrupted goes on with the games that are missing, and one that is over is only told.

The tables live beside others: in a run's ``run.db``, or in a file of their own.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from engine.errors import StoreError
from engine.records import Ending, GameRecord

__all__ = ["ArenaStore", "Played", "StoredMatch"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS arena_matches (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, time REAL NOT NULL, settings TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS arena_games (
    match INTEGER NOT NULL REFERENCES arena_matches (id), number INTEGER NOT NULL,
    opening INTEGER NOT NULL, actions BLOB NOT NULL, result REAL NOT NULL, ending TEXT NOT NULL,
    detail TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (match, number)
) WITHOUT ROWID;
"""
ENDINGS = {
    Ending.RULES: "rules", Ending.PROVEN: "proven", Ending.RESIGNED: "resigned",
    Ending.CUT_OFF: "cut off",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Played:
    """A finished game of a match."""

    number: int
    """Games 2i and 2i + 1 share an opening; in odd ones the players have changed seats."""
    opening: int
    """Plies that were given."""
    actions: tuple[int, ...]
    result: float
    """Of the side that moves first, in [-1, 1]."""
    ending: str
    """rules, resigned, cut off, adjudicated, or what went wrong: time, crash, illegal, babble,
    protocol, start."""
    detail: str = ""
    """Of what went wrong."""
    seconds: float = 0.0

    @classmethod
    def of(cls, record: GameRecord) -> Self:
        """A game that the pool has played."""
        return cls(
            record.number, record.num_opening, tuple(record.actions.tolist()),
            float(record.returns[0]), ENDINGS[Ending(record.ending)],
        )  # fmt: skip

    def points(self) -> float:
        """Of the match's first player, in [0, 1]."""
        own = self.result if self.number % 2 == 0 else -self.result
        return (1.0 + own) / 2.0


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """A match of the store."""

    id: int
    time: float
    """Seconds since the epoch when it began."""
    settings: dict[str, Any]
    games: int
    """Stored so far."""


class ArenaStore:
    """The matches of a file.

    Parameters
    ----------
    path
        Made if it is not there; a run's ``run.db`` will do.

    Raises
    ------
    StoreError
        If it cannot be opened or is no database.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30.0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path} cannot be opened: {error}") from error
        with self._guard():
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path} cannot be used for matches: {error}; name another file with --store"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, settings: Mapping[str, Any]) -> int:
        """The number of the match with these settings, which is new or goes on."""
        text = json.dumps(settings, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        with self._guard():
            self._db.execute(
                "INSERT OR IGNORE INTO arena_matches (key, time, settings) VALUES (?, ?, ?)",
                (key, time.time(), text),
            )
            row = self._db.execute("SELECT id FROM arena_matches WHERE key = ?", (key,)).fetchone()
        return int(row[0])

    def add(self, match: int, game: Played) -> None:
        """Keep a game; one that is there already stays as it is."""
        row = (
            match, game.number, game.opening, np.array(game.actions, "<i4").tobytes(), game.result,
            game.ending, game.detail, game.seconds,
        )  # fmt: skip
        with self._guard():
            self._db.execute(
                "INSERT OR IGNORE INTO arena_games VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
            )

    def games(self, match: int) -> dict[int, Played]:
        """The games of a match by number."""
        with self._guard():
            rows = self._db.execute(
                "SELECT number, opening, actions, result, ending, detail, seconds "
                "FROM arena_games WHERE match = ? ORDER BY number", (match,),
            ).fetchall()  # fmt: skip
        return {
            number: Played(
                number, opening, tuple(np.frombuffer(actions, "<i4").tolist()), result, ending,
                detail, seconds,
            )
            for number, opening, actions, result, ending, detail, seconds in rows
        }  # fmt: skip

    def matches(self) -> Sequence[StoredMatch]:
        """All matches, oldest first."""
        with self._guard():
            rows = self._db.execute(
                "SELECT id, time, settings, (SELECT count(*) FROM arena_games WHERE match = id) "
                "FROM arena_matches ORDER BY id"
            ).fetchall()
        return [StoredMatch(id, at, json.loads(text), games) for id, at, text, games in rows]
