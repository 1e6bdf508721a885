"""Which first moves of Hex win? A player's searches, against what has been solved.

``python -m tests.hex_openings RUN --simulations 600`` searches the position after every first move;
its value says who wins. The answers are ../shared/data/hex/openings.json: all winning first moves
of boards up to 8x8, without the swap.
"""

import argparse
import json
from pathlib import Path

from trainer.arena.players import contestant, game_of
from trainer.evaluate import searched_answers

ANSWERS = Path(__file__).resolve().parents[2] / "shared/data/hex/openings.json"


def main() -> None:
    """Print how many are right, and those that are not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("player")
    parser.add_argument("--simulations", type=int, default=600)
    parser.add_argument("--endgame", type=int, default=0)
    args = parser.parse_args()
    who = contestant(args.player, args.simulations).solving_ends(args.endgame)
    game = game_of(who)
    size = str(game.rows)
    winning = set(json.loads(ANSWERS.read_text())["winning_first_moves"][size])
    first = game.initial_state()
    actions = first.get_legal_actions()
    found = searched_answers(game, who.player(0), who.evaluator(), [[], *([a] for a in actions)])
    assert found is not None  # nothing here gives up
    (best, *_), (_, *values) = found
    names = [first.action_to_move(action) for action in actions]
    # The values are the second player's.
    wrong = [
        f"{name} ({-value:+.2f}, {'won' if name in winning else 'lost'})"
        for name, value in zip(names, values, strict=True)
        if (value < 0) != (name in winning)
    ]
    played = first.action_to_move(best)
    print(f"{len(names) - len(wrong)} of {len(names)} right; wrong: {', '.join(wrong) or 'none'}")
    print(f"plays {played}, which is {'won' if played in winning else 'lost'}")


if __name__ == "__main__":
    main()
