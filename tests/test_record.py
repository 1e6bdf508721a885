"""Stored games as PGN, SGF and text, and the tables of the arena."""

import io
import json
from pathlib import Path

import pytest
from running import here

import games
from trainer.arena.record import as_pgn, as_sgf, as_text, native_format
from trainer.arena.store import ArenaStore, Played

CHESS = games.make("chess")
WHEN = 1_790_000_000.0


def line(game: games.Game, moves: str) -> tuple[int, ...]:
    state, found = game.initial_state(), []
    for move in moves.split():
        found.append(state.move_to_action(move))
        state.apply_action(found[-1])
    return tuple(found)


def test_a_game_of_chess_is_written_in_san_with_its_end() -> None:
    mate = Played(1, 2, line(CHESS, "f2f3 e7e5 g2g4 d8h4"), -1.0, "rules")
    text = as_pgn(CHESS, mate, ["one", 'a "b"'], WHEN)
    # An odd game: the match's second player has white.
    assert '[White "a \\"b\\""]' in text and '[Black "one"]' in text
    assert '[Result "0-1"]' in text and '[Date "2026.09.21"]' in text
    assert text.endswith("1. f3 e5 { end of the opening } 2. g4 Qh4# 0-1\n")


def test_another_library_reads_the_pgn_as_it_was_played() -> None:
    chess_pgn = pytest.importorskip("chess.pgn", reason="python-chess is not installed")
    actions = line(CHESS, "e2e4 e7e5 g1f3 b8c6 f1b5 g8f6 e1g1 f6e4 f1e1")
    played = Played(0, 2, actions, 0.0, "time", "stockfish did not answer in time")
    read = chess_pgn.read_game(io.StringIO(as_pgn(CHESS, played, ["a", "b"], WHEN)))
    assert not read.errors
    state = CHESS.initial_state()
    for action, move in zip(actions, read.mainline_moves(), strict=True):
        assert state.action_to_move(action) == move.uci()
        state.apply_action(action)
    assert read.headers["Termination"] == "time"


@pytest.mark.parametrize(
    ("name", "options", "moves", "expected"),
    [
        ("go", {"size": 5, "komi": 7.0}, "c3 pass pass", ";B[cc];W[];B[]"),
        ("gomoku", {}, "a15 h8", None),
        ("othello", {}, "d3 c5", ";B[d3];W[c5]"),
        ("hex", {"size": 5}, "a1 e5", ";B[a1];W[e5]"),
    ],
)
def test_boards_of_stones_are_written_as_sgf(name, options, moves, expected) -> None:
    game = games.make(name, **options)
    assert native_format(game) == "sgf"
    ending = "rules" if name == "go" else "resigned"
    text = as_sgf(game, Played(0, 0, line(game, moves), 1.0, ending), ["a]b", "c"], WHEN)
    assert text.startswith("(;FF[4]GM[") and text.endswith(")\n")
    assert f"SZ[{game.rows}]" in text and "PB[a\\]b]PW[c]" in text
    if expected is not None:
        assert expected in text
    assert ("RE[B+18]" if name == "go" else "RE[B+R]") in text
    if name == "gomoku":
        first = game.initial_state().move_to_action("a15")
        row, column = divmod(first, 15)
        assert f";B[{chr(97 + column)}{chr(97 + row)}]" in text


def test_every_game_can_be_written_as_text_and_read_again() -> None:
    game = games.make("connect4")
    actions = line(game, "4 4 3 5")
    head, moves = as_text(game, Played(1, 0, actions, 1.0, "illegal", "b plays 9"), ["a", "b"],
                          WHEN).splitlines()  # fmt: skip
    assert head == "# game 2: b - a 1-0 (illegal): b plays 9"
    assert line(game, moves) == actions


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three players' matches on tic-tac-toe."""
    path = tmp_path / "games.db"
    for one, two in (("random", "mcts:20"), ("mcts:20", "mcts:100")):
        assert here("arena", one, two, "--game", "tictactoe", "--games", "10", "--quiet",
                    "--store", path) == 0  # fmt: skip
    return path


def test_matches_are_listed_rated_and_exported(store, capfd) -> None:
    capfd.readouterr()
    assert here("matches", store, "--json") == 0
    rows = json.loads(capfd.readouterr().out)["matches"]
    assert [(row["player"], row["games"]) for row in rows] == [("random", 10), ("mcts:20", 10)]
    assert here("ratings", store, "--json", "--anchor", "random", "--elo", "100") == 0
    ladder = json.loads(capfd.readouterr().out)
    elo = {row["name"]: row["elo"] for row in ladder["players"]}
    assert elo["random"] == 100 < elo["mcts:20"] and len(elo) == 3
    assert here("export", store, "--match", 2, "--format", "text") == 0
    assert capfd.readouterr().out.count("# game") == 10
    for command in (("matches", store), ("ratings", store)):
        assert here(*command) == 0
        assert "mcts:100" in capfd.readouterr().out


def test_a_store_of_several_games_is_rated_one_game_at_a_time(store, capfd) -> None:
    assert here("arena", "random", "mcts:5", "--game", "connect4", "--games", "2", "--quiet",
                "--store", store) == 0  # fmt: skip
    assert here("ratings", store) != 0
    assert "name one by --game" in capfd.readouterr().err
    assert here("ratings", store, "--json", "--game", "connect4") == 0
    players = json.loads(capfd.readouterr().out)["players"]
    assert {row["name"] for row in players} == {"random", "mcts:5"}
    assert here("ratings", store, "--game", "hex") != 0
    assert "no finished games of hex" in capfd.readouterr().err


def test_what_cannot_be_told_is_refused_with_what_to_do(store, tmp_path, capfd) -> None:
    for arguments, message in (
        (("export", store, "--match", "9"), "holds no match 9"),
        (("export", store, "--format", "pgn"), "cannot be written as pgn"),
        (("export", store, "--format", "xml"), "format must be"),
        (("ratings", store, "--anchor", "nobody"), "anchor must be one of"),
        (("matches", tmp_path / "none.db"), "is not there"),
    ):
        assert here(*arguments) != 0
        assert message in capfd.readouterr().err
    with ArenaStore(tmp_path / "empty.db"):
        pass
    assert here("ratings", tmp_path / "empty.db") != 0
    assert "no finished games" in capfd.readouterr().err
