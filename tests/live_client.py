"""A board that shows live analysis, as Sabaki does, and interrupts it: how long answers take.

``python -m tests.live_client PLAYER --game go`` starts ``ringzero gtp PLAYER`` as a program, lets
it analyse, sends a command when some lines have come, and waits for its answer, over and over.
"""

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Iterator

from trainer.engines.lines import LineProcess

PATIENCE_S = 60.0
LINES = 3
"""Of an analysis, before it is interrupted."""


class Board:
    """The asking side of a GTP conversation."""

    def __init__(self, command: list[str]) -> None:
        self._process = LineProcess(command)
        self._next_id = 0

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.close()

    def send(self, command: str) -> str:
        """Its answer begins with what is returned."""
        self._next_id += 1
        self._process.send(f"{self._next_id} {command}")
        return f"={self._next_id}"

    def read(self) -> str:
        """The next line."""
        return self._process.read(time.monotonic() + PATIENCE_S).strip()

    def ask(self, command: str) -> str:
        """The answer's first line, without its sign and number."""
        head = self.send(command)
        while not (line := self.read()).startswith(head):
            pass
        return line.removeprefix(head).strip()


def interrupted(board: Board, times: int) -> Iterator[float]:
    """Seconds from a command that interrupts an analysis to its answer."""
    for turn in range(times):
        board.send(("lz-analyze", "kata-analyze")[turn % 2] + " interval 5")
        for _ in range(LINES):
            while not board.read().startswith("info move"):
                pass
        begin = time.perf_counter()
        assert board.ask("name") == "ringzero"
        yield time.perf_counter() - begin
        # The position changes now and then, as when a person plays.
        if turn % 5 == 4 and board.ask("genmove " + "bw"[turn // 5 % 2]) == "resign":
            return


def main() -> None:
    """Print the median and the longest time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("player")
    parser.add_argument("--game", default="")
    parser.add_argument("--times", type=int, default=40)
    args = parser.parse_args()
    command = [sys.executable, "-m", "trainer.cli", "gtp", args.player, "--simulations", "50"]
    command += ["--game", args.game] if args.game else []
    with Board(command) as board:
        found = sorted(interrupted(board, args.times))
    print(
        f"{shlex.join(command[2:])}: {len(found)} interruptions, answered after "
        f"{1000 * statistics.median(found):.1f} ms in the middle, {1000 * found[-1]:.1f} at most"
    )


if __name__ == "__main__":
    main()
