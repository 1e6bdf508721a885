"""Openings: different, not over, repeatable; what happens when a game has too few."""

import logging

import pytest

import games
from games.base import Game, GameState
from trainer.arena.openings import openings, varied_starts


def played(game: Game, actions: list[int]) -> GameState:
    state = game.initial_state()
    for action in actions:
        state.apply_action(action)  # raises if it is not legal
    return state


@pytest.mark.parametrize(("name", "num", "plies"), [("connect4", 100, 4), ("tictactoe", 60, 2)])
def test_openings_are_distinct_legal_and_unfinished(name: str, num: int, plies: int) -> None:
    game = games.make(name)
    found = openings(game, num, plies, seed=3)
    states = [played(game, actions) for actions in found]
    assert len({state.position_hash() for state in states}) == num
    assert not any(state.is_terminal() for state in states)
    assert {len(actions) for actions in found} == {plies}


def test_same_seed_gives_same_openings_and_another_seed_others() -> None:
    game = games.make("connect4")
    assert openings(game, 20, 4, seed=1) == openings(game, 20, 4, seed=1)
    assert openings(game, 20, 4, seed=1) != openings(game, 20, 4, seed=2)


def test_all_first_moves_are_found() -> None:
    found = openings(games.make("connect4"), 7, 1, seed=0)
    assert sorted(found) == [[column] for column in range(7)]


def test_shorter_openings_fill_up_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = openings(games.make("connect4"), 8, 1, seed=0)
    assert sorted(found) == [[], *([column] for column in range(7))]
    assert "openings_few game=connect4 wanted=8 plies=1 distinct=7" in caplog.text


def test_too_few_positions_repeat_in_order(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = openings(games.make("tictactoe"), 25, 1, seed=0)
    assert len(found) == 25
    assert found[:10] == found[10:20]
    assert found[:5] == found[20:]


def test_walks_that_end_the_game_are_left_out() -> None:
    game = games.make("tictactoe")
    for actions in openings(game, 30, 7, seed=5):
        assert not played(game, actions).is_terminal()


@pytest.mark.parametrize(("num", "plies"), [(0, 1), (1, -1)])
def test_impossible_numbers_are_errors(num: int, plies: int) -> None:
    with pytest.raises(ValueError, match="must be >="):
        openings(games.make("tictactoe"), num, plies, seed=0)


def test_varied_starts_have_every_length_and_never_a_finished_game() -> None:
    game = games.make("tictactoe")
    starts = varied_starts(game, 300, 6, seed=3)
    assert {len(start) for start in starts} == set(range(7))
    assert starts == varied_starts(game, 300, 6, seed=3)
    for start in starts:
        state = game.initial_state()
        for action in start:
            state.apply_action(action)
        assert not state.is_terminal()
