"""`ringzero profile`: one py-spy recording of all processes, told as a table and two pictures.

Idle threads are recorded, too: each look at a process counts once for each of its Python
threads, so a thread's samples are its share of the whole time, and what it waited for is part of
the answer. Threads that are not Python's (OpenMP's, a device driver's) are not seen; the kernel's
processor times in the summary include them.
"""

import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from engine.errors import ConfigError, ProfileError
from trainer.flames import flame_graph, speedscope
from trainer.runs import RunFolder
from trainer.stacks import PHASES, Stream, phases, read_raw

__all__ = ["Recorder", "cost_line", "profile_command", "profile_run", "summary_table"]

# py-spy talks on the streams that its child would inherit. So a shell keeps ours as 8 and 9 while
# py-spy's go into a log, and another one gives them to the command.
_SPY_STREAMS = ["/bin/sh", "-c", 'exec 8>&1 9>&2 >"$0" 2>&1; exec "$@"']
_OUR_STREAMS = ["/bin/sh", "-c", 'exec "$0" "$@" >&8 2>&9 8>&- 9>&-']
POLL_S = 0.2
STOP_S = 30.0  # that a command has to end by itself when its time is up
PTRACE = (
    "profiling needs the right to ptrace: be the run's user or root; on a desktop also "
    "`sysctl kernel.yama.ptrace_scope=0`, in Docker `--cap-add SYS_PTRACE`"
)


def profile_run(
    folder: RunFolder, seconds: float, rate: int, out: Path | None = None
) -> dict[str, Any]:
    """Record the processes of a live run and write what was found.

    Returns
    -------
    The summary that is also written to ``summary.json``.

    Raises
    ------
    StoreError
        If the run is not live.
    ProfileError
        If py-spy is missing, is not allowed to look, or records nothing.
    """
    pid = folder.trainer_pid()
    _check(seconds, rate)
    _refuse_without_ptrace(pid)
    out = _folder(out, folder.profiles)
    with Recorder(out, rate, ["--duration", str(max(1, round(seconds))), "--pid", str(pid)]) as spy:
        spy.follow(lambda: pid)
    return _write(spy, out, str(folder.path), pid, "trainer")


def profile_command(
    command: Sequence[str],
    seconds: float | None,
    rate: int,
    out: Path | None = None,
    *,
    output: int = 1,
) -> dict[str, Any]:
    """Start `command`, record it to its end, and write what was found.

    Parameters
    ----------
    command
        A program that is, or starts, Python; ``ringzero`` is this one.
    seconds
        Stop it by SIGTERM after so long; None lets it end.
    output
        Descriptor that the command gets as its stdout.

    Raises
    ------
    ConfigError
        If there is no such program.
    ProfileError
        If py-spy is missing, is not allowed to look, or records nothing.
    """
    _check(1.0 if seconds is None else seconds, rate)
    program = list(command)
    if program[0] == "ringzero":
        program = [sys.executable, "-m", "trainer.cli", *program[1:]]
    if shutil.which(program[0]) is None:
        raise ConfigError(f"{program[0]!r} is neither the folder of a run nor a program")
    out = _folder(out, Path("profiles"))
    with Recorder(out, rate, ["--", *_OUR_STREAMS, *program], output) as spy:
        spy.follow(spy.first_child, seconds)
    return _write(spy, out, " ".join(command), spy.root, Path(command[0]).name)


def _check(seconds: float, rate: int) -> None:
    if not seconds > 0:
        raise ConfigError(f"seconds must be > 0, got {seconds}")
    if not 1 <= rate <= 1000:
        raise ConfigError(f"rate must be in [1, 1000] looks a second, got {rate}")


def _folder(out: Path | None, default: Path) -> Path:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = out or default / stamp
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _spy_path() -> str:
    """py-spy's program: beside the interpreter, or on the PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise ProfileError("py-spy was not found; install it: pip install py-spy")
    return found


def _refuse_without_ptrace(pid: int) -> None:
    """Opening a process's memory asks the kernel the same question as ptrace, and stops nothing."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except PermissionError:
        raise ProfileError(f"this user may not look into process {pid}; {PTRACE}") from None
    except FileNotFoundError:
        pass  # no /proc: py-spy will tell


# -- recording --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    """What the kernel says of a process, first and last."""

    name: str
    first_cpu_s: float
    last_cpu_s: float


@dataclass
class Recorder:
    """A py-spy process; a context manager that never leaves it behind."""

    folder: Path
    rate: int
    target: list[str]
    output: int = 1
    """Descriptor that a command gets as its stdout."""
    seen: dict[int, _Seen] = field(default_factory=dict)
    root: int = 0
    """Process at the head of those recorded."""
    seconds: float = 0.0
    cost_s: float = 0.0
    """Processor time that py-spy itself took."""
    messages: str = ""

    @property
    def stacks(self) -> Path:
        return self.folder / "stacks.txt"

    @property
    def _log(self) -> Path:
        return self.folder / "py-spy.log"

    def __enter__(self) -> "Recorder":
        # Idle threads too, so that waiting counts; threads apart, so that phases add up.
        options = ["--native", "--idle", "--threads", "--subprocesses", "--format", "raw"]
        self.stacks.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [*_SPY_STREAMS, str(self._log), _spy_path(), "record", *options,
             "--rate", str(self.rate), "--output", str(self.stacks), *self.target],
            stdout=self.output,
            # A backtrace of py-spy's own would hide what it has to say.
            env={**os.environ, "RUST_BACKTRACE": "0", "RUST_LIB_BACKTRACE": "0"},
        )  # fmt: skip
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._log.exists():
            self.messages = self._log.read_text(errors="replace")
            self._log.unlink()

    def first_child(self) -> int:
        """The command that py-spy has started, 0 before."""
        with contextlib.suppress(psutil.Error):
            pids = [child.pid for child in psutil.Process(self._process.pid).children()]
            return int(pids[0]) if pids else 0
        return 0

    def follow(self, root: Callable[[], int], stop_after_s: float | None = None) -> None:
        """Wait for py-spy's end, watching the processes below `root()` meanwhile.

        Ctrl-C ends the recording early, and what there is counts.
        """
        start = time.monotonic()
        stopped = False
        while True:
            self.root = self.root or root()
            self._look()
            try:
                self._process.wait(POLL_S)
                break
            except subprocess.TimeoutExpired:
                pass
            except KeyboardInterrupt:
                self._process.send_signal(signal.SIGINT)
            elapsed = time.monotonic() - start
            if stop_after_s is not None and elapsed > stop_after_s:
                if not stopped and self.root:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.root, signal.SIGTERM)
                    stopped = True
                elif elapsed > stop_after_s + STOP_S:
                    self._process.send_signal(signal.SIGINT)
        self.seconds = time.monotonic() - start

    def cpu_s(self) -> float:
        """Processor time that py-spy has taken so far; 0 once it has ended."""
        with contextlib.suppress(psutil.Error):
            used = psutil.Process(self._process.pid).cpu_times()
            return float(used.user + used.system)
        return 0.0

    def _look(self) -> None:
        self.cost_s = self.cpu_s() or self.cost_s
        if not self.root:
            return
        try:
            head = psutil.Process(self.root)
            processes = [head, *head.children(recursive=True)]
        except psutil.Error:
            return
        for process in processes:
            with contextlib.suppress(psutil.Error):
                if process.pid == self._process.pid:
                    continue
                used = process.cpu_times()
                cpu_s = used.user + used.system
                name = process.name()
                if name.startswith("python") and "resource_tracker" in " ".join(process.cmdline()):
                    name = "resource-tracker"
                seen = self.seen.setdefault(process.pid, _Seen(name, cpu_s, cpu_s))
                seen.name, seen.last_cpu_s = name, cpu_s

    def streams(self) -> list[Stream]:
        """What was recorded."""
        text = self.stacks.read_text(errors="replace") if self.stacks.exists() else ""
        if text:
            return read_raw(text)
        said = [
            line.removeprefix("Error: ")
            for line in self.messages.splitlines()
            if line and not line.startswith("py-spy>")
        ]
        raise ProfileError(
            f"py-spy recorded nothing: {said[0] if said else 'no thread ran Python'}; {PTRACE}"
        )


# -- telling ----------------------------------------------------------------------------------


def _write(spy: Recorder, out: Path, target: str, root: int, root_name: str) -> dict[str, Any]:
    """Everything derived from the recording, into `out`; returns the summary."""
    streams = spy.streams()
    names = _names(spy, streams, root, root_name)
    report = summary(streams, names, spy.rate)
    for row in report["processes"]:
        seen = spy.seen.get(row["pid"])
        row["cpu_s"] = seen.last_cpu_s - seen.first_cpu_s if seen is not None else None
    behind = re.findall(r"([\d.]+)s behind in sampling", spy.messages)
    errors = re.search(r"Errors: (\d+)", spy.messages)
    report = {
        "target": target,
        "folder": str(out),
        "seconds": spy.seconds,
        "rate": spy.rate,
        **report,
        "cost": {
            "cpu_s": spy.cost_s,
            "behind_s": max(map(float, behind), default=0.0),
            "errors": int(errors[1]) if errors else 0,
        },
    }
    note = f"{spy.seconds:.0f} s at {spy.rate} looks a second, waiting included."
    title = f"ringzero profile: {target}"
    (out / "flame.html").write_text(flame_graph(streams, names, title, note))
    (out / "speedscope.json").write_text(json.dumps(speedscope(streams, names, title, spy.rate)))
    (out / "summary.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def _names(spy: Recorder, streams: Sequence[Stream], root: int, root_name: str) -> dict[int, str]:
    """A name of its own for every process."""
    names = {}
    for stream in streams:
        seen = spy.seen.get(stream.pid)
        name = seen.name if seen is not None else Path(stream.command.split(" ")[0]).name
        names[stream.pid] = root_name if stream.pid == root else name
    twice = {name for name, n in Counter(names.values()).items() if n > 1}
    return {pid: f"{name} {pid}" if name in twice else name for pid, name in names.items()}


def summary(streams: Sequence[Stream], names: dict[int, str], rate: int) -> dict[str, Any]:
    """Samples by process, thread and phase; each level adds up to the one above."""
    processes = []
    for pid, name in names.items():
        own = [stream for stream in streams if stream.pid == pid]
        samples = sum(stream.num_samples for stream in own)
        processes.append({
            "name": name,
            "pid": pid,
            "samples": samples,
            "thread_seconds": samples / rate,
            "phases": _ordered(phases(own)),
            "threads": [
                {
                    "name": stream.thread or stream.thread_id,
                    "samples": stream.num_samples,
                    "phases": _ordered(phases([stream])),
                }
                for stream in own
            ],
        })  # fmt: skip
    return {"samples": sum(stream.num_samples for stream in streams), "processes": processes}


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return {phase: counts[phase] for phase in PHASES if counts[phase]}


def summary_table(report: dict[str, Any]) -> Table:
    """Phases down, processes across: shares of each process's samples, adding up to 1."""
    processes = report["processes"]
    table = Table("phase", title=f"{report['target']}, {report['seconds']:.0f} s")
    for row in processes:
        table.add_column(row["name"], justify="right")
    for phase in PHASES:
        if any(phase in row["phases"] for row in processes):
            table.add_row(phase, *(_share(row, phase) for row in processes))
    table.add_section()
    table.add_row("samples", *(f"{row['samples']:,}" for row in processes))
    table.add_row("threads", *(str(len(row["threads"])) for row in processes))
    table.add_row("thread seconds", *(f"{row['thread_seconds']:.1f}" for row in processes))
    table.add_row(
        "cpu seconds",
        *("-" if row["cpu_s"] is None else f"{row['cpu_s']:.1f}" for row in processes),
    )
    return table


def _share(row: dict[str, Any], phase: str) -> str:
    return f"{row['phases'][phase] / row['samples']:.1%}" if phase in row["phases"] else ""


def cost_line(report: dict[str, Any]) -> str:
    """What the recording itself cost."""
    cost, seconds = report["cost"], max(report["seconds"], 1e-9)
    return (
        f"py-spy took {cost['cpu_s']:.1f} s of a core in {seconds:.0f} s "
        f"({cost['cpu_s'] / seconds:.0%}), was at most {cost['behind_s']:.2f} s late and failed "
        f"{cost['errors']} times"
    )
