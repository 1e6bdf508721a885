"""Targets, merged positions and chances of the window, against plain Python over dictionaries."""

import math
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from factories import random_record
from hypothesis import given, settings
from hypothesis import strategies as st

import games
from engine.duplicates import group_rows, order_by_group
from engine.errors import ConfigError
from engine.records import GameRecord
from engine.symmetry import Canonical
from games import Game
from trainer.config import LearnerConfig
from trainer.replay import ReplayStore
from trainer.samples import SampleWindow
from trainer.sampling import Draws, power_law, surprise_weights
from trainer.value_targets import search_values, value_labels

TICTACTOE = games.make("tictactoe")
CONNECT4 = games.make("connect4")


# -- targets -------------------------------------------------------------------------------


def test_the_outcome_is_that_of_each_plys_player() -> None:
    record = random_record(CONNECT4, 1)
    expected = [record.returns[player] for player in record.players]
    assert value_labels(record, proofs=False).outcomes.tolist() == expected


@pytest.mark.parametrize("td_lambda", [0.3, 0.9])
def test_later_values_are_averaged_as_the_plys_player_sees_them(td_lambda: float) -> None:
    record = random_record(CONNECT4, 2)
    players = np.random.default_rng(0).integers(0, 2, record.num_plies).astype(np.int8)
    record = replace(record, players=players)  # they need not alternate
    found = search_values(record, td_lambda)
    for ply in range(record.num_plies):
        value, weight = 0.0, 1.0
        for later in range(ply, record.num_plies):
            sign = 1 if players[later] == players[ply] else -1
            value += weight * (1 - td_lambda) * sign * float(record.root_values[later])
            weight *= td_lambda
        value += weight * float(record.returns[players[ply]])
        assert found[ply] == pytest.approx(value, abs=1e-6)


def test_without_lambda_the_value_is_the_plys_own() -> None:
    record = random_record(CONNECT4, 2)
    assert search_values(record) is record.root_values
    window = SampleWindow(CONNECT4, 100, value_mix=1.0, td_lambda=0.5)
    window.add([record])
    wdl = next(window.batches(100)).wdl
    np.testing.assert_allclose(wdl[:, 0] - wdl[:, 2], search_values(record, 0.5), atol=1e-6)


# -- the size of the window ----------------------------------------------------------------


def test_the_power_law_is_katagos() -> None:
    # Figures of the formula by hand: c = 250 000, alpha = 0.75, beta = 0.4.
    assert power_law(250_000, 250_000, 0.75, 0.4) == 250_000
    assert power_law(4_000_000, 250_000, 0.75, 0.4) == int(250_000 * (1 + 0.4 * 7 / 0.75))
    assert power_law(100, 250_000, 0.75, 0.4) == 100
    assert power_law(1000, 500, 1.0, 0.5) == 750  # a straight line


def test_a_window_grows_by_the_power_law_up_to_its_limit() -> None:
    window = SampleWindow(CONNECT4, 300, growth=0.75, slope=0.4, min_rows=50, fraction=0.01)
    for number in range(60):
        window.add([random_record(CONNECT4, number)])
        total = window.total_rows
        law = 50 * (1 + 0.4 * ((total / 50) ** 0.75 - 1) / 0.75)
        assert len(window) == min(total, 300, int(law) if total > 50 else 50)
    assert len(window) == 300


# -- equal rows ----------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=60),
    st.integers(0, 200),
    st.integers(1, 3),
    st.data(),
)
def test_rows_share_a_number_when_and_only_when_they_are_equal(kinds, first, words, data) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2**63, (7, words)).astype(np.uint64)
    values[1] = values[0] ^ np.uint64(1)  # nearly equal
    packed = values[kinds].view(np.uint8)
    num = data.draw(st.integers(0, len(kinds)))
    seen: dict[int, int] = {}
    expected = [
        seen.setdefault(kinds[(first + i) % len(kinds)], len(seen)) for i in range(num)
    ]
    groups = group_rows(packed, first, num)
    assert groups.tolist() == expected
    counts = np.bincount(groups)
    assert order_by_group(groups, counts).tolist() == np.argsort(groups, kind="stable").tolist()


def test_what_cannot_be_grouped_is_named() -> None:
    with pytest.raises(ValueError, match="whole words of 8 bytes, got 12"):
        group_rows(np.zeros((3, 12), np.uint8), 0, 3)
    with pytest.raises(ValueError, match="no 4 rows from 0 on in a ring of 3"):
        group_rows(np.zeros((3, 8), np.uint8), 0, 4)
    with pytest.raises(ValueError, match="counts must sum to 3, got 2"):
        order_by_group(np.zeros(3, np.int32), np.array([2]))


@pytest.mark.parametrize("name", ["tictactoe", "connect4", "othello"])
def test_images_of_a_position_have_one_canonical_row(name: str) -> None:
    game = games.make(name)
    canonical = Canonical(game)
    for symmetry in range(len(game.symmetries()[0])):
        for seed in range(5):
            state, image = game.initial_image(0), game.initial_image(symmetry)
            moved = game.symmetries()[1][symmetry].argsort()
            rng = np.random.default_rng(seed)
            for _ in range(6):
                action = int(rng.choice(state.get_legal_actions()))
                state.apply_action(action)
                image.apply_action(int(moved[action]))
            rows = np.stack([state.packed_observation(), image.packed_observation()])
            turned, which = canonical.images(rows)
            assert (turned[0] == turned[1]).all()
            assert len(set(canonical.hashes(np.concatenate([rows, turned])).tolist())) == 1
            cells = game.symmetries()[0]
            for row, there, by in zip(rows, turned, which, strict=True):
                plain = game.unpack(row).reshape(-1, cells.shape[1])
                assert (game.unpack(there).reshape(plain.shape) == plain[:, cells[by]]).all()
    with pytest.raises(ValueError, match="bytes a row"):
        canonical.hashes(np.zeros((1, 1), np.uint8))


# -- merged positions ----------------------------------------------------------------------


def plain_rows(game: Game, records: list[GameRecord], mix: float, mirrored: bool):
    """(position, policy or None, win/draw/loss) of every full search, oldest first."""
    cells, actions = game.symmetries()
    canonical = Canonical(game)
    for record in records:
        for ply in np.flatnonzero(record.full_search):
            entries = slice(*record.policy_offsets[ply : ply + 2])
            policy = np.zeros(game.num_actions)
            weights = record.policy_weights[entries]
            policy[record.policy_actions[entries]] = weights / weights.sum()
            outcome = record.returns[record.players[ply]]
            value = record.root_values[ply]
            wdl = (1 - mix) * np.array([outcome > 0, outcome == 0, outcome < 0])
            wdl += mix * np.array([(1 + value) / 2, 0, (1 - value) / 2])
            observation = game.unpack(record.observations[ply])
            if mirrored:
                by = int(canonical.images(record.observations[ply : ply + 1])[1][0])
                flat = observation.reshape(-1, cells.shape[1])[:, cells[by]]
                observation, policy = flat.reshape(observation.shape), policy[actions[by]]
            yield observation.tobytes(), policy, wdl


@pytest.mark.parametrize("merge", ["equal", "mirrored"])
@pytest.mark.parametrize("max_rows", [1000, 90])
def test_a_merged_position_has_the_means_of_the_rows_that_are_left(merge, max_rows) -> None:
    records = [random_record(TICTACTOE, n, fast=0.4) for n in range(40)]
    window = SampleWindow(TICTACTOE, max_rows, value_mix=0.25, merge=merge, repeats="one")
    for start in range(0, 40, 10):  # draws in between must leave nothing behind
        window.add(records[start : start + 10])
        window.sample(8, np.random.default_rng(0))
    rows = list(plain_rows(TICTACTOE, records, 0.25, merge == "mirrored"))[-max_rows:]
    expected = defaultdict(list)
    for key, policy, wdl in rows:
        expected[key].append((policy, wdl))
    assert len(expected) < len(rows)
    batch = window.sample(4000, np.random.default_rng(1), symmetries=False)
    drawn = Counter()
    for observation, policy, wdl, weight in zip(*batch[:4], strict=True):
        alike = expected[observation.tobytes()]
        assert weight == 1
        np.testing.assert_allclose(policy, np.mean([p for p, _ in alike], axis=0), atol=1e-6)
        np.testing.assert_allclose(wdl, np.mean([w for _, w in alike], axis=0), atol=1e-6)
        drawn[observation.tobytes()] += 1
    assert set(drawn) == set(expected)  # each about equally often
    assert max(drawn.values()) < 3 * 4000 / len(expected) + 20


def test_symmetries_turn_merged_samples_whole() -> None:
    records = [random_record(TICTACTOE, n) for n in range(30)]
    windows = [SampleWindow(TICTACTOE, 1000, merge=m, repeats="one") for m in ("equal", "mirrored")]
    cells, actions = TICTACTOE.symmetries()
    for window in windows:
        window.add(records)
        plain = window.sample(300, np.random.default_rng(2), symmetries=False)
        turned = window.sample(300, np.random.default_rng(2))
        for i in range(300):
            flat = plain.observations[i].reshape(-1, 9)
            assert any(
                (turned.observations[i].reshape(-1, 9) == flat[:, c]).all()
                and np.allclose(turned.policy[i], plain.policy[i][a])
                for c, a in zip(cells, actions, strict=True)
            )


def test_rows_without_a_policy_target_do_not_thin_the_others() -> None:
    record = random_record(TICTACTOE, 0)
    full = np.zeros(record.num_plies, np.bool_)
    fast = replace(record, full_search=full)
    window = SampleWindow(TICTACTOE, 100, merge="equal", repeats="one", train_on_fast=True)
    window.add([record, fast, fast])
    batch = window.sample(50, np.random.default_rng(0), symmetries=False)
    np.testing.assert_allclose(batch.policy.sum(axis=1), 1, rtol=1e-5)
    assert (batch.policy_weight == 1).all()
    window = SampleWindow(TICTACTOE, 100, merge="equal", train_on_fast=True)
    window.add([fast])
    batch = window.sample(50, np.random.default_rng(0))
    assert (batch.policy_weight == 0).all() and (batch.policy == 0).all()


@pytest.mark.parametrize(
    ("repeats", "weight"),
    [("one", lambda c: 1.0), ("log", lambda c: 1 + math.log2(c)), ("count", float)],
)
def test_positions_are_drawn_by_how_often_they_occur(repeats, weight) -> None:
    groups = np.array([0] * 8 + [1] * 4 + [2, 3, 2], np.int32)
    draws = Draws(100, groups, repeats)
    rows, counts = draws.draw(30_000, np.random.default_rng(0))
    assert counts.sum() == len(rows)
    firsts = rows[np.cumsum(counts) - counts]
    drawn = Counter(groups[firsts - 100].tolist())
    weights = [weight(c) for c in (8, 4, 2, 1)]
    for group in range(4):
        assert drawn[group] / 30_000 == pytest.approx(weights[group] / sum(weights), abs=0.01)


def test_only_the_newest_occurrences_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.sampling.MOST_AVERAGED", 2)
    draws = Draws(50, np.array([0, 1, 0, 0, 1, 0], np.int32), "count")
    rows, counts = draws.draw(40, np.random.default_rng(0))
    assert (counts == 2).all()
    assert {tuple(pair) for pair in rows.reshape(-1, 2).tolist()} == {(53, 55), (51, 54)}


@pytest.mark.parametrize("train_on_fast", [False, True])
def test_given_plies_are_not_trained_on(tmp_path, train_on_fast: bool) -> None:
    records = []
    for number in range(6):
        record = random_record(CONNECT4, number, fast=0.5)
        full = record.full_search.copy()
        full[:3] = False
        records.append(replace(record, num_opening=3, full_search=full))
    window = SampleWindow(CONNECT4, 1000, train_on_fast=train_on_fast)
    added = window.add(records)
    assert added == sum(
        r.num_plies - 3 if train_on_fast else int(r.full_search.sum()) for r in records
    )
    with ReplayStore(tmp_path / "run.db", CONNECT4, validation_share=0.0) as store:
        store.add_games(records)
        filled = SampleWindow(CONNECT4, 1000, train_on_fast=train_on_fast)
        assert filled.fill(store) == added == filled.total_rows


# -- surprises -----------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 9), st.floats(0, 2)), min_size=1),
    st.floats(0, 0.6),
    st.floats(0, 0.4),
    st.floats(1, 10),
)
def test_surprise_weights_are_those_of_the_plain_formula(rows, share, value_share, clip) -> None:
    base, surprise, value = (np.array(column) for column in zip(*rows, strict=True))
    found = surprise_weights(base, [(share, surprise), (value_share, value)], clip)
    prior = [b / sum(base) for b in base]
    expected = [(1 - share - value_share) * p for p in prior]
    for part, values in ((share, surprise), (value_share, value)):
        mean = sum(p * v for p, v in zip(prior, values, strict=True))
        mass = [p * min(v, clip * mean) for p, v in zip(prior, values, strict=True)]
        for i, m in enumerate(mass):
            expected[i] += part * (m / sum(mass) if sum(mass) > 0 else prior[i])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)
    assert found.sum() == pytest.approx(1)


def test_surprising_rows_are_drawn_more_often_and_fast_ones_only_uniformly() -> None:
    record = random_record(CONNECT4, 3)
    surprises = np.zeros(record.num_plies, np.float32)
    surprises[[2, 5]] = 1.0, 3.0
    full = np.ones(record.num_plies, np.bool_)
    full[7], surprises[7] = False, 9.0
    record = replace(record, surprises=surprises, full_search=full)
    window = SampleWindow(CONNECT4, 100, surprise_share=0.5, surprise_clip=100, train_on_fast=True)
    window.add([record])
    batch = window.sample(20_000, np.random.default_rng(0), symmetries=False)
    keys = {CONNECT4.unpack(row).tobytes(): ply for ply, row in enumerate(record.observations)}
    drawn = Counter(keys[observation.tobytes()] for observation in batch.observations)
    uniform = 0.5 / record.num_plies
    for ply in range(record.num_plies):
        expected = uniform + {2: 0.125, 5: 0.375}.get(ply, 0.0)
        assert drawn[ply] / 20_000 == pytest.approx(expected, abs=0.01)


def test_the_value_surprise_is_how_far_the_search_moved_the_value() -> None:
    record = random_record(CONNECT4, 3)
    priors = record.root_values.copy()
    priors[4] += -0.5 if priors[4] > 0 else 0.5
    record = replace(record, prior_values=priors)
    window = SampleWindow(CONNECT4, 100, value_surprise_share=1.0, surprise_clip=100)
    window.add([record])
    batch = window.sample(50, np.random.default_rng(0), symmetries=False)
    assert (batch.observations == CONNECT4.unpack(record.observations[4])).all()


def test_chances_follow_the_rows_that_come_and_go() -> None:
    records = [random_record(CONNECT4, n) for n in range(8)]
    options = {"surprise_share": 0.5, "merge": "equal"}
    window = SampleWindow(CONNECT4, 60, **options)
    for number, record in enumerate(records):
        window.add([record])
        window.sample(5, np.random.default_rng(number))
    fresh = SampleWindow(CONNECT4, 60, **options)
    fresh.add(records)
    pairs = zip(
        *(w.sample(64, np.random.default_rng(1)) for w in (window, fresh)), strict=True
    )
    for left, right in pairs:
        np.testing.assert_array_equal(left, right)


# -- held out ------------------------------------------------------------------------------


def test_the_share_of_held_out_positions_that_are_trained_on_is_told() -> None:
    records = [random_record(TICTACTOE, n) for n in range(12)]
    window, held_out = SampleWindow(TICTACTOE, 1000), SampleWindow(TICTACTOE, 1000)
    assert math.isnan(held_out.share_known_to(window))
    window.add(records[:10])
    held_out.add(records[10:])
    known = set(Canonical(TICTACTOE).hashes(np.concatenate([r.observations for r in records[:10]])))
    mine = Canonical(TICTACTOE).hashes(np.concatenate([r.observations for r in records[10:]]))
    share = sum(h in known for h in mine) / len(mine)
    assert 0 < share < 1 and held_out.share_known_to(window) == pytest.approx(share)
    assert window.share_known_to(window) == 1


# -- the configuration ---------------------------------------------------------------------


def test_the_configuration_makes_the_window() -> None:
    config = LearnerConfig(
        min_rows=10, window_rows=100, merge_duplicates="mirrored", duplicate_weight="one",
        surprise_share=0.5, value_surprise_share=0.25, surprise_clip=3, value_td_lambda=0.5,
        window_growth=0.75, blunder_drop=0.5,
    )  # fmt: skip
    window = SampleWindow.of(TICTACTOE, config)
    by_hand = SampleWindow(
        TICTACTOE, 100, fraction=0.6, min_rows=10, growth=0.75, slope=0.4, value_mix=0.3,
        td_lambda=0.5, merge="mirrored", repeats="one", surprise_share=0.5,
        value_surprise_share=0.25, surprise_clip=3, blunder_drop=0.5,
    )  # fmt: skip
    for made in (window, by_hand):
        made.add(random_record(TICTACTOE, n) for n in range(30))
    pairs = zip(
        *(w.sample(64, np.random.default_rng(1)) for w in (window, by_hand)), strict=True
    )
    for left, right in pairs:
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "changes",
    [
        {"merge_duplicates": "mirrored", "symmetries": False},
        {"merge_duplicates": "all"},
        {"duplicate_weight": "sqrt"},
        {"surprise_share": 0.7, "value_surprise_share": 0.4},
        {"surprise_clip": 0.5},
        {"value_td_lambda": 1.0},
        {"blunder_drop": 2.0},
        {"window_growth": 1.5},
        {"window_slope": 0.0},
    ],
)
def test_values_that_cannot_be_are_refused(changes) -> None:
    with pytest.raises(ConfigError, match="|".join(changes)):
        LearnerConfig(**changes)
