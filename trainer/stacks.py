"""Recorded stacks: read from py-spy's raw format, and counted by phase.

A sample is one Python thread looked at once. It counts for the phase of its innermost frame that
`PHASES` knows, so a call counts for whoever asked for it unless it has a phase of its own, and
the phases of a thread add up to its samples.
"""

import functools
import importlib.util
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["PHASES", "Frame", "Stream", "phase_of", "phases", "read_raw"]

PHASES: dict[str, str] = {
    "select": "descent.pyx gather, step 1: PUCT, moves made on the way down",
    "expand": "descent.pyx gather, step 2, and scatter: new nodes, legal moves, priors",
    "backup": "descent.pyx, step 4: values up the path, proofs",
    "move": "worker.pyx between searches: drawing, journal, kept subtree, next game",
    "observe": "worker.pyx gather: a leaf's observation into its slot",
    "cache": "cache.pyx: the evaluation cache",
    "ring": "ring.pyx, batching.py, server.py: rows handed over, batches taken and answered",
    "unpack": "observations from bits to numbers",
    "forward": "the network's layers, or a local evaluator",
    "learn": "learner.py, samples.py: batches, gradients, validation",
    "store": "games out of the journals, the database, checkpoints",
    "show": "display, logs, TensorBoard",
    "load": "imports, model files, warming up",
    "wait": "asleep: futex, lock, timer, pipe; waiting for answers, requests, games",
    "gil": "waiting for Python's interpreter lock",
    "other": "no known frame",
}
"""What each phase is, in the order of a row's way through the engine."""

# (file, function or * for the rest of the file) -> phase. Cython's Class_method is written
# method, Python's Class.method too.
_RULES: dict[str, dict[str, str]] = {
    "engine/descent.pyx": {
        "gather": "select", "scatter_logits": "expand", "scatter_uniform": "expand",
        "_finish": "expand", "_backup": "backup", "set_root": "move",
    },
    "engine/search.pyx": {
        "_open_root": "expand", "_change_prior": "expand",
        "advance": "move", "choose": "move", "begin": "move",
    },
    "engine/puct.pxd": {"*": "select"},
    "engine/root.pxd": {"forced_edge": "select", "*": "expand"},
    "engine/gumbel.pyx": {"begin": "expand", "*": "select"},
    "engine/solver.pxd": {"*": "backup"},
    "engine/tree.pxd": {"tree_add_node": "expand", "tree_best_first": "expand"},
    "engine/tree.pyx": {"tree_copy_subtree": "move"},
    "engine/cache.pyx": {"*": "cache"},
    "engine/cache.pxd": {"*": "cache"},
    "engine/local.pyx": {"evaluate_c": "forward"},
    "engine/worker.pyx": {
        "_wait": "wait", "_gather": "observe", "_scatter": "ring", "_scatter_to": "ring",
        "_play": "move", "_advance": "move", "_make_move": "move", "_draw": "move",
        "_record": "move", "_finish": "move", "_start": "move", "_enter": "move",
        "_follow": "move", "_go_on": "move", "_ending": "move", "_begin_move": "move",
        "_begin_search": "move",
    },
    "engine/ring.pyx": {"wait_answered": "wait", "wait": "wait", "wait_c": "wait", "*": "ring"},
    "engine/segment.pyx": {"wait_finished": "wait"},
    "engine/journal.pyx": {"record": "store"},
    "engine/pool.py": {"finished": "store", "_collect": "store"},
    "engine/batching.py": {"*": "ring"},
    "engine/server.py": {
        "_batch": "ring", "_stream": "ring", "_take_over_weights": "load",
    },
    "engine/backends/spec.py": {"*": "load"},
    "engine/backends/choose.py": {"*": "load"},
    "engine/backends/group.py": {"evaluate": "forward", "load": "load", "_make": "load"},
    "engine/backends/recent.py": {"see": "ring", "random_positions": "load"},
    "engine/backends/openvino_backend.py": {"evaluate": "forward", "openvino_evaluators": "load"},
    "engine/backends/simulated.py": {"*": "forward"},
    "engine/backends/cuda_lane.py": {"*": "forward"},
    "engine/backends/cuda_backend.py": {
        "evaluate": "forward", "unpack": "unpack", "_adopt": "load", "_prepare": "load",
    },
    "engine/symmetry.pyx": {"*": "observe"},
    "engine/inflight.pyx": {"*": "cache"},
    "engine/unpack.pyx": {"*": "unpack"},
    "engine/pooling.pyx": {"*": "forward"},
    "engine/backends/torch_layers.py": {"*": "forward"},
    "engine/backends/torch_backend.py": {
        "evaluate": "forward", "_adopt": "load", "_warm_up": "load",
    },
    "engine/backends/plan_evaluator.py": {"load": "load"},
    "engine/backends/symmetric.py": {"*": "forward"},
    "engine/backends/uniform.py": {"*": "forward"},
    "games/base.pyx": {"unpack": "unpack"},
    "trainer/learner.py": {"*": "learn"},
    "trainer/samples.py": {"*": "learn"},
    "trainer/sampling.py": {"*": "learn"},
    "trainer/targets.py": {"*": "learn"},
    "trainer/value_targets.py": {"*": "learn"},
    "trainer/heads.py": {"*": "learn"},
    "engine/duplicates.pyx": {"*": "learn"},
    "trainer/network.py": {"forward": "forward", "*": "load"},
    "trainer/replay.py": {"*": "store"},
    "trainer/checkpoint.py": {"*": "store"},
    "trainer/files.py": {"*": "store"},
    "trainer/display.py": {"*": "show"},
    "trainer/watching.py": {"*": "show"},
    "trainer/metrics.py": {"*": "show"},
    "trainer/logs.py": {"*": "show"},
    "multiprocessing/connection.py": {"wait": "wait"},
    "multiprocessing/resource_tracker.py": {"main": "wait"},
    "threading.py": {"wait": "wait", "_wait_for_tstate_lock": "wait"},
    "<frozen importlib._bootstrap>": {"*": "load"},
}  # fmt: skip
_ANYWHERE = {
    # An inlined rz_futex_wait leaves the libc's function alone.
    "rz_futex_wait": "wait", "syscall": "wait",
    "time_sleep": "wait", "pysleep": "wait", "clock_nanosleep": "wait",
    "PyThread_acquire_lock_timed": "wait", "select_poll_poll": "wait", "os_waitpid": "wait",
    "take_gil": "gil", "PyEval_RestoreThread": "gil", "PyEval_AcquireThread": "gil",
}  # fmt: skip
# Functions of descent.pyx whose lines are told apart by the numbered steps in their comments.
_STEPPED = {"gather", "_finish"}
_STEPS = {"1": "select", "2": "expand", "4": "backup"}


class Frame(NamedTuple):
    """A function in a stack."""

    name: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.name} ({where})" if where else self.name


@dataclass(slots=True)
class Stream:
    """A thread's samples."""

    pid: int
    command: str
    """Command line of its process."""
    thread: str
    thread_id: str
    stacks: Counter[tuple[Frame, ...]] = field(default_factory=Counter)
    """Samples by stack, outermost frame first."""

    @property
    def num_samples(self) -> int:
        return self.stacks.total()


_PROCESS = re.compile(r'process (\d+):"(.*?)"(?:;(?=process \d+:"|thread \()|(?= \d+$))', re.DOTALL)
_THREAD = re.compile(r"thread \(([^)]*)\)(?:: ([^;]*?))?(?=;| \d+$)")
_FRAME = re.compile(r"(.*) \(([^()]*?)(?::(\d+))?\)", re.DOTALL)
_ADDRESS = re.compile(r"0x[0-9a-f]+")


def read_raw(text: str) -> list[Stream]:
    """The streams in ``py-spy record --format raw --threads --subprocesses``, by process.

    Code without symbols shows as its address; such frames say nothing between two others and are
    dropped, and innermost ones are called by their library, so that equal stacks are equal.

    Raises
    ------
    ValueError
        If a line is not of that format.
    """
    streams: dict[tuple[int, str], Stream] = {}
    for line in text.splitlines():
        if not line:
            continue
        at, pid, command = 0, 0, ""
        while found := _PROCESS.match(line, at):
            pid, command, at = int(found[1]), found[2], found.end()
        thread = _THREAD.match(line, at)
        rest, _, samples = line[thread.end() if thread else at :].rpartition(" ")
        if thread is None or not pid or not samples.isdigit():
            raise ValueError(f"not a line of py-spy's raw format: {line[:120]!r}")
        stream = streams.setdefault(
            (pid, thread[1]), Stream(pid, command, thread[2] or "", thread[1])
        )
        stack = [_frame(part) for part in rest.removeprefix(";").split(";") if part]
        known = [frame for frame in stack[:-1] if not _ADDRESS.fullmatch(frame.name)]
        stream.stacks[tuple(known + [_named(frame) for frame in stack[-1:]])] += int(samples)
    return sorted(streams.values(), key=lambda stream: (stream.pid, stream.thread_id))


def _frame(text: str) -> Frame:
    found = _FRAME.fullmatch(text)
    return Frame(found[1], found[2], int(found[3] or 0)) if found else Frame(text)


def _named(frame: Frame) -> Frame:
    if not _ADDRESS.fullmatch(frame.name):
        return frame
    return Frame("code without symbols", "" if frame.file == "?" else frame.file)


# -- phases -----------------------------------------------------------------------------------


def phases(streams: Iterable[Stream]) -> Counter[str]:
    """Samples of `streams` by phase; they add up to all of them."""
    result: Counter[str] = Counter()
    for stream in streams:
        for stack, samples in stream.stacks.items():
            result[phase_of(stack)] += samples
    return result


def phase_of(stack: Sequence[Frame]) -> str:
    """The phase of the innermost frame that has one."""
    for frame in reversed(stack):
        phase = _phase(frame)
        if phase is not None:
            return phase
    return "other"


@functools.cache
def _phase(frame: Frame) -> str | None:
    if frame.name in _ANYWHERE:
        return _ANYWHERE[frame.name]
    file = _own_path(frame.file)
    rules = _RULES.get(file)
    if rules is None:
        return None
    function = frame.name.rpartition(".")[2]
    if file.endswith((".pyx", ".pxd")):
        function = re.sub(r"^[A-Z][A-Za-z0-9]*_", "", function)
    if file == "engine/descent.pyx" and function in _STEPPED:
        return _step(file, frame.line) or rules[function]
    return rules.get(function, rules.get("*"))


def _own_path(file: str) -> str:
    """`file` from the package on, wherever it is installed; others as they are."""
    parts = file.split("/")
    for package in ("engine", "games", "trainer", "multiprocessing"):
        if package in parts[:-1]:
            return "/".join(parts[parts.index(package) :])
    return file


def _step(file: str, line: int) -> str | None:
    """The phase that the last ``# Step N.`` comment above `line` of its function tells."""
    steps = _steps(file)
    return steps[line - 1] if 0 < line <= len(steps) else None


@functools.cache
def _steps(file: str) -> list[str | None]:
    """For every line of an own source the phase of its numbered step, None outside of steps."""
    package, _, name = file.partition("/")
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return []
    path = Path(found.origin).parent / name
    if not path.exists():
        return []
    phase, steps = None, []
    for line in path.read_text().splitlines():
        if re.match(r" *(?:cdef|def|cpdef) .*\(", line):
            phase = None
        step = re.match(r" *# Step (\d)", line)
        if step is not None:
            phase = _STEPS.get(step[1])
        steps.append(phase)
    return steps
