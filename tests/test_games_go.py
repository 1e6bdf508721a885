"""Go: recorded games, repetition, exact counts, rule options against a plain program, texts."""

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference_go import ReferenceGo

import games
from games import Game, GameError, GameState, IllegalActionError
from games.contract import check_game
from games.go import GoState
from games.twins import perft

GAME = games.make("go")
KOS = ["positional", "situational", "simple"]


def go(**options: Any) -> Game:
    return games.make("go", **options)


def start(**options: Any) -> GoState:
    state = go(**options).initial_state()
    assert isinstance(state, GoState)
    return state


def names(state: GameState, actions: list[int]) -> list[str]:
    return [state.action_to_move(action) for action in actions]


def records(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from map(json.loads, lines)


# -- recorded games -----------------------------------------------------------------------


def replay(record: dict[str, Any]) -> GoState:
    """Play a recorded game and compare every ply with what the record says of it."""
    state = start(size=record["size"])
    # The same game, in which only a simple ko forbids a point.
    simple = start(size=record["size"], ko="simple")
    banned = {ply: sorted(points) for ply, *points in record.get("superko_banned", [])}
    suicides = record.get("suicide_points")
    plies = zip(
        record["moves"].split(), record["n_legal"], record["legal_crc"].split(),
        record["captured"], strict=True,
    )  # fmt: skip
    for ply, (move, n_legal, crc, captured) in enumerate(plies):
        assert not state.is_terminal()
        assert state.get_current_player() == ply % 2
        actions = state.get_legal_actions()
        legal = sorted(names(state, actions))
        assert len(legal) == n_legal
        assert f"{zlib.crc32(' '.join(legal).encode()):08x}" == crc
        repeating = state.ko_points()
        superko = set(repeating) - set(simple.ko_points())
        assert sorted(names(state, [*superko])) == banned.get(ply, [])
        stones = sum(colour.bit_count() for colour in state.stones())
        if suicides is not None:
            empty = record["size"] ** 2 - stones
            assert empty - (len(legal) - 1) - len(repeating) == suicides[ply]
        action = state.move_to_action(move)
        state.apply_action(action)
        simple.apply_action(action)
        left = sum(colour.bit_count() for colour in state.stones())
        assert stones + (move != "pass") - left == captured
    black, white = state.area()
    assert (black, white) == (record["black_area"], record["white_area"])
    assert state.score() == record["score"] == black - white
    return state


def replay_finished(record: dict[str, Any]) -> None:
    state = replay(record)
    assert state.is_terminal()
    assert state.get_legal_actions() == []
    assert state.to_text().split()[0] == record["final"]
    result = float(np.sign(record["score"]))
    assert state.returns() == [result, -result]
    assert (record["moves"].split()[-2:] == ["pass", "pass"]) == (record["end"] == "two_passes")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("trajectories/go9", 200),
        pytest.param("trajectories/go13", 60, marks=pytest.mark.slow),
        pytest.param("trajectories/go19", 200, marks=pytest.mark.slow),
        ("go/superko_small", 122),
    ],
)
def test_recorded_games_replay(shared_data: Path, name: str, count: int) -> None:
    found = list(records(shared_data / f"{name}.jsonl.gz"))
    assert len(found) == count
    for record in found:
        replay_finished(record)


def test_sensible_games_replay(shared_data: Path) -> None:
    found = list(records(shared_data / "go" / "gnugo_games.jsonl"))
    assert len(found) == 15
    for record in found:
        state = replay(record)
        fair = go(size=record["size"], komi=record["komi"]).state_from_text(record["moves"])
        assert isinstance(fair, GoState)
        assert fair.score() == state.score() - record["komi"]


def test_superko_cases(shared_data: Path) -> None:
    for case in json.loads((shared_data / "go" / "superko_cases.json").read_text()):
        text = f"{'/'.join(case['setup'])} {case['first']}"
        state = go(size=case["size"]).state_from_text(text)
        assert isinstance(state, GoState)
        for step in case["steps"]:
            state.apply_action(state.move_to_action(step["play"]))
            assert "xo"[state.get_current_player()] == step["to_move_after"]
            assert names(state, state.ko_points()) == step["repetition_banned"]
            legal = names(state, state.get_legal_actions())
            assert not {*legal} & {*step["suicide_banned"], *step["repetition_banned"]}


# -- counts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        (2, [5, 21, 68, 156, 316, 604]),
        (3, [10, 91, 738, 5281, 33384]),
        (4, [17, 273, 4112, 57984]),
        (5, [26, 651, 15650]),
        (9, [82, 6643, 531522]),
    ],
)
def test_perft_counts_move_sequences(size: int, counts: list[int]) -> None:
    assert [perft(go(size=size), depth + 1) for depth in range(len(counts))] == counts


@pytest.mark.parametrize(("size", "count"), [(2, 57), (3, 12675)])
def test_as_many_boards_are_legal_as_tromp_published(size: int, count: int) -> None:
    game, legal = go(size=size), 0
    for number in range(3 ** (size * size)):
        marks = "".join(".xo"[number // 3**i % 3] for i in range(size * size))
        try:
            game.state_from_text("/".join(marks[i : i + size] for i in range(0, size**2, size)))
        except GameError:
            continue
        legal += 1
    assert legal == count


# -- the rules against a plain program ----------------------------------------------------


@given(
    st.integers(2, 5),
    st.sampled_from(KOS),
    st.booleans(),
    st.lists(st.integers(0, 10**6), max_size=120),
)
def test_rule_options_agree_with_a_plain_program(
    size: int, ko: str, suicide: bool, choices: list[int]
) -> None:
    state = start(size=size, ko=ko, suicide=suicide)
    plain = ReferenceGo(size, ko, suicide)
    for choice in choices:
        if state.is_terminal():
            break
        legal, repeating = plain.points()
        assert state.get_legal_actions() == [*legal, size * size]
        assert state.ko_points() == repeating
        assert state.area() == plain.area()
        # Passing seldom: capture races are where rules differ.
        action = [*(legal * 8), size * size][choice % (8 * len(legal) + 1)]
        state.apply_action(action)
        plain.play(action)
        assert state.to_text().split()[0].replace("/", "") == plain.board
        planes = state.observation()[2:5].reshape(3, -1)
        for point, mark in enumerate(plain.board):
            liberties = plain.liberties(point) if mark != "." else 0
            assert planes[:, point].tolist() == [liberties == num for num in (1, 2, 3)]
    assert state.is_terminal() == (plain.moves[-2:] == [size * size] * 2)


@pytest.mark.slow
@pytest.mark.parametrize("ko", KOS)
@pytest.mark.parametrize("suicide", [False, True])
def test_long_fights_agree_with_a_plain_program(ko: str, suicide: bool) -> None:
    # Without passes boards fill up, are captured, and repetition decides much.
    rng = random.Random(5)
    seen_repeating = 0
    for size in [2, 3, 3, 4, 4, 5] * 5:
        state = start(size=size, ko=ko, suicide=suicide)
        plain = ReferenceGo(size, ko, suicide)
        while not state.is_terminal():
            legal, repeating = plain.points()
            assert state.get_legal_actions() == [*legal, size * size]
            assert state.ko_points() == repeating
            seen_repeating += len(repeating)
            action = rng.choice(legal or [size * size])
            state.apply_action(action)
            plain.play(action)
    assert seen_repeating > 0


@pytest.mark.parametrize(
    "options",
    [
        {"size": 2},
        {"size": 2, "suicide": True},
        {"size": 3, "ko": "situational", "suicide": True},
        {"size": 4, "ko": "simple", "komi": 0.5},
        {"size": 5, "komi": 7},
        {"size": 8, "max_plies": 60},
        {"size": 9, "komi": 7.5},
    ],
    ids=str,
)
def test_contract(options: dict[str, Any]) -> None:
    check_game(go(**options), num_games=4 if options["size"] > 5 else 20)


@pytest.mark.slow
@pytest.mark.parametrize("size", [9, 13, 19])
def test_contract_on_large_boards(size: int) -> None:
    check_game(go(size=size, komi=7.5), num_games=20 if size == 9 else 1)


# -- single rules -------------------------------------------------------------------------


def test_simple_ko_lasts_one_move() -> None:
    state = start(size=4)
    for move in ("b3", "c3", "a2", "d2", "b1", "c1", "c2", "b2"):
        state.apply_action(state.move_to_action(move))
    assert names(state, state.ko_points()) == ["c2"]
    assert state.observation()[5].sum() == 1
    with pytest.raises(IllegalActionError, match="'c2' is not a legal move of go in"):
        state.move_to_action("c2")
    for move in ("a4", "d4"):
        state.apply_action(state.move_to_action(move))
    assert names(state, state.ko_points()) == []
    assert "c2" in names(state, state.get_legal_actions())


def test_suicide_of_one_stone_is_never_allowed() -> None:
    text = ".x.x/x.x./.x../.... o"
    for suicide in (False, True):
        legal = go(size=4, suicide=suicide).state_from_text(text).get_legal_actions()
        assert not {0, 5} & {*legal}


def test_suicide_of_a_chain_is_an_option() -> None:
    text = ".ox./ox../x.../.... o"
    with pytest.raises(IllegalActionError):
        go(size=4).state_from_text(text).move_to_action("a4")
    state = go(size=4, suicide=True).state_from_text(text)
    state.apply_action(state.move_to_action("a4"))
    assert state.to_text() == f"..x./.x../x.../.... x a4 {text}"


def test_situational_superko_looks_at_the_player_to_move() -> None:
    # a2 brings back the board after two moves, but then x was to move, and now it would be o.
    forbidden = {}
    for ko in KOS:
        state = go(size=2, ko=ko).state_from_text("a2 b2 a1 pass b1 b2")
        assert isinstance(state, GoState)
        forbidden[ko] = names(state, state.ko_points())
    assert forbidden == {"positional": ["a2"], "situational": [], "simple": []}


def test_komi_decides_and_can_draw() -> None:
    text = "x.xxx/xxxxx/ooooo/ooo../ooooo"
    before = f"{text} x"
    for komi, first in ((-7, 1.0), (-5, 0.0), (-4.5, -1.0), (0, -1.0)):
        state = go(size=5, komi=komi).state_from_text(f"{before} pass,pass {before}")
        assert isinstance(state, GoState)
        assert state.is_terminal()
        assert state.area() == (10, 15)
        assert state.score() == -5 - komi
        assert state.returns() == [first, -first]


def test_games_end_at_the_length_cap() -> None:
    lengths = [go(size=size).max_game_length for size in (2, 8, 9, 13, 19)]
    assert lengths == [162, 162, 162, 338, 722]
    state = start(size=9, max_plies=3)
    for move in ("e5", "e6", "pass"):
        assert not state.is_terminal()
        state.apply_action(state.move_to_action(move))
    assert state.is_terminal()
    assert state.returns() == [0.0, -0.0]


def test_observation_is_the_movers() -> None:
    state = go(size=5, komi=7.5).state_from_text("c3 a5 b3 pass")
    observation = state.observation()
    assert observation.shape == (11, 5, 5)
    found = [np.argwhere(plane).tolist() for plane in observation[:8]]
    assert found == [[[2, 1], [2, 2]], [[0, 0]], [], [[0, 0]], [], [], [], [[2, 1]]]
    assert observation[8:, 0, 0].tolist() == [-0.375, 1.0, 1.0]
    state.apply_action(0 + 1)
    assert state.observation()[8:, 4, 4].tolist() == [0.375, 0.0, 1.0]


def test_two_orders_of_moves_are_two_positions() -> None:
    # They passed through different boards, and none of them may come back.
    one, other = (GAME.state_from_text(f"{moves} d4") for moves in ("e5 c3 g7 b2", "g7 b2 e5 c3"))
    assert one.to_text().split()[0] == other.to_text().split()[0]
    assert one.to_text() != other.to_text()
    assert one.position_hash() != other.position_hash()


def test_hashes_of_many_positions_differ() -> None:
    rng, texts = random.Random(1), {}
    for _ in range(300):
        state = GAME.initial_state()
        while not state.is_terminal():
            text = state.to_text()
            assert texts.setdefault(state.position_hash(), text) == text
            state.apply_action(rng.choice(state.get_legal_actions()))
    assert len(texts) > 25000


# -- options and texts --------------------------------------------------------------------


def test_options() -> None:
    assert GAME.options == {
        "size": 9, "komi": 0.0, "ko": "positional", "suicide": False, "max_plies": None,
    }  # fmt: skip
    assert GAME.num_actions == 82
    assert GAME.observation_bytes == 8 * 8 * 2 + 16
    again = games.from_spec(games.spec(go(size=7, komi=5.5, ko="simple", suicide=True)))
    assert again.options["komi"] == 5.5


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"size": 1}, "size of go must be an integer from 2 to 19, got 1"),
        ({"size": 20}, "got 20"),
        ({"size": "9"}, "got '9'"),
        ({"size": True}, "got True"),
        ({"komi": 0.3}, "komi of go must be a multiple of 0.5 from -81 to 81, got 0.3"),
        ({"komi": float("nan")}, "got nan"),
        ({"komi": float("inf")}, "got inf"),
        ({"komi": "7"}, "got '7'"),
        ({"ko": "super"}, "ko of go must be one of simple, positional, situational, got 'super'"),
        ({"ko": []}, "got []"),
        ({"suicide": 1}, "suicide of go must be true or false, got 1"),
        ({"max_plies": 0}, "max_plies of go must be an integer from 1 to 10000, got 0"),
        ({"superko": "simple"}, "go has no option 'superko'"),
    ],
)
def test_bad_option_is_an_error(options: dict[str, Any], why: str) -> None:
    with pytest.raises(GameError) as info:
        games.make("go", **options)
    assert why in str(info.value)


def test_str_has_coordinates_without_i() -> None:
    lines = str(start(size=9)).splitlines()
    assert lines[0] == " 9 . . . . . . . . ."
    assert lines[9:] == ["   a b c d e f g h j", "x to move"]


def test_moves_are_read_in_either_case() -> None:
    state = GAME.initial_state()
    assert state.move_to_action("A9") == 0
    assert state.move_to_action(" j1 ") == 80
    assert state.move_to_action("PASS") == 81
    assert names(state, [0, 8, 81]) == ["a9", "j9", "pass"]
    for text in ("i5", "a0", "a10", "k1", "a", "5", "", "e05", "e5e", "\u00b2", "a\u0665"):
        with pytest.raises(IllegalActionError):
            state.move_to_action(text)


def test_a_board_alone_is_a_position() -> None:
    game = go(size=3)
    assert game.state_from_text(".x./.../..o").to_text() == ".x./.../..o x"
    assert game.state_from_text(".x./.../..o o").get_current_player() == 1


def test_a_text_keeps_the_boards_that_may_not_come_back(shared_data: Path) -> None:
    case = json.loads((shared_data / "go" / "superko_cases.json").read_text())[0]
    game = go(size=case["size"])
    setup = f"{'/'.join(case['setup'])} {case['first']}"
    state = game.state_from_text(setup)
    for step in case["steps"]:
        state.apply_action(state.move_to_action(step["play"]))
        state = game.state_from_text(state.to_text())
        assert isinstance(state, GoState)
        assert names(state, state.ko_points()) == step["repetition_banned"]
    assert state.to_text().endswith(f" o d6,b5,f6,d5,b6 {setup}")
    assert game.state_from_text("c3 d4").to_text().endswith("/....... x c3,d4")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".../.../... x a1 .../.../...", "it must be a board, the side to move, moves, and board"),
        ("xo/.x./...", "the board must have 3 rows of 3 points"),
        ("xo./.x./..#", "a point must be one of . x o, got '#'"),
        (".../.../... b", "the side to move must be x or o, got 'b'"),
        (".../.../x.. o d1", "move 1: 'd1' is not a legal move"),
        (".../.../x.. o a1,a1", "move 2: 'a1' is not a legal move"),
        (".../.../x.. x a1", "its moves lead to '.../.../x.. o'"),
        (".../.../x.. o b1", "its moves lead to '.../.../.x. o'"),
        (".../.../x.. o a1 .../.../... o", "its moves lead to '.../.../o.. x'"),
        (".../.../x.. o a1 .../... x", "the board must have 3 rows of 3 points"),
        (".../.../... x ,", "move 1: '' is not a legal move"),
        ("ox./x../...", "the chain of a3 has no liberty"),
        ("xxx/xxx/xxx", "the chain of a3 has no liberty"),
        ("a1 a1", "move 2: 'a1' is not a legal move of go in"),
        ("a1 i2", "move 2: 'i2' is not a legal move"),
        ("pass pass a1", "move 3: 'a1' is not a legal move"),
    ],
)
def test_bad_text_is_named_with_its_fault(text: str, why: str) -> None:
    with pytest.raises(GameError) as info:
        go(size=3).state_from_text(text)
    assert repr(text) in str(info.value)
    assert why in str(info.value)


@given(
    st.sampled_from([2, 3, 19]),
    st.booleans(),
    st.one_of(
        st.text(max_size=40),
        st.text("abcjk123 pas,-", max_size=40),
        st.text("xo./ -", max_size=30),
        st.tuples(
            st.lists(st.text("xo..", min_size=3, max_size=3), min_size=3, max_size=3).map("/".join),
            st.sampled_from("xo"),
            st.lists(st.sampled_from(["a1", "a2", "b2", "c3", "pass"]), max_size=4).map(",".join),
            st.sampled_from(["", ".../.../... x", ".../.../... o", "x../.../... x"]),
        ).map(" ".join),
    ),
)
@example(3, False, "\x00/")
@example(3, True, "xx./xx./... o pass,c3 xx./xx./... o")
@example(2, False, "../.. x pass,pass")
def test_any_text_is_a_position_or_a_game_error(size: int, suicide: bool, text: str) -> None:
    game = go(size=size, suicide=suicide)
    try:
        state = game.state_from_text(text)
    except GameError:
        return
    again = game.state_from_text(state.to_text())
    assert again.to_text() == state.to_text()
    assert again.position_hash() == state.position_hash()
    assert again.get_legal_actions() == state.get_legal_actions()
