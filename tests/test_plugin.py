"""The example of a game in Cython: built by pip as anybody would, then found, checked, trained."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from running import ENVIRONMENT, ROOT, options, ringzero

import games
from games import GameError, GameState
from games.contract import check_game
from games.twins import perft

pytestmark = pytest.mark.slow  # the build

EXAMPLE = ROOT / "docs" / "examples" / "clobber"

Stones = dict[tuple[int, int], int]  # (row, column) -> whose stone is there


def need(*modules: str) -> None:
    for name in modules:  # not imported: setuptools would change this process
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is needed to build a package")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has installed the example into."""
    need("pip", "setuptools", "Cython")
    source = tmp_path_factory.mktemp("source") / "clobber"  # pip builds where the sources are
    target = tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "*.c"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps"),
            *("--no-index", "--disable-pip-version-check", "--target", target, source),
        ],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    """That of a process which has the plug-in and this checkout."""
    return {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}


@pytest.fixture(scope="module")
def plugged_in(installed: Path) -> Iterator[None]:
    """This process has the plug-in, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(installed))
        yield


def first_stones(rows: int, columns: int) -> Stones:
    return {(row, column): (row + column) % 2 for row in range(rows) for column in range(columns)}


def following(stones: Stones, player: int) -> Iterator[Stones]:
    """The rules a second time, as simple as can be."""
    for (row, column), owner in stones.items():
        for near in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)):
            if owner == player and stones.get(near) == 1 - player:
                after = {**stones, near: player}
                del after[row, column]
                yield after


def count(stones: Stones, player: int, depth: int) -> int:
    if depth == 0:
        return 1
    return sum(count(after, 1 - player, depth - 1) for after in following(stones, player))


def mover_wins(stones: Stones, player: int) -> bool:
    return any(not mover_wins(after, 1 - player) for after in following(stones, player))


def test_the_wheel_carries_every_pxd_that_a_plug_in_can_cimport() -> None:
    need("setuptools")
    program = """if True:
        from setuptools import Distribution
        project = Distribution()
        project.parse_config_files(["pyproject.toml"])
        build = project.get_command_obj("build_py")
        build.ensure_finalized()
        for package, _, _, files in build.data_files:
            print(*(f"{package}/{file}" for file in files), sep="\\n")
    """
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for path in (ROOT / "games").glob("*.pxd"):
        assert f"games/{path.name}" in done.stdout.split()


def test_the_plug_in_is_listed(environment: dict[str, str]) -> None:
    done = ringzero("games", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    (found,) = (row for row in json.loads(done.stdout)["games"] if row["name"] == "clobber")
    assert found["board"] == [5, 6]
    assert found["symmetries"] == 4


def test_the_plug_in_keeps_the_contract(environment: dict[str, str]) -> None:
    done = ringzero("check-game", "clobber", "--games", "20", "--json", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["kept"]


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (4, 4), (8, 8), (3, 16), (16, 2)])
def test_other_boards_keep_the_contract(rows: int, columns: int) -> None:
    check_game(games.make("clobber", rows=rows, columns=columns), num_games=5)


def test_the_plug_in_trains(environment: dict[str, str], tmp_path: Path) -> None:
    done = ringzero(
        *("train", "clobber", "--run", tmp_path / "run", "--seed", "1", "--serial", "--quiet"),
        *options(budget__max_generations=1),
        env=environment,
    )
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stderr


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(
    ("rows", "columns", "depth"),
    [(5, 6, 3), (6, 5, 2), (3, 3, 8), (2, 5, 9), (4, 4, 4), (8, 8, 2), (3, 16, 2)],
)
def test_moves_are_counted_as_by_the_rules_written_a_second_time(
    rows: int, columns: int, depth: int
) -> None:
    game = games.make("clobber", rows=rows, columns=columns)
    expected = [count(first_stones(rows, columns), 0, plies) for plies in range(depth + 1)]
    assert [perft(game, plies) for plies in range(depth + 1)] == expected


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 3), (2, 4), (3, 3)])
def test_who_cannot_move_has_lost(rows: int, columns: int) -> None:
    @cache
    def mover_gets(text: str) -> float:
        state: GameState = game.state_from_text(text)
        children = [state.clone() for _ in state.get_legal_actions()]
        for child, action in zip(children, state.get_legal_actions(), strict=True):
            child.apply_action(action)
        if not children:
            return state.returns()[state.get_current_player()]
        return max(-mover_gets(child.to_text()) for child in children)

    game = games.make("clobber", rows=rows, columns=columns)
    wins = mover_wins(first_stones(rows, columns), 0)
    assert mover_gets(game.initial_state().to_text()) == (1 if wins else -1)


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(("rows", "columns"), [(1, 6), (2, 17), (8, 9), (4.0, 4), ("4", 4)])
def test_bad_option_is_an_error(rows: object, columns: object) -> None:
    with pytest.raises(GameError, match="clobber needs 2 to 16 rows and columns and at most 64"):
        games.make("clobber", rows=rows, columns=columns)


@pytest.mark.usefixtures("plugged_in")
def test_moves_are_named_from_and_to() -> None:
    state = games.make("clobber", rows=2, columns=3).initial_state()
    named = [state.action_to_move(action) for action in state.get_legal_actions()]
    assert named == ["b2b1", "c1b1", "b2a2", "a1b1", "b2c2", "a1a2", "c1c2"]
    state.apply_action(state.move_to_action("b2b1"))
    assert state.to_text() == "xxx/o.o o"
    assert str(state) == "1 x x x\n2 o . o\n  a b c\no to move"
