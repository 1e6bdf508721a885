"""Opening suites: different, undecided, and read as they were written."""

import json

import pytest
from running import here

import games
from engine.errors import ConfigError
from trainer.arena.book import balanced_openings, read_book, write_book
from trainer.arena.players import contestant
from trainer.evaluate import searched_answers

CONNECT4 = games.make("connect4")
TICTACTOE = games.make("tictactoe")
JUDGE = contestant("mcts:100", 100)


def test_openings_are_undecided_and_no_mirror_images_of_each_other() -> None:
    found = balanced_openings(CONNECT4, JUDGE, 20, 4, within=0.3, seed=5)
    assert len(found) == 20 and all(len(line) == 4 for line in found)
    again = balanced_openings(CONNECT4, JUDGE, 20, 4, within=0.3, seed=5)
    assert again == found
    answers = searched_answers(CONNECT4, JUDGE.player(0), None, found, seed=5)
    assert answers is not None
    positions = set()
    for line in found:
        for columns in (line, [6 - column for column in line]):
            state = CONNECT4.initial_state()
            for action in columns:
                state.apply_action(action)
            positions.add(state.to_text())
    # Each has a mirror image, and nobody else's.
    assert len(positions) >= 2 * len(found) - 2


def test_a_small_game_runs_out_of_openings_instead_of_going_on_for_ever() -> None:
    found = balanced_openings(TICTACTOE, JUDGE, 500, 1, within=1.0)
    assert len(found) == 3  # corner, edge, middle


def test_a_book_is_read_as_it_was_written(tmp_path) -> None:
    path = tmp_path / "a.book"
    book = [[3, 3], [0, 1], [6]]
    write_book(path, CONNECT4, book, "two\nlines")
    assert path.read_text().startswith("# two\n# lines\n4 4\n")
    assert read_book(path, CONNECT4) == book


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4 4\n9", "line 2"),
        ("4 4\n# only\n3 1 # a\n3 1", "line 4: the same position as line 3"),
        ("1 2 1 2 1 2 1", "the game is over"),
        ("# nothing", "holds no opening"),
    ],
)
def test_a_line_that_is_no_opening_is_named(tmp_path, text, message) -> None:
    path = tmp_path / "a.book"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_book(path, CONNECT4)


def test_a_match_plays_the_openings_of_a_book(tmp_path, capfd) -> None:
    path = tmp_path / "a.book"
    assert here("openings", "mcts:50", "--game", "connect4", "--count", "3", "--plies", "3",
                "--within", "0.9", "--out", path, "--quiet") == 0  # fmt: skip
    assert "3 openings written" in capfd.readouterr().out
    typed = ("arena", "random", "mcts:5", "--game", "connect4", "--book", path, "--json")
    assert here(*typed) == 0
    assert json.loads(capfd.readouterr().out)["games"] == 6
    assert here(*typed, "--games", "2") == 0
    assert json.loads(capfd.readouterr().out)["games"] == 2
