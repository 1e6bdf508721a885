"""Self-play that ends early: proven or resigned games, and how often that was wrong."""

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from factories import random_record
from playing import Table, assert_same_records, network, opinions

import games
from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.records import Ending, GameRecord
from trainer.resignation import LEAST_GAMES, Resignations

CONNECT4 = games.make("connect4")
TICTACTOE = games.make("tictactoe")


def lively_games(num: int, *, seed: int = 1, **search: float) -> dict[int, GameRecord]:
    """Games of Connect Four whose values differ from position to position."""
    spec = PlayerSpec(search=SearchConfig(num_simulations=20, reuse_tree=False, **search))
    with Pool(
        CONNECT4, [spec], [opinions()[1]], PoolConfig(serial=True, games_per_worker=16),
        seed=seed, game_limit=num,
    ) as pool:  # fmt: skip
        return {record.number: record for record in pool.games()}


def resigns_at(record: GameRecord, value: float, plies: int) -> int:
    """The first ply whose player has had so many low values in a row, or -1."""
    for ply in range(record.num_plies):
        own = [p for p in range(ply + 1) if record.players[p] == record.players[ply]]
        if len(own) >= plies and all(record.root_values[p] <= value for p in own[-plies:]):
            return ply
    return -1


def cut(record: GameRecord, ply: int) -> list[int]:
    return record.actions[: ply + 1].tolist()


# -- proven ----------------------------------------------------------------------------------


def test_a_proven_game_ends_at_its_first_proof_with_the_proven_result() -> None:
    player = network(60, solver=True)
    whole = Table(TICTACTOE, [player], limit=40).play(40)
    ended = Table(TICTACTOE, [network(60, solver=True, end_when_proven=True)], limit=40).play(40)
    num_proven = 0
    for number, record in ended.items():
        proven = np.flatnonzero(whole[number].results != 2)
        last = record.num_plies - 1
        assert last == proven[0]
        assert record.actions.tolist() == cut(whole[number], last)
        result = record.results[last]
        assert record.returns[record.players[last]] == result
        assert record.returns.sum() == 0
        num_proven += record.ending == Ending.PROVEN
        if record.ending == Ending.RULES:
            assert record.num_plies == whole[number].num_plies
    assert num_proven > 20
    assert sum(r.num_plies for r in ended.values()) < sum(r.num_plies for r in whole.values())


def test_proofs_end_nothing_unless_asked_to() -> None:
    for record in Table(TICTACTOE, [network(60, solver=True)], limit=10).play(10).values():
        assert record.ending == Ending.RULES and record.resign_ply == -1


def test_each_player_of_a_match_ends_games_as_its_own_settings_say() -> None:
    search = SearchConfig(
        num_simulations=60, solver=True, end_when_proven=True, resign_value=-0.1, resign_plies=1
    )
    ends, plays_on = PlayerSpec(kind="rollout", search=search), network(60, solver=True)
    for players, seat in (((ends, plays_on), 0), ((plays_on, ends), 1)):
        records = Table(TICTACTOE, list(players), limit=10).play(10)
        early = [record for record in records.values() if record.ending != Ending.RULES]
        assert early
        for record in early:
            assert record.players[record.num_plies - 1] == (seat + record.number) % 2


def test_a_game_that_is_cut_off_says_so() -> None:
    records = Table(CONNECT4, [network(10)], limit=4, plies_per_game=3).play(4).values()
    assert {record.ending for record in records} == {Ending.CUT_OFF}


def test_proofs_need_the_solver() -> None:
    with pytest.raises(ConfigError, match="end_when_proven must be false without the solver"):
        SearchConfig(end_when_proven=True)


# -- resigned --------------------------------------------------------------------------------


@pytest.mark.parametrize("plies", [1, 2])
def test_games_end_where_a_plain_reading_of_their_values_says(plies: int) -> None:
    off = lively_games(60)
    on = lively_games(60, resign_value=-0.05, resign_plies=plies, resign_playout=0.0)
    ends = {number: resigns_at(record, -0.05, plies) for number, record in off.items()}
    assert sum(end >= 0 for end in ends.values()) > 3
    for number, record in on.items():
        end = ends[number]
        assert record.resign_ply == end
        if end < 0:
            assert record.ending == Ending.RULES
            assert record.actions.tolist() == off[number].actions.tolist()
        else:
            assert record.ending == Ending.RESIGNED
            assert record.actions.tolist() == cut(off[number], end)
            assert record.returns[record.players[end]] == -1.0
            assert record.returns.sum() == 0.0


def test_a_share_is_played_on_and_says_where_it_would_have_ended() -> None:
    off = lively_games(120)
    on = lively_games(120, resign_value=-0.05, resign_plies=2, resign_playout=0.4)
    would = {n for n, record in off.items() if resigns_at(record, -0.05, 2) >= 0}
    played_on = {n for n in would if on[n].ending == Ending.RULES}
    assert 0.25 < len(played_on) / len(would) < 0.55
    for number in played_on:
        assert on[number].actions.tolist() == off[number].actions.tolist()
        assert on[number].resign_ply == resigns_at(off[number], -0.05, 2)


def test_which_games_are_played_on_depends_on_seed_and_number_alone() -> None:
    search = {"resign_value": -0.05, "resign_plies": 2, "resign_playout": 0.4}
    assert_same_records(lively_games(20, **search), lively_games(20, **search))

    def played_on(seed: int) -> set[int]:
        search = {"resign_value": -1e-9, "resign_plies": 1, "resign_playout": 0.5}
        found = lively_games(40, seed=seed, **search)
        return {n for n, record in found.items() if record.ending == Ending.RULES}

    assert played_on(1) == played_on(1) != played_on(2)


@pytest.mark.parametrize(
    "early",
    [
        {"solver": True, "end_when_proven": True},
        {"resign_value": -0.01, "resign_plies": 1, "resign_playout": 0.3},
    ],
)
def test_a_successor_ends_games_early_where_its_predecessor_would_have(
    early: dict[str, float],
) -> None:
    player = network(12, **early)
    options = {"openings": [[4], [0, 8]]}
    expected = Table(TICTACTOE, [player], limit=9, **options).play(9)
    assert len({record.ending for record in expected.values()} - {Ending.RULES}) == 1
    for deaths in ([1], [7], [3, 4, 5], list(range(1, 60, 2))):
        table = Table(TICTACTOE, [player], limit=9, **options)
        for number in itertools.count(1):
            if len(table.records) == 9:
                break
            table.worker.step(number % 2, False)
            if number in deaths:
                table.serve()
                table.worker = table.new_worker()
            table.serve()
            table.collect()
            assert number < 10_000
        assert_same_records(table.records, expected)


# -- the false rate --------------------------------------------------------------------------


def planted(ending: Ending, loser_lost: bool | None, resign_ply: int = 2) -> GameRecord:
    """A game in which the player of `resign_ply` lost or, if not, won; None: a draw."""
    record = random_record(TICTACTOE, 0)
    mine = 0.0 if loser_lost is None else -1.0 if loser_lost else 1.0
    returns = np.full(2, -mine, np.float32)
    returns[record.players[resign_ply]] = mine
    return replace(record, returns=returns, ending=ending, resign_ply=resign_ply)


def tally(records: Iterable[GameRecord], last: int = 1000) -> Resignations:
    found = Resignations(last)
    found.add(records)
    return found


def test_the_false_rate_is_of_games_played_on_whose_resigner_did_not_lose() -> None:
    records = [planted(Ending.RULES, True)] * 5 + [planted(Ending.PROVEN, True)] * 2
    records += [planted(Ending.RULES, False)] * 2 + [planted(Ending.RULES, None)]
    # Neither those that were resigned nor those that nobody would have say anything.
    records += [planted(Ending.RESIGNED, True)] * 40 + [random_record(TICTACTOE, 1)] * 40
    found = tally(records)
    assert found.num_games == 10 and found.false_share == pytest.approx(0.3)


def test_without_such_games_there_is_no_rate() -> None:
    assert np.isnan(tally([random_record(TICTACTOE, 1)]).false_share)


def test_too_many_are_more_than_a_twentieth_of_enough_games() -> None:
    good, bad = planted(Ending.RULES, True), planted(Ending.RULES, False)
    assert not tally([bad] * (LEAST_GAMES - 1)).too_many
    assert not tally([good] * 95 + [bad] * 5).too_many
    assert tally([good] * 94 + [bad] * 6).too_many


def test_only_the_newest_games_count() -> None:
    good, bad = planted(Ending.RULES, True), planted(Ending.RULES, False)
    assert tally([bad] * 50 + [good] * 30, last=30).false_share == 0.0
