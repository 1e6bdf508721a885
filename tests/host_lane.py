"""A lane on the CPU: what the CUDA back end does, without a stream, a graph or page-locking."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


class HostLane:
    """Computes at once and keeps an account; asserts that work is issued into the lane, and that
    recorded work is not changed by where it is called from."""

    device = torch.device("cpu")
    kind = "host"
    precision = "fp32"

    def __init__(self) -> None:
        self.depth = 0
        self.recorded: list[int] = []
        """Rows of each recorded piece of work, as its order says."""
        self.repeats: list[int] = []
        """Which of them was repeated, call by call."""
        self.waits = 0

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.zeros(shape, dtype=dtype)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        assert self.depth > 0
        number = len(self.recorded)
        self.recorded.append(number)

        def repeat() -> None:
            assert self.depth > 0
            self.repeats.append(number)
            work()

        return repeat

    def wait(self) -> None:
        self.waits += 1
