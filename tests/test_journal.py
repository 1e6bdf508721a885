"""Journals: a game in progress, and its way to the parent."""

import pytest
from playing import Table, assert_legal, network

import games
from engine.journal import Journal
from engine.segment import Segment


def test_a_new_journal_holds_nothing_and_is_not_finished() -> None:
    table = Table(games.make("tictactoe"), [network()])
    journal = Journal(Segment(table.spec), 0)
    assert not journal.is_finished
    record = journal.record(3)
    assert record.num_plies == 0 and record.seed == 3
    assert record.policy_offsets.tolist() == [0]


def test_a_game_is_finished_in_exactly_one_journal_until_it_is_freed() -> None:
    table = Table(games.make("tictactoe"), [network(5)], games=1, limit=1)
    while not any(journal.is_finished for journal in table.journals):
        table.round()
    (finished,) = [journal for journal in table.journals if journal.is_finished]
    record = finished.record(1)
    assert_legal(table.game, record)
    for _ in range(10):
        table.round()
    assert finished.is_finished and finished.record(1).actions.tolist() == record.actions.tolist()
    finished.free()
    assert not any(journal.is_finished for journal in table.journals)


def test_a_record_is_a_copy() -> None:
    table = Table(games.make("tictactoe"), [network(5)], games=1, limit=2)
    table.play(1)
    actions, visits = table.records[0].actions.tolist(), table.records[0].policy_weights.tolist()
    table.play(2)
    assert table.records[0].actions.tolist() == actions
    assert table.records[0].policy_weights.tolist() == visits


def test_finished_games_that_nobody_frees_stop_the_worker_and_lose_nothing() -> None:
    table = Table(games.make("tictactoe"), [network(3)], games=2)
    num_journals = len(table.journals)
    for _ in range(60 * num_journals):
        table.round()
    assert all(journal.is_finished for journal in table.journals)
    assert table.segment.next_game == num_journals
    table.play(3 * num_journals)
    assert set(range(num_journals)) <= set(table.records)


@pytest.mark.parametrize("index", [-1, 1000])
def test_a_journal_that_is_not_there_is_refused(index: int) -> None:
    table = Table(games.make("tictactoe"), [network()])
    with pytest.raises(ValueError, match=f"no journal {index}"):
        Journal(table.segment, index)
