"""A sitting at the board, played by written lines."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

import games
from games.base import GameState
from trainer.play import Session, Think, lines_from, scripted
from trainer.thinking import Limits, Line, Thought


def thought(values: dict[int, tuple[int, float]]) -> Thought:
    """Of actions with visits and priors."""
    lines = [
        Line(action, visits, prior, 0.25, None, None, (action,))
        for action, (visits, prior) in values.items()
    ]
    return Thought(tuple(lines), 0.25, sum(line.visits for line in lines), 10, 0.01)


def after(first: GameState, line: Sequence[int]) -> GameState:
    for action in line:
        first.apply_action(action)
    return first


def lowest_first(first: GameState, line: Sequence[int], limits: Limits) -> Thought:
    """An opponent that likes the lowest action best."""
    actions = after(first, line).get_legal_actions()
    return thought(
        {a: (limits.simulations * (i == 0), 1 / len(actions)) for i, a in enumerate(actions)}
    )


def sitting(
    lines: Sequence[str],
    *,
    game: str = "tictactoe",
    side: str = "x",
    think: Think = lowest_first,
    position: str | None = None,
    strength: int = 100,
) -> tuple[str, Session]:
    console = Console(file=io.StringIO(), width=80)
    session = Session(games.make(game), think, console, scripted(lines), side,
                      Limits(simulations=strength))  # fmt: skip
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
    move, visits, _, share, value, prior = lines[head + 1].split()
    assert (move, visits, share, value, prior) == ("1", "40", "100.0%", "+0.250", "14.3%")
    assert "and 2 more moves" in text


def test_strength_is_passed_to_the_opponent() -> None:
    asked = []

    def think(first: GameState, line: Sequence[int], limits: Limits) -> Thought:
        asked.append((limits.simulations, limits.seconds))
        return lowest_first(first, line, limits)

    lines = ["4", "strength 7", "8", "strength", "strength 0", "hint", "seconds 2", "hint"]
    text, _ = sitting(lines, think=think)
    assert asked == [(100, 0), (7, 0), (1, 0), (0, 2)]
    assert "strength is 7 simulations a move" in text


def test_what_is_thought_best_is_played_whatever_its_visits() -> None:
    def think(first: GameState, line: Sequence[int], limits: Limits) -> Thought:
        return thought({8: (1, 0.1), 5: (50, 0.9)})  # the first is proven, say

    text, _ = sitting(["0"], think=think)
    assert "ringzero plays 8" in text


def test_thinking_cannot_change_the_board() -> None:
    def think(first: GameState, line: Sequence[int], limits: Limits) -> Thought:
        after(first, line).apply_action(8)
        return thought({0: (1, 1.0)})

    _, session = sitting(["4"], think=think)
    assert session.state.to_text() == "o../.x./... x"


def test_a_game_is_saved_and_goes_on_later(tmp_path) -> None:
    path = tmp_path / "game.txt"
    text, saved = sitting(["4", "8", f"save {path}"])
    assert "4 moves saved" in text
    _, loaded = sitting([f"load {path}", "undo"])
    assert loaded.state.to_text() == "o../.x./... x"
    _, loaded = sitting([f"load {path}"])
    assert loaded.state.to_text() == saved.state.to_text()


def test_a_file_without_a_game_is_told(tmp_path) -> None:
    path = tmp_path / "game.txt"
    path.write_text(".../.../... x\n4 4\n")
    text, session = sitting([f"load {path}", f"load {tmp_path}", f"save {tmp_path}", "seconds x"])
    words = " ".join(text.split())
    assert words.count("no game of tictactoe in") == 2 and "the game is not saved" in words
    assert "seconds must be a number > 0, got 'x'" in words
    assert session.state.to_text() == ".../.../... x"


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
