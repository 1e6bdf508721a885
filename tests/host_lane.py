"""A lane on the CPU: what the CUDA back end does, without a stream, a graph or page-locking."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class HostLane:
    """As late as a stream may be: copies and recorded work that are issued into it happen, in
    their order, when somebody waits. A result that is read too early, a buffer that is used again
    too early and a copy that goes to another stream therefore give wrong numbers."""

    device = torch.device("cpu")
    kind = "host"
    precision = "fp32"

    def __init__(self) -> None:
        self.num_recorded = 0
        self.repeats: list[int] = []
        """Which recorded work was repeated, call by call."""
        self.num_waits = 0
        self._mode = _Deferred()
        self._depth = 0

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        self._depth += 1
        try:
            with self._mode if self._depth == 1 else contextlib.nullcontext():
                yield
        finally:
            self._depth -= 1

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.zeros(shape, dtype=dtype)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        assert self._depth > 0
        number = self.num_recorded
        self.num_recorded += 1

        def repeat() -> None:
            assert self._depth > 0
            self.repeats.append(number)
            self._mode.queue.append(work)

        return repeat

    def wait(self) -> None:
        self.num_waits += 1
        self._mode.run()


class _Deferred(TorchDispatchMode):
    """Queues copies instead of making them."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[Callable[[], Any]] = []
        self._running = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.copy_.default and not self._running:
            self.queue.append(partial(func, *args, **(kwargs or {})))
            return args[0]
        return func(*args, **(kwargs or {}))

    def run(self) -> None:
        self._running = True
        for issued in self.queue:
            issued()
        self.queue.clear()
        self._running = False
