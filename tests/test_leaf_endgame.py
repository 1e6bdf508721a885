"""Leaves near the end of a game, searched to that end: they are as good as over."""

from functools import cache

import numpy as np
import pytest
from plain_tictactoe import Plain, PlainGame
from playing import Table, assert_legal, assert_same_records, network, opinions
from test_endgame import PLENTY, SMALL, after, plain_results, random_positions

import games
from engine.config import SearchConfig
from engine.endgame import Endgame
from engine.errors import ConfigError
from engine.evaluator import Evaluator
from engine.local import LocalEvaluator, LocalUniform
from engine.search import Search
from games import Game, GameState

TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")
FEW = 40
"""Positions that a leaf may take: some ends of tic-tac-toe, not all."""
PLAIN = PlainGame()
ENDGAME = Endgame(PLAIN, FEW)


@cache
def result(board: str) -> int | None:
    """What is known of a position of tic-tac-toe, for the player to move."""
    state = PLAIN.state_from_text(board)
    if state.is_terminal():
        return int(state.returns()[state.get_current_player()])
    return ENDGAME.value(state)


class Cut(Plain):
    """Tic-tac-toe that is over where a budget of `FEW` positions says how it ends."""

    def known(self) -> int | None:
        """The result for the player to move."""
        return result(self.to_text())

    def is_terminal(self) -> bool:
        return self.known() is not None

    def returns(self) -> list[float]:
        mine = float(self.known() or 0)
        return [mine, -mine] if self.get_current_player() == 0 else [-mine, mine]


def searched(
    state: GameState, config: SearchConfig, evaluator: LocalEvaluator | Evaluator
) -> Search:
    search = Search(state.game, config)
    search.set_state(state)
    search.run(evaluator)
    return search


def test_the_search_is_that_of_a_game_that_ends_where_its_end_is_known() -> None:
    cut = PlainGame(Cut)
    config = SearchConfig(num_simulations=80, solver=True)
    trying = SearchConfig(num_simulations=80, solver=True, leaf_endgame_nodes=FEW)
    num = 0
    for state in random_positions(TICTACTOE, 50, left=9):
        board = state.to_text().split()[0].replace("/", "")
        twin = cut.state_from_text(board)
        if twin.is_terminal():
            continue
        num += 1
        by_leaves = searched(PLAIN.state_from_text(board), trying, LocalUniform())
        by_rules = searched(twin, config, LocalUniform())
        assert by_leaves.root_visits().tolist() == by_rules.root_visits().tolist()
        assert by_leaves.value == by_rules.value
    assert num > 10


@pytest.mark.parametrize("name", SMALL)
def test_what_leaves_prove_is_true(name) -> None:
    game, proven = SMALL[name], 0
    config = SearchConfig(num_simulations=60, solver=True, leaf_endgame_nodes=10)
    for state in random_positions(game, 60, left=8):
        search = searched(state, config, LocalUniform())
        expected = plain_results(game, state.to_text())
        for candidate in search.candidates():
            if candidate["proven"] is not None:
                proven += 1
                assert candidate["proven"] == expected[candidate["action"]]
    assert proven > 60


def test_a_proven_leaf_needs_no_evaluation() -> None:
    evaluator, _ = opinions()
    config = SearchConfig(num_simulations=100, solver=True, leaf_endgame_nodes=PLENTY)
    for state in random_positions(SMALL["connect4"], 20, left=6):
        asked = len(evaluator.asked)
        search = searched(state, config, evaluator)
        assert len(evaluator.asked) == asked + 1  # about the root
        expected = plain_results(state.game, state.to_text())
        assert all(expected[c["action"]] == c["proven"] for c in search.candidates() if c["visits"])


@cache
def wins_within(game: Game, text: str, plies: int) -> bool:
    """Whether whoever is to move can force a win in so many plies."""
    state = game.state_from_text(text)
    return plies > 0 and any(
        loses_within(game, after(state, action), plies - 1) for action in state.get_legal_actions()
    )


def loses_within(game: Game, state: GameState, plies: int) -> bool:
    """Whether whoever is to move has lost, or will in so many plies whatever he plays."""
    if state.is_terminal():
        return state.returns()[state.get_current_player()] == -1
    children = [after(state, action) for action in state.get_legal_actions()]
    # A move that ends the game loses it for nobody who makes it.
    return plies > 0 and all(
        not child.is_terminal() and wins_within(game, child.to_text(), plies - 1)
        for child in children
    )


def test_what_is_proven_comes_true_within_its_distance() -> None:
    config = SearchConfig(num_simulations=100, solver=True, leaf_endgame_nodes=PLENTY)
    game = SMALL["connect4"]
    kept = 0
    for state in random_positions(game, 120, left=9):
        for candidate in searched(state, config, LocalUniform()).candidates():
            child, left = after(state, candidate["action"]), candidate["distance"]
            if candidate["proven"] and not child.is_terminal():
                kept += 1
                if candidate["proven"] == 1:
                    assert loses_within(game, child, left - 1)
                else:
                    assert wins_within(game, child.to_text(), left - 1)
    assert kept > 60


def test_it_needs_the_solver() -> None:
    with pytest.raises(ConfigError, match=r"leaf_endgame_nodes must be .* 0 without the solver"):
        SearchConfig(leaf_endgame_nodes=100)


def test_no_leaf_is_tried_before_its_ply() -> None:
    def played(**search: int) -> dict:
        return Table(CONNECT4, [network(8, solver=True, **search)], limit=24).play(24)

    without, late = played(), played(leaf_endgame_nodes=300, leaf_endgame_from=12)
    assert_same_records(late, played(leaf_endgame_nodes=300, leaf_endgame_from=-30))
    differ = 0
    for number, record in late.items():
        assert_legal(CONNECT4, record)
        # A search of 8 simulations looks no further than 8 plies ahead.
        assert record.actions[:4].tolist() == without[number].actions[:4].tolist()
        differ += record.results.tolist() != without[number].results.tolist()
        proven = np.flatnonzero(record.results != 2)
        assert (record.root_values[proven] == record.results[proven]).all()
    assert differ > 6


def test_a_search_that_is_played_on_counts_its_plies() -> None:
    config = SearchConfig(
        num_simulations=40, solver=True, leaf_endgame_nodes=PLENTY, leaf_endgame_from=9
    )
    game = SMALL["connect4"]
    evaluator, _ = opinions()

    def questions(search: Search) -> int:
        before = len(evaluator.asked)
        search.run(evaluator)
        return len(evaluator.asked) - before

    line = [0, 1, 2, 3, 0, 1, 2, 3]
    played = Search(game, config)
    state = game.initial_state()
    for action in line:
        state.apply_action(action)
        played.play(action)
    told, untold = Search(game, config), Search(game, config)
    told.set_state(state, len(line))
    untold.set_state(state)
    assert questions(played) == questions(told) == 1  # every leaf is at ply 9 or later
    assert questions(untold) > 10
