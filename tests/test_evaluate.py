"""trainer.evaluate: positions with known answers, and what counts as right."""

import json
from pathlib import Path

import pytest
from perfect_tictactoe import GAME, after, value

import games
from engine.errors import ConfigError
from trainer.arena.players import contestant
from trainer.evaluate import Position, _report, grade, grade_policy, read_positions


def line(moves: str) -> str:
    """A position of tic-tac-toe with its true scores, as a line of a file."""
    state = GAME.initial_state()
    for move in moves:
        state.apply_action(state.move_to_action(move))
    scores: list[float | None] = [None] * 9
    for action in state.get_legal_actions():
        scores[action] = -value(after(state, action).to_text())
    best = max(score for score in scores if score is not None)
    found = [action for action, score in enumerate(scores) if score == best]
    return json.dumps({"moves": moves, "scores": scores, "value": best, "best": found})


# One way to win; two; a corner to answer in the centre; the empty board.
MOVES = ("013524", "04138", "0", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "positions.jsonl"
    path.write_text("\n\n".join(map(line, MOVES)) + "\n")
    return path


def test_positions_are_read_with_their_answers(file) -> None:
    first, second, third, empty = read_positions(file, GAME)
    assert first.actions == (0, 1, 3, 5, 2, 4) and first.value == 1 and first.best == {6}
    assert second.value == 1 and second.best == {2, 5}
    assert third.best == {4} and third.value == 0
    assert empty.actions == () and empty.best == set(range(9))
    assert first.is_perfect(6) and not first.is_perfect(7)
    assert first.keeps_outcome(6) and not first.keeps_outcome(7)
    assert not first.keeps_outcome(0)  # not legal
    assert third.keeps_outcome(4) and not third.keeps_outcome(8)


def test_moves_may_be_separated(tmp_path) -> None:
    path = tmp_path / "positions.jsonl"
    path.write_text(line("04138").replace("04138", "0 4 1 3 8") + "\n")
    assert read_positions(path, GAME)[0].actions == (0, 4, 1, 3, 8)


def test_moves_may_be_named_in_the_answers(tmp_path) -> None:
    path, game = tmp_path / "positions.jsonl", games.make("othello")
    state = game.initial_state()
    for move in ("d3", "c5"):
        state.apply_action(state.move_to_action(move))
    legal = state.get_legal_actions()
    scores = {state.action_to_move(action): 2 * place for place, action in enumerate(legal)}
    row = {"moves": "d3 c5", "scores": scores, "value": max(scores.values()),
           "best": [state.action_to_move(legal[-1])]}  # fmt: skip
    path.write_text(json.dumps(row) + "\n")
    (position,) = read_positions(path, game)
    assert position.best == {legal[-1]} and not position.keeps_outcome(legal[0])
    assert [position.scores[action] for action in legal] == [*scores.values()]
    path.write_text(json.dumps({**row, "scores": dict([*scores.items()][1:])}) + "\n")
    with pytest.raises(ConfigError, match="null exactly where a move is illegal"):
        read_positions(path, game)


def test_scores_of_different_size_have_one_best_and_one_outcome() -> None:
    position = Position((), (2.0, 5.0, -1.0, None), 5.0, frozenset({1}))
    assert position.keeps_outcome(0) and not position.is_perfect(0)
    assert position.is_perfect(1)
    assert not position.keeps_outcome(2) and not position.keeps_outcome(3)


def test_the_report_counts_by_plies() -> None:
    scores = (1.0, -1.0)
    early = Position((), scores, 1.0, frozenset({0}))
    late = Position((0,) * 7, scores, 1.0, frozenset({0}))
    drawn = Position((0,) * 8, (0.0, -1.0), 0.0, frozenset({0}))
    report = _report([early, late, drawn], [0, 1, 0], [0.4, -0.1, 0.9])
    assert report["positions"] == 3
    assert report["perfect"] == pytest.approx(2 / 3) == report["outcome_perfect"]
    assert report["value_sign"] == 0.5  # of the two that are decided
    assert report["by_ply"] == {
        "0-4": {"positions": 1, "perfect": 1.0, "outcome_perfect": 1.0},
        "5-9": {"positions": 2, "perfect": 0.5, "outcome_perfect": 0.5},
    }


def test_a_search_is_right_where_random_play_is_not(tmp_path) -> None:
    path = tmp_path / "positions.jsonl"
    path.write_text((line("013524") + "\n") * 40 + (line("0") + "\n") * 40)
    known = read_positions(path, GAME)
    done: list[int] = []
    searched = grade(contestant("mcts:2000", 1), GAME, known, seed=1, on_progress=done.append)
    assert searched is not None and done == list(range(1, 81))
    assert searched["perfect"] == searched["outcome_perfect"] == 1.0
    assert searched["value_sign"] == 1.0
    guessed = grade(contestant("random", 1), GAME, known, seed=1)
    assert guessed is not None and 0.02 < guessed["outcome_perfect"] < 0.6


def test_grading_can_be_given_up(file) -> None:
    known = read_positions(file, GAME)
    assert grade(contestant("random", 1), GAME, known, on_progress=lambda _: True) is None


def test_a_network_is_graded_with_and_without_search(tiny_run, file) -> None:
    known = read_positions(file, GAME)
    alone = grade_policy(contestant(str(tiny_run), 1), GAME, known)
    assert alone["positions"] == 4 and 0 <= alone["perfect"] <= alone["outcome_perfect"] <= 1
    searched = grade(contestant(str(tiny_run), 400), GAME, known)
    assert searched is not None and searched["by_ply"]["5-9"]["outcome_perfect"] == 1.0


def test_an_empty_file_is_refused(tmp_path) -> None:
    path = tmp_path / "positions.jsonl"
    path.write_text("\n\n")
    with pytest.raises(ConfigError, match="has no position of"):
        read_positions(path, GAME)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_positions(path, GAME)


def test_a_file_that_names_the_winning_moves_is_read_for_the_games_own_size(
    tmp_path: Path,
) -> None:
    rows = [
        {"size": 3, "moves": "", "winning_moves": ["b2"]},
        {"size": 3, "moves": "c3 a1", "winning_moves": ["b2", "a3"]},
        {"size": 3, "moves": "b2", "winning_moves": []},
        {"size": 5, "moves": "", "winning_moves": ["c3"]},
    ]
    path = tmp_path / "hex.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    game = games.make("hex", size=3)
    first, second = read_positions(path, game)
    start = game.initial_state()
    assert first.best == {start.move_to_action("b2")} and first.value == 1
    assert first.keeps_outcome(start.move_to_action("b2"))
    assert not first.keeps_outcome(start.move_to_action("a1"))
    assert len(second.best) == 2 and second.scores.count(None) == 2
