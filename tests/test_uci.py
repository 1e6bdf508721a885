"""ringzero as a UCI engine: chess, and what cutechess calls Connect Four."""

import re
from dataclasses import replace

import pytest
from speaking import Conversation

import games
from engine.config import SearchConfig
from games import Game
from trainer.arena.players import contestant
from trainer.protocols.uci import UciServer
from trainer.protocols.uci_words import UciWords
from trainer.thinking import Limits, Thinker

CHESS = games.make("chess")
CONNECT4 = games.make("connect4")
SEARCH = contestant("mcts:50", 50).search


def talk(game: Game, *, simulations: int = 40) -> Conversation:
    def make(played: Game, search: SearchConfig, memory_mb: int) -> Thinker:
        who = replace(contestant("mcts:50", 50), search=replace(search, solver=True))
        return Thinker(who, played, memory_mb=min(memory_mb, 20))

    return Conversation(UciServer(make, game, SEARCH, Limits(simulations=simulations)).run)


def fields(line: str) -> dict[str, str]:
    """Of an ``info`` line with a variation."""
    found = re.fullmatch(
        r"info depth (?P<depth>\d+) seldepth \d+ multipv (?P<multipv>\d+) "
        r"score (?P<score>(cp|mate) -?\d+) nodes (?P<nodes>\d+) nps \d+ time \d+ pv (?P<pv>.+)",
        line,
    )
    assert found, line
    return found.groupdict()


def test_the_engine_introduces_itself_and_is_ready() -> None:
    with talk(CHESS) as uci:
        uci.say("uci")
        lines = uci.until("uciok")
        assert "id name ringzero" in lines
        options = {line.split(" type ")[0].removeprefix("option name ") for line in lines}
        assert {"MultiPV", "Ponder", "UCI_Chess960", "Hash", "c_init"} <= options
        uci.say("isready")
        assert uci.hear() == "readyok"
        uci.say("quit")


def test_a_position_is_searched_and_a_legal_move_answered() -> None:
    with talk(CHESS) as uci:
        uci.say("ucinewgame", "position startpos moves e2e4 e7e5", "go nodes 30")
        *lines, best = uci.until("bestmove")
        state = CHESS.initial_state()
        for move in ("e2e4", "e7e5", best.split()[1]):
            state.apply_action(state.move_to_action(move))
        assert fields(lines[-1])["pv"].split()[0] == best.split()[1]
        assert int(fields(lines[-1])["nodes"]) >= 30


def test_as_many_lines_are_shown_as_wanted_each_with_its_own_move() -> None:
    with talk(CHESS) as uci:
        uci.say("setoption name MultiPV value 4", "position startpos", "go nodes 60")
        lines = [fields(line) for line in uci.until("bestmove")[:-1]][-4:]
        assert [row["multipv"] for row in lines] == ["1", "2", "3", "4"]
        assert len({row["pv"].split()[0] for row in lines}) == 4


def test_only_the_wanted_moves_are_searched() -> None:
    with talk(CHESS) as uci:
        uci.say("position startpos", "go nodes 30 searchmoves a2a3 h2h4")
        assert uci.until("bestmove")[-1].split()[1] in ("a2a3", "h2h4")
        uci.say("position startpos", "go nodes 30 searchmoves b1c3")
        assert uci.until("bestmove")[-1].split()[1] == "b1c3"


def test_a_mate_is_announced() -> None:
    with talk(CHESS, simulations=4000) as uci:
        uci.say("position fen 6k1/5ppp/8/8/8/8/8/R6K w - - 0 1", "go nodes 4000")
        *lines, best = uci.until("bestmove")
        assert best.split()[1] == "a1a8"
        assert fields(lines[-1])["score"] == "mate 1"


@pytest.mark.parametrize("go", ["go infinite", "go ponder wtime 1000 btime 1000"])
def test_a_search_goes_on_until_it_is_told_to_stop(go) -> None:
    with talk(CHESS) as uci:
        uci.say("position startpos moves e2e4", go)
        uci.until("info depth")
        uci.say("isready")
        assert uci.until("readyok")[-1] == "readyok"
        uci.say("stop")
        assert uci.until("bestmove")[-1].split()[1]


def test_a_ponder_hit_starts_the_clock_and_the_move_follows_by_itself() -> None:
    with talk(CHESS) as uci:
        uci.say("position startpos moves e2e4", "go ponder wtime 500 btime 500")
        uci.until("info depth")
        uci.say("ponderhit")
        assert uci.until("bestmove")[-1].split()[1]


def test_a_proven_position_waits_for_the_stop_of_an_infinite_search() -> None:
    with talk(games.make("tictactoe")) as uci:
        uci.say("position startpos moves P@a3 P@a1 P@b3 P@b1", "go infinite", "isready")
        assert uci.until("readyok")[-1] == "readyok"
        uci.say("stop")
        assert uci.until("bestmove")[-1].split()[1] == "P@c3"


def test_castling_is_written_as_the_option_says() -> None:
    fen = "4k3/8/8/8/8/8/8/4K2R w K - 0 1"
    with talk(CHESS) as uci:
        uci.say(f"position fen {fen}", "go nodes 20 searchmoves e1g1")
        assert uci.until("bestmove")[-1].split()[1] == "e1g1"
        uci.say("setoption name UCI_Chess960 value true", f"position fen {fen}")
        uci.say("go nodes 20 searchmoves e1h1")
        assert uci.until("bestmove")[-1].split()[1] == "e1h1"


def test_nonsense_is_told_and_changes_nothing() -> None:
    with talk(CHESS) as uci:
        uci.say("position startpos moves e2e5")
        assert uci.hear().startswith("info string the position is ignored")
        uci.say("position fen nonsense", "setoption name c_init value x", "blah isready")
        assert uci.hear().startswith("info string the position is ignored")
        assert uci.hear().startswith("info string option c_init cannot be 'x'")
        assert uci.hear() == "readyok"


def test_connect_four_is_played_as_cutechess_does() -> None:
    with talk(CONNECT4) as uci:
        uci.say("uci")
        assert any("UCI_Variant" in line and "cfour" in line for line in uci.until("uciok"))
        uci.say("position startpos moves P@d1 P@d2", "go nodes 40")
        assert re.fullmatch(r"P@([abcefg]1|d3)", uci.until("bestmove")[-1].split()[1])
        # x has three in a row: it wins at once.
        uci.say("position fen 7/7/7/7/7/PPP1ppp[PPPppp] w - - 0 1", "go nodes 200")
        *_, best = uci.until("bestmove")
        assert best.split()[1] == "P@d1"


def test_words_of_a_game_lead_to_its_actions_and_back() -> None:
    words = UciWords(CONNECT4)
    state = CONNECT4.initial_state()
    for action in (3, 3, 3, 0):
        assert words.action(state, words.move(state, action)) == action
        state.apply_action(action)
    assert words.state("7/7/7/3P3/3p3/p2P3[PPpp] w - - 0 1").to_text() == state.to_text()
