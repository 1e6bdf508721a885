"""Mistake rates on Pascal Pons's six Connect Four test sets, as a run's training went on.

``python -m tests.pons RUN --simulations 600 --minutes 5,10,20,40,60`` asks the run's checkpoints
nearest to these times about every position of the sets and has each answer solved exactly. A
mistake is a move that does not keep the outcome. Hundreds of positions are searched at once.

The solver is bitbully (``pip install bitbully``; AGPL-3, so it judges here and is part of nothing
else). The positions, one ``set index moves score`` a line with moves as columns from 1, are
Pons's own (blog.gamesolver.org), by default ../shared/data/connect_four/pons_positions.txt.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import games
from trainer.arena.players import contestant
from trainer.evaluate import searched_answers

GAME = games.make("connect4")
POSITIONS = Path(__file__).resolve().parents[2] / "shared/data/connect_four/pons_positions.txt"
SETS = {
    "L3_R1": "end-easy",
    "L2_R1": "middle-easy",
    "L1_R1": "begin-easy",
    "L2_R2": "middle-medium",
    "L1_R2": "begin-medium",
    "L1_R3": "begin-hard",
}

Judge = Callable[[tuple[int, ...], int], int]
"""The exact score of an action after a line of actions, for the side that plays it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A position of the sets."""

    of_set: str
    line: tuple[int, ...]
    score: int
    """Of perfect play, for the side to move: its sign is the outcome."""


def read_questions(path: Path) -> list[Question]:
    """The positions of the file."""
    questions = []
    for row in path.read_text().splitlines():
        of_set, _, moves, score = row.split()
        line = tuple(int(column) - 1 for column in moves)
        questions.append(Question(SETS[of_set], line, int(score)))
    return questions


def bitbully_judge() -> Judge:
    """The exact solver; every move is asked for once."""
    from bitbully import BitBully, Board

    solver, known = BitBully(), dict[tuple[tuple[int, ...], int], int]()

    def judge(line: tuple[int, ...], action: int) -> int:
        if (line, action) not in known:
            known[line, action] = solver.score_move(Board(list(line)), action)
        return known[line, action]

    return judge


def interval(mistakes: int, num: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, JASA 22 (1927))."""
    z, share = 1.959964, mistakes / num
    centre = (share + z * z / (2 * num)) / (1 + z * z / num)
    half = z / (1 + z * z / num) * math.sqrt(share * (1 - share) / num + (z / (2 * num)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def rates(
    questions: Sequence[Question], actions: Sequence[int], judge: Judge
) -> dict[str, dict[str, Any]]:
    """By set: positions, mistakes, their share and its interval."""
    found: dict[str, list[bool]] = {name: [] for name in SETS.values()}
    for question, action in zip(questions, actions, strict=True):
        score = judge(question.line, action)
        found[question.of_set].append(_sign(score) != _sign(question.score))
    return {
        name: {
            "positions": len(wrong),
            "mistakes": sum(wrong),
            "rate": sum(wrong) / len(wrong),
            "interval": interval(sum(wrong), len(wrong)),
        }
        for name, wrong in found.items()
        if wrong
    }


def _sign(score: int) -> int:
    return (score > 0) - (score < 0)


def nearest_checkpoints(run: Path, minutes: Sequence[float]) -> list[tuple[float, Path]]:
    """The checkpoints nearest to these times trained, each once; the newest, without times."""
    found = []
    for meta in sorted((run / "checkpoints").glob("[0-9]*/meta.json")):
        found.append((json.loads(meta.read_text())["info"]["elapsed_s"] / 60, meta.parent))
    if not found:
        sys.exit(f"{run} holds no checkpoints; name a run's folder")
    wanted = minutes or [found[-1][0]]
    return sorted({min(found, key=lambda at: abs(at[0] - time)) for time in wanted})


def asked(
    model: Path,
    simulations: int,
    endgame: int,
    leaf_endgame: int,
    questions: Sequence[Question],
    judge: Judge,
) -> dict[str, dict[str, Any]]:
    """The rates of a checkpoint."""
    who = contestant(str(model), simulations).solving_ends(endgame, leaf_endgame)
    lines = [question.line for question in questions]
    found = searched_answers(GAME, who.player(0), who.evaluator(), lines, seed=1)
    assert found is not None  # nothing here gives up
    return rates(questions, found[0], judge)


def main() -> None:
    """Print the table, or with ``--json`` one object."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--simulations", default="600", help="one number or more: 100,600")
    parser.add_argument("--minutes", default="", help="of training: 5,10,20; none: the newest")
    parser.add_argument("--positions", type=Path, default=POSITIONS)
    parser.add_argument("--every", type=int, default=1, help="ask every n-th position only")
    parser.add_argument("--endgame", type=int, default=0, help="see ringzero evaluate --endgame")
    parser.add_argument("--leaf-endgame", type=int, default=1000, help="the same")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    questions, judge = read_questions(args.positions)[:: args.every], bitbully_judge()
    minutes = [float(text) for text in args.minutes.split(",") if text]
    rows = []
    if not args.json:
        print(f"{'minutes':>7} {'sims':>5}" + "".join(f"{name:>22}" for name in SETS.values()))
    for at, path in nearest_checkpoints(args.run, minutes):
        for simulations in map(int, args.simulations.split(",")):
            found = asked(
                path, simulations, args.endgame, args.leaf_endgame, questions, judge
            )
            rows.append({"minutes": at, "checkpoint": str(path), "simulations": simulations,
                         "sets": found})  # fmt: skip
            if not args.json:
                cells = [
                    f"{100 * row['rate']:.2f} [{100 * row['interval'][0]:.2f}, "
                    f"{100 * row['interval'][1]:.2f}]"
                    for row in found.values()
                ]
                line = f"{at:7.1f} {simulations:5}" + "".join(f"{cell:>22}" for cell in cells)
                print(line, flush=True)
    if args.json:
        print(json.dumps({"run": str(args.run), "rows": rows}))


if __name__ == "__main__":
    main()
