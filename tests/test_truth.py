"""trainer.truth: what is known, and how often a network is wrong there."""

import random

import pytest
from perfect_tictactoe import GAME, after, value
from running import options, ringzero

import games
from games.base import Game, GameState
from trainer.arena.players import contestant
from trainer.evaluate import Position, grade, grade_policy
from trainer.replay import ReplayStore
from trainer.truth import endings, every_position, known_positions, mistakes


def reached(game: Game, position: Position) -> GameState:
    state = game.initial_state()
    for action in position.actions:
        state.apply_action(action)
    return state


def result(state: GameState, player: int) -> float:
    """Of perfect play for `player`: plain minimax, without a memory."""
    if state.is_terminal():
        return float(state.returns()[player])
    found = []
    for action in state.get_legal_actions():
        child = state.clone()
        child.apply_action(action)
        found.append(result(child, player))
    return max(found) if state.get_current_player() == player else min(found)


def test_every_position_of_tic_tac_toe_is_known_and_right() -> None:
    positions = every_position(GAME)
    assert len(positions) == 4520
    for position in random.Random(1).sample(positions, 300):
        state = reached(GAME, position)
        legal = state.get_legal_actions()
        assert [a for a, s in enumerate(position.scores) if s is not None] == legal
        for action in legal:
            assert position.scores[action] == -value(after(state, action).to_text())
        assert position.value == value(state.to_text())
        assert position.best == {a for a in legal if position.scores[a] == position.value}


@pytest.mark.parametrize(("name", "size"), [("hex", 4), ("othello", 6)])
def test_endings_are_solved_exactly_and_can_be_got_wrong(name: str, size: int) -> None:
    game = games.make(name, size=size)
    positions = endings(game, 20)
    assert len(positions) == 20
    assert len({reached(game, p).position_hash() for p in positions}) == 20
    for position in positions:
        state = reached(game, position)
        player = state.get_current_player()
        scores = {s for s in position.scores if s is not None}
        assert len(scores) > 1 and position.value == max(scores)
        if state.observation()[:2].sum() < size * size - 6:
            continue  # too far from the end for the plain search
        for action in state.get_legal_actions():
            child = state.clone()
            child.apply_action(action)
            assert position.scores[action] == result(child, player)


@pytest.mark.parametrize(
    ("name", "made", "num"),
    [("connect4", {}, 300), ("othello", {}, 300), ("hex", {"size": 7}, 56), ("tictactoe", {}, 300),
     ("go", {"size": 5}, 0), ("gomoku", {}, 0)],
)  # fmt: skip
def test_answers_come_along_for_some_games(name, made, num) -> None:
    game = games.make(name, **made)
    positions = known_positions(game, 300)
    assert len(positions) == num and positions == known_positions(game, 300)
    if positions:
        plies = [len(position.actions) for position in positions]
        assert len(set(plies)) > 5  # spread over all that there are
    for position in positions:
        assert any(position.keeps_outcome(action) for action in position.best)


def test_the_answers_of_hex_without_swap_do_not_serve_hex_with_swap() -> None:
    positions = known_positions(games.make("hex", size=3, swap=True), 20)
    replies = [position for position in positions if len(position.actions) == 1]
    assert replies and all(position.value == 1 for position in replies)  # to swap, or to win


def test_mistakes_are_what_grading_says_of_the_same_positions(tiny_run) -> None:
    positions = known_positions(GAME, 40)
    who = contestant(str(tiny_run), 20)
    searched, alone = mistakes(GAME, who.evaluator(), who.search, positions) or (0, 0)
    assert alone == pytest.approx(1 - grade_policy(who, GAME, positions)["outcome_perfect"])
    graded = grade(who, GAME, positions)
    assert graded is not None and searched == pytest.approx(1 - graded["outcome_perfect"])
    assert 0 <= searched < alone < 1


def test_counting_can_be_given_up(tiny_run) -> None:
    who, positions = contestant(str(tiny_run), 1), known_positions(GAME, 4)
    evaluator = who.evaluator()
    assert mistakes(GAME, evaluator, who.search, positions, on_progress=lambda _: True) is None


def test_a_run_keeps_its_mistakes_and_tells_them(tmp_path) -> None:
    run = tmp_path / "run"
    changes = {"budget.max_generations": 1, "evaluation.truth": "auto", "evaluation.baselines": "",
               "evaluation.truth_positions": 30}  # fmt: skip
    done = ringzero("train", "tictactoe", "--run", run, "--serial", "--no-progress",
                    *options(**changes))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "measured mistakes: " in done.stderr and "depth " in done.stderr
    assert "mistakes on 30 known positions: " in done.stdout
    with ReplayStore(run / "run.db", GAME) as store:
        (searched,), (alone,) = map(store.metrics, ("truth/mistakes", "truth/mistakes_network"))
        assert 0 <= searched.value < 1 and 0 <= alone.value < 1
        assert store.matches()[-1]["truth"]["mistakes"] == searched.value
        assert {"search/depth", "inference/latency_us", "games/length"} <= {
            metric.name for metric in store.metrics()
        }
