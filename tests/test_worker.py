"""A worker's games, driven step by step in this process."""

import itertools
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from playing import Table, assert_legal, assert_same_records, network, serial_records

import games
from engine.config import SearchConfig
from engine.player import PlayerSpec
from engine.worker import Worker

ROOT = Path(__file__).resolve().parents[1]
TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")


def test_games_are_legal_and_searched_to_the_full() -> None:
    table = Table(CONNECT4, [network(25)], games=8, limit=20)
    for number, record in sorted(table.play(20).items()):
        assert record.number == number and record.seed == 1
        assert_legal(CONNECT4, record)
        assert record.full_search.all()
        visits = np.add.reduceat(record.policy_weights, record.policy_offsets[:-1])
        assert (visits == 25).all()
    assert table.segment.counters(0)["games"] == 20
    assert table.segment.counters(0)["plies"] == sum(r.num_plies for r in table.records.values())
    assert table.segment.counters(0)["evaluations"] == table.segment.counters(1)["evaluations"]


def test_leaves_in_flight_do_not_break_games() -> None:
    table = Table(CONNECT4, [network(25, leaves_in_flight=4)], games=5, limit=10)
    for record in table.play(10).values():
        assert_legal(CONNECT4, record)


def test_a_half_waits_for_its_answers_while_the_other_searches() -> None:
    table = Table(CONNECT4, [network()], games=5)
    assert table.worker.step(0, False) == 3
    assert table.worker.step(1, False) == 2
    assert table.worker.step(0, False) == -1
    assert table.worker.step(1, False) == -1
    table.serve()
    assert table.worker.step(0, False) == 3
    assert table.worker.step(0, False) == -1
    assert table.worker.step(1, False) == 2


def test_the_number_of_games_at_once_does_not_change_a_game() -> None:
    expected = Table(CONNECT4, [network()], games=1, limit=6).play(6)
    found = Table(CONNECT4, [network()], games=6, limit=6).play(6)
    assert_same_records(found, expected)
    other_seed = Table(CONNECT4, [network()], games=6, limit=6, seed=2).play(6)
    assert any(other_seed[n].actions.tolist() != expected[n].actions.tolist() for n in expected)


def test_games_of_one_seed_differ_from_each_other() -> None:
    records = Table(CONNECT4, [network()], games=8, limit=16).play(16).values()
    assert len({tuple(record.actions.tolist()) for record in records}) == 16


def test_a_share_of_the_searches_is_full() -> None:
    player = network(40, fast_simulations=5, full_fraction=0.25)
    records = Table(CONNECT4, [player], games=8, limit=40).play(40).values()
    share = np.concatenate([record.full_search for record in records]).mean()
    assert 0.2 < share < 0.3
    for record in records:
        visits = np.add.reduceat(record.policy_weights, record.policy_offsets[:-1])
        assert (visits == np.where(record.full_search, 40, 5)).all()


def test_the_first_moves_after_an_opening_get_a_full_search() -> None:
    player = network(40, fast_simulations=5, full_fraction=0.0, full_plies=2)
    openings = [[], [3], [3, 3, 3]]
    records = Table(CONNECT4, [player], games=6, limit=12, openings=openings).play(12).values()
    for record in records:
        begun = np.arange(record.num_plies) - record.num_opening
        assert (record.full_search == ((begun >= 0) & (begun < 2))).all()
    assert {record.num_opening for record in records} == {0, 1, 3}


def test_temperature_zero_plays_the_most_visited_action() -> None:
    player = network(30, temperature=0.0, temperature_plies=0)
    for record in Table(CONNECT4, [player], limit=4).play(4).values():
        for ply, action in enumerate(record.actions):
            entries = slice(record.policy_offsets[ply], record.policy_offsets[ply + 1])
            visits = dict(
                zip(record.policy_actions[entries], record.policy_weights[entries], strict=True)
            )
            assert visits[action] == max(visits.values())


def test_records_hold_the_evaluators_own_view_and_how_far_the_search_went_from_it() -> None:
    # Every legal action has the same prior here, and every position the value 0.
    game = TICTACTOE
    for record in Table(game, [network(30)], limit=4, openings=[[4]]).play(4).values():
        assert (record.prior_values == 0).all()
        assert (record.results == 2).all()
        assert record.surprises[0] == 0
        for ply in range(1, record.num_plies):
            entries = slice(record.policy_offsets[ply], record.policy_offsets[ply + 1])
            target = record.policy_weights[entries] / record.policy_weights[entries].sum()
            divergence = float((target * np.log(target * (9 - ply))).sum())
            assert record.surprises[ply] == pytest.approx(max(divergence, 0), abs=1e-5)


def test_a_falling_temperature_makes_the_end_of_the_game_sharper() -> None:
    def share_of_best(player: PlayerSpec) -> float:
        best = []
        for record in Table(CONNECT4, [player], games=16, limit=32).play(32).values():
            for ply in range(8, record.num_plies):
                entries = slice(record.policy_offsets[ply], record.policy_offsets[ply + 1])
                visits = record.policy_weights[entries]
                played = record.policy_actions[entries] == record.actions[ply]
                best.append(visits[played][0] == visits.max())
        return float(np.mean(best))

    assert (
        share_of_best(network(temperature_plies=1))
        > share_of_best(network(temperature_plies=0)) + 0.2
    )


def test_openings_are_played_before_the_first_search() -> None:
    openings = [[0, 4], [8], []]
    records = Table(TICTACTOE, [network(10)], limit=7, openings=openings).play(7)
    for number, record in records.items():
        opening = openings[number % 3]
        assert record.num_opening == len(opening)
        assert record.actions[: len(opening)].tolist() == opening
        assert not record.full_search[: len(opening)].any()
        assert record.policy_offsets[len(opening)] == 0
        assert_legal(TICTACTOE, record)


def test_an_opening_that_ends_the_game_is_a_finished_game() -> None:
    won = [0, 3, 1, 4, 2]
    (record,) = Table(TICTACTOE, [network(10)], limit=1, openings=[won]).play(1).values()
    assert record.actions.tolist() == won and record.returns.tolist() == [1.0, -1.0]


def test_plies_per_game_counts_searched_plies() -> None:
    table = Table(CONNECT4, [network(10)], limit=4, openings=[[3, 3], [2]], plies_per_game=1)
    for number, record in table.play(4).items():
        assert record.num_plies == record.num_opening + 1 == (2 if number % 2 else 3)
        assert record.returns.tolist() == [0.0, 0.0]
        assert_legal(CONNECT4, record, finished=False)


def test_the_game_limit_is_respected_and_can_be_raised() -> None:
    table = Table(TICTACTOE, [network(5)], games=4, limit=6)
    table.play(6)
    for _ in range(50):
        table.round()
        table.collect()
    assert sorted(table.records) == list(range(6)) and table.segment.next_game == 6
    table.segment.game_limit = 9
    assert sorted(table.play(9)) == list(range(9))


def test_a_match_changes_seats_in_odd_games() -> None:
    rollout = PlayerSpec(kind="rollout", search=SearchConfig(num_simulations=60, temperature=0.0))
    table = Table(TICTACTOE, [rollout, PlayerSpec(kind="random")], limit=8)
    for number, record in table.play(8).items():
        assert_legal(TICTACTOE, record)
        searched = np.diff(record.policy_offsets) > 0
        assert (searched == (record.players == number % 2)).all()


@pytest.mark.parametrize("player_list", [[], [network()] * 3, ["random"]])
def test_a_worker_needs_one_or_two_players(player_list: list[PlayerSpec]) -> None:
    table = Table(TICTACTOE, [network()])
    with pytest.raises(ValueError, match="one or two PlayerSpecs"):
        Worker(table.segment, 0, TICTACTOE, player_list, 4)


# -- after a death --------------------------------------------------------------------------


@pytest.mark.parametrize("plies_per_game", [0, 2])
def test_a_successor_ends_the_games_as_its_predecessor_would_have(plies_per_game: int) -> None:
    options = {"openings": [[4], [0, 8]], "plies_per_game": plies_per_game}
    expected = Table(TICTACTOE, [network(12)], limit=9, **options).play(9)
    for deaths in ([1], [2], [7], [20], [33], [3, 4, 5], list(range(1, 60, 2))):
        table = Table(TICTACTOE, [network(12)], limit=9, **options)
        for number in itertools.count(1):
            if len(table.records) == 9:
                break
            table.worker.step(number % 2, False)
            if number in deaths:  # with requests on their way
                table.serve()  # which a successor would have waited for
                table.worker = table.new_worker()
            table.serve()
            table.collect()
            assert number < 10_000
        assert_same_records(table.records, expected)


def test_a_successor_waits_for_requests_that_are_on_their_way() -> None:
    table = Table(TICTACTOE, [network(12)], games=2, limit=2)
    expected = Table(TICTACTOE, [network(12)], games=2, limit=2).play(2)
    table.worker.step(0, False)
    table.segment.stop()  # so that the wait ends although nobody answers
    successor = table.new_worker()
    assert successor.step(0, False) == -1
    fresh = Table(TICTACTOE, [network(12)], games=2, limit=2)
    fresh.worker.step(0, False)
    fresh.serve()
    fresh.worker = fresh.new_worker()
    assert_same_records(fresh.play(2), expected)


def test_a_servers_successor_answers_what_was_taken() -> None:
    expected = Table(CONNECT4, [network(12)], limit=4).play(4)
    table = Table(CONNECT4, [network(12)], limit=4)
    for number in itertools.count():
        if len(table.records) == 4:
            break
        table.worker.step(number % 2, False)
        if number % 5 == 0:
            table.server.rings.collect(2)  # taken, and then it dies
            table.server = table.new_server()
        table.serve()
        table.collect()
        assert number < 10_000
    assert_same_records(table.records, expected)


# -- what a worker is made of ---------------------------------------------------------------

REPORT = """
import sys
import engine.pool
import games
print(*sorted(sys.modules))
"""


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    return set(done.stdout.split())


def test_what_a_worker_imports_has_no_torch() -> None:
    modules = modules_after(REPORT)
    assert "engine.worker" in modules
    assert not {m for m in modules if m.split(".")[0] in ("torch", "trainer", "rich")}


def test_the_command_line_does_not_import_torch_before_it_needs_it() -> None:
    # Children import the parent's main module again, so it must be light, too.
    if find_spec("trainer.cli") is None:
        pytest.skip("trainer/cli.py is not written yet")
    modules = modules_after("import sys, trainer.cli\nprint(*sorted(sys.modules))")
    assert not {m for m in modules if m.split(".")[0] == "torch"}


def test_serial_pool_and_bare_worker_agree() -> None:
    found = Table(CONNECT4, [network()], limit=5).play(5)
    assert_same_records(found, serial_records(CONNECT4, [network()], 5))
