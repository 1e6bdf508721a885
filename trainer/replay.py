"""The replay store: every finished game of a run, and what was measured, in one SQLite file.

A game is one row. Its arrays are blobs of little-endian numbers, whose types the table `meta`
names under ``columns``, so that any SQLite reader can use the file.

The file is in WAL mode with ``synchronous = NORMAL``. A commit then survives the death of any
process, kill -9 included. When the machine itself dies the last commits before it may be undone,
whole transactions from the end: the file stays sound, and the run plays those games again.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import StoreError
from engine.records import Ending, GameRecord
from games.base import Game

__all__ = ["Metric", "ReplayStore", "is_held_out", "is_validation"]

VERSION = 2
APPLICATION_ID = 0x525A4442  # "RZDB": how `file` and SQLite tell whose a database is

COLUMNS = {
    "returns": "<f4",
    "actions": "<i4",
    "players": "|i1",
    "full_search": "|b1",
    "root_values": "<f4",
    "prior_values": "<f4",
    "surprises": "<f4",
    "results": "|i1",
    "distances": "<i2",
    "observations": "|u1",
    "policy_offsets": "<i4",
    "policy_actions": "<i4",
    "policy_weights": "<f4",
}
"""Array columns of a game and their types."""

SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE games (
    number INTEGER PRIMARY KEY, seed INTEGER NOT NULL, generation INTEGER NOT NULL,
    num_opening INTEGER NOT NULL, ending INTEGER NOT NULL, resign_ply INTEGER NOT NULL,
    num_plies INTEGER NOT NULL, num_full INTEGER NOT NULL, validation INTEGER NOT NULL,
    finished_at REAL NOT NULL, {", ".join(f"{name} BLOB NOT NULL" for name in COLUMNS)}
);
CREATE INDEX games_rows ON games (validation, number, num_plies, num_full);
CREATE TABLE generations (generation INTEGER PRIMARY KEY, time REAL NOT NULL, data TEXT NOT NULL);
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, generation INTEGER NOT NULL,
    step INTEGER NOT NULL, name TEXT NOT NULL, value REAL
);
CREATE INDEX metrics_name ON metrics (name, id);
CREATE TABLE matches (id INTEGER PRIMARY KEY, time REAL NOT NULL, data TEXT NOT NULL);
"""

SEARCHED = "num_plies - num_opening"

REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; free space and type the command again",
    sqlite3.SQLITE_BUSY: "another process holds it; end that process",
    sqlite3.SQLITE_LOCKED: "another process holds it; end that process",
    sqlite3.SQLITE_READONLY: "it may not be written; check its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the folder and its permissions",
    sqlite3.SQLITE_IOERR: "the disk failed or is full; check it and type the command again",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore a copy, or `sqlite3 FILE .recover` saves rows",
    sqlite3.SQLITE_NOTADB: "it is damaged or no SQLite file; restore a copy or use another folder",
}


class Metric(NamedTuple):
    """One measured number."""

    time: float
    """Seconds since the epoch."""
    generation: int
    step: int
    """Training steps done."""
    name: str
    value: float


def is_validation(number: int, share: float) -> bool:
    """True if game `number` is among the `share` of games held out; the same in every run."""
    word = (number * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & (2**64 - 1)
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    return (word ^ (word >> 31)) >> 11 < share * 2**53


def is_held_out(record: GameRecord, share: float) -> bool:
    """True if `record` is of one of the games held out; a reanalysis is of one that is not."""
    return record.ending != Ending.REANALYSED and is_validation(record.number, share)


class ReplayStore:
    """A run's database. An object belongs to one thread; processes may each have their own.

    Parameters
    ----------
    path
        The file; made if it is not there.
    game
        Whose games it holds.
    seed
        The run's seed, kept in a new store; None reads a store of any seed.
    validation_share
        Share of the games that are held out; decided when a game is added.
    timeout_s
        How long to wait for another process's write.
    read_only
        Write nothing, and make no file: somebody else's run.

    Raises
    ------
    StoreError
        If the file is damaged, not a replay store, of a newer version, another game or seed.
        Nothing in it is changed.
    """

    def __init__(
        self,
        path: Path | str,
        game: Game,
        *,
        seed: int | None = None,
        validation_share: float = 0.03,
        timeout_s: float = 30.0,
        read_only: bool = False,
    ) -> None:
        self.path = Path(path)
        self._game = game
        self._validation_share = validation_share
        with self._guard("open"):
            # Transactions are begun and ended by `_transaction`, never by the driver.
            name = f"{self.path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            self._db = sqlite3.connect(name, timeout=timeout_s, isolation_level=None, uri=True)
        try:
            with self._guard("open"):
                if read_only:
                    self._check(seed)
                    return
                if self._number("SELECT count(*) FROM sqlite_schema") == 0:
                    self._create(seed)
                self._check(seed)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            self._db.close()
            raise

    def _create(self, seed: int | None) -> None:
        meta = {
            "game": {"name": self._game.name, "options": self._game.options},
            "seed": seed,
            "columns": COLUMNS,
            "observation_bytes": self._game.observation_bytes,
            "created_at": time.time(),
        }
        with self._transaction():
            # Another process may have made it while this one waited for the lock.
            if self._number("SELECT count(*) FROM sqlite_schema") == 0:
                for statement in filter(str.strip, SCHEMA.split(";")):
                    self._db.execute(statement)
                rows = [(key, json.dumps(value)) for key, value in meta.items()]
                self._db.executemany("INSERT INTO meta VALUES (?, ?)", rows)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
                self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _check(self, seed: int | None) -> None:
        if self._number("PRAGMA application_id") != APPLICATION_ID:
            raise StoreError(
                f"{self.path} is a database of another program; use another run folder"
            )
        version = self._number("PRAGMA user_version")
        if version < VERSION:
            raise StoreError(
                f"{self.path} has version {version}, made before ringzero kept all that this "
                f"program learns from (version {VERSION}); start a new run folder"
            )
        if version > VERSION:
            raise StoreError(
                f"{self.path} has version {version}, this program reads up to {VERSION}; "
                "upgrade ringzero"
            )
        (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"{self.path} is damaged ({verdict}); restore a copy")
        held, wanted = self.get("game"), {"name": self._game.name, "options": self._game.options}
        if held != json.loads(json.dumps(wanted)):
            raise StoreError(
                f"{self.path} holds games of {held}, not of {wanted}; use another run folder"
            )
        if seed is not None and self.get("seed") not in (None, seed):
            raise StoreError(
                f"{self.path} was started with seed {self.get('seed')}, not {seed}; give that "
                "seed, or use another run folder"
            )

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def __enter__(self) -> "ReplayStore":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- games ----------------------------------------------------------------------------

    def add_games(self, records: Iterable[GameRecord]) -> int:
        """Commit `records` in one transaction; return how many were new.

        A game whose number is there already is left as it is.

        Raises
        ------
        StoreError
            If they cannot be written; then none of them is.
        """
        now, width, rows = time.time(), self._game.observation_bytes, []
        for record in records:
            if record.observations.shape != (record.num_plies, width):
                raise StoreError(
                    f"game {record.number} has observations {record.observations.shape}, "
                    f"{self.path} expects {(record.num_plies, width)}; it was not stored"
                )
            blobs = (
                np.ascontiguousarray(getattr(record, name), dtype=dtype).tobytes()
                for name, dtype in COLUMNS.items()
            )
            held_out = is_held_out(record, self._validation_share)
            num_full = int(np.count_nonzero(record.full_search))
            rows.append((record.number, record.seed, record.generation, record.num_opening,
                         int(record.ending), record.resign_ply, record.num_plies, num_full,
                         held_out, now, *blobs))  # fmt: skip
        marks = ", ".join("?" * (10 + len(COLUMNS)))
        with self._guard("write"), self._transaction():
            before = self._db.total_changes
            self._db.executemany(f"INSERT OR IGNORE INTO games VALUES ({marks})", rows)
            return self._db.total_changes - before

    def games(
        self, first: int = 0, last: int | None = None, *, validation: bool | None = None
    ) -> Iterator[GameRecord]:
        """Games with numbers in [first, last], by number; all of them, or only those that are
        held out or are not. Their arrays are read-only."""
        where, args = "number >= ?", [first]
        if last is not None:
            where, args = where + " AND number <= ?", [*args, last]
        if validation is not None:
            where, args = where + " AND validation = ?", [*args, int(validation)]
        scalars = ("number", "seed", "generation", "num_opening", "ending", "resign_ply")
        names = ", ".join((*scalars, *COLUMNS))
        with self._guard("read"):
            query = f"SELECT {names} FROM games WHERE {where} ORDER BY number"
            for row in self._db.execute(query, args):
                number, seed, generation, num_opening, ending, resign_ply, *blobs = row
                arrays: dict[str, Any] = {
                    name: np.frombuffer(blob, dtype)
                    for (name, dtype), blob in zip(COLUMNS.items(), blobs, strict=True)
                }
                arrays["observations"] = arrays["observations"].reshape(len(arrays["actions"]), -1)
                yield GameRecord(number=number, seed=seed, generation=generation,
                                 num_opening=num_opening, ending=Ending(ending),
                                 resign_ply=resign_ply, **arrays)  # fmt: skip

    def first_of_last_rows(
        self,
        num_rows: int,
        *,
        validation: bool = False,
        all_plies: bool = False,
        before: int | None = None,
    ) -> int:
        """Number of the game from which on there are `num_rows` plies with a full search (or
        with any), or of the first game if there are not so many. Game `before` and later ones do
        not count."""
        count, first = (SEARCHED if all_plies else "num_full"), 0
        query = (
            f"SELECT number, {count} FROM games WHERE validation = ? AND number < ? "
            "ORDER BY number DESC"
        )
        with self._guard("read"):
            for number, rows in self._db.execute(query, (int(validation), _end(before))):
                first, num_rows = number, num_rows - rows
                if num_rows <= 0:
                    break
        return first

    def last_number(self) -> int:
        """The greatest game number, -1 without games."""
        with self._guard("read"):
            return self._number("SELECT coalesce(max(number), -1) FROM games")

    def numbers(self, first: int, last: int) -> set[int]:
        """Those of [first, last] whose games are in the store."""
        query = "SELECT number FROM games WHERE number >= ? AND number <= ?"
        with self._guard("read"):
            return {number for (number,) in self._db.execute(query, (first, last))}

    def num_games(self, *, validation: bool | None = None) -> int:
        """Games in the store; all of them, or only those that are held out or are not.
        Reanalyses are none."""
        return self._count(f"coalesce(sum(ending != {Ending.REANALYSED:d}), 0)", validation)

    def num_rows(
        self,
        *,
        validation: bool | None = None,
        all_plies: bool = False,
        before: int | None = None,
    ) -> int:
        """Plies with a full search, or with any, of the games before game `before`."""
        column = SEARCHED if all_plies else "num_full"
        return self._count(f"coalesce(sum({column}), 0)", validation, before)

    def _count(self, what: str, validation: bool | None, before: int | None = None) -> int:
        where = "" if validation is None else f" AND validation = {int(validation)}"
        with self._guard("read"):
            return self._number(f"SELECT {what} FROM games WHERE number < {_end(before)}{where}")

    # -- what was measured ----------------------------------------------------------------

    def add_metrics(self, values: Mapping[str, float], *, generation: int, step: int) -> None:
        """Keep named numbers, of now."""
        rows = [(time.time(), generation, step, name, float(v)) for name, v in values.items()]
        insert = "INSERT INTO metrics (time, generation, step, name, value) VALUES (?, ?, ?, ?, ?)"
        with self._guard("write"), self._transaction():
            self._db.executemany(insert, rows)

    def metrics(self, name: str | None = None) -> list[Metric]:
        """The metrics called `name`, or all, in the order they were added."""
        where, args = ("", []) if name is None else (" WHERE name = ?", [name])
        query = f"SELECT time, generation, step, name, value FROM metrics{where} ORDER BY id"
        with self._guard("read"):
            rows = self._db.execute(query, args).fetchall()
        # SQLite keeps NaN as NULL.
        return [
            Metric(at, generation, step, key, float("nan") if value is None else value)
            for at, generation, step, key, value in rows
        ]

    def add_generation(self, generation: int, data: Mapping[str, Any]) -> None:
        """Keep what generation `generation` was; one that is there is replaced."""
        row = (generation, time.time(), json.dumps(dict(data)))
        with self._guard("write"), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO generations VALUES (?, ?, ?)", row)

    def generations(self) -> list[dict[str, Any]]:
        """What was kept of each generation, with "generation" and "time"."""
        query = "SELECT generation, time, data FROM generations ORDER BY generation"
        with self._guard("read"):
            return [
                {"generation": generation, "time": at, **json.loads(data)}
                for generation, at, data in self._db.execute(query)
            ]

    def add_match(self, data: Mapping[str, Any]) -> None:
        """Keep the result of a match."""
        with self._guard("write"), self._transaction():
            row = (time.time(), json.dumps(dict(data)))
            self._db.execute("INSERT INTO matches (time, data) VALUES (?, ?)", row)

    def matches(self) -> list[dict[str, Any]]:
        """The matches in the order they were added, with "time"."""
        with self._guard("read"):
            rows = self._db.execute("SELECT time, data FROM matches ORDER BY id")
            return [{"time": at, **json.loads(data)} for at, data in rows]

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value about the run; one that is there is replaced."""
        with self._guard("write"), self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def get(self, key: str, default: Any = None) -> Any:
        """The JSON value kept under `key`."""
        with self._guard("read"):
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    # -- below ----------------------------------------------------------------------------

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        """Turn SQLite's errors into a StoreError that names the file and the remedy."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended bits
            remedy = REMEDIES.get(code, "check the file and the disk")
            raise StoreError(f"could not {what} {self.path}: {error}; {remedy}") from error


def _end(before: int | None) -> int:
    """The number that games must be below; None: every game is."""
    return 2**63 - 1 if before is None else before
