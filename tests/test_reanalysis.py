"""Stored positions searched again: chosen, offered, searched, recovered, and learned from."""

import os
import signal
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from factories import random_record
from playing import (
    FIELDS,
    UNIFORM,
    Table,
    assert_same_records,
    network,
    opinions,
    play,
)
from running import here, options

import games
from engine.errors import ConfigError
from engine.pool import Pool, PoolConfig
from engine.records import Ending, GameRecord
from engine.segment import journal_layout
from engine.starts import Start, StartTable
from trainer.config import SelfplayConfig, resolve
from trainer.reanalysis import StoredPositions
from trainer.replay import ReplayStore, is_held_out, is_validation
from trainer.resignation import Resignations
from trainer.samples import SampleWindow
from trainer.starts import StartArchive
from trainer.statistics import Tally
from trainer.targets import UNKNOWN
from trainer.value_targets import search_values, value_labels

TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")
# The third can be won by its next move, and the player to move is lost in the fourth.
POSITIONS = [
    Start([4, 0], (1.0, -1.0)),
    Start([], (-1.0, 1.0)),
    Start([0, 3, 1, 4], (0.0, 0.0)),
    Start([0, 8, 2, 1, 6], (-1.0, 1.0)),
]


def reanalysed(source: GameRecord, ply: int, number: int = 1000) -> GameRecord:
    """What a reanalysis of the position at `ply` looks like; its search says other things."""
    first, num = source.policy_offsets[ply : ply + 2]
    search = slice(first, num)
    given = np.zeros(ply + 1, np.float32)
    value = given.copy()
    value[-1] = 0.625
    return replace(
        source, number=number, generation=9, ending=Ending.REANALYSED, num_opening=ply,
        actions=source.actions[: ply + 1], players=source.players[: ply + 1],
        full_search=np.arange(ply + 1) == ply, root_values=value, prior_values=given,
        surprises=given, results=np.full(ply + 1, 2, np.int8),
        distances=np.zeros(ply + 1, np.int16), observations=source.observations[: ply + 1],
        policy_offsets=np.array([0] * (ply + 1) + [num - first], np.int32),
        policy_actions=source.policy_actions[search],
        policy_weights=source.policy_weights[search][::-1].copy(),
    )  # fmt: skip


# -- which positions -------------------------------------------------------------------------


def some_games(num: int) -> list[GameRecord]:
    """Games with openings, fast searches, and a proof somewhere."""
    rng, records = np.random.default_rng(3), []
    for number in range(num):
        record = random_record(CONNECT4, number, fast=0.5)
        results = np.full(record.num_plies, 2, np.int8)
        results[rng.integers(3, record.num_plies)] = rng.integers(-1, 2)
        records.append(replace(record, results=results, num_opening=number % 3))
    return records


def drawn(stored: StoredPositions, num: int, rows: int = 10**9, seed: int = 0) -> list[Start]:
    return stored.draw(num, rows, np.random.default_rng(seed))


@pytest.mark.parametrize("relabel", [False, True])
@pytest.mark.parametrize("all_plies", [False, True])
def test_the_windows_unproven_positions_are_drawn_with_what_their_games_say(
    all_plies, relabel
) -> None:
    records = some_games(12)
    expected = []
    for record in records:
        for ply in range(record.num_opening, record.num_plies):
            if record.results[ply] != 2 or not (all_plies or record.full_search[ply]):
                continue
            returns = record.returns.tolist()
            for later in range(ply, record.num_plies):
                if relabel and record.results[later] != 2:
                    returns = [float(record.results[later]), -float(record.results[later])]
                    returns = returns if record.players[later] == 0 else returns[::-1]
                    break
            expected.append((record.actions[:ply].tolist(), tuple(returns)))
    stored = StoredPositions(all_plies=all_plies, relabel=relabel)
    stored.add(records)
    found = drawn(stored, 10_000)
    assert sorted((list(s.actions), s.returns) for s in found) == sorted(expected)
    assert len(drawn(stored, 5)) == 5
    assert not any(np.signbit(value) and value == 0 for s in found for value in s.returns)


def test_positions_leave_with_the_windows_rows() -> None:
    records = [random_record(CONNECT4, n) for n in range(6)]
    lengths = [record.num_plies for record in records]
    stored = StoredPositions()
    stored.add(records)
    assert len(drawn(stored, 10_000)) == sum(lengths)
    # One row of the third game is still in the window: its other positions are, too.
    assert len(drawn(stored, 10_000, sum(lengths[3:]) + 1)) == sum(lengths[2:])
    # Reanalyses take room, and are themselves not searched again.
    stored.add(reanalysed(records[-1], ply) for ply in range(3))
    assert len(drawn(stored, 10_000, 3 + sum(lengths[4:]))) == sum(lengths[4:])
    assert drawn(StoredPositions(), 10) == []


def test_the_older_half_of_a_uniform_draw_is_taken() -> None:
    record = random_record(CONNECT4, 1)
    half = record.num_plies * 20
    stored = StoredPositions()
    for number in range(40):
        returns = np.array([[0.5, -0.5], [0.25, -0.25]][number % 2], np.float32)
        stored.add([replace(record, number=number, generation=number % 2, returns=returns)])
    old = [sum(s.returns[0] == 0.5 for s in drawn(stored, 20, seed=n)) / 20 for n in range(100)]
    # Of 40 drawn, some 20 are old: min(20, Binomial(40, 1/2)), 0.937 of the 20 in the mean.
    assert 0.9 < np.mean(old) < 0.97
    counts = Counter(len(s.actions) for n in range(100) for s in drawn(stored, 20, seed=n))
    assert max(counts) == record.num_plies - 1 and min(counts) == 0
    every = drawn(stored, half)
    assert {s.returns[0] for s in every} == {0.5} and len(every) == half


# -- searching them --------------------------------------------------------------------------


def offered(share: float = 1.0, limit: int = 8, **options: object) -> Table:
    search = {"resign_value": -0.01, "resign_plies": 1, "solver": True, "end_when_proven": True,
              "fast_simulations": 3, "full_fraction": 0.1}  # fmt: skip
    table = Table(TICTACTOE, [network(40, **search)], reanalyses=6, limit=limit, **options)
    StartTable(table.segment, "reanalyses").renew(POSITIONS, share)
    return table


def test_a_row_keeps_its_returns() -> None:
    table = StartTable(offered().segment, "reanalyses")
    assert [table.read(i) for i in range(4)] == POSITIONS
    with pytest.raises(ValueError, match="reanalyses must be at most 6 of at most 9 plies, got 7"):
        table.renew([POSITIONS[0]] * 7, 0.5)


def test_one_full_search_of_the_position_keeps_the_given_returns() -> None:
    for number, record in offered().play(8).items():
        start = POSITIONS[number % 4]
        assert record.ending == Ending.REANALYSED and record.resign_ply == -1
        assert record.num_opening == len(start.actions) == record.num_plies - 1
        assert record.actions[:-1].tolist() == start.actions
        assert record.returns.tolist() == list(start.returns)
        assert record.full_search.tolist() == [False] * record.num_opening + [True]
        assert record.policy_offsets[record.num_opening] == 0 < record.policy_offsets[-1]


def test_the_search_is_that_of_a_game_which_begins_there() -> None:
    player, openings = network(40), [list(p.actions) for p in POSITIONS]
    expected = Table(TICTACTOE, [player], limit=8, openings=openings, plies_per_game=1).play(8)
    table = Table(TICTACTOE, [player], limit=8, reanalyses=4)
    StartTable(table.segment, "reanalyses").renew(POSITIONS, 1.0)
    for number, record in table.play(8).items():
        for field in set(FIELDS) - {"returns", "ending"}:
            np.testing.assert_array_equal(getattr(record, field), getattr(expected[number], field))


def test_a_share_of_the_numbers_is_reanalysed_and_the_games_are_what_they_were() -> None:
    search = {"resign_value": -0.9, "resign_plies": 1}
    plain = Table(TICTACTOE, [network(12, **search)], limit=60, games=5).play(60)
    for in_progress in (1, 5):
        table = Table(
            TICTACTOE, [network(12, **search)], limit=60, games=in_progress, reanalyses=6
        )
        StartTable(table.segment, "reanalyses").renew(POSITIONS, 0.5)
        found = table.play(60)
        again = {n for n, record in found.items() if record.ending == Ending.REANALYSED}
        assert 20 <= len(again) <= 40
        played = {n: record for n, record in found.items() if n not in again}
        assert_same_records(played, {n: plain[n] for n in played})
        counters = table.segment.counters(0)
        assert counters["games"] == len(played)
        assert counters["plies"] == len(again) + sum(r.num_plies for r in played.values())


def test_a_table_without_an_offer_changes_no_game() -> None:
    expected = Table(TICTACTOE, [network(12)], limit=9).play(9)
    assert_same_records(Table(TICTACTOE, [network(12)], limit=9, reanalyses=6).play(9), expected)


@pytest.mark.parametrize("begin_anew", [False, True])
def test_a_successor_ends_the_reanalyses_although_the_table_has_changed(begin_anew) -> None:
    expected = offered(limit=4).play(4)
    for recorded in range(6):  # plies of the position that the dead worker had written down
        table = offered(limit=4, begin_anew=begin_anew)
        for group in (0, 1):
            table.worker.step(group, False)
        table.serve()
        width, playing = journal_layout(table.spec)[1], 0
        for index in range(table.spec.journals_per_worker):
            header = table.segment.array("journals", np.uint32, (2,), index * width)
            if header[0] == 1:  # in progress
                header[1] = min(recorded, header[1])
                playing += 1
        assert playing == 4
        StartTable(table.segment, "reanalyses").renew([Start([1], (0.5, -0.5))], 1.0)
        table.worker = table.new_worker()
        assert_same_records(table.play(4), expected)


def test_a_worker_that_dies_between_the_search_and_the_end_leaves_no_second_search() -> None:
    expected = offered(limit=4).play(4)
    table = offered(limit=4)
    while sum(journal.is_finished for journal in table.journals) < 4:
        table.round()
    width = journal_layout(table.spec)[1]
    for index, journal in enumerate(table.journals):
        if journal.is_finished:
            table.segment.array("journals", np.uint32, (1,), index * width)[0] = 1  # in progress
    table.worker = table.new_worker()
    table.collect()
    assert_same_records(table.records, expected)


def test_processes_search_what_serial_mode_searches() -> None:
    found = []
    for serial in (True, False):
        config = PoolConfig(workers=2, games_per_worker=4, reanalyses=4, serial=serial)
        pool = Pool(TICTACTOE, [network(12)], [UNIFORM], config, seed=1, game_limit=20)
        pool.offer_reanalyses(POSITIONS, 0.5)
        with pool:
            found.append(play(pool))
    assert any(record.ending == Ending.REANALYSED for record in found[0].values())
    assert_same_records(found[1], found[0])


@pytest.mark.chaos
def test_a_killed_worker_loses_and_repeats_no_search() -> None:
    games_before = [random_record(CONNECT4, n).actions.tolist() for n in range(4)]
    starts = [Start(actions[:ply], (1.0, -1.0)) for actions in games_before for ply in range(5)]
    found = []
    for victim in (None, "worker-0"):
        config = PoolConfig(workers=2, games_per_worker=5, reanalyses=20, serial=victim is None)
        pool = Pool(CONNECT4, [network(60)], [UNIFORM], config, seed=1, game_limit=80)
        pool.offer_reanalyses(starts, 0.7)
        records = {}
        with pool:
            for record in pool.games(60):
                if victim and not records:
                    os.kill(pool.pids[victim], signal.SIGKILL)
                assert record.number not in records
                records[record.number] = record
            assert pool.num_restarts == (victim is not None)
        found.append(records)
    assert sum(record.ending == Ending.REANALYSED for record in found[0].values()) > 40
    assert_same_records(found[1], found[0])


def test_new_opinions_give_a_new_target_and_the_old_result() -> None:
    source = Table(CONNECT4, [network(30)], limit=1).play(1)[0]
    stored = StoredPositions()
    stored.add([source])
    starts = sorted(drawn(stored, 100), key=lambda start: len(start.actions))
    config = PoolConfig(serial=True, games_per_worker=8, reanalyses=len(starts))
    pool = Pool(CONNECT4, [network(30)], [opinions()[1]], config, first_game=len(starts),
                game_limit=2 * len(starts))  # fmt: skip
    pool.offer_reanalyses(starts, 1.0)
    with pool:
        records = play(pool)
    for number, record in records.items():
        ply = number - len(starts)
        assert record.num_opening == ply
        assert record.returns.tolist() == source.returns.tolist()
        assert (record.observations == source.observations[: ply + 1]).all()
        assert record.root_values[ply] != source.root_values[ply]


# -- what is made of them --------------------------------------------------------------------


def test_a_reanalysis_is_one_row_with_its_own_target_and_the_given_outcome() -> None:
    source = random_record(TICTACTOE, 2)
    record = reanalysed(source, 3)
    window = SampleWindow(TICTACTOE, 100, value_mix=0.25, td_lambda=0.5)
    assert window.add([record]) == 1
    (batch,) = window.batches(8)
    policy = np.zeros(9)
    policy[record.policy_actions] = record.policy_weights / record.policy_weights.sum()
    np.testing.assert_allclose(batch.policy[0], policy, atol=1e-6)
    outcome = float(source.returns[source.players[3]])
    # Nothing was searched behind it: the search's value is its own.
    assert search_values(record, 0.5)[3] == 0.625
    expected = 0.75 * outcome + 0.25 * 0.625
    assert batch.wdl[0, 0] - batch.wdl[0, 2] == pytest.approx(expected)
    assert value_labels(record).outcomes[3] == outcome


@pytest.mark.parametrize("ending", [False, True])
def test_what_the_games_end_decides_is_unknown(ending) -> None:
    source = random_record(TICTACTOE, 2)
    ply = source.num_plies - 1 if ending else 2  # the last move ends the reanalysis, too
    window = SampleWindow(
        TICTACTOE, 100, auxiliary=["reply", "ownership", "plies_left", "winning_line"]
    )
    window.add([reanalysed(source, ply)])
    (batch,) = window.batches(8)
    assert (batch.auxiliary["ownership"] == UNKNOWN).all()
    assert (batch.auxiliary["winning_line"] == UNKNOWN).all()
    assert np.isnan(batch.auxiliary["plies_left"]).all()
    assert not batch.auxiliary["reply"].any()


def test_a_merged_position_has_the_auxiliary_targets_of_its_newest_game() -> None:
    source = random_record(TICTACTOE, 2)
    window = SampleWindow(TICTACTOE, 100, merge="equal", auxiliary=["plies_left"])
    window.add([source, reanalysed(source, 0), reanalysed(source, 0)])
    window.add([reanalysed(random_record(TICTACTOE, 5), 4)])
    left = window.sample(200, np.random.default_rng(1)).auxiliary["plies_left"]
    known = left[~np.isnan(left)]
    wanted = np.log1p(np.arange(source.num_plies, 0, -1))
    assert len(known) < 200
    np.testing.assert_allclose(np.unique(known), np.sort(wanted), atol=2e-3)


def test_it_is_kept_and_is_neither_a_game_nor_held_out(tmp_path) -> None:
    held_out = next(n for n in range(100) if is_validation(n, 0.3))
    source = random_record(TICTACTOE, 200)
    record = reanalysed(source, 3, held_out)
    assert not is_held_out(record, 0.3)
    with ReplayStore(tmp_path / "run.db", TICTACTOE, validation_share=0.3) as store:
        assert store.add_games([source, record]) == 2
        assert store.num_games() == 1
        assert store.num_games(validation=True) + store.num_games(validation=False) == 1
        assert store.num_rows() - source.num_plies == 1
        found = {r.number: r for r in store.games()}
        assert_same_records(found, {200: source, held_out: record})
        assert held_out in {r.number for r in store.games(validation=False)}


def test_no_statistics_of_games_count_it() -> None:
    record = replace(reanalysed(random_record(TICTACTOE, 2), 3), resign_ply=3)
    tally, archive, resignations = Tally(), StartArchive(), Resignations()
    tally.add(record)
    archive.add([record])
    resignations.add([record])
    assert np.isnan(tally.length) and all(map(np.isnan, tally.take().values()))
    assert archive.best() == [] and resignations.num_games == 0


# -- in a run --------------------------------------------------------------------------------


def test_a_run_searches_training_games_again_and_goes_on_where_it_stopped(tmp_path) -> None:
    run = tmp_path / "run"
    changes = {"selfplay__reanalyse_share": 0.6, "selfplay__opening_plies": 0,
               "learner__merge_duplicates": "equal", "learner__ownership_weight": 0.1,
               "learner__validation_share": 0.3}  # fmt: skip
    for generations in (2, 3):
        settings = options(**changes, budget__max_generations=generations)
        command = ("train", "tictactoe", "--run", run, "--serial", "--no-progress", *settings)
        assert here(*command) == 0
    with ReplayStore(run / "run.db", TICTACTOE) as store:
        records = list(store.games())
        held_out = {r.number for r in store.games(validation=True)}
        num_games = store.num_games()
        told = store.generations()[-1]["games"]
    again = [r for r in records if r.ending == Ending.REANALYSED]
    assert {r.generation for r in again} == {1, 2}
    assert num_games == len(records) - len(again)
    assert told <= num_games < told + len(again)
    known = {
        (*r.actions[:ply].tolist(), *r.returns.tolist())
        for r in records
        if r.ending != Ending.REANALYSED and r.number not in held_out
        for ply in range(r.num_plies)
    }
    for record in again:
        assert record.number not in held_out
        assert record.num_plies == record.num_opening + 1
        assert (*record.actions[:-1].tolist(), *record.returns.tolist()) in known


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_that_leave_no_games_are_refused(share) -> None:
    with pytest.raises(ConfigError, match=r"reanalyse_share must be in \[0, 1\), got"):
        SelfplayConfig(reanalyse_share=share)


def test_a_deterministic_run_says_why_it_cannot() -> None:
    wanted = {"deterministic": True, "budget.max_generations": 3, "selfplay.reanalyse_share": 0.5}
    with pytest.raises(ConfigError, match=r"reanalyse_share must be 0 .* on when games end"):
        resolve("tictactoe", (), wanted)
