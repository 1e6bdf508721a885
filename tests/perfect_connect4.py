"""A run as first player from the empty board against perfect Connect Four.

``python -m tests.perfect_connect4 RUN --games 50 --simulations 600``. The first player wins with
best play. The opponent is bitbully (see tests/pons.py), which answers with any of the best moves,
so that games differ and a player who knows one line only is found out. All games go on at once;
each position is searched afresh, once.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import games
from trainer.arena.players import contestant
from trainer.evaluate import searched_answers

GAME = games.make("connect4")
Line = tuple[int, ...]
Answers = Callable[[Sequence[Line]], list[int]]
Replies = Callable[[Line], list[int]]


def play(first: Answers, best_replies: Replies, num_games: int, rng: random.Random) -> list[int]:
    """Wins, draws and losses of the first player.

    Parameters
    ----------
    first
        The player's actions after lines of actions, all of them asked at once.
    best_replies
        Of the perfect player; one of them is drawn.
    """
    results = [0, 0, 0]
    playing: list[Line] = [()] * num_games
    known: dict[Line, int] = {}
    while playing:
        asked = sorted(set(playing) - known.keys())
        known.update(zip(asked, first(asked), strict=True))
        going = []
        for line in playing:
            line = (*line, known[line])
            if not (over := _result(line)):
                line = (*line, rng.choice(best_replies(line)))
                over = _result(line)
            if over:
                results[1 - round(over[0])] += 1
            else:
                going.append(line)
        playing = going
    return results


def _result(line: Line) -> Sequence[float]:
    """What the game came to, nothing while it goes on."""
    state = GAME.initial_state()
    for action in line:
        state.apply_action(action)
    return state.returns() if state.is_terminal() else ()


def perfect_replies() -> Replies:
    """The best moves, by bitbully."""
    from bitbully import BitBully, Board

    solver = BitBully()

    def best(line: Line) -> list[int]:
        scores: dict[int, int] = solver.score_all_moves(Board(list(line)))
        return [column for column, score in scores.items() if score == max(scores.values())]

    return best


def trained(model: str, simulations: int) -> Answers:
    """The player of a run or checkpoint."""
    who = contestant(model, simulations)
    evaluator = who.evaluator().resolved(GAME, 1)[0]

    def answers(lines: Sequence[Line]) -> list[int]:
        if not lines:
            return []
        found = searched_answers(GAME, who.player(0), evaluator, lines, seed=1, serial=True)
        assert found is not None  # nothing here gives up
        return found[0]

    return answers


def main() -> None:
    """Play and print the count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--games", type=int, default=50)
    parser.add_argument("--simulations", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    wins, draws, losses = play(
        trained(str(args.run), args.simulations), perfect_replies(), args.games, random.Random(1)
    )
    if args.json:
        report: dict[str, Any] = {"run": str(args.run), "simulations": args.simulations,
                                  "wins": wins, "draws": draws, "losses": losses}  # fmt: skip
        print(json.dumps(report))
    else:
        print(f"as first player against perfect play, {args.simulations} simulations: "
              f"{wins} won, {draws} drawn, {losses} lost of {args.games}")  # fmt: skip


if __name__ == "__main__":
    main()
