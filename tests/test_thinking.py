"""Thinking about positions: limits, kept trees, clocks, and what `ringzero analyze` shows."""

import json
from dataclasses import replace

import pytest
from running import here

import games
from trainer.arena.players import Contestant, contestant
from trainer.thinking import Clock, Limits, Thinker, Thought

CONNECT4 = games.make("connect4")
WINS_AT_4 = [3, 0, 3, 1, 3, 2]


def rollouts(**search: float) -> Contestant:
    who = contestant("mcts:100", 100)
    return replace(who, search=replace(who.search, **{"solver": True, **search}))


def thinker(**search: float) -> Thinker:
    return Thinker(rollouts(**search), CONNECT4, memory_mb=20)


def test_a_search_makes_as_many_simulations_as_it_may() -> None:
    own = thinker()
    thought = own.think(Limits(simulations=250, decided=False))
    assert thought.visits == 250 == sum(line.visits for line in thought.lines)
    assert [line.visits for line in thought.lines] == sorted(
        (line.visits for line in thought.lines), reverse=True
    )
    # Asked again it has them already; asked for more it goes on.
    assert own.think(Limits(simulations=250, decided=False)).simulations == 0
    assert own.think(Limits(simulations=300, decided=False)).simulations == 50


def test_a_tree_is_kept_from_move_to_move_and_dropped_with_the_line() -> None:
    own = thinker()
    best = own.think(Limits(simulations=400, decided=False)).best
    own.set([best.action])
    assert 0 < own.visits < best.visits
    own.set([best.action, 3])
    kept = own.visits
    own.set([6])
    assert own.visits == 0 and kept > 0
    assert own.state.to_text() == CONNECT4.state_from_text("7").to_text()


def test_a_proven_win_ends_the_search_and_is_played_first() -> None:
    own = thinker()
    own.set(WINS_AT_4)
    thought = own.think(Limits(simulations=10**6))
    assert thought.visits < 10**5
    assert thought.best.action == 3 and thought.best.proven == 1 and thought.best.distance == 1
    assert thought.best.winrate == 1.0


def test_the_end_of_a_game_is_searched_exactly_and_the_move_to_play_comes_first() -> None:
    own = thinker(endgame_nodes=100_000)
    own.set([int(move) - 1 for move in "757242511771517123125537625466"])
    thought = own.think(Limits(simulations=10**6))
    assert thought.simulations == 0
    assert thought.best.action == 2 and thought.best.proven == 1 and thought.value == 1.0


def test_it_stops_when_told_to_and_tells_how_it_stands() -> None:
    seen: list[Thought] = []
    own = thinker()
    own.think(
        Limits(decided=False), stopped=lambda: len(seen) >= 3, on_thought=seen.append, every_s=0.0
    )
    assert len(seen) == 3
    assert seen[0].visits < seen[1].visits < seen[2].visits


def test_it_stops_early_once_nothing_can_overtake_the_best_move() -> None:
    # The other moves lose at once: after a few visits no budget can bring them up again.
    own = Thinker(rollouts(solver=False), CONNECT4, memory_mb=200)
    own.set([3, 0, 3, 1, 3])
    thought = own.think(Limits(simulations=200_000))
    assert thought.best.action == 3
    # More than half of them must be made: until then the others could still catch up.
    assert 100_000 < thought.visits < 200_000


def test_only_wanted_moves_count_until_the_next_position() -> None:
    own = thinker()
    own.restrict({1, 2})
    thought = own.think(Limits(simulations=50))
    assert {line.action for line in thought.lines} == {1, 2}
    own.set([1])
    assert len(own.think(Limits(simulations=50)).lines) == 7
    with pytest.raises(ValueError, match="must be legal"):
        own.restrict({9})


def test_a_finished_game_leaves_nothing_to_think_of() -> None:
    own = thinker()
    own.set([*WINS_AT_4, 3])
    with pytest.raises(ValueError, match="the game is over"):
        own.think(Limits(simulations=10))


def test_the_random_player_has_a_guess() -> None:
    own = Thinker(contestant("random", 1), CONNECT4)
    thought = own.think(Limits(simulations=10))
    assert thought.best.visits == 1 and len(thought.lines) == 7


@pytest.mark.parametrize(
    ("clock", "low", "high"),
    [
        (Clock(60.0), 2.0, 3.0),
        (Clock(60.0, moves_to_go=2), 25.0, 31.0),
        (Clock(60.0, increment_s=2.0), 3.5, 4.5),
        (Clock(0.2), 0.005, 0.2),
        (Clock(0.0), 0.0, 0.02),
        (Clock(10.0, moves_to_go=1), 7.0, 8.0),
    ],
)
def test_a_clock_gives_every_move_its_part(clock, low, high) -> None:
    assert low <= clock.seconds() <= high


def test_a_whole_game_is_never_lost_on_time() -> None:
    left = 30.0
    for _ in range(200):
        spent = Clock(left, increment_s=0.1).seconds()
        assert spent < left
        left += 0.1 - spent


def test_analyze_shows_the_moves_of_a_position(capfd) -> None:
    typed = ("analyze", "mcts:200", "--game", "connect4", "--moves", "4 1 4 2 4 3")
    assert here(*typed) == 0
    shown = capfd.readouterr().out
    assert "x to move" in shown and "visits" in shown
    assert here(*typed, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["moves"][0]["move"] == "4"
    assert here("analyze", "mcts:9", "--game", "connect4", "--moves", "4 1 4 2 4 3 4") != 0
    assert "the game is over" in capfd.readouterr().err
