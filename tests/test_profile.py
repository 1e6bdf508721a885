"""Profiles: py-spy's format, phases that add up, the pictures, and a real recording."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from running import ROOT, here, options, ringzero, start, wait_for

from engine.errors import ConfigError, ProfileError
from engine.onlooker import Onlooker
from trainer import profile, stacks
from trainer.flames import flame_graph, speedscope
from trainer.overrides import split_overrides
from trainer.profile import cost_line, profile_command, summary, summary_table
from trainer.stacks import PHASES, Frame, Stream, phase_of, phases, read_raw

TRAINER = 'process 10:"python -m trainer.cli train x"'
# A command line with the format's own separators in it, as multiprocessing's has.
WORKER = TRAINER + ';process 12:"python -c from a import b; b(c=1) --fork"'
RAW = f"""\
{TRAINER};thread (10): MainThread;0x7f8e (libc.so.6);run (trainer/loop.py:187);\
wait_finished (engine/segment.pyx:288);syscall (libc.so.6) 40
{TRAINER};thread (11): Thread-1;wait (threading.py:331);0x7f12 (libc.so.6) 40
{WORKER};thread (12): MainThread;run (engine/worker.pyx:166);\
Worker__gather (engine/worker.pyx:281);Cache_find (engine/cache.pyx:51) 7
{WORKER};thread (12): MainThread;run (engine/worker.pyx:166);operator()(int) (libtorch.so) 3
{WORKER};thread (12) 2
"""


def frames(*names: str) -> tuple[Frame, ...]:
    return tuple(stacks._frame(name) for name in names)


def line_of(path: str, text: str) -> int:
    lines = (ROOT / path).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


# -- py-spy's format ------------------------------------------------------------------------------


def test_raw_stacks_are_read_by_process_and_thread() -> None:
    streams = read_raw(RAW)
    assert [(s.pid, s.thread_id, s.thread, s.num_samples) for s in streams] == [
        (10, "10", "MainThread", 40),
        (10, "11", "Thread-1", 40),
        (12, "12", "MainThread", 12),
    ]
    assert streams[2].command == "python -c from a import b; b(c=1) --fork"
    assert Frame("operator()(int)", "libtorch.so") in {s[-1] for s in streams[2].stacks if s}


def test_code_without_symbols_is_dropped_inside_and_named_by_its_library_at_the_end() -> None:
    first, second, _ = read_raw(RAW)
    assert [f.name for f in next(iter(first.stacks))] == ["run", "wait_finished", "syscall"]
    assert next(iter(second.stacks))[-1] == Frame("code without symbols", "libc.so.6")


@pytest.mark.parametrize("line", ["no process 3", "a;b", TRAINER + ";thread (1): Main;f (x.py:1)"])
def test_a_foreign_line_is_refused_with_its_text(line) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(line))):
        read_raw(line)


# -- phases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "phase"),
    [
        (["Worker__wait (engine/worker.pyx:206)", "rz_futex_wait (engine/ring.c:1)"], "wait"),
        (["run (engine/worker.pyx:250)", "syscall (libc.so.6)"], "wait"),
        (["Descent_gather (/x/engine/descent.pyx:1)", "select_edge (engine/puct.pxd:6)"], "select"),
        (["Descent_gather (engine/descent.pyx:1)", "ConnectFourState_apply_c (g.pyx:9)"], "select"),
        (["Descent_scatter_logits (engine/descent.pyx:1)", "expf (libm.so)"], "expand"),
        (["LocalRollout_evaluate_c (engine/local.pyx:4)", "f (games/connect4.pyx:1)"], "forward"),
        (["Server._batch (engine/server.py:187)", "Ring_answer (engine/ring.pyx:1)"], "ring"),
        (["TorchEvaluator.evaluate (engine/backends/torch_backend.py:9)", "gemm (?)"], "forward"),
        (["unpack (engine/unpack.pyx:1)"], "unpack"),
        (["Learner.train (trainer/learner.py:1)", "Network.forward (x.py:1)"], "learn"),
        (["Trainer.run (trainer/loop.py:1)", "ReplayStore.add_games (trainer/replay.py:1)"],
         "store"),
        (["Pool.finished (engine/pool.py:1)", "wait_finished (engine/segment.pyx:1)"], "wait"),
        (["f (a.py:1)", "take_gil (libpython3.11.so)"], "gil"),
        (["f (a.py:1)"], "other"),
        ([], "other"),
    ],
)  # fmt: skip
def test_a_sample_counts_for_its_innermost_known_frame(stack, phase) -> None:
    assert phase_of(frames(*stack)) == phase


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("edge = select_edge(tree, node", "select"),
        ("node = tree_add_node(tree, self.state.current_player_c(), NODE_WAITING)", "expand"),
        ("self._backup(row, depth, tree.value[node]", "backup"),
        ("tree.num_edges_used += num", "expand"),
        ("self._backup(index, depth, value", "backup"),
        ("tree.status[leaf] = NODE_EXPANDED", "expand"),
    ],
)
def test_the_lines_of_the_search_count_for_their_numbered_step(text, phase) -> None:
    name = "Descent__finish" if "leaf" in text or "index" in text else "Descent_gather"
    line = line_of("engine/descent.pyx", text)
    assert phase_of([Frame(name, "engine/descent.pyx", line)]) == phase


@pytest.mark.parametrize("file", [file for file in stacks._RULES if file.startswith(
    ("engine/", "trainer/", "games/"))])  # fmt: skip
def test_every_function_with_a_phase_exists(file) -> None:
    source = (ROOT / file).read_text()
    for function, phase in stacks._RULES[file].items():
        assert phase in PHASES
        if function != "*":
            assert re.search(rf"\b(def|cdef|cpdef)\b[^=\n]*\b{function}\(", source), function


def test_phases_add_up_to_the_samples_of_thread_process_and_recording() -> None:
    streams = read_raw(RAW)
    assert phases(streams) == Counter(wait=80, cache=7, other=5)
    report = summary(streams, {10: "trainer", 12: "worker-0"}, rate=10)
    assert report["samples"] == 92
    assert [row["thread_seconds"] for row in report["processes"]] == [8.0, 1.2]
    for row in report["processes"]:
        assert sum(row["phases"].values()) == row["samples"]
        assert sum(thread["samples"] for thread in row["threads"]) == row["samples"]
        for thread in row["threads"]:
            assert sum(thread["phases"].values()) == thread["samples"]


# -- pictures -------------------------------------------------------------------------------------

NASTY = "<script>alert(\"1\" & '2')</script>"


class _Page(HTMLParser):
    """Tags and hover texts of a page; notices what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta",):
            self.open.append(tag)
        self.scripts += tag == "script"
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_flame_graph_escapes_names_and_closes_its_tags() -> None:
    stream = Stream(1, "x", "Main", "1", Counter({(Frame("f"), Frame(NASTY, "a&b.py", 3)): 4}))
    page = _Page()
    page.feed(flame_graph([stream], {1: NASTY}, NASTY))
    assert page.scripts == 1 and not page.open
    assert any(title.startswith(f"{NASTY} (a&b.py:3)\n4 samples, 100.00%") for title in page.titles)


def test_flame_graph_leaves_out_what_could_not_be_seen() -> None:
    stacks = Counter({(Frame("wide"),): 99_999, (Frame("narrow"),): 1})
    text = flame_graph([Stream(1, "x", "Main", "1", stacks)], {1: "p"}, "t")
    assert "wide" in text and "narrow" not in text


def test_speedscope_file_has_one_sampled_profile_a_process_over_shared_frames() -> None:
    streams = read_raw(RAW)
    data = speedscope(streams, {10: "trainer", 12: "worker-0"}, "title", rate=10)
    assert data["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    shared = data["shared"]["frames"]
    assert len({(f["name"], f.get("file"), f.get("line")) for f in shared}) == len(shared)
    assert [p["name"] for p in data["profiles"]] == ["trainer", "worker-0"]
    for profiled, seconds in zip(data["profiles"], (8.0, 1.2), strict=True):
        assert profiled["type"] == "sampled" and profiled["unit"] == "seconds"
        assert len(profiled["samples"]) == len(profiled["weights"])
        assert sum(profiled["weights"]) == pytest.approx(seconds)
        assert profiled["startValue"] == 0 and profiled["endValue"] == pytest.approx(seconds)
        assert all(0 <= i < len(shared) for stack in profiled["samples"] for i in stack)
    assert shared[data["profiles"][1]["samples"][0][-1]] == {
        "name": "Cache_find", "file": "engine/cache.pyx", "line": 51,
    }  # fmt: skip


# -- recording ------------------------------------------------------------------------------------


@pytest.fixture
def recorder() -> None:
    """Skips where the kernel forbids py-spy itself to look at another process."""
    with subprocess.Popen(
        [sys.executable, "-c", "print('here', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None and child.stdout.readline() == "here\n"
        spied = subprocess.run(
            [profile._spy_path(), "dump", "--pid", str(child.pid)], capture_output=True, text=True
        )
        child.communicate("")
    if spied.returncode:
        pytest.skip(f"py-spy may not look at other processes here: {spied.stderr.strip()}")


def test_a_recorded_command_keeps_its_output_and_its_phases_add_up(recorder, tmp_path) -> None:
    done = ringzero(
        *("profile", "--out", tmp_path / "out", "--json", "--", "ringzero"),
        *("selfplay", "tictactoe", "--games", "4000", "--serial", "--search.num_simulations=50"),
    )
    assert done.returncode == 0, done.stderr
    assert "4000 games" in done.stderr  # stdout is the report's
    report = json.loads(done.stdout)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "stacks.txt", "flame.html", "speedscope.json", "summary.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == report
    (row,) = (row for row in report["processes"] if row["name"] == "ringzero")
    assert sum(row["phases"].values()) == row["samples"] > 20
    assert "select" in row["phases"]  # rarer ones may be missed
    assert report["cost"]["cpu_s"] > 0 and cost_line(report)
    assert summary_table(report).row_count == 4 + sum(
        any(phase in row["phases"] for row in report["processes"]) for phase in PHASES
    )


def test_a_command_is_stopped_when_its_time_is_up(recorder, tmp_path) -> None:
    endless = "import threading; threading.Event().wait()"
    report = profile_command([sys.executable, "-c", endless], 1.0, 50, tmp_path)
    assert report["seconds"] < 20
    assert report["processes"][0]["phases"]["wait"] > 10


def test_a_program_that_is_not_python_is_an_error_with_py_spys_reason(recorder, tmp_path) -> None:
    with pytest.raises(ProfileError, match=r"recorded nothing: .+; profiling needs the right"):
        profile_command(["sleep", "1"], None, 50, tmp_path)


def test_py_spy_missing_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProfileError, match="pip install py-spy"):
        profile._spy_path()


def test_forbidden_ptrace_says_what_to_allow(monkeypatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(profile.os, "open", refuse)
    with pytest.raises(ProfileError, match="SYS_PTRACE"):
        profile._refuse_without_ptrace(1)


@pytest.mark.parametrize(("seconds", "rate"), [(0.0, 100), (-1.0, 100), (1.0, 0), (1.0, 5000)])
def test_impossible_options_are_refused(seconds, rate, tmp_path) -> None:
    with pytest.raises(ConfigError, match="must be"):
        profile_command(["true"], seconds, rate, tmp_path)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["profile"], 2, "name a run's folder, or a command after --"),
        (["profile", "no-such-run"], 2, "'no-such-run' is neither"),
        (["profile", "."], 3, "holds no run"),
    ],
)
def test_wrong_targets_are_told(args, code, says, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert here(*args) == code
    assert says in capsys.readouterr().err


def test_a_run_that_is_not_live_is_refused(tiny_run: Path, capsys) -> None:
    assert here("profile", tiny_run) == 3
    assert "is not being trained now" in capsys.readouterr().err
    assert not (tiny_run / "profiles").exists()


def test_options_after_two_dashes_are_left_to_the_command() -> None:
    args = ["profile", "--quiet", "--", "ringzero", "train", "--search.num_simulations", "8"]
    assert split_overrides(args) == (args, {})


@pytest.mark.slow
def test_a_live_run_is_recorded_by_process(recorder, tmp_path) -> None:
    run = tmp_path / "run"
    with start("train", "tictactoe", "--run", run, "--quiet", *options()) as process:
        try:
            wait_for((run / "pool.json").exists, 60, "the pool's file")
            onlooker = Onlooker.open(run / "pool.json")
            wait_for(lambda: onlooker.segment.ready(0), 60, "the inference process")
            # Who starts or waits is idle, and not recorded.
            wait_for(lambda: onlooker.segment.counters(0)["plies"] > 500, 60, "games")
            done = ringzero("profile", run, "--seconds", "4")
            assert done.returncode == 0, done.stderr
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    (folder,) = (run / "profiles").iterdir()
    report = json.loads((folder / "summary.json").read_text())
    found = {row["name"]: row for row in report["processes"]}
    assert {"trainer", "worker-0", "inference-0"} <= set(found)
    assert "wait" in found["worker-0"]["phases"]
    assert found["inference-0"]["phases"].keys() & {"forward", "ring", "unpack"}
    assert "inference-0" in (folder / "flame.html").read_text()
