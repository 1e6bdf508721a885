"""External engines: what they say is understood, and what they do wrong has a name and an end."""

import shlex
import sys
import time
from pathlib import Path

import pytest

import games
from engine.errors import ConfigError
from trainer.engines.base import ExternalEngine, parse_command
from trainer.engines.gtp import GtpEngine
from trainer.engines.lines import Fault, LineProcess
from trainer.engines.uci import UciEngine

TICTACTOE = games.make("tictactoe")
TOY = Path(__file__).with_name("toy_engine.py")
KINDS = {"gtp": GtpEngine, "uci": UciEngine}


def toy(speech: str, fault: str = "", **options: float) -> ExternalEngine:
    """A tic-tac-toe engine that fails at its third move."""
    command = [sys.executable, str(TOY), speech, "tictactoe", fault]
    return KINDS[speech](f"{speech}:toy", command, [], TICTACTOE, **options)


def played(engine: ExternalEngine, num: int) -> list[int]:
    """So many moves of a game in which the engine plays both sides."""
    state, line = TICTACTOE.initial_state(), list[int]()
    for _ in range(num):
        action = engine.choose(line, state).action
        assert action is not None
        line.append(action)
        state.apply_action(action)
    return line


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().split()[2] == "Z"


@pytest.mark.parametrize("speech", KINDS)
def test_a_game_is_played_through_an_engine(speech) -> None:
    engine = toy(speech)
    assert played(engine, 7) == list(range(7))
    # Another game, and one that somebody else began.
    assert played(engine, 2) == [0, 1]
    state = TICTACTOE.state_from_text("xo./.../... x")
    assert engine.choose([0, 1], state).action == 2
    engine.close()


@pytest.mark.parametrize("speech", KINDS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("hang", "time"),
        ("crash", "crash"),
        ("babble", "babble"),
        ("endless", "babble"),
        ("illegal", "illegal"),
        ("nonsense", "illegal"),
    ],
)
def test_what_goes_wrong_has_a_reason_and_the_next_game_begins_anew(speech, fault, reason) -> None:
    engine = toy(speech, fault, move_s=1.0 if fault == "hang" else 20.0)
    with pytest.raises(Fault, match=f"{speech}:toy|python") as caught:
        played(engine, 3)
    assert caught.value.reason == reason
    assert played(engine, 2) == [0, 1]
    engine.close()


def test_an_error_in_gtp_is_a_breach_of_protocol() -> None:
    engine = toy("gtp", "error")
    with pytest.raises(Fault, match="I do not want to") as caught:
        played(engine, 3)
    assert caught.value.reason == "protocol"


@pytest.mark.parametrize("speech", KINDS)
def test_an_engine_may_give_up(speech) -> None:
    engine = toy(speech, "resign")
    line = played(engine, 2)
    state = TICTACTOE.state_from_text("xo./.../... x")
    assert engine.choose(line, state).action is None
    engine.close()


@pytest.mark.parametrize("speech", KINDS)
def test_one_that_never_answers_does_not_start(speech) -> None:
    engine = toy(speech, "mute", start_s=0.5)
    begin = time.monotonic()
    with pytest.raises(Fault, match="does not start") as caught:
        played(engine, 1)
    assert caught.value.reason == "start"
    assert time.monotonic() - begin < 20


def test_a_program_that_is_not_there_is_named() -> None:
    engine = GtpEngine("gtp:nothing", ["/no/such/engine"], [], TICTACTOE)
    with pytest.raises(Fault, match="/no/such/engine is no program here"):
        played(engine, 1)


def test_an_option_that_the_engine_lacks_is_told_with_those_it_has() -> None:
    command = [sys.executable, str(TOY), "uci", "tictactoe"]
    engine = UciEngine("uci:toy", command, ["Depth=3"], TICTACTOE)
    with pytest.raises(Fault, match="no option 'Depth'; it knows Level"):
        played(engine, 1)
    engine = UciEngine("uci:toy", command, ["level=3", "go nodes 5"], TICTACTOE)
    assert played(engine, 1) == [0]
    engine.close()


def test_an_engine_that_will_not_quit_is_ended() -> None:
    engine = toy("gtp", "stubborn")
    played(engine, 1)
    pid = engine.started()._process.pid
    assert not is_gone(pid)
    engine.close()
    assert is_gone(pid)


def test_an_engine_ends_with_whoever_started_it() -> None:
    # The middle process is killed; its engine would wait for ever.
    code = (
        "import sys, time; from trainer.engines.lines import LineProcess;"
        "p = LineProcess(['sleep', '3600']); print(p._process.pid, flush=True); time.sleep(3600)"
    )
    with LineProcess([sys.executable, "-c", code]) as middle:
        pid = int(middle.read(time.monotonic() + 60))
        assert not is_gone(pid)
        middle._process.kill()
        deadline = time.monotonic() + 20
        while not is_gone(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_command_is_a_program_and_sayings() -> None:
    text = f"{shlex.quote('/a b/engine')} --level 1; komi 7 ;; go nodes 5"
    assert parse_command(text) == (["/a b/engine", "--level", "1"], ["komi 7", "go nodes 5"])
    with pytest.raises(ConfigError, match="names no program"):
        parse_command("; komi 7")
