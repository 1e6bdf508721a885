"""Every perft count of the chess reference files, to any depth.

    python tests/perft_chess.py [DEPTH] [FOLDER]

checks all counts down to DEPTH (by default all there are: 54 thousand million sequences, some
minutes) of the files in FOLDER (by default ../shared/data/chess) and tells how long each file took.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import games

FILES = {"perft_suite.epd": False, "perft_random.epd": False, "perft_chess960.epd": True}


def counts(path: Path) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Each line's FEN and its (depth, number of sequences)."""
    for line in path.read_text().splitlines():
        fen, *fields = (field.strip() for field in line.split(";"))
        yield fen, [(int(field.split()[0][1:]), int(field.split()[1])) for field in fields]


def check(path: Path, *, chess960: bool, depth: int) -> tuple[int, int]:
    """How many counts there are down to `depth`, and their sum; AssertionError at a wrong one."""
    game = games.make("chess", chess960=chess960)
    checked = total = 0
    for fen, expected in counts(path):
        state = game.state_from_text(fen)
        for plies, number in expected:
            if plies <= depth:
                found = state.perft(plies)
                assert found == number, f"{fen}: depth {plies} has {number}, got {found}"
                checked += 1
                total += number
    return checked, total


if __name__ == "__main__":
    depth = int(sys.argv[1]) if len(sys.argv) > 1 else 99
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "chess"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    for name, chess960 in FILES.items():
        start = time.process_time()
        checked, total = check(folder / name, chess960=chess960, depth=depth)
        spent = time.process_time() - start
        print(f"{name}: {checked} counts, {total:,} sequences, {spent:.1f} s", flush=True)
