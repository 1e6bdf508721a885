"""trainer.replay and trainer.samples: what goes in comes out, once, and damage is named."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from factories import random_record

import games
from engine.errors import EngineError, StoreError
from engine.records import GameRecord
from trainer.replay import ReplayStore, is_validation
from trainer.samples import SampleWindow

GAME = games.make("connect4")


def assert_same(a: GameRecord, b: GameRecord) -> None:
    for field in fields(GameRecord):
        left, right = getattr(a, field.name), getattr(b, field.name)
        np.testing.assert_array_equal(left, right, err_msg=field.name)
        assert np.asarray(left).dtype == np.asarray(right).dtype, field.name


# -- the store -------------------------------------------------------------------------------


def test_games_come_back_as_they_went_in(tmp_path):
    records = [random_record(GAME, n, fast=0.5) for n in range(20)]
    with ReplayStore(tmp_path / "run.db", GAME, seed=7) as store:
        assert store.last_number() == -1
        assert store.add_games(records) == 20
    with ReplayStore(tmp_path / "run.db", GAME, seed=7) as store:
        for record, stored in zip(records, store.games(), strict=True):
            assert_same(record, stored)
        assert [r.number for r in store.games(5, 8)] == [5, 6, 7, 8]
        assert store.last_number() == 19 and store.num_games() == 20
        assert store.num_rows() == sum(r.full_search.sum() for r in records)
        assert store.num_rows(all_plies=True) == sum(r.num_plies for r in records)


def test_a_game_is_stored_exactly_once(tmp_path):
    with ReplayStore(tmp_path / "run.db", GAME) as store:
        first = random_record(GAME, 3)
        assert store.add_games([first, random_record(GAME, 4)]) == 2
        assert store.add_games([random_record(GAME, 3, seed=9), random_record(GAME, 5)]) == 1
        assert_same(next(store.games(3)), first)


def test_validation_games_are_a_fixed_share(tmp_path):
    held_out = {n for n in range(2000) if is_validation(n, 0.1)}
    assert 150 < len(held_out) < 250
    assert held_out <= {n for n in range(2000) if is_validation(n, 0.2)}
    assert not any(is_validation(n, 0.0) for n in range(2000))
    with ReplayStore(tmp_path / "run.db", GAME, validation_share=0.1) as store:
        store.add_games(random_record(GAME, n) for n in range(40))
        assert {r.number for r in store.games(validation=True)} == held_out & set(range(40))
        assert store.num_games(validation=False) == 40 - len(held_out & set(range(40)))


def test_metrics_generations_matches_and_values_are_kept(tmp_path):
    with ReplayStore(tmp_path / "run.db", GAME) as store:
        store.add_metrics({"loss": 1.5, "odd": float("nan")}, generation=1, step=10)
        store.add_metrics({"loss": 1.25}, generation=2, step=20)
        store.add_generation(1, {"games": 5})
        store.add_generation(1, {"games": 6})
        store.add_match({"a": "x", "wins": 3})
        store.put("seconds", 12.5)
        assert [(m.generation, m.step, m.value) for m in store.metrics("loss")] == [
            (1, 10, 1.5), (2, 20, 1.25)]  # fmt: skip
        assert np.isnan(store.metrics("odd")[0].value) and len(store.metrics()) == 3
        assert [(g["generation"], g["games"]) for g in store.generations()] == [(1, 6)]
        assert store.matches()[0]["wins"] == 3 and store.matches()[0]["time"] > 0
        assert store.get("seconds") == 12.5 and store.get("nothing", 4) == 4


def test_a_failed_batch_leaves_nothing(tmp_path):
    with ReplayStore(tmp_path / "run.db", GAME) as store:
        store.add_games([random_record(GAME, 0)])
        wrong = random_record(games.make("tictactoe"), 2)
        wrong = replace(wrong, observations=wrong.observations[:, :8])
        with pytest.raises(StoreError, match=r"game 2 has observations .*it was not stored"):
            store.add_games([random_record(GAME, 1), wrong])
        assert store.num_games() == 1


def test_a_full_disk_is_named_and_rolled_back(tmp_path):
    with ReplayStore(tmp_path / "run.db", GAME) as store:
        store.add_games([random_record(GAME, 0)])
        pages = store._number("PRAGMA page_count")
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match=r"run\.db: database or disk is full; the disk is fu"):
            store.add_games(random_record(GAME, n) for n in range(1, 50))
        assert store.num_games() == 1
        store._db.execute("PRAGMA max_page_count = 100000")
        assert store.add_games(random_record(GAME, n) for n in range(1, 50)) == 49


def test_a_locked_store_says_so(tmp_path):
    with (
        ReplayStore(tmp_path / "run.db", GAME) as holder,
        ReplayStore(tmp_path / "run.db", GAME, timeout_s=0.05) as store,
        holder._transaction(),
        pytest.raises(StoreError, match=r"run\.db: database is locked; another process holds it"),
    ):
        store.add_games([random_record(GAME, 0)])


def make_store(path: Path, num: int = 30) -> None:
    with ReplayStore(path, GAME, seed=1) as store:
        store.add_games(random_record(GAME, n) for n in range(num))


def test_other_files_are_refused_and_left_alone(tmp_path):
    path = tmp_path / "run.db"
    make_store(path)

    def refused(match: str, **options: object) -> None:
        before = path.read_bytes()
        with pytest.raises(StoreError, match=match):
            ReplayStore(path, options.pop("game", GAME), **options)  # type: ignore[arg-type]
        assert path.read_bytes() == before

    refused("holds games of.*connect4.*not of.*tictactoe", game=games.make("tictactoe"))
    refused("started with seed 1, not 2", seed=2)

    whole = path.read_bytes()
    path.write_bytes(b"not a database at all, but text" * 100)
    refused("damaged or no SQLite file")
    path.write_bytes(whole[: len(whole) // 2])
    refused("damaged|malformed")
    broken = bytearray(whole)
    broken[4096:8192] = bytes(range(256)) * 16
    path.write_bytes(broken)
    refused("damaged|malformed")
    path.write_bytes(whole)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 3")
    db.close()
    refused("has version 3, this program reads up to 2; upgrade")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 1")
    db.close()
    refused("has version 1.*start a new run folder")
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (x)")
    db.close()
    refused("database of another program")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"could not open .*nowhere.*check the folder"):
        ReplayStore(tmp_path / "nowhere" / "run.db", GAME)


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from factories import random_record
import games
from trainer.replay import ReplayStore
game = games.make("connect4")
records = [random_record(game, n) for n in range(8)]
with ReplayStore(sys.argv[1], game, seed=1) as store:
    number = store.last_number() + 1
    while True:
        from dataclasses import replace
        store.add_games(replace(r, number=number + i) for i, r in enumerate(records))
        number += len(records)
        print(number, flush=True)
"""


def test_a_killed_writer_loses_no_committed_game(tmp_path):
    path, here = tmp_path / "run.db", Path(__file__).parent
    reported = 0
    for lines in (1, 4, 9):
        command = [sys.executable, "-c", WRITER, str(path), str(here), str(here.parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                reported = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        with ReplayStore(path, GAME, seed=1) as store:
            numbers = [record.number for record in store.games()]
            assert numbers == list(range(len(numbers))) and len(numbers) >= reported
            assert len(numbers) % 8 == 0  # whole transactions


# -- the window ------------------------------------------------------------------------------


def expected_rows(records, train_on_fast):
    for record in records:
        for ply in range(record.num_plies):
            if record.full_search[ply] or train_on_fast:
                yield record, ply


@pytest.mark.parametrize("train_on_fast", [False, True])
def test_window_gives_the_targets_of_the_newest_rows(train_on_fast):
    records = [random_record(GAME, n, fast=0.5) for n in range(30)]
    window = SampleWindow(GAME, 100, train_on_fast=train_on_fast, value_mix=0.25)
    rows = list(expected_rows(records, train_on_fast))
    assert sum(window.add([record]) for record in records) == len(rows) == window.total_rows
    assert len(window) == 100
    batches = list(window.batches(64))
    assert [len(b.wdl) for b in batches] == [64, 36]
    batch = [np.concatenate(parts) for parts in zip(*(b[:4] for b in batches), strict=True)]
    for i, (record, ply) in enumerate(rows[-100:]):
        observation, policy, wdl, weight = (part[i] for part in batch)
        np.testing.assert_array_equal(observation, GAME.unpack(record.observations[ply])[0])
        target = np.zeros(7, np.float32)
        entries = slice(*record.policy_offsets[ply : ply + 2])
        if record.full_search[ply]:
            visits = record.policy_weights[entries]
            target[record.policy_actions[entries]] = visits / visits.sum()
        np.testing.assert_allclose(policy, target, rtol=1e-6)
        assert weight == record.full_search[ply]
        outcome = record.returns[record.players[ply]]
        value = 0.75 * outcome + 0.25 * record.root_values[ply]
        np.testing.assert_allclose(wdl.sum(), 1, rtol=1e-6)
        np.testing.assert_allclose(wdl[0] - wdl[2], value, atol=1e-6)


def test_symmetries_move_boards_and_policies_together():
    game = games.make("tictactoe")
    record = random_record(game, 0)
    window = SampleWindow(game, 1)
    window.add([record])
    cells, actions = game.symmetries()
    plain = next(window.batches(1))
    images = {
        (plain.observations[0].reshape(2, 9)[:, c].tobytes(), plain.policy[0][a].tobytes())
        for c, a in zip(cells, actions, strict=True)
    }
    batch = window.sample(500, np.random.default_rng(0))
    seen = {
        (o.tobytes(), p.tobytes()) for o, p in zip(batch.observations, batch.policy, strict=True)
    }
    assert seen == images
    still = window.sample(9, np.random.default_rng(0), symmetries=False)
    assert (still.observations == plain.observations).all()


def test_window_grows_with_the_run():
    records = [random_record(GAME, n) for n in range(40)]
    window = SampleWindow(GAME, 400, fraction=0.5, min_rows=50)
    sizes = []
    for record in records:
        window.add([record])
        sizes.append(len(window))
        assert len(window) == min(400, window.total_rows, max(50, window.total_rows // 2))
    assert sizes[-1] == 400


def test_game_without_rows_costs_the_window_no_memory():
    window = SampleWindow(GAME, 50)
    window.add(random_record(GAME, n) for n in range(200))
    nothing_to_learn = random_record(GAME, 200, fast=1.0)
    tracemalloc.start()
    assert window.add([nothing_to_learn]) == 0
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 50_000  # the visits of all 200 games: 240 kB


def test_window_is_filled_from_the_store_as_if_it_had_seen_the_games(tmp_path):
    records = [random_record(GAME, n, fast=0.3) for n in range(60)]
    seen = SampleWindow(GAME, 300, fraction=0.5)
    held_out = SampleWindow(GAME, 300)
    with ReplayStore(tmp_path / "run.db", GAME, validation_share=0.2) as store:
        store.add_games(records)
        seen.add(store.games(validation=False))
        filled = SampleWindow(GAME, 300, fraction=0.5)
        assert filled.fill(store) >= 300
        assert held_out.fill(store, validation=True) == store.num_rows(validation=True)
    assert filled.total_rows == seen.total_rows and len(filled) == len(seen)
    for a, b in zip(filled.batches(100), seen.batches(100), strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left, right)


def test_empty_window_is_named():
    window = SampleWindow(GAME, 10)
    assert len(window) == 0 and list(window.batches(5)) == []
    with pytest.raises(EngineError, match="empty window; finish some games first"):
        window.sample(5, np.random.default_rng(0))


def test_copy_of_a_store_opens(tmp_path):
    make_store(tmp_path / "run.db")
    shutil.copy(tmp_path / "run.db", tmp_path / "copy.db")
    with ReplayStore(tmp_path / "copy.db", GAME) as store:
        assert store.num_games() == 30
