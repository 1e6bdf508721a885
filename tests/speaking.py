"""Conversations with our engines, in this process: lines go in while others come out."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self, TextIO

__all__ = ["Conversation"]


class _Lines:
    """A file that is written and read by different threads, line by line."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._lines.put(line + "\n")
        return len(text)

    def flush(self) -> None:
        pass

    def end(self) -> None:
        self._lines.put(None)

    def next(self, timeout: float) -> str:
        line = self._lines.get(timeout=timeout)
        assert line is not None, "there are no more lines"
        return line.rstrip("\n")

    def __iter__(self) -> Iterator[str]:
        while (line := self._lines.get()) is not None:
            yield line


class Conversation:
    """A server that runs in a thread; what it raises is raised at the end."""

    def __init__(self, run: Callable[[TextIO, TextIO], None]) -> None:
        self._in, self._out = _Lines(), _Lines()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self._thread.start()

    def _run(self, run: Callable[[TextIO, TextIO], None]) -> None:
        try:
            run(self._in, self._out)  # type: ignore[arg-type]
        except BaseException as error:
            self._error = error
            self._out.write(f"raised {error!r}\n")

    def say(self, *lines: str) -> None:
        for line in lines:
            self._in.write(line + "\n")

    def hear(self, timeout: float = 60.0) -> str:
        """The next line."""
        line = self._out.next(timeout)
        if self._error is not None and line.startswith("raised"):
            raise self._error
        return line

    def until(self, start: str, timeout: float = 60.0) -> list[str]:
        """The lines up to and with the first that starts so."""
        found, deadline = [self.hear(timeout)], time.monotonic() + timeout
        while not found[-1].startswith(start):
            assert time.monotonic() < deadline, found[-5:]
            found.append(self.hear(timeout))
        return found

    def ask(self, command: str) -> str:
        """The answer to a GTP command, with its sign."""
        self.say(command)
        lines = [self.hear()]
        while lines[-1]:
            lines.append(self.hear())
        return "\n".join(lines[:-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._in.end()
        self._thread.join(60)
        if kind is None:
            assert not self._thread.is_alive(), "the server does not end"
            if self._error is not None:
                raise self._error
