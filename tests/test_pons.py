"""tests/pons.py and tests/perfect_connect4.py: judging by exact answers."""

import json
import random

import pytest
from perfect_connect4 import perfect_replies, play
from pons import (
    SETS,
    Question,
    bitbully_judge,
    interval,
    nearest_checkpoints,
    rates,
    read_questions,
)


def need_bitbully() -> None:
    pytest.importorskip("bitbully", reason="the exact solver, of the extra `reference`")


def test_the_interval_is_wilsons() -> None:
    # By hand: share 0.1 of 100, z 1.96: centre 0.1148, half 0.0596.
    assert interval(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert interval(0, 500)[0] == 0.0 and interval(0, 500)[1] == pytest.approx(0.00762, abs=1e-5)
    assert interval(500, 500)[1] == 1.0


def test_a_mistake_is_a_move_that_does_not_keep_the_outcome() -> None:
    questions = [Question("end-easy", (n,), score) for n, score in enumerate((3, 3, 0, -2, -2))]
    scores = {0: 1, 1: 0, 2: 0, 3: -9, 4: -1}  # worse, thrown away, kept, sooner, later
    found = rates(questions, [0] * 5, lambda line, action: scores[line[0]])
    assert list(found) == ["end-easy"]
    assert (found["end-easy"]["positions"], found["end-easy"]["mistakes"]) == (5, 1)
    assert found["end-easy"]["rate"] == pytest.approx(0.2)


def test_checkpoints_are_the_nearest_in_time_each_once(tmp_path) -> None:
    for step, minutes in enumerate((0, 4.6, 5.1, 9, 14)):
        folder = tmp_path / "checkpoints" / f"{step:08}"
        folder.mkdir(parents=True)
        meta = {"info": {"elapsed_s": 60 * minutes}}
        (folder / "meta.json").write_text(json.dumps(meta))
    found = nearest_checkpoints(tmp_path, [5, 10, 20, 40])
    assert [at for at, _ in found] == pytest.approx([5.1, 9, 14])
    assert [path.name for _, path in nearest_checkpoints(tmp_path, [])] == ["00000004"]
    with pytest.raises(SystemExit, match="holds no checkpoints"):
        nearest_checkpoints(tmp_path / "checkpoints", [])


def test_the_judge_agrees_with_the_sets(shared_data) -> None:
    need_bitbully()
    questions = read_questions(shared_data / "connect_four" / "pons_positions.txt")
    assert len(questions) == 3000 and {q.of_set for q in questions} == set(SETS.values())
    judge = bitbully_judge()
    easy = [q for q in questions if q.of_set == "end-easy"][::25]
    for question in easy:
        columns = [c for c in range(7) if question.line.count(c) < 6]
        assert max(judge(question.line, c) for c in columns) == question.score


def test_perfect_play_as_first_player_always_wins() -> None:
    need_bitbully()
    best = perfect_replies()
    rng = random.Random(3)
    results = play(
        lambda lines: [rng.choice(best(line)) for line in lines], best, 2, random.Random(1)
    )
    assert results == [2, 0, 0]


def test_every_position_is_asked_about_once() -> None:
    asked: list[tuple[int, ...]] = []

    def first(lines):
        asked.extend(lines)
        return [0 if line.count(0) < 6 else 6 for line in lines]

    # The reply is always the column beside it: four in a row stand upright in column 0.
    results = play(first, lambda line: [1], 5, random.Random(1))
    assert results == [5, 0, 0] and len(asked) == len(set(asked)) == 4
