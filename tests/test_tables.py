"""Matches with external programs: faults lose games, the match goes on, and nothing is left."""

import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gnugo_agreement import GNUGO, RULES, Agreement, GnuGo, compare

import games
from engine.errors import ConfigError, EngineError
from trainer.arena.match import play_match
from trainer.arena.players import contestant
from trainer.arena.store import ArenaStore, Played
from trainer.arena.tables import play_at_tables

TICTACTOE = games.make("tictactoe")
TOY = Path(__file__).with_name("toy_engine.py")


def toy(speech: str, fault: str = "", game: str = "tictactoe") -> str:
    words = [sys.executable, str(TOY), speech, game, fault]
    return f"{speech}:{shlex.join(words)}"


def match(one: str, other: str, num: int, **options: float) -> dict[int, Played]:
    found = play_at_tables(
        TICTACTOE, (contestant(one, 20), contestant(other, 20)), num, [[], [4], [0], [8]],
        **options,
    )  # fmt: skip
    assert found is not None and sorted(found) == list(range(num))
    return found


@pytest.mark.parametrize("speech", ["gtp", "uci"])
def test_an_engine_and_a_search_play_from_both_seats(speech) -> None:
    found = match(toy(speech), "mcts:30", 4)
    for number, game in found.items():
        assert game.ending == "rules" and game.detail == ""
        state = TICTACTOE.initial_state()
        for action in game.actions:
            state.apply_action(action)
        assert state.is_terminal() and state.returns()[0] == game.result
        assert list(game.actions[: game.opening]) == [[], [4]][number // 2]


@pytest.mark.parametrize(
    ("fault", "ending"),
    [("crash", "crash"), ("illegal", "illegal"), ("babble", "babble"), ("hang", "time")],
)
def test_who_fails_loses_that_game_with_the_reason_and_the_match_goes_on(fault, ending) -> None:
    found = match(toy("gtp", fault), "mcts:200", 4, tables=1, move_s=2.0 if fault == "hang" else 20)
    failed = [game for game in found.values() if game.ending != "rules"]
    assert failed
    for game in failed:
        assert game.ending == ending and game.detail
        assert game.points() == 0.0
        # Nothing that was illegal stands in the record.
        state = TICTACTOE.initial_state()
        for action in game.actions:
            state.apply_action(action)
        assert not state.is_terminal()


def test_giving_up_is_a_loss() -> None:
    found = match(toy("gtp", "resign"), "mcts:200", 2)
    assert {game.ending for game in found.values()} <= {"rules", "resigned"}
    assert any(g.ending == "resigned" and g.points() == 0 for g in found.values())


def test_an_engine_that_does_not_start_ends_the_match_and_is_named() -> None:
    with pytest.raises(EngineError, match="/no/such/engine is no program here"):
        match("gtp:/no/such/engine", "random", 2)


def test_a_match_counts_faults_and_can_be_stored(tmp_path) -> None:
    with ArenaStore(tmp_path / "arena.db") as store:
        number = store.open({"a": 1})
        result = play_match(
            TICTACTOE, contestant(toy("gtp", "crash"), 1), contestant("mcts:200", 1), 4,
            opening_plies=0, keep=lambda game: store.add(number, game),
        )  # fmt: skip
        assert result is not None and result.games == 4
        assert result.faults and result.faults[0].startswith("game ")
        stored = store.games(number)
        assert {game.ending for game in stored.values()} >= {"crash"}
        again = play_match(
            TICTACTOE, contestant("gtp:/no/such/engine", 1), contestant("random", 1), 4,
            known=stored,
        )  # fmt: skip
        assert again is not None and again.losses == result.losses


def test_a_player_without_a_program_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no program"):
        contestant("gtp:", 1)


# -- engines that others wrote ---------------------------------------------------------------

RHINO = "/usr/games/gtp-rhino"
STOCKFISH = "/usr/games/stockfish"
GNUCHESS = "/usr/games/gnuchess"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not here: apt install {package}"
    )


def foreign(game: str, command: str, num: int, **options: object) -> dict[int, Played]:
    rules = games.make(game, **options)
    found = play_at_tables(
        rules, (contestant(command, 1), contestant("mcts:10", 1)), num, [[]] * num, tables=2
    )
    assert found is not None
    for played in found.values():
        assert played.detail == ""
    return found


@needs(GNUGO, "gnugo")
def test_gnu_go_plays_by_our_rules() -> None:
    command = f"gtp:{GNUGO} --mode gtp --chinese-rules --positional-superko --forbid-suicide"
    found = foreign("go", f"{command} --level 1 --seed 1", 2, komi=7.0)
    assert all(game.points() == 1.0 for game in found.values())


@needs(GNUGO, "gnugo")
def test_gnu_go_agrees_on_every_legal_move_and_on_the_score() -> None:
    command = f"gtp:{GNUGO} --mode gtp {' '.join(RULES)} --capture-all-dead --level 1 --seed 2"
    agreement, gnugo = Agreement(), GnuGo(games.make("go", size=5, komi=7.0))
    try:
        for played in foreign("go", command, 2, size=5, komi=7.0).values():
            compare(gnugo, [int(action) for action in played.actions], agreement)
    finally:
        gnugo.close()
    assert agreement.differences == () and agreement.legal_moves > 100
    assert agreement.scores == 2


@needs(RHINO, "grhino")
def test_rhino_plays_othello_by_our_rules() -> None:
    found = foreign("othello", f"gtp:{RHINO}; set_game Othello", 2)
    assert all(len(game.actions) > 8 for game in found.values())


@needs(STOCKFISH, "stockfish")
def test_stockfish_plays_chess_by_our_rules() -> None:
    found = foreign("chess", f"uci:{STOCKFISH}; Threads=1; go nodes 200", 2)
    assert all(game.points() == 1.0 for game in found.values())


@needs(GNUCHESS, "gnuchess")
def test_gnu_chess_plays_chess_by_our_rules() -> None:
    found = foreign("chess", f"uci:{GNUCHESS} --uci; go depth 1", 2)
    assert all(game.points() >= 0.5 for game in found.values())


def test_no_engine_outlives_these_tests() -> None:
    mine = {str(os.getpid())}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if fields[1] in mine:
            assert "toy_engine" not in command and "/usr/games/" not in command


def test_our_side_gives_up_or_ends_what_it_has_proven_at_a_table_too() -> None:
    plain, toys = contestant("mcts:400", 1), contestant(toy("gtp"), 1)
    loser = contestant("mcts:1", 1).ending_early(resign=-0.01)
    found = play_at_tables(TICTACTOE, (plain, loser), 8, [[4]] * 4, tables=1)
    assert found is not None
    given_up = [game for game in found.values() if game.ending == "resigned"]
    assert all(game.points() == 1.0 for game in given_up)
    solver = replace(plain, search=replace(plain.search, solver=True)).ending_early(proven=True)
    found = play_at_tables(TICTACTOE, (solver, toys), 4, [[], [4]], tables=1)
    assert found is not None and any(game.ending == "proven" for game in found.values())


def test_a_player_with_seconds_thinks_by_the_clock() -> None:
    timed = replace(contestant("mcts:1", 1), seconds=0.05)
    found = play_match(TICTACTOE, timed, contestant("random", 1), 4, opening_plies=0)
    # One simulation a move would lose to random now and then; 50 ms are thousands.
    assert found is not None and found.wins + found.draws == 4


def test_a_perfect_player_of_connect_four_loses_no_won_game() -> None:
    pytest.importorskip("bitbully", reason="the exact solver, of the extra `reference`")
    perfect = f"gtp:{shlex.join([sys.executable, str(TOY.with_name('perfect_gtp.py'))])}"
    players = contestant(perfect, 1), contestant("mcts:30", 1)
    found = play_at_tables(games.make("connect4"), players, 2, [[]], tables=1)
    assert found is not None and all(game.ending == "rules" for game in found.values())
    assert found[0].points() == 1.0  # who moves first wins by perfect play
