"""What the C library does with memory that is given back."""

import ctypes

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
LARGEST_KEPT = 32 << 20  # glibc's own limit
KEPT = 256 << 20


def keep_freed_memory() -> bool:
    """Let this process keep what its tensors free for the next ones; False where there is no glibc.

    A step of the learner allocates some megabytes a layer. Given back to the kernel and taken
    again, they are zeroed page by page: 2,300 page faults a step of the 4x48 Connect Four network,
    a tenth of its time in a virtual machine (1,640 to 2,080 samples/s became 2,060 to 2,260, worst
    and best of two alternating runs of three, beside other work).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(M_TRIM_THRESHOLD, KEPT)
    )
