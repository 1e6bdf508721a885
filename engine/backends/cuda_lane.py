"""What the CUDA back end asks of a device, and page-locked memory.

Several lanes of one device run side by side: while one computes, another's copies are under way.
"""

import contextlib
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["CudaLane", "Lane", "PageLock", "page_lock"]

log = logging.getLogger(__name__)

WARM_UPS = 3  # before a capture: cuDNN and cuBLAS choose and allocate at the first calls
REGISTER_PORTABLE = 1  # cudaHostRegisterPortable: page-locked for every context


class Lane(Protocol):
    """Work of one thread on one device, done in the order in which it is issued."""

    device: torch.device
    kind: str
    """How recorded work is repeated, for people."""
    precision: str
    """The best of the device: what "auto" means."""

    def scope(self) -> AbstractContextManager[None]:
        """What is issued inside goes into this lane."""

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Zeroed host memory that the device copies from and to by itself."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What repeats `work`, on the same memory; to be called inside the scope, as this is."""

    def wait(self) -> None:
        """Sleep until everything issued so far is done and its results can be read."""


class CudaLane:
    """A CUDA stream; recorded work is a CUDA graph.

    Parameters
    ----------
    device
        A CUDA device.
    graphs
        False: recorded work is issued again, kernel by kernel.
    """

    def __init__(self, device: torch.device, *, graphs: bool = True) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.device = self._stream.device
        self.kind = "graphs" if graphs else "eager"
        # Volta and Turing multiply in fp16 only; torch would emulate bf16 there.
        has_bf16 = torch.cuda.get_device_capability(self.device) >= (8, 0)
        self.precision = "bf16" if has_bf16 else "fp16"
        # Waiting for a blocking event sleeps; for any other it spins on a core that a worker
        # could use. Both release the GIL.
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        # Graphs that never run at once share their memory.
        self._pool = torch.cuda.graph_pool_handle()

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Makes the stream, and with it the device, the thread's current one."""
        with torch.cuda.stream(self._stream):
            yield

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Page-locked, by torch's allocator."""
        with self.scope():  # outside, it would make a context on the first device
            return torch.zeros(shape, dtype=dtype, pin_memory=True)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Run `work` a few times, then capture it."""
        if self.kind != "graphs":
            work()
            return work
        for _ in range(WARM_UPS):
            work()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # "thread_local": other lanes' threads go on with their copies meanwhile.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            work()
        return graph.replay

    def wait(self) -> None:
        """Sleep until an event behind everything issued so far has come.

        Copies to the host that precede a completed event are visible to this process's threads;
        a release store after that makes them so to everybody who acquires it.
        """
        self._done.record(self._stream)
        self._done.synchronize()


class PageLock:
    """Memory of this process that a device copies from and to by itself, until this object dies.

    Parameters
    ----------
    memory
        Whole pages, which stay alive as long as this does.
    device
        Whose context is used; the memory is page-locked for all.

    Raises
    ------
    OSError
        If the system refuses.
    """

    def __init__(self, memory: npt.NDArray[np.uint8], device: torch.device) -> None:
        self._start = _address(memory)
        self._stop = self._start + memory.nbytes
        with torch.cuda.device(device):
            runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            error = int(runtime.cudaHostRegister(self._start, memory.nbytes, REGISTER_PORTABLE))
            if error:
                # The runtime keeps the error for whoever asks next: an innocent kernel launch.
                with contextlib.suppress(RuntimeError):
                    torch.zeros(1, device=device)
                raise OSError(f"cudaHostRegister of {memory.nbytes} bytes gave CUDA error {error}")
        # `memory` is an argument so that the pages are not unmapped, and the address not used
        # again, while they are registered.
        self._release = weakref.finalize(self, _unregister, runtime, self._start, memory)

    def covers(self, array: npt.NDArray[np.generic]) -> bool:
        """True if all of the C-contiguous `array` lies in the memory."""
        start = _address(array)
        return self._start <= start and start + array.nbytes <= self._stop

    def release(self) -> None:
        """Give the lock up now."""
        self._release()


def page_lock(memory: npt.NDArray[np.uint8], device: torch.device) -> PageLock | None:
    """`PageLock`, or None with a warning where the system refuses."""
    try:
        return PageLock(memory, device)
    except OSError as error:
        log.warning(
            "page_lock error=%r: batches go through staging buffers; see ulimit -l", str(error)
        )
        return None


def _unregister(runtime: Any, start: int, memory: npt.NDArray[np.uint8]) -> None:
    runtime.cudaHostUnregister(start)


def _address(array: npt.NDArray[np.generic]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
