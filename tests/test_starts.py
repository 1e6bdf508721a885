"""Starts where the network was wrong: found, offered through shared memory, and played from."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from factories import random_record
from playing import UNIFORM, Table, assert_legal, assert_same_records, network, play
from running import options, ringzero

import games
from engine.errors import ConfigError, EngineError
from engine.pool import Pool, PoolConfig
from engine.segment import journal_layout
from engine.starts import Start, StartTable
from trainer.config import SelfplayConfig
from trainer.replay import ReplayStore
from trainer.starts import StartArchive, misjudgements

TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")
STARTS = [[4, 0], [0, 4], [8], [2, 4, 6]]
OFFERED = [Start(actions) for actions in STARTS]


# -- finding them ----------------------------------------------------------------------------


def test_a_value_is_measured_against_what_is_proven_or_else_the_outcome() -> None:
    record = random_record(CONNECT4, 1)
    results = np.full(record.num_plies, 2, np.int8)
    results[5] = 1
    offsets = record.policy_offsets.copy()
    offsets[:3] = offsets[2]  # two plies that were not searched
    record = replace(record, results=results, policy_offsets=offsets)
    found = misjudgements(record, "value")
    for ply in range(record.num_plies):
        player = record.players[ply]
        won = 1.0 if player == record.players[5] else -1.0
        truth = won if ply <= 5 else record.returns[player]
        expected = 0.0 if ply < 2 else abs(float(record.prior_values[ply]) - truth)
        assert found[ply] == pytest.approx(expected, abs=1e-6)
    assert misjudgements(record, "surprise").tolist() == record.surprises.tolist()


def test_of_openings_only_the_position_behind_them_competes() -> None:
    record = replace(random_record(CONNECT4, 1), num_opening=3)
    everywhere = misjudgements(record, "value")
    found = misjudgements(record, "opening")
    assert found[3] == everywhere[3] > 0
    assert np.flatnonzero(found).tolist() == [3]


@pytest.mark.parametrize("measure", ["value", "surprise"])
def test_the_archive_ranks_the_worst_position_of_each_of_the_newest_games(measure) -> None:
    records = [random_record(CONNECT4, n) for n in range(30)]
    archive = StartArchive(measure, games=20)
    archive.add(records)
    worst = []
    for record in records[-20:]:
        wrong = misjudgements(record, measure)[1:].tolist()
        ply = 1 + wrong.index(max(wrong))
        worst.append((max(wrong), record.number, record.actions[:ply].tolist()))
    expected: list[list[int]] = []
    for _, _, start in sorted(worst, reverse=True):
        if start not in expected:
            expected.append(start)
    assert archive.best(5) == expected[:5]
    assert archive.best() == expected
    for start in archive.best():
        state = CONNECT4.initial_state()
        for action in start:
            state.apply_action(action)
        assert not state.is_terminal()


def test_equal_starts_are_offered_once_and_the_first_position_never() -> None:
    record = random_record(CONNECT4, 3)
    surprises = np.zeros(record.num_plies, np.float32)
    surprises[0] = 5.0
    archive = StartArchive("surprise")
    archive.add([replace(record, surprises=surprises)])
    assert archive.best() == []
    surprises[4] = 1.0
    archive.add(replace(record, number=n, surprises=surprises) for n in range(3))
    assert archive.best() == [record.actions[:4].tolist()]


# -- the table -------------------------------------------------------------------------------


def start_table(starts: int = 6) -> tuple[Table, StartTable]:
    table = Table(TICTACTOE, [network(12)], starts=starts, limit=40)
    return table, StartTable(table.segment)


def test_what_is_offered_can_be_read_and_replaced() -> None:
    _, starts = start_table()
    assert starts.offer == (0.0, 0)
    starts.renew(OFFERED, 0.5)
    assert starts.offer == (0.5, 4)
    assert [starts.read(i) for i in range(4)] == OFFERED
    starts.renew([Start([1]), Start([])], 0.25)
    assert starts.offer == (0.25, 2)
    assert [starts.read(i).actions for i in range(2)] == [[1], []]


def test_what_does_not_fit_is_refused_and_the_old_offer_stays() -> None:
    _, starts = start_table()
    starts.renew(OFFERED, 0.5)
    with pytest.raises(ValueError, match="at most 6 of at most 9 plies, got 7 of up to 1"):
        starts.renew([Start([1])] * 7, 0.5)
    with pytest.raises(ValueError, match="got 1 of up to 10"):
        starts.renew([Start([1] * 10)], 0.5)
    assert starts.offer == (0.5, 4)


class Torn:
    """Rows that a writer is halfway through, for the first `times` reads."""

    def __init__(self, rows: np.ndarray, times: int) -> None:
        self.rows, self.left = rows, times

    def __getitem__(self, index: int) -> np.ndarray:
        row = self.rows[index].copy()
        if self.left:
            self.left -= 1
            row[2] ^= 1
        return row


def test_a_row_read_while_it_is_written_is_read_again() -> None:
    _, starts = start_table()
    starts.renew(OFFERED, 0.5)
    rows = starts._rows
    starts._rows = Torn(rows, 3)
    assert starts.read(0) == OFFERED[0] and starts._rows.left == 0
    rows[1, 0] = zlib.crc32(b"something else")
    with pytest.raises(EngineError, match="start 1 of 4 is damaged"):
        starts.read(1)


# -- playing from them -----------------------------------------------------------------------


def test_a_share_of_the_games_begins_with_the_offered_starts() -> None:
    table, starts = start_table()
    starts.renew(OFFERED, 0.5)
    records = table.play(40)
    begun = [r.actions[: r.num_opening].tolist() for _, r in sorted(records.items())]
    assert {tuple(b) for b in begun} == {(), *map(tuple, STARTS)}
    assert 10 <= sum(map(bool, begun)) <= 30
    for record in records.values():
        assert_legal(TICTACTOE, record)
        assert not record.full_search[: record.num_opening].any()
        assert record.policy_offsets[record.num_opening] == 0


def test_the_number_of_a_game_decides_where_it_begins() -> None:
    openings, expected = [[0], [1, 2]], None
    for in_progress in (1, 5):
        table = Table(TICTACTOE, [network(12)], starts=6, limit=20, games=in_progress,
                      openings=openings)  # fmt: skip
        StartTable(table.segment).renew(OFFERED, 0.5)
        records = table.play(20)
        assert_same_records(records, expected or records)
        expected = records
    begun = [r.actions[: r.num_opening].tolist() for _, r in sorted(expected.items())]
    assert all(b in STARTS or b == openings[n % 2] for n, b in enumerate(begun))


def test_a_table_without_an_offer_changes_no_game() -> None:
    expected = Table(TICTACTOE, [network(12)], limit=9).play(9)
    found = Table(TICTACTOE, [network(12)], limit=9, starts=6).play(9)
    assert_same_records(found, expected)


def test_a_successor_goes_on_from_the_start_although_the_table_has_changed() -> None:
    def fresh() -> Table:
        table = Table(TICTACTOE, [network(12)], starts=6, limit=4, games=4)
        StartTable(table.segment).renew([Start([2, 4, 6])], 1.0)
        return table

    expected = fresh().play(4)
    assert all(r.actions[:3].tolist() == [2, 4, 6] for r in expected.values())
    for recorded in (0, 1, 2, 3):  # plies of the start that the dead worker had written down
        table = fresh()
        for group in (0, 1):
            table.worker.step(group, False)
        table.serve()
        width = journal_layout(table.spec)[1]
        for index in range(table.spec.journals_per_worker):
            header = table.segment.array("journals", np.uint32, (2,), index * width)
            if header[0] == 1:  # in progress
                assert header[1] == 3
                header[1] = recorded
        StartTable(table.segment).renew([Start([1])], 1.0)
        table.worker = table.new_worker()
        assert_same_records(table.play(4), expected)


def test_processes_begin_where_serial_mode_begins() -> None:
    found = []
    for serial in (True, False):
        config = PoolConfig(workers=2, games_per_worker=4, starts=4, serial=serial)
        pool = Pool(TICTACTOE, [network(12)], [UNIFORM], config, seed=1, game_limit=20)
        pool.offer_starts(STARTS, 0.5)
        with pool:
            found.append(play(pool))
    assert any(record.num_opening for record in found[0].values())
    assert_same_records(found[1], found[0])


def test_an_opening_longer_than_a_game_is_refused() -> None:
    with pytest.raises(ValueError, match="opening must have <= 9 plies"):
        Table(TICTACTOE, [network(12)], openings=[[0] * 10])


# -- in a run --------------------------------------------------------------------------------


def test_a_run_sends_games_to_where_the_network_was_wrong(tmp_path) -> None:
    run = tmp_path / "run"
    changes = {"selfplay__start_share": 0.5, "selfplay__opening_plies": 0,
               "learner__merge_duplicates": "mirrored", "learner__surprise_share": 0.25,
               "budget__max_generations": 2}  # fmt: skip
    done = ringzero(
        "train", "tictactoe", "--run", run, "--serial", "--no-progress", *options(**changes)
    )
    assert done.returncode == 0, done.stderr
    with ReplayStore(run / "run.db", TICTACTOE) as store:
        records = list(store.games())
        known = store.metrics("validation/known_positions")
    assert len(known) == 2 and all(0 <= metric.value <= 1 for metric in known)
    assert not any(r.num_opening for r in records if r.number < 16)
    later = [r for r in records if r.generation > 0]
    begun = [r for r in later if r.num_opening]
    assert 0.2 < len(begun) / len(later) < 0.8
    for record in begun:
        assert record.num_opening < record.num_plies
        assert_legal(TICTACTOE, record)


@pytest.mark.parametrize("changes", [{"start_share": 1.5}, {"start_measure": "luck"}])
def test_values_that_cannot_be_are_refused(changes) -> None:
    with pytest.raises(ConfigError, match="|".join(changes)):
        SelfplayConfig(**changes)
