"""Games by name, file and plug-in, and their specs."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import games
from games import GameError, registry
from games.tictactoe import TicTacToe

NIM = "docs/examples/nim.py"
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(registry, "_registered", {})


def plug_in(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    plugins = tuple(EntryPoint("plugged", value, "ringzero.games") for value in values)
    monkeypatch.setattr(registry, "_plugins", lambda: plugins)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_all_is_sorted() -> None:
    assert games.__all__ == sorted(games.__all__)
    assert all(hasattr(games, name) for name in games.__all__)


def test_names_are_sorted_and_made() -> None:
    assert games.names() == sorted(games.names())
    assert {"connect4", "tictactoe"} <= set(games.names())
    for name in ("connect4", "tictactoe"):
        assert games.make(name).name == name


def test_unknown_game_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(GameError, match=r"no game 'conect4', did you mean 'connect4'\?; known: .*"):
        games.make("conect4")
    with pytest.raises(GameError, match=r"no game 'zzz'; known: .*connect4, .*tictactoe, or the"):
        games.make("zzz")


def test_unknown_option_lists_the_allowed_ones() -> None:
    with pytest.raises(GameError, match=r"connect4 has no option 'row', did you .*: rows, columns"):
        games.make("connect4", row=6)
    with pytest.raises(GameError, match=r"tictactoe has no option 'size'; allowed: none"):
        games.make("tictactoe", size=3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tictactoe", {}),
        ("connect4", {}),
        ("connect4", {"rows": 5}),
        (NIM, {}),
        (NIM, {"heaps": 2, "size": 7}),
    ],
)
def test_spec_survives_json_and_makes_the_same_game(name: str, options: dict[str, int]) -> None:
    game = games.make(name, **options)
    text = json.dumps(games.spec(game))
    again = games.from_spec(json.loads(text))
    assert type(again) is type(game)
    assert again.options == game.options
    assert options.items() <= again.options.items()
    assert json.dumps(games.spec(again)) == text


def test_spec_of_a_file_works_in_another_process_and_folder(tmp_path: Path) -> None:
    spec = json.dumps(games.spec(games.make(NIM, heaps=2)))
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import games, json; "
        f"print(games.from_spec(json.loads({spec!r})).initial_state().to_text())"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert out.stdout == "4 5 x\n"


@pytest.mark.parametrize("spec", [{}, {"name": "connect4"}, {"name": 1, "options": {}}, [], None])
def test_bad_spec_is_an_error(spec: object) -> None:
    with pytest.raises(GameError, match="a game's spec must have a name and options, got"):
        games.from_spec(spec)  # type: ignore[arg-type]


def test_options_that_are_no_json_are_an_error() -> None:
    class Odd(TicTacToe):
        def __init__(self) -> None:
            games.Game.__init__(
                self, "odd", num_actions=9, board_shape=(3, 3), num_planes=2, max_game_length=9,
                options={"shape": (3, 3)},
            )  # fmt: skip

    with pytest.raises(GameError, match="options of odd must be JSON values"):
        games.spec(Odd())


def test_register() -> None:
    def factory(*, rows: int = 4) -> games.Game:
        return games.make("connect4", rows=rows)

    games.register("small", factory)
    assert "small" in games.names()
    with pytest.raises(GameError, match="registered as 'small' calls itself 'connect4'"):
        games.make("small")
    with pytest.raises(GameError, match="small has no option 'columns'; allowed: rows"):
        games.make("small", columns=4)
    with pytest.raises(GameError, match="already a game called 'small'"):
        games.register("small", factory)
    with pytest.raises(GameError, match="already a game called 'connect4'"):
        games.register("connect4", factory)
    with pytest.raises(GameError, match=r"must be an identifier, got 'a/b\.py'"):
        games.register("a/b.py", factory)


def test_factory_must_return_a_game_with_its_options() -> None:
    games.register("nothing", lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(GameError, match="factory of nothing must return a Game, got None"):
        games.make("nothing")
    games.register("tictactoe2", lambda size=3: Renamed())
    with pytest.raises(GameError, match=r"size=3, but its Game\.options say \{\}"):
        games.make("tictactoe2", size=3)


class Renamed(TicTacToe):
    def __init__(self) -> None:
        games.Game.__init__(
            self, "tictactoe2", num_actions=9, board_shape=(3, 3), num_planes=2, max_game_length=9
        )


def test_plug_in_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "games.tictactoe:make")
    assert "plugged" in games.names()
    with pytest.raises(GameError, match="registered as 'plugged' calls itself 'tictactoe'"):
        games.make("plugged")


def test_broken_plug_ins_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "games.no_such_module:make")
    with pytest.raises(GameError, match=r"plug-in 'plugged' \(games\.no_such_module:make\) could"):
        games.make("plugged")
    plug_in(monkeypatch, "games.tictactoe:make", "games.connect4:make")
    with pytest.raises(GameError, match="several plug-ins are called 'plugged'"):
        games.make("plugged")


def test_file_with_a_make_function(tmp_path: Path) -> None:
    path = write(
        tmp_path / "five.py",
        "import games\ndef make(*, rows=5):\n    return games.make('connect4', rows=rows)\n",
    )
    game = games.make(path, rows=4)
    assert games.spec(game) == {"name": "connect4", "options": {"rows": 4, "columns": 7}}
    with pytest.raises(GameError, match=r"five\.py has no option 'columns'; allowed: rows"):
        games.make(path, columns=5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1", "exactly one subclass of Game, got none"),
        ("from games import Game", "exactly one subclass of Game, got none"),
        (
            "from games import Game\nclass A(Game): ...\nclass B(Game): ...",
            "exactly one subclass of Game, got A, B",
        ),
        ("def f(:", r"could not be loaded: SyntaxError"),
        ("1 / 0", r"could not be loaded: ZeroDivisionError"),
    ],
)
def test_file_without_a_game_is_an_error(tmp_path: Path, text: str, why: str) -> None:
    path = write(tmp_path / "broken.py", text)
    for _ in range(2):  # a failed load leaves nothing half loaded
        with pytest.raises(GameError, match=why):
            games.make(path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GameError, match=r"there is no game file '.*nowhere\.py'"):
        games.make(str(tmp_path / "nowhere.py"))


def test_importing_games_is_light() -> None:
    program = (
        "import sys; import games; "
        "heavy = {'torch', 'games.connect4', 'games.contract', 'importlib.metadata'}; "
        "print(sorted(heavy & set(sys.modules))); "
        "games.make('connect4'); print(sorted({'torch', 'games.tictactoe'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert out.stdout.splitlines() == ["[]", "[]"]
