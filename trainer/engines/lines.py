"""A program that is talked to in lines, and that may hang, die or babble.

Every wait has a deadline, and whatever the program does becomes a `Fault` with a reason: the
caller never hangs with it, and nothing of it is left behind.
"""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO, Literal, Self

from engine.errors import EngineError

__all__ = ["Fault", "LineProcess", "Reason"]

Reason = Literal["start", "time", "crash", "babble", "protocol", "illegal"]
"""Why a program failed: it did not start; it was silent for too long; it ended; it said far too
much; what it said makes no sense; or it made an illegal move."""

MOST_LINES = 100_000
"""Lines that nobody has read yet; more are babble."""
MOST_BYTES = 1 << 16
"""Of a line."""


class Fault(EngineError):
    """An external engine did not do what it should."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class LineProcess:
    """A child process whose input and output are lines of text.

    Parameters
    ----------
    command
        The program and its arguments.

    Raises
    ------
    Fault
        If it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.name = os.path.basename(command[0])
        # The kernel ends the program when this thread ends, however that happens, and the shell
        # does not start it if that was before setpriv could ask for it. Where the tool is missing,
        # a program that minds its closed input still ends.
        guard = shutil.which("setpriv")
        still_here = f'[ "$PPID" = {os.getpid()} ] && exec "$@"'
        prefix = [guard, "--pdeathsig", "KILL", "sh", "-c", still_here, "sh"] if guard else []
        if shutil.which(command[0]) is None:
            raise Fault("start", f"{command[0]} is no program here: install it, or name its path")
        try:
            self._process = subprocess.Popen(
                [*prefix, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError as error:
            raise Fault("start", f"{self.name} cannot be started: {error}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input: IO[bytes] = self._process.stdin
        self._lines: queue.Queue[str | Fault] = queue.Queue()
        self._reader = threading.Thread(
            target=self._listen, args=(self._process.stdout,), daemon=True, name=f"{self.name}-out"
        )
        self._reader.start()

    def _listen(self, output: IO[bytes]) -> None:
        # Unbuffered pieces: a line must arrive when it is there, and one without end must not
        # fill the memory.
        rest = b""
        with output:
            while piece := output.read(4096):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._lines.put(line.decode(errors="replace").rstrip("\r"))
                if len(rest) > MOST_BYTES or self._lines.qsize() > MOST_LINES:
                    self._lines.put(Fault("babble", f"{self.name} babbles without end"))
                    return
        self._lines.put(Fault("crash", f"{self.name} has ended"))

    def send(self, line: str) -> None:
        """Write a line.

        Raises
        ------
        Fault
            If the program is gone.
        """
        try:
            self._input.write(line.encode() + b"\n")
        except OSError as error:
            raise Fault("crash", f"{self.name} has ended, {line!r} cannot be sent") from error

    def read(self, deadline: float) -> str:
        """The next line.

        Parameters
        ----------
        deadline
            A time.monotonic().

        Raises
        ------
        Fault
            If there is none by then, or there will never be one.
        """
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Fault("time", f"{self.name} did not answer in time") from None
        if isinstance(line, Fault):
            self._lines.put(line)  # it stays so
            raise line
        return line

    def close(self, farewell: str = "quit", grace_s: float = 1.0) -> None:
        """Say farewell, wait a little, then end the program and whatever it started."""
        with contextlib.suppress(Fault):
            self.send(farewell)
        with contextlib.suppress(OSError):
            self._input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(grace_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
