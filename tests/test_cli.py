"""The command line: help, exit codes, what stands on stdout and stderr, bad input and damage."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from running import ENVIRONMENT, here, options, ringzero, snapshot, start, wait_for

from trainer.arena.store import ArenaStore
from trainer.cli import app
from trainer.config import RunConfig
from trainer.logs import LIBRARIES
from trainer.runs import RunFolder
from trainer.strict import flattened

USAGE, DAMAGED = 2, 3


@pytest.fixture(autouse=True)
def handlers_of_this_test() -> Iterator[None]:
    """A command attaches handlers to our loggers for the life of its process: take them off."""
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        for handler in set(logger.handlers) - set(handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(level)


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def complaint(capsys: pytest.CaptureFixture[str], code: int, *args: str | Path) -> str:
    """What stands on stderr when the command is refused with exit code `code`."""
    assert here(*args) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ringzero: ") and "Traceback" not in err and "\x1b" not in err
    return err


def verbs() -> list[list[str]]:
    """Every verb, those of a group as two words."""
    found = []
    for name in app:
        if name.startswith("-"):
            continue
        below = [verb for verb in app[name] if not verb.startswith("-")]
        found += [[name, verb] for verb in below] or [[name]]
    return found


# -- help, output -------------------------------------------------------------------------------


def test_the_verbs_are_those_of_the_manual() -> None:
    names = {words[0] for words in verbs()}
    assert {"train", "selfplay", "arena", "evaluate", "play", "games", "bench"} <= names
    assert {words[1] for words in verbs() if words[0] == "bench"} >= {
        *("tree", "playouts", "ring", "net", "pipeline")
    }


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_help_of_every_verb_shows_an_example(words, capsys) -> None:
    assert here(*words, "--help") == 0
    out, err = capsys.readouterr()
    assert f"Example: ringzero {' '.join(words)}" in " ".join(out.split()) and err == ""


def test_help_of_train_explains_every_key(capsys) -> None:
    assert here("train", "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    sections = {name: keys for name, keys in asdict(RunConfig()).items() if isinstance(keys, dict)}
    for key in flattened(sections):
        told = [number for number, line in enumerate(lines) if line.startswith(f"  --{key} ")]
        assert len(told) == 1 and lines[told[0] + 1].startswith(" " * 6), key


def test_the_command_line_loads_no_torch() -> None:
    code = "import sys, trainer.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    assert "trainer.cli" in done.stdout
    assert not {"torch", "numpy", "trainer.loop", "trainer.display"} & set(done.stdout.split())


def test_games_lists_every_game_as_one_object(capsys) -> None:
    assert here("games", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["games"]
    assert {"connect4", "tictactoe"} <= {row["name"] for row in rows}
    assert here("games") == 0
    table = capsys.readouterr().out
    assert all(row["name"] in table for row in rows)


def test_selfplay_and_arena_print_one_object(capfd, tmp_path) -> None:
    store = tmp_path / "games.db"
    args = ("selfplay", "tictactoe", "--games", "6", "--serial", "--search.num_simulations", "4")
    for total in (6, 12):
        assert here(*args, "--out", store, "--json") == 0
        out, err = capfd.readouterr()
        report = json.loads(out)
        assert report["games"] == 6 == report["wins"] + report["draws"] + report["losses"]
        assert err == ""
        with sqlite3.connect(store) as db:
            assert db.execute("SELECT count(DISTINCT number) FROM games").fetchone() == (total,)
        db.close()
    assert here("arena", "random", "mcts:20", "--game", "tictactoe", "--games", "5", "--json") == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert report["games"] == 6 == report["wins"] + report["draws"] + report["losses"]
    assert report["elo_interval"][0] <= report["elo"] <= report["elo_interval"][1]
    assert err == ""


def test_evaluate_and_arena_take_a_run_and_a_checkpoint(capfd, tiny_run, tmp_path) -> None:
    positions = tmp_path / "positions.jsonl"
    # x has two of the left column: 6 wins, 7 draws, 8 loses.
    row = {"moves": "013524", "scores": [None] * 6 + [1, 0, -1], "value": 1, "best": [6]}
    positions.write_text(json.dumps(row) + "\n")
    checkpoint = max((tiny_run / "checkpoints").iterdir())
    for player, simulations, leaves in ((tiny_run, 30, 1), (tiny_run, 30, 4), (checkpoint, 0, 1)):
        assert here(
            *("evaluate", player, "--positions", positions, "--simulations", str(simulations)),
            *("--leaves", str(leaves), "--json"),
        ) == 0  # fmt: skip
        out, err = capfd.readouterr()
        report = json.loads(out)
        assert report["positions"] == 1 and set(report["by_ply"]) == {"5-9"} and err == ""
    assert report["simulations"] == 0
    model = checkpoint / "model.safetensors"
    assert here("arena", model, "random", "--games", "2", "--simulations", "2", "--json") == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["games"] == 2 and err == ""


@pytest.mark.parametrize("terminal", ["xterm-256color", "dumb"])
def test_pipes_get_plain_lines(tiny_run, monkeypatch, capfd, terminal) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    assert here("arena", "random", "random", "--game", "tictactoe", "--games", "2") == 0
    assert here("games") == 0
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err and "tictactoe" in out


def test_a_session_at_the_board_ends_with_its_input(tiny_run) -> None:
    moves = "5\nhint\nundo\nposition\n"
    done = subprocess.run(
        [sys.executable, "-m", "trainer.cli", "play", str(tiny_run), "--simulations", "10"],
        input=moves, capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "ringzero plays" in done.stdout and "visits" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr and done.stderr == ""


# -- what was typed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("trian tictactoe", 'Did you mean "train"'),
        ("bench tre", 'Did you mean "tree"'),
        ("train tictactoe --max-tim 3m", "Did you mean --max-time"),
        ("games --jsn", "Did you mean --json"),
        ("train", "requires an argument"),
        ("train tictaktoe", "did you mean 'tictactoe'"),
        ("train tictactoe --search.num_sims 3", "did you mean search.num_simulations"),
        ("train tictactoe --serach.num_simulations 3", "did you mean search"),
        ("train tictactoe --search.num_simulations many", "must be an integer, got 'many'"),
        ("train tictactoe --search.num_simulations", "needs a value"),
        ("train tictactoe --network.blocks=-1", "blocks must be an integer >= 0, got -1"),
        ("train tictactoe --max-time soon", "must look like 90s, 20m or 1h30m, got 'soon'"),
        ("train tictactoe --seed x", "--seed"),
        ("train tictactoe --seed=-1", "seed"),
        ("train nosuch.toml", "nosuch.toml"),
        ("train nosuch.py", "nosuch.py"),
        ("train tictactoe --config nosuch.toml", "nosuch.toml"),
        ("arena randm random --game tictactoe", "'randm'"),
        ("arena mcts:0 random --game tictactoe", "mcts:0"),
        ("arena random random", "--game"),
        ("arena random random --game tictaktoe", "did you mean 'tictactoe'"),
        ("arena random random --game tictactoe --games 1", "games must be >= 2"),
        ("arena random random --game tictactoe --opening-plies=-1", "--opening-plies"),
        ("arena random random --game tictactoe --seed=-1", "--seed"),
        ("arena random random --game tictactoe --search.c_init 2", "only train, selfplay and"),
        ("evaluate random --game tictactoe --positions nosuch.jsonl", "nosuch.jsonl"),
        ("evaluate random --game tictactoe --positions x --simulations=-1", "--simulations"),
        ("play mcts:10 --game connect4 --position 11111111", "'1' is not a legal move"),
        ("play mcts:10 --game connect4 --position rubbish", "'rubbish'"),
        ("play mcts:10 --game connect4 --side 3", "side must be 1 or 2, got 3"),
        ("play mcts:10 --game connect4 --simulations=-5", "--simulations"),
        ("selfplay tictactoe --games 0", "games must be >= 1, got 0"),
        ("check-game nosuch", "nosuch"),
        ("bench tree --simulations 0", "simulations must be >= 1"),
    ],
)
def test_what_was_typed_wrong_is_named(typed, says, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in complaint(capsys, USAGE, *typed.split())
    assert not list(tmp_path.iterdir())


def test_an_error_is_plain_text_with_its_exit_code() -> None:
    done = ringzero("train", "tictactoe", "--max-tim", "3m")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.splitlines() == [
        "ringzero: Unknown option: --max-tim. Did you mean --max-time?",
        "Type: ringzero train --help",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 2"),
        ('{"moves": "11", "scores": [], "value": 0, "best": []}', "line 2"),
        ('{"moves": "x", "scores": [], "value": 0, "best": []}', "line 2"),
        ('{"scores": [], "value": 0, "best": []}', "no 'moves'"),
        ('{"moves": "", "scores": [1], "value": 0, "best": []}', "must have 9 entries, got 1"),
        (f'{{"moves": "1", "scores": {[0] * 9}, "value": 0, "best": []}}', "illegal"),
        (f'{{"moves": "03142", "scores": {[0] * 9}, "value": 0, "best": []}}', "is over"),
    ],
)
def test_a_bad_line_of_positions_is_named(text, says, tmp_path, capsys) -> None:
    good = {"moves": "", "scores": [0] * 9, "value": 0, "best": list(range(9))}
    path = tmp_path / "positions.jsonl"
    path.write_text(f"{json.dumps(good)}\n{text}\n")
    typed = ("evaluate", "random", "--game", "tictactoe", "--positions", path)
    err = complaint(capsys, USAGE, *typed)
    assert "line 2" in err and says in err


def test_a_model_of_another_game_and_a_missing_device_are_named(tiny_run, tmp_path, capsys) -> None:
    path = tmp_path / "positions.jsonl"
    path.write_text("")
    for typed in (
        ("selfplay", "connect4", "--model", tiny_run, "--games", "1"),
        ("evaluate", tiny_run, "--game", "connect4", "--positions", path),
        ("arena", tiny_run, "random", "--game", "connect4"),
    ):
        assert "connect4" in complaint(capsys, USAGE, *typed)
    assert "'gpu'" in complaint(capsys, USAGE, "arena", tiny_run, "random", "--device", "gpu")


def test_positions_to_grade_are_read_before_the_training(tmp_path, capsys) -> None:
    typed = ("train", "tictactoe", "--run", tmp_path / "run", "--quiet")
    err = complaint(capsys, USAGE, *typed, "--evaluation.positions", "nosuch.jsonl")
    assert "nosuch.jsonl" in err


# -- runs ---------------------------------------------------------------------------------------


def test_a_run_of_another_game_or_network_is_left_alone(run, capsys) -> None:
    before = snapshot(run)
    err = complaint(capsys, DAMAGED, "train", "connect4", "--run", run)
    assert "is a run of tictactoe, not of connect4" in err and "--run" in err
    err = complaint(capsys, USAGE, "train", "tictactoe", "--run", run, "--network.blocks", "3")
    assert "network cannot change" in err
    err = complaint(capsys, USAGE, "train", "tictactoe", "--run", run, "--seed", "4")
    assert "seed cannot change" in err
    assert "--no-resume" in complaint(
        capsys, DAMAGED, "train", "tictactoe", "--run", run, "--no-resume"
    )
    assert snapshot(run) == before


def test_a_folder_that_holds_no_run_is_left_alone(tmp_path, capsys) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    before = snapshot(tmp_path)
    assert "holds no run" in complaint(capsys, DAMAGED, "train", "tictactoe", "--run", tmp_path)
    file = tmp_path / "thesis.txt"
    assert "holds no run" in complaint(capsys, DAMAGED, "train", "tictactoe", "--run", file)
    assert snapshot(tmp_path) == before
    assert "holds no model" in complaint(capsys, DAMAGED, "arena", tmp_path, "random")
    assert "safetensors" in complaint(capsys, DAMAGED, "arena", file, "random")


def test_what_a_trainer_leaves_that_died_at_once_is_no_run(tmp_path) -> None:
    (tmp_path / "run.lock").write_text("1")
    (tmp_path / ".config.toml.1.tmp").write_text("seed =")
    folder = RunFolder(tmp_path)
    config = folder.open_config("tictactoe", [], {})
    with folder:
        folder.save_config(config)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.toml", "run.lock"]


def test_a_run_that_is_being_trained_is_locked(run, capsys) -> None:
    with RunFolder(run):
        err = complaint(capsys, DAMAGED, "train", "tictactoe", "--run", run)
    assert f"is being trained by process {os.getpid()}" in err


def test_a_key_in_a_runs_configuration_that_nobody_knows_is_named(run, capsys) -> None:
    config = run / "config.toml"
    config.write_text(config.read_text() + "\nmax_gmaes = 3\n")
    before = snapshot(run)
    err = complaint(capsys, USAGE, "train", "tictactoe", "--run", run)
    assert "config.toml" in err and "did you mean" in err and "max_games" in err
    assert snapshot(run) == before


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "meta.json"])
def test_a_truncated_checkpoint_is_named_and_left_alone(run, name, capsys) -> None:
    checkpoint = max((run / "checkpoints").iterdir())
    file = checkpoint / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = {k: v for k, v in snapshot(run).items() if not k.startswith("logs")}
    err = complaint(capsys, DAMAGED, "train", "tictactoe", "--run", run, "--quiet")
    assert checkpoint.name in err and "is damaged" in err and "move it away" in err
    if name == "model.safetensors":
        assert "truncated" in complaint(capsys, DAMAGED, "arena", run, "random")
        positions = ("--positions", run / "x")
        assert "truncated" in complaint(capsys, DAMAGED, "evaluate", run, *positions)
    after = {k: v for k, v in snapshot(run).items() if not k.startswith("logs")}
    assert after == {**before, "run.lock": after["run.lock"]}


@pytest.mark.parametrize("damage", ["start", "page", "rubbish", "newer", "foreign"])
def test_a_database_that_cannot_be_used_is_named_and_left_alone(run, damage, capsys) -> None:
    path = run / "run.db"
    content = bytearray(path.read_bytes())
    if damage == "start":
        content = content[:3000]
    elif damage == "page":
        content[4096:8192] = b"\xff" * 4096
    elif damage == "rubbish":
        content = bytearray(b"not a database " * 500)
    else:
        pragma = "user_version = 99" if damage == "newer" else "application_id = 7"
        db = sqlite3.connect(path)
        db.execute(f"PRAGMA {pragma}")
        db.close()
        content = bytearray(path.read_bytes())
    path.write_bytes(content)
    err = complaint(capsys, DAMAGED, "train", "tictactoe", "--run", run, "--quiet")
    assert "run.db" in err
    assert {"newer": "upgrade", "foreign": "another"}.get(damage, "damaged") in err
    assert path.read_bytes() == content


FULL_DISK = """
import resource
from trainer.cli import main
from trainer.loop import Trainer

wait_ready = Trainer._wait_ready
def then_the_disk_fills_up(trainer, pool):
    wait_ready(trainer, pool)
    # No file of this process can grow beyond what the database has now.
    size = trainer.folder.database.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
Trainer._wait_ready = then_the_disk_fills_up
main()
"""


def test_a_full_disk_ends_the_run_with_a_clear_error(tmp_path) -> None:
    run = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-c", FULL_DISK, "train", "tictactoe", "--run", str(run), *options(),
         "--no-progress"],
        env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    # The pipe's end is the end of every process that holds it: the children, too.
    out, err = child.communicate(timeout=60)
    assert child.returncode == DAMAGED, err
    assert "Traceback" not in err and out == ""
    assert err.splitlines()[-1].startswith("ringzero: ") and str(run) in err
    assert not list((run / "checkpoints").glob(".*"))
    assert not any(path.suffix == ".tmp" for path in run.iterdir())
    db = sqlite3.connect(run / "run.db")
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def test_the_same_folder_cannot_be_trained_twice_at_once(tmp_path) -> None:
    run = tmp_path / "run"
    with start("train", "tictactoe", "--run", run, *options(), "--quiet") as first:
        wait_for(lambda: (run / "run.db").exists(), 30, "the first trainer")
        second = ringzero("train", "tictactoe", "--run", run)
        first.kill()
    assert second.returncode == DAMAGED
    assert f"is being trained by process {first.pid}" in second.stderr


def test_a_match_is_kept_and_told_again_unless_it_shall_be_fresh(capfd, tmp_path) -> None:
    typed = ("arena", "random", "mcts:20", "--game", "tictactoe", "--games", "6", "--json",
             "--store", tmp_path / "games.db")  # fmt: skip
    played = []
    for more in ((), (), ("--fresh",), ("--seed", "1")):
        assert here(*typed, *more) == 0
        played.append(json.loads(capfd.readouterr().out))
    first, again, fresh, other = played
    assert first["played"] == fresh["played"] == other["played"] == 6
    assert again["played"] == 0 and again["games_per_s"] is None
    assert (again["wins"], again["losses"]) == (first["wins"], first["losses"])
    with ArenaStore(tmp_path / "games.db") as store:
        assert [match.games for match in store.matches()] == [6, 6, 6]
        assert store.matches()[0].settings["players"][1]["name"] == "mcts:20"


def test_a_program_plays_from_the_command_line(capfd, tmp_path) -> None:
    toy = f"{sys.executable} {Path(__file__).with_name('toy_engine.py')} gtp tictactoe crash"
    command = f"gtp:{toy}"
    assert here("arena", command, "mcts:50", "--game", "tictactoe", "--games", "4", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["games"] == 4 and found["faults"]


def test_a_sequential_test_ends_a_match_and_goes_on_with_stored_games(capfd, tmp_path) -> None:
    typed = ("arena", "mcts:100", "random", "--game", "tictactoe", "--games", "200", "--sprt",
             "0,100", "--json", "--store", tmp_path / "games.db")  # fmt: skip
    assert here(*typed) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["sprt"]["verdict"] == "stronger" and found["sprt"]["llr"] >= found["sprt"]["upper"]
    assert found["played"] < 200 and sum(found["pairs"]) <= found["games"] // 2
    assert here(*typed) == 0
    again = json.loads(capfd.readouterr().out)
    assert again["played"] == 0 and again["sprt"] == found["sprt"]
    assert here(*typed[:-4], "5,1") != 0
    assert "elo0 must be < elo1" in capfd.readouterr().err
