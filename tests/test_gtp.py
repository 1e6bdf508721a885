"""ringzero as a GTP engine, in every game."""

import time
from dataclasses import replace
from typing import Any

import pytest
from speaking import Conversation

import games
from games import Game
from trainer.arena.players import contestant
from trainer.protocols.gtp import GtpServer
from trainer.protocols.points import Points
from trainer.thinking import Limits, Thinker, Thought

GO = games.make("go", size=5, komi=7.0)
CONNECT4 = games.make("connect4")


def talk(
    game: Game, *, simulations: int = 40, own: bool = False, thinkers: type[Thinker] = Thinker,
    ponder: bool = False,
) -> Conversation:  # fmt: skip
    def make(played: Game) -> Thinker:
        who = contestant("mcts:50", 50)
        who = replace(who, search=replace(who.search, solver=True))
        return thinkers(who, played, memory_mb=20)

    limits = Limits(simulations=simulations)
    return Conversation(GtpServer(make, game, limits, own_points=own, ponder=ponder).run)


def test_a_game_of_go_is_set_up_played_and_scored() -> None:
    with talk(GO) as gtp:
        assert gtp.ask("1 protocol_version") == "=1 2"
        assert gtp.ask("name") == "= ringzero"
        assert gtp.ask("boardsize 5") == "="
        assert gtp.ask("boardsize 19").startswith("? unacceptable size")
        assert gtp.ask("komi 7.0") == "=" and gtp.ask("get_komi") == "= 7.0"
        assert gtp.ask("play black C3") == "="
        assert gtp.ask("play w c3") == "? illegal move"
        answer = gtp.ask("genmove white")
        assert answer.startswith("= ") and answer[2:] in gtp.ask("showboard") + answer
        assert gtp.ask("undo") == "="
        assert gtp.ask("play w pass") == "="
        assert gtp.ask("play b pass") == "="
        # A lone black stone owns the board, less komi.
        assert gtp.ask("final_score") == "= B+18"
        assert gtp.ask("genmove w") == "? the game is over"
        assert gtp.ask("known_command kata-analyze") == "= true"
        assert gtp.ask("known_command analyze") == "= false"
        assert gtp.ask("nonsense") == "? unknown command"
        assert gtp.ask("play b") == "? wrong number of arguments for play"
        assert gtp.ask("quit") == "="


def test_komi_can_be_changed_and_the_position_stays() -> None:
    with talk(GO) as gtp:
        assert gtp.ask("play b c3") == "="
        assert gtp.ask("komi 0.5") == "="
        assert gtp.ask("play w pass") == "=" and gtp.ask("play b pass") == "="
        assert gtp.ask("final_score") == "= B+24.5"


def test_a_player_may_move_twice_where_the_other_can_pass() -> None:
    with talk(GO) as gtp:
        assert gtp.ask("play b a1") == "=" and gtp.ask("play b b1") == "="
        assert gtp.ask("gogui-rules_side_to_move") == "= white"
    with talk(CONNECT4) as gtp:
        assert gtp.ask("play w 1") == "? it is not white's turn"


def test_comments_ids_and_empty_lines_are_as_the_protocol_says() -> None:
    with talk(GO) as gtp:
        gtp.say("", "# nothing", "  \t")
        assert gtp.ask("17 name # a comment") == "=17 ringzero"


def test_it_thinks_on_after_its_move_until_a_line_arrives() -> None:
    thoughts: list[Thought] = []

    class Noting(Thinker):
        def think(self, limits: Limits, **how: Any) -> Thought:
            thoughts.append(super().think(limits, **how))
            return thoughts[-1]

    with talk(CONNECT4, simulations=40, thinkers=Noting, ponder=True) as gtp:
        move = gtp.ask("genmove b")[2:]
        assert gtp.ask("showboard").startswith("=")
        assert gtp.ask(f"play w {move[0]}2").startswith("=")
    assert len(thoughts) == 2  # of its move, and of the position after it


@pytest.mark.parametrize("name", ["go", "othello", "hex", "gomoku", "connect4", "tictactoe"])
def test_a_board_that_knows_no_rules_can_play_every_game(name) -> None:
    game = games.make(name)
    with talk(game, simulations=8) as gtp:
        assert gtp.ask("gogui-rules_game_id")[2:3].isupper()
        size = gtp.ask("gogui-rules_board_size")[2:].split()
        assert int(size[0]) == game.columns
        state, points, colours = game.initial_state(), Points(game), ("black", "white")
        for _ in range(5):  # nobody wins tic-tac-toe before the fifth move
            legal = gtp.ask("gogui-rules_legal_moves")[2:].split()
            assert len(legal) == len(state.get_legal_actions())
            colour = colours[state.get_current_player()]
            assert gtp.ask("gogui-rules_side_to_move") == f"= {colour}"
            move = gtp.ask(f"genmove {colour}")[2:]
            assert move in legal
            state.apply_action(points.action(state, move))
            rows = gtp.ask("gogui-rules_board").splitlines()[1:]
            assert [len(row.split()) for row in rows] == [game.columns] * game.rows
            stones = sum(row.count("X") + row.count("O") for row in rows)
            assert stones == len(state.drawing().pieces)


def test_points_are_those_of_sabaki_or_the_games_own() -> None:
    hexes = games.make("hex", size=11)
    state = hexes.initial_state()
    assert Points(hexes).name(state, state.move_to_action("k1")) == "L11"
    assert Points(hexes, own=True).name(state, state.move_to_action("i1")) == "I1"
    state = CONNECT4.initial_state()
    assert Points(CONNECT4).name(state, 3) == "D1"
    state.apply_action(3)
    assert Points(CONNECT4).name(state, 3) == "D2"
    assert Points(CONNECT4).action(state, "d2") == 3
    chess = games.make("chess").initial_state()
    points = Points(games.make("chess"))
    assert points.name(chess, chess.move_to_action("e2e4")) == "e2e4"


def infos(line: str) -> list[dict[str, str]]:
    """The candidates of a line of live analysis."""
    found = []
    for text in line.split("info ")[1:]:
        words, variation = text.split(" pv ")
        parts = words.split()
        found.append({**dict(zip(parts[::2], parts[1::2], strict=True)), "pv": variation})
    return found


@pytest.mark.parametrize("name", ["kata-analyze", "lz-analyze"])
def test_live_analysis_runs_until_a_line_comes_which_is_answered_at_once(name) -> None:
    with talk(GO) as gtp:
        gtp.say(f"{name} b 5")
        assert gtp.hear() == "="
        first, second = infos(gtp.hear()), infos(gtp.hear())
        assert int(second[0]["visits"]) > int(first[0]["visits"]) > 0
        assert [int(row["order"]) for row in second] == list(range(len(second)))
        assert second[0]["pv"].split()[0] == second[0]["move"]
        share = float(second[0]["winrate"])
        assert 0 <= share <= 1 if name.startswith("kata") else 0 <= share <= 10000
        gtp.say("3 protocol_version")
        gtp.until("")  # what was on its way, and the empty line that ends the analysis
        while (line := gtp.hear()) != "=3 2":
            assert line == "" or line.startswith("info")
        assert gtp.hear() == ""


def test_an_analysis_of_a_proven_position_waits_to_be_interrupted() -> None:
    game = games.make("tictactoe")
    with talk(game) as gtp:
        for move in ("b a1", "w c3", "b b1", "w b3"):
            assert gtp.ask(f"play {move}") == "="
        gtp.say("kata-analyze 5")
        assert gtp.hear() == "="
        assert infos(gtp.hear())[0]["move"] == "C1"
        gtp.say("name")
        assert "= ringzero" in gtp.until("= ")[-1]


def test_a_move_with_analysis_ends_with_what_is_played() -> None:
    with talk(GO) as gtp:
        gtp.say("kata-genmove_analyze b 5")
        assert gtp.hear() == "="
        *lines, play = gtp.until("play ")
        assert infos(lines[-1])[0]["move"] == play.split()[1]
        assert gtp.hear() == ""
        assert gtp.ask("gogui-rules_side_to_move") == "= white"


def test_a_clock_says_how_long_a_move_may_take() -> None:
    with talk(GO) as gtp:
        assert gtp.ask("time_settings 0 1 1") == "="
        assert gtp.ask("time_left b 1 1") == "="
        begin = time.monotonic()
        assert gtp.ask("genmove b").startswith("= ")
        assert time.monotonic() - begin < 30  # a deadline, no judgement of speed
        assert gtp.ask("time_left b x y") == "? time left is seconds and stones"


def test_candidates_are_drawn_for_gogui() -> None:
    with talk(GO) as gtp:
        lines = gtp.ask("ringzero_candidates")[2:].splitlines()
        assert [line.split()[0] for line in lines] == ["INFLUENCE", "LABEL", "TEXT"]
        assert "gfx/Candidates/ringzero_candidates" in gtp.ask("gogui-analyze_commands")


# -- handicap --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "stones", "points"),
    [
        (9, 2, "C3 G7"),
        (9, 5, "C3 G7 C7 G3 E5"),
        (13, 4, "D4 K10 D10 K4"),
        (19, 6, "D4 Q16 D16 Q4 D10 Q10"),
        (19, 7, "D4 Q16 D16 Q4 D10 Q10 K10"),
        (19, 9, "D4 Q16 D16 Q4 D10 Q10 K4 K16 K10"),
    ],
)
def test_handicap_stones_lie_where_the_protocol_says(size: int, stones: int, points: str) -> None:
    with talk(games.make("go", size=size)) as gtp:
        assert gtp.ask(f"fixed_handicap {stones}") == f"= {points}"
        assert gtp.ask("gogui-rules_side_to_move") == "= white"
        for point in points.split():
            assert gtp.ask(f"play w {point}") == "? illegal move"


def test_white_moves_first_after_handicap_and_komi_keeps_the_stones() -> None:
    with talk(games.make("go", size=9)) as gtp:
        assert gtp.ask("set_free_handicap c3 D4 e1") == "="
        board = gtp.ask("showboard")
        assert board.count("x") == 3 and "\n 4 . . . x" in board and "\n 1 . . . . x" in board
        assert gtp.ask("komi 0.5") == "="
        assert gtp.ask("genmove w").startswith("= ")
        assert gtp.ask("undo") == "=" and gtp.ask("undo") == "? cannot undo"
        assert gtp.ask("showboard") == board
        assert gtp.ask("fixed_handicap 2") == "? board not empty"
        assert gtp.ask("clear_board") == "=" and gtp.ask("place_free_handicap 12").count(" ") == 9


def test_handicaps_that_cannot_be_are_refused() -> None:
    with talk(games.make("go", size=5)) as gtp:
        assert gtp.ask("fixed_handicap 2").startswith("? invalid number of stones: 5x5")
        assert gtp.ask("place_free_handicap 3").startswith("? invalid number of stones")
        assert gtp.ask("set_free_handicap C3").startswith("? handicap stones are 2 or more")
        assert gtp.ask("set_free_handicap C3 c3").startswith("? handicap stones are 2 or more")
        assert gtp.ask("set_free_handicap C3 Z9").startswith("? invalid point")
        assert gtp.ask("set_free_handicap C3 pass").startswith("? a pass")
    with talk(CONNECT4) as gtp:
        assert gtp.ask("set_free_handicap A1 B1") == "? connect4 has no handicap stones"
