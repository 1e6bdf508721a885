"""Perfect Connect Four as a GTP engine, for the arena: one of the best moves, drawn.

``ringzero arena RUN "gtp:python tests/perfect_gtp.py 7" --games 40`` meets it; 7 is the seed.
The solver is bitbully, see tests/pons.py; moves are columns from 1 to 7.
"""

import random
import sys

from perfect_connect4 import perfect_replies

COMMANDS = ("protocol_version", "name", "version", "list_commands", "clear_board", "play",
            "genmove", "quit")  # fmt: skip


def main() -> None:
    """Answer on stdin and stdout."""
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    best, line = perfect_replies(), list[int]()
    for said in sys.stdin:
        words = said.split()
        if not words:
            continue
        answer, sign = "", "="
        match words:
            case ["protocol_version"]:
                answer = "2"
            case ["name"]:
                answer = "bitbully"
            case ["version"]:
                answer = "1"
            case ["list_commands"]:
                answer = "\n".join(COMMANDS)
            case ["clear_board"]:
                line.clear()
            case ["play", _, column]:
                line.append(int(column) - 1)
            case ["genmove", _]:
                line.append(rng.choice(best(tuple(line))))
                answer = str(line[-1] + 1)
            case ["quit"]:
                pass
            case _:
                answer, sign = "unknown command", "?"
        print(f"{sign} {answer}\n", flush=True)
        if words == ["quit"]:
            return


if __name__ == "__main__":
    main()
