"""Auxiliary targets: from the rules' own words to a batch's columns."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories import random_record
from reference_go import ReferenceGo

import games
from engine.errors import ConfigError
from games import endings
from trainer.samples import SampleWindow
from trainer.targets import NAMES, UNKNOWN, TargetColumns, declared, ending_targets, reply_targets

BOARDS = {"tictactoe": {}, "connect4": {}, "gomoku": {"size": 7}, "hex": {"size": 5},
          "othello": {"size": 6}, "go": {"size": 5}, "breakthrough": {}}  # fmt: skip


def bits(text):
    return sum(1 << i for i, mark in enumerate(text.replace("/", "")) if mark != ".")


def shown(cells, columns):
    marks = "".join({1: "x", 0: ".", -1: "o"}[int(cell)] for cell in cells)
    return "/".join(marks[i : i + columns] for i in range(0, len(marks), columns))


# -- the games ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "end", "line"),
    [
        ("tictactoe", {}, "xoo/.x./..x o", "x../.x./..x"),
        ("tictactoe", {}, "xxo/.ox/oxo x", "..o/.o./o.."),
        ("tictactoe", {}, "xox/xox/oxo o", ".../.../..."),
        ("connect4", {"rows": 4, "columns": 5}, "o..../o..../xo.../oxxxx o",
         "...../...../...../.xxxx"),
        ("gomoku", {"size": 5}, "x...o/.x.o./..x../.o.x./o...x o", "x..../.x.../..x../...x./....x"),
        # A pair beside the chain and a stone off it do not link anything.
        ("hex", {"size": 3}, "xo./xxo/x.o o", "x../x../x.."),
        ("hex", {"size": 3}, "x.x/ooo/x.x x", ".../ooo/..."),
    ],
)  # fmt: skip
def test_the_winning_cells_of_known_ends(name, options, end, line):
    game = games.make(name, **options)
    state = game.state_from_text(end)
    assert state.is_terminal()
    seen = state.winning_cells(0)
    assert seen.dtype == np.int8 and shown(seen, game.columns) == line
    other = state.winning_cells(1)
    if name == "hex":
        other = other.reshape(game.board_shape).T.ravel()
    np.testing.assert_array_equal(other, -seen)


def test_all_lines_that_win_at_once_are_told():
    assert endings.stones_in_line(bits("xxx/x../x.."), 3, 3, 3) == bits("xxx/x../x..")
    row = bits(".xxxxxx./xxxxx.../......../......../......../......../......../........")
    assert endings.stones_in_line(row, 8, 8, 5) == row
    assert endings.stones_in_line(row, 8, 8, 5, exact=True) == bits("......../xxxxx...")


def lines_by_brute_force(stones, rows, columns, length):
    found = set()
    for row in range(rows):
        for column in range(columns):
            for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
                line = [(row + i * down, column + i * right) for i in range(length)]
                if all(0 <= r < rows and 0 <= c < columns and stones >> r * columns + c & 1
                       for r, c in line):  # fmt: skip
                    found |= {r * columns + c for r, c in line}
    return sum(1 << cell for cell in found)


def test_lines_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    for rows, columns, length in ((3, 3, 3), (6, 7, 4), (8, 8, 5)):
        for _ in range(100):
            stones = bits("".join(rng.choice([".", "x", "x"], rows * columns)))
            expected = lines_by_brute_force(stones, rows, columns, length)
            assert endings.stones_in_line(stones, rows, columns, length) == expected


def test_a_link_is_all_of_its_shortest_chains():
    # Two ways round a hole in the middle, equally long, and a stone that leads nowhere.
    stones = bits(".x../x.x./xx../x...")
    assert endings.shortest_links(stones, 4) == bits(".x../x.../x.../x...")
    assert endings.shortest_links(bits("..../xxxx/..../...."), 4) == 0
    assert endings.shortest_links(1, 1) == 1


@pytest.mark.parametrize(("name", "options"), BOARDS.items())
def test_ends_agree_with_the_results(name, options):
    """Against what the games say elsewhere: returns, observations and texts."""
    game = games.make(name, **options)
    for number in range(6):
        record = random_record(game, number)
        state = game.initial_state()
        for action in record.actions.tolist():
            state.apply_action(action)
        mover = state.get_current_player()
        own, other = state.observation()[:2].reshape(2, -1)
        if name != "go":
            np.testing.assert_array_equal(state.final_owners(mover), own - other)
        for player in (0, 1):
            result = state.returns()[player]
            margin, line = state.final_margin(player), state.winning_cells(player)
            if margin is not None:
                assert np.sign(margin) == result
                assert margin == state.final_owners(player).sum() - (
                    game.options.get("komi", 0.0) * (1 if player == 0 else -1)
                )
            if line is not None:
                assert set(np.unique(line)) == {0, int(result)}
                assert (line * state.final_owners(player) == line**2).all()


def area_owners(board, size):
    game = ReferenceGo(size, board=board)
    owners = []
    for point, mark in enumerate(board):
        beside = {board[near] for near in game.group(board, point)[1]}
        reached = beside if mark == "." else {mark}
        owners.append({("x",): 1, ("o",): -1}.get(tuple(reached), 0))
    return owners


def test_owners_of_go_are_its_area():
    game = games.make("go", size=7, komi=6.5)
    for number in range(5):
        state = game.initial_state()
        for action in random_record(game, number).actions.tolist()[:40]:
            state.apply_action(action)
        expected = area_owners(state.to_text().split()[0].replace("/", ""), 7)
        np.testing.assert_array_equal(state.final_owners(0), expected)
        np.testing.assert_array_equal(state.final_owners(1), [-owner for owner in expected])
        assert state.area() == (expected.count(1), expected.count(-1))
        assert state.final_margin(1) == -state.score()


def test_owners_of_a_known_go_board():
    # White's eyes are white's, the point between the colours is nobody's.
    state = games.make("go", size=5).state_from_text(".xo.o/xxooo/.xo../xx.oo/.xxo. x")
    assert shown(state.final_owners(0), 5) == "xxooo/xxooo/xxooo/xx.oo/xxxoo"
    assert state.final_margin(0) == 11 - 13


def test_a_plain_python_game_says_whose_its_pieces_are():
    class Pairs(games.BoardGame):
        def __init__(self):
            super().__init__("xX./.Oo/#..", max_game_length=9, pieces=("xX", "oO"))

        def legal_actions(self, board, player):
            return [cell for cell, mark in enumerate(board) if mark == "."]

        def play(self, board, player, action):
            board[action] = "xo"[player]

    state = Pairs().initial_state()
    np.testing.assert_array_equal(state.final_owners(1), [-1, -1, 0, 0, 1, 1, 0, 0, 0])
    assert state.final_margin(0) is None and state.winning_cells(0) is None


def test_a_target_that_a_game_does_not_know_is_named():
    for name in NAMES[:4]:
        declared(games.make("othello"), [name])
    with pytest.raises(ConfigError, match=r"learner\.winning_line_weight must be 0 for othello.*"
                                          r"reply, ownership, score, plies_left"):  # fmt: skip
        declared(games.make("othello"), ["winning_line"])
    with pytest.raises(ConfigError, match=r"ownership_weight must be 0 for chess"):
        declared(games.make("chess"), ["reply", "ownership"])


# -- the plies of a game --------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), BOARDS.items())
def test_targets_are_those_of_replaying_the_game(name, options):
    game = games.make(name, **options)
    state = game.initial_state()
    names = [each for each in NAMES if each != "reply" and _knows(game, each)]
    record = random_record(game, 3)
    found = ending_targets(game, record, names)
    for action in record.actions.tolist():
        state.apply_action(action)
    cells = game.rows * game.columns
    for ply, player in enumerate(record.players.tolist()):
        assert found["plies_left"][ply] == pytest.approx(math.log(1 + record.num_plies - ply))
        assert (found["ownership"][ply] == state.final_owners(player)).all()
        if "score" in found:
            assert found["score"][ply] == pytest.approx(state.final_margin(player) / cells)
        if "winning_line" in found:
            assert (found["winning_line"][ply] == state.winning_cells(player)).all()


def _knows(game, name):
    try:
        declared(game, [name])
    except ConfigError:
        return False
    return True


def test_the_end_of_a_game_that_was_given_up_is_not_known():
    game = games.make("connect4")
    record = random_record(game, 0)
    short = replace(record, actions=record.actions[:5], players=record.players[:5])
    found = ending_targets(game, short, ["ownership", "winning_line", "plies_left"])
    assert (found["ownership"] == UNKNOWN).all() and (found["winning_line"] == UNKNOWN).all()
    assert np.isnan(found["plies_left"]).all() and found["ownership"].shape == (5, 42)


def test_the_reply_is_the_next_policy_target_of_the_opponent():
    game = games.make("connect4")
    record = random_record(game, 1, fast=0.4)
    actions, weights = reply_targets(record, 7)
    for ply in range(record.num_plies):
        expected = np.zeros(7)
        if ply + 1 < record.num_plies and record.full_search[ply + 1]:
            entries = slice(*record.policy_offsets[ply + 1 : ply + 3])
            visits = record.policy_weights[entries]
            expected[record.policy_actions[entries]] = visits / visits.sum()
        got = np.zeros(7)
        np.add.at(got, actions[ply], weights[ply])
        np.testing.assert_allclose(got, expected, atol=1e-6)
    assert weights.sum(1).max() == pytest.approx(1) and (weights.sum(1) == 0).any()


def test_a_reply_keeps_its_heaviest_actions():
    record = random_record(games.make("connect4"), 1)
    actions, weights = reply_targets(record, 3)
    entries = slice(*record.policy_offsets[1:3])
    heaviest = np.sort(record.policy_weights[entries])[::-1][:3]
    np.testing.assert_allclose(weights[0], heaviest / heaviest.sum(), rtol=1e-6)
    assert len(set(actions[0].tolist())) == 3


def test_a_second_move_in_a_row_is_no_reply():
    record = random_record(games.make("connect4"), 1)
    players = record.players.copy()
    players[3] = players[2]
    _, weights = reply_targets(replace(record, players=players), 7)
    assert weights[2].sum() == 0 and weights[1].sum() == pytest.approx(1)


# -- in the window --------------------------------------------------------------------------


def test_targets_stay_with_their_rows_when_the_window_goes_round():
    game = games.make("connect4")
    names = ["reply", "ownership", "plies_left", "winning_line"]
    window = SampleWindow(game, 50, auxiliary=names)
    records = [random_record(game, number, fast=0.3) for number in range(12)]
    window.add(records)
    rows = [(r, ply) for r in records for ply in np.flatnonzero(r.full_search)][-50:]
    (batch,) = window.batches(50)
    assert set(batch.auxiliary) == set(names)
    ends = {r.number: ending_targets(game, r, names) for r in records}
    for i, (record, ply) in enumerate(rows):
        end = ends[record.number]
        assert (batch.auxiliary["ownership"][i] == end["ownership"][ply]).all()
        assert (batch.auxiliary["winning_line"][i] == end["winning_line"][ply]).all()
        assert batch.auxiliary["plies_left"][i] == pytest.approx(end["plies_left"][ply], abs=4e-3)
        actions, weights = reply_targets(record, 7)
        expected = np.zeros(7)
        np.add.at(expected, actions[ply], weights[ply])
        np.testing.assert_allclose(batch.auxiliary["reply"][i], expected, atol=1e-3)


@pytest.mark.parametrize("name", ["tictactoe", "hex", "go"])
def test_targets_turn_with_the_board(name):
    """The targets of a turned game are the turned targets."""
    game = games.make(name, **BOARDS[name])
    names = ["reply", "ownership"] + (["winning_line"] if name != "go" else [])
    cells, actions = game.symmetries()
    record = random_record(game, 2)
    columns = TargetColumns(game, record.num_plies, names)
    rows = np.arange(record.num_plies)
    columns.put(rows, record, rows)
    for symmetry in range(len(cells)):
        moved = np.argsort(actions[symmetry])  # where an action goes
        image = replace(
            record,
            actions=moved[record.actions].astype(np.int32),
            policy_actions=moved[record.policy_actions].astype(np.int32),
        )
        turned = TargetColumns(game, record.num_plies, names)
        turned.put(rows, image, rows)
        expected = turned.gather(rows, None)
        got = columns.gather(rows, np.full(record.num_plies, symmetry))
        for each in names:
            np.testing.assert_array_equal(got[each], expected[each])


def test_a_window_without_auxiliary_targets_has_none():
    window = SampleWindow(games.make("tictactoe"), 10)
    window.add([random_record(games.make("tictactoe"), 0)])
    assert dict(window.sample(4, np.random.default_rng(0)).auxiliary) == {}
