"""The exact search of what is left of a game, against plain negamax, and games that use it."""

import random
from functools import cache

import numpy as np
import pytest
from playing import Table, assert_legal, assert_same_records, network

import games
from engine.config import SearchConfig
from engine.endgame import Endgame
from engine.errors import ConfigError
from engine.local import LocalUniform
from engine.records import GameRecord
from engine.search import Search
from games import Game, GameState
from trainer.arena.players import Contestant, contestant, match_search

TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")
SMALL = {
    "connect4": games.make("connect4", rows=4, columns=4),
    "othello": games.make("othello", size=4),
    "hex": games.make("hex", size=3),
    "breakthrough": games.make("breakthrough", rows=4, columns=3),
}
PLENTY = 200_000
NEAR_THE_END = "757242511771517123125537625466"  # won by one move alone, in several plies


def after(state: GameState, action: int) -> GameState:
    state = state.clone()
    state.apply_action(action)
    return state


@cache
def plain_result(game: Game, text: str) -> int:
    """Of perfect play from the position of that text, for the player to move."""
    return max(plain_results(game, text).values())


@cache
def plain_results(game: Game, text: str) -> dict[int, int]:
    """Of each action of the position, for the player to move."""
    state = game.state_from_text(text)
    player = state.get_current_player()
    found = {}
    for action in state.get_legal_actions():
        child = after(state, action)
        if child.is_terminal():
            found[action] = int(np.sign(child.returns()[player]))
        else:
            same = child.get_current_player() == player
            found[action] = (1 if same else -1) * plain_result(game, child.to_text())
    return found


def random_positions(game: Game, num: int, left: int, seed: int = 1) -> list[GameState]:
    """Positions of random games, at most `left` plies before their ends."""
    rng, found = random.Random(seed), []
    while len(found) < num:
        line = [game.initial_state()]
        while not line[-1].is_terminal():
            line.append(after(line[-1], rng.choice(line[-1].get_legal_actions())))
        found.append(rng.choice(line[:-1][-left:]))
    return found


def assert_agrees(game: Game, state: GameState, endgame: Endgame) -> None:
    expected = plain_results(game, state.to_text())
    proven = endgame.prove(state)
    assert proven is not None
    result, moves = proven
    assert result == max(expected.values())
    keep = {action for action, known in moves.items() if known == result}
    assert keep
    assert keep <= {action for action, value in expected.items() if value == result}
    for action, known in moves.items():
        assert expected[action] == known
    if result < 1:
        assert moves == expected


def test_tictactoe_is_proven_as_plain_negamax_plays_it() -> None:
    endgame, seen = Endgame(TICTACTOE, PLENTY), set()
    queue = [TICTACTOE.initial_state()]
    for state in queue:
        assert_agrees(TICTACTOE, state, endgame)
        for action in state.get_legal_actions():
            child = after(state, action)
            if child.to_text() not in seen and not child.is_terminal():
                seen.add(child.to_text())
                queue.append(child)
    assert len(queue) == 4520


@pytest.mark.parametrize("name", SMALL)
def test_games_near_their_end_are_proven_as_plain_negamax_plays_them(name) -> None:
    game = SMALL[name]
    endgame = Endgame(game, PLENTY)
    for state in random_positions(game, 150, left=8):
        assert_agrees(game, state, endgame)


@pytest.mark.parametrize("name", SMALL)
def test_all_winning_moves_are_found_unless_one_wins_at_once(name) -> None:
    game = SMALL[name]
    endgame, won = Endgame(game, PLENTY), 0
    for state in random_positions(game, 150, left=8):
        expected = plain_results(game, state.to_text())
        if max(expected.values()) < 1:
            continue
        proven = endgame.prove(state)
        assert proven is not None
        wins = {action for action, value in expected.items() if value == 1}
        at_once = {action for action in wins if after(state, action).is_terminal()}
        assert set(proven[1]) == (at_once or wins)
        won += 1
    assert won > 20


def test_a_budget_that_does_not_suffice_proves_nothing() -> None:
    endgame = Endgame(CONNECT4, 1000)
    assert endgame.prove(CONNECT4.initial_state()) is None
    assert endgame.num_nodes <= 1001


def test_far_from_the_end_an_attempt_is_given_up_at_once() -> None:
    for name in ("go", "chess", "othello"):
        game = games.make(name)
        endgame = Endgame(game, PLENTY)
        assert endgame.prove(game.initial_state()) is None
        assert endgame.num_nodes < 100


def test_what_was_asked_before_changes_nothing() -> None:
    states = random_positions(CONNECT4, 40, left=16)
    used = Endgame(CONNECT4, 300)
    there = [(used.prove(state), used.num_nodes) for state in states]
    back = [(used.prove(state), used.num_nodes) for state in reversed(states)]
    assert there == back[::-1]
    assert 5 < sum(answer is None for answer, _ in there) < 35


def test_a_position_takes_as_many_positions_whenever_it_is_asked_about() -> None:
    endgame = Endgame(CONNECT4, 300)
    for state in random_positions(CONNECT4, 300, left=16, seed=3):
        assert len({(endgame.prove(state) is None, endgame.num_nodes) for _ in range(20)}) == 1


def test_a_finished_game_and_a_foreign_position_are_refused() -> None:
    with pytest.raises(ValueError, match="the game is over"):
        Endgame(CONNECT4, 10).prove(CONNECT4.state_from_text("1212121"))
    with pytest.raises(ValueError, match="must be of"):
        Endgame(CONNECT4, 10).prove(TICTACTOE.initial_state())
    with pytest.raises(ValueError, match="max_nodes must be >= 1"):
        Endgame(CONNECT4, 0)


def test_it_needs_the_solver() -> None:
    with pytest.raises(ConfigError, match=r"endgame_nodes must be .* 0 without the solver"):
        SearchConfig(endgame_nodes=100)


# -- in a search -----------------------------------------------------------------------------


@pytest.mark.parametrize("gumbel_actions", [0, 4])
def test_a_proven_root_teaches_the_moves_that_keep_its_result(gumbel_actions) -> None:
    game = SMALL["connect4"]
    config = SearchConfig(
        num_simulations=50, solver=True, endgame_nodes=PLENTY, gumbel_actions=gumbel_actions
    )
    search = Search(game, config)
    for state in random_positions(game, 100, left=7):
        expected = plain_results(game, state.to_text())
        result = max(expected.values())
        search.set_state(state)
        search.run(LocalUniform(), seed=1)
        assert search.value == result
        keeping = {action for action, value in expected.items() if value == result}
        taught = set(np.flatnonzero(search.root_target()).tolist())
        assert taught and taught <= keeping
        if result == 0:
            assert taught == keeping
        assert search.candidates()[0]["action"] in keeping


# -- in games --------------------------------------------------------------------------------


def solving_games(limit: int, **search: float) -> dict[int, GameRecord]:
    player = network(20, solver=True, endgame_nodes=5000, **search)
    return Table(CONNECT4, [player], limit=limit).play(limit)


def test_games_keep_what_was_proven() -> None:
    kept = 0
    for record in solving_games(80, endgame_from=12).values():
        assert_legal(CONNECT4, record)
        for ply in np.flatnonzero(record.results != 2):
            assert record.root_values[ply] == record.results[ply]
            if ply + 1 == record.num_plies:
                assert record.results[ply] == record.returns[record.players[ply]]
            elif record.results[ply + 1] != 2:
                assert record.results[ply] == -record.results[ply + 1]
                kept += 1
    assert kept > 10


def test_nothing_is_tried_before_its_ply() -> None:
    late = solving_games(12, endgame_from=30)
    assert_same_records(late, solving_games(12, endgame_from=30))
    without = Table(CONNECT4, [network(20, solver=True)], limit=12).play(12)
    for number, record in late.items():
        assert record.actions[:30].tolist() == without[number].actions[:30].tolist()
        assert record.results[:30].tolist() == without[number].results[:30].tolist()


def test_the_first_ply_may_be_counted_from_the_longest_game() -> None:
    back = solving_games(12, endgame_from=-20)
    assert_same_records(back, solving_games(12, endgame_from=42 - 20))
    always = solving_games(12, endgame_from=-99)
    assert_same_records(always, solving_games(12, endgame_from=0))


def test_a_share_of_the_solved_plies_is_taught_and_the_games_are_the_same() -> None:
    everything = solving_games(120, endgame_from=12)
    some = solving_games(120, endgame_from=12, endgame_fraction=0.25)
    num_solved = num_taught = 0
    for number, record in everything.items():
        assert record.full_search.all()
        assert some[number].actions.tolist() == record.actions.tolist()
        taught = some[number].full_search
        solved = record.root_values == record.results
        assert taught[~solved].all()
        num_solved += np.count_nonzero(solved[12:])
        num_taught += np.count_nonzero(taught[12:] & solved[12:])
    assert num_solved > 100
    assert 0.15 < num_taught / num_solved < 0.45


def test_a_match_does_without_unless_told() -> None:
    search = match_search(50, SearchConfig(solver=True, endgame_nodes=5000))
    assert search.endgame_nodes == 0
    who = Contestant("net", "network", search)
    assert who.solving_ends(700).search.endgame_nodes == 700
    assert contestant("mcts:5", 1).solving_ends(700).search.endgame_nodes == 0


def test_a_search_that_goes_on_does_not_try_again() -> None:
    search = Search(CONNECT4, SearchConfig(solver=True, endgame_nodes=300))
    search.set_state(CONNECT4.state_from_text("4444"))
    search.run(LocalUniform(), 20)
    assert search.endgame.num_nodes > 300
    search.endgame.prove(CONNECT4.state_from_text(NEAR_THE_END))
    there = search.endgame.num_nodes
    search.run(LocalUniform(), 40)
    assert search.endgame.num_nodes == there
    search.play(3)
    search.run(LocalUniform(), 60)
    assert search.endgame.num_nodes > 300


def test_moves_left_out_of_a_search_stay_out_when_the_rest_is_solved() -> None:
    search = Search(CONNECT4, SearchConfig(solver=True, endgame_nodes=PLENTY))
    state = CONNECT4.state_from_text(NEAR_THE_END)
    search.set_state(state)
    search.run(LocalUniform(), 100)
    assert search.value == 1.0
    best = search.candidates()[0]["action"]
    others = [action for action in state.get_legal_actions() if action != best]
    search.restrict(others)
    search.run(LocalUniform(), 100)
    assert {row["action"] for row in search.candidates()} == set(others)
