"""trainer.memory: freed memory stays in the process."""

import platform
import resource
import subprocess
import sys

import pytest

BLOCKS = """
import resource
import numpy as np
from trainer.memory import keep_freed_memory
assert keep_freed_memory()
def touch():
    for _ in range(20):
        np.ones(4 << 20, np.uint8)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_a_block_that_was_freed_is_not_faulted_in_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert int(done.stdout) < (4 << 20) / resource.getpagesize()  # of one block out of twenty
