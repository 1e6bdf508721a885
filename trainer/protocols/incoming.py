"""Lines that arrive while something else goes on.

A thread reads; whoever computes asks `waiting` between two pieces of work. So a search stops when a
line arrives, whatever the line says.
"""

import queue
import threading
from collections.abc import Iterator
from typing import TextIO

__all__ = ["Incoming"]


class Incoming:
    """The lines of `source`, read ahead by a thread of its own."""

    def __init__(self, source: TextIO) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._source = source
        threading.Thread(target=self._read, daemon=True, name="incoming").start()

    def _read(self) -> None:
        for line in self._source:
            self._lines.put(line.rstrip("\r\n"))
        self._lines.put(None)

    @property
    def waiting(self) -> bool:
        """Whether a line, or the end of them, has arrived and not been taken."""
        return not self._lines.empty()

    def take(self, timeout: float | None = None) -> str | None:
        """The next line; None at the end.

        Raises
        ------
        TimeoutError
            If none has come after `timeout` seconds.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no line within {timeout} s") from None
        if line is None:
            self._lines.put(None)  # the end stays the end
        return line

    def __iter__(self) -> Iterator[str]:
        while (line := self.take()) is not None:
            yield line
