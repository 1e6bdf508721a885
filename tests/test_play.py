"""A sitting at the board, played by written lines."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

import games
from games.base import GameState
from trainer.play import Analyse, Candidate, Session, lines_from, scripted


def lowest_first(state: GameState, num_simulations: int) -> list[Candidate]:
    """An opponent that likes the lowest action best."""
    actions = state.get_legal_actions()
    return [
        Candidate(a, num_simulations * (i == 0), 1 / len(actions), 0.25)
        for i, a in enumerate(actions)
    ]


def sitting(
    lines: Sequence[str],
    *,
    game: str = "tictactoe",
    side: str = "x",
    analyse: Analyse = lowest_first,
    position: str | None = None,
    strength: int = 100,
) -> tuple[str, Session]:
    console = Console(file=io.StringIO(), width=80)
    session = Session(games.make(game), analyse, console, scripted(lines), side, strength)
    session.run(position)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), session


def test_a_won_game_is_announced_and_a_new_one_can_begin() -> None:
    text, session = sitting(["4", "3", "5", "new", "quit", "8"])
    assert "ringzero plays 0  (value +0.25)" in text
    assert "you have won" in text
    assert session.state.to_text() == games.make("tictactoe").initial_state().to_text()


def test_lost_and_drawn_games_are_announced() -> None:
    text, _ = sitting(["8", "7", "3"])
    assert "ringzero has won" in text
    text, _ = sitting([], side="both", position="xox/xoo/oxx")
    assert "a draw" in text


def test_network_begins_when_the_person_is_second() -> None:
    text, session = sitting(["4"], side="o")
    assert text.index("ringzero plays 0") < text.index("ringzero plays 1")
    assert session.state.to_text() == "xx./.o./... o"


def test_undo_takes_back_both_moves() -> None:
    text, session = sitting(["4", "8", "undo", "undo", "undo", "position"])
    assert "there is nothing to take back" in text
    assert session.state.to_text() == ".../.../... x"


def test_second_player_cannot_take_back_the_networks_first_move() -> None:
    text, session = sitting(["undo"], side="o")
    assert "there is nothing to take back" in text
    assert session.state.to_text() == "x../.../... o"


def test_undo_after_the_end_goes_on() -> None:
    _, session = sitting(["4", "3", "5", "undo", "2"])
    assert session.state.to_text() == "oox/xxo/... x"


def test_undo_with_two_people_takes_back_one_move() -> None:
    _, session = sitting(["4", "0", "undo"], side="both")
    assert session.state.to_text() == ".../.x./... o"


def test_hint_shows_moves_visits_and_values() -> None:
    text, _ = sitting(["hint"], game="connect4", strength=40)
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["move", "visits"])
    assert lines[head + 1].split() == ["1", "100%", "14%", "+0.25"]


def test_strength_is_passed_to_the_analysis() -> None:
    asked = []

    def analyse(state: GameState, num_simulations: int) -> list[Candidate]:
        asked.append(num_simulations)
        return lowest_first(state, num_simulations)

    text, _ = sitting(["4", "strength 7", "8", "strength", "strength 0", "hint"], analyse=analyse)
    assert asked == [100, 7, 0]
    assert "strength is 7 simulations a move" in text


def test_without_visits_the_likeliest_move_is_played() -> None:
    def analyse(state: GameState, num_simulations: int) -> list[Candidate]:
        return [Candidate(a, 0, a / 36, 0.0) for a in state.get_legal_actions()]

    text, _ = sitting(["0"], analyse=analyse, strength=0)
    assert "ringzero plays 8" in text


def test_analysis_cannot_change_the_board() -> None:
    def analyse(state: GameState, num_simulations: int) -> list[Candidate]:
        found = lowest_first(state, num_simulations)
        state.apply_action(found[-1].action)
        return found

    _, session = sitting(["4"], analyse=analyse)
    assert session.state.to_text() == "o../.x./... x"


def test_changing_sides_lets_the_network_move() -> None:
    text, session = sitting(["side o"])
    assert "ringzero plays 0" in text
    assert session.state.get_current_player() == 1


def test_watching_plays_to_the_end() -> None:
    text, session = sitting([], side="none")
    assert session.state.is_terminal()
    assert "has won" in text


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("9", "'9' is neither a legal move nor a command; legal moves: 0 1 2 3 4 5 6 7 8"),
        ("udno", "did you mean undo?"),
        ("strength strong", "strength must be a number of simulations >= 0, got 'strong'"),
        ("side z", "side must be one of x, o, first, second, both, none, got 'z'"),
        ("side", "got 'nothing'"),
        ("position zzz/", "'zzz/' is not a position of tictactoe"),
        ("help", "take back your last move"),
    ],
)
def test_answers_to_other_lines(line: str, answer: str) -> None:
    text, session = sitting(["", line, "4"], side="both")
    assert answer in " ".join(text.split())
    assert session.state.to_text() == ".../.x./... o"


def test_moves_after_the_end_are_refused() -> None:
    text, _ = sitting(["4", "hint"], side="both", position="xxx/oo./... o")
    assert "the game is over: type new, undo or quit" in text
    assert "there is nothing to hint at" in text


def test_position_sets_and_shows_the_board() -> None:
    text, _ = sitting(["position x../.o./... x", "position"], side="both")
    assert "x../.o./... x" in text


def test_terminal_board_is_coloured_and_pipe_is_not() -> None:
    for terminal in (True, False):
        out = io.StringIO()
        colours = "standard" if terminal else None
        console = Console(file=out, force_terminal=terminal, color_system=colours)
        Session(games.make("tictactoe"), lowest_first, console, scripted(["4"])).run()
        assert ("\x1b[1;31mx" in out.getvalue()) == terminal


def test_lines_end_with_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("4\n"))
    read = lines_from(Console(file=io.StringIO()))
    assert read("x> ") == "4"
    assert read("x> ") is None


def test_impossible_settings_are_errors() -> None:
    with pytest.raises(ValueError, match="side must be one of"):
        sitting([], side="white")
    with pytest.raises(ValueError, match="strength must be >= 0"):
        sitting([], strength=-1)
