"""Decisive moves: a position whose player can win at once is as good as over."""

import pytest
from double_move import DoubleMove
from plain_tictactoe import LINES, Plain, PlainGame
from playing import UNIFORM, play, serial_records
from test_solver import random_positions

import games
from engine.config import SearchConfig
from engine.errors import ConfigError
from engine.local import LocalUniform
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.search import Search
from games import GameState

DECISIVE = SearchConfig(num_simulations=120, solver=True, decisive_moves=True)
SOLVING = SearchConfig(num_simulations=120, solver=True)
CONNECT4 = games.make("connect4")


class Foreseen(Plain):
    """Tic-tac-toe that ends a move early where that move would win."""

    def winner(self) -> str | None:
        mark = "xo"[self.get_current_player()]
        for line in LINES:
            cells = [self.board[cell] for cell in line]
            if cells.count(mark) == 2 and cells.count(".") == 1:
                return mark
        return super().winner()


def searched(state: GameState, config: SearchConfig, actions: list[int] | None = None) -> Search:
    search = Search(state.game, config)
    search.set_state(state)
    if actions is not None:
        search.restrict(actions)
    search.run(LocalUniform())
    return search


def test_the_search_is_that_of_the_game_which_ends_a_move_early() -> None:
    plain, foreseen = PlainGame(), PlainGame(Foreseen)
    num = 0
    for state in random_positions("tictactoe", 60, seed=2, least=0):
        board = state.to_text().split()[0].replace("/", "")
        twin = foreseen.state_from_text(board)
        if twin.is_terminal():
            continue
        num += 1
        by_moves = searched(plain.state_from_text(board), DECISIVE)
        by_rules = searched(twin, SOLVING)
        assert by_moves.root_visits().tolist() == by_rules.root_visits().tolist()
        assert by_moves.value == by_rules.value
    assert num > 20


def test_a_root_that_wins_at_once_is_proven_by_that_move() -> None:
    search = searched(CONNECT4.state_from_text("112233"), DECISIVE)
    assert search.value == 1.0
    (visited,) = [c for c in search.candidates() if c["visits"]]
    assert (visited["action"], visited["proven"], visited["distance"]) == (3, 1, 1)


def test_all_moves_that_win_at_once_are_taught_alike() -> None:
    game = games.make("connect4")
    opening = [game.initial_state().move_to_action(move) for move in "334455"]
    (record,) = serial_records(
        game, [PlayerSpec(kind="uniform", search=DECISIVE)], num_games=1, openings=[opening],
    ).values()  # fmt: skip
    start, end = record.policy_offsets[6:8]
    assert record.policy_actions[start:end].tolist() == [1, 5]
    assert record.policy_weights[start:end].tolist() == [1.0, 1.0]
    assert record.actions[6] in (1, 5) and record.num_plies == 7


def test_a_gumbel_root_plays_it_however_unlikely() -> None:
    gumbel = SearchConfig(
        num_simulations=8, solver=True, decisive_moves=True, gumbel_actions=2, gumbel_scale=0.0
    )
    assert searched(CONNECT4.state_from_text("112233"), gumbel).candidates()[0]["action"] == 3


def test_a_restricted_root_knows_nothing_of_other_moves() -> None:
    search = searched(CONNECT4.state_from_text("112233"), DECISIVE, [4, 5])
    assert search.candidates()[0]["action"] in (4, 5)
    assert search.root_visits().sum() == 120


def test_a_move_that_lets_the_other_side_win_at_once_is_lost_in_two() -> None:
    candidates = searched(CONNECT4.state_from_text("21314"), DECISIVE).candidates()
    assert candidates[0]["action"] == 4  # x must be stopped there
    assert [(c["proven"], c["distance"]) for c in candidates[1:]] == [(-1, 2)] * 6


def test_what_is_proven_is_true_where_players_do_not_alternate() -> None:
    def exact(heap: int, player: int) -> int:
        """Result for player 0."""
        sign, best = (1 if player == 0 else -1), -1
        for taken in range(1, min(3, heap) + 1):
            mover = player if taken == 2 else 1 - player
            best = max(best, 1 if taken == heap else sign * exact(heap - taken, mover))
        return sign * best

    game, num_proven = DoubleMove(), 0
    for heap in range(2, 10):
        for player in (0, 1):
            search = searched(game.state_from_text(f"{heap} {player}"), DECISIVE)
            if search.candidates()[0]["proven"] is not None:
                num_proven += 1
                assert search.value == (1 if player == 0 else -1) * exact(heap, player)
    assert num_proven > 8


def test_a_decisive_move_spares_evaluations_in_self_play() -> None:
    def share_evaluated(config: SearchConfig) -> float:
        with Pool(
            CONNECT4, [PlayerSpec(search=config)], [UNIFORM],
            PoolConfig(serial=True, games_per_worker=4), seed=3, game_limit=4,
        ) as pool:  # fmt: skip
            play(pool)
            counters = pool.counters()["worker-0"]
        return counters["evaluations"] / counters["simulations"]

    assert share_evaluated(DECISIVE) < share_evaluated(SOLVING)


def test_it_needs_the_solver() -> None:
    with pytest.raises(ConfigError, match="decisive_moves must be false without the solver"):
        SearchConfig(decisive_moves=True)
