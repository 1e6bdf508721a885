"""Value labels: proofs stand for outcomes, as a plain walk through the game says."""

from dataclasses import replace

import numpy as np
import pytest
from factories import random_record
from playing import Table, network

import games
from engine.errors import ConfigError
from engine.records import GameRecord
from trainer.config import LearnerConfig, RunConfig
from trainer.samples import SampleWindow
from trainer.value_targets import blunders, search_values, value_labels

GAME = games.make("connect4")


def plain_outcome(record: GameRecord, ply: int) -> float:
    """Of the player of `ply`: what the next proof says, or how the game ended."""
    player = record.players[ply]
    for later in range(ply, record.num_plies):
        if record.results[later] != 2:
            same = record.players[later] == player
            return float(record.results[later] if same else -record.results[later])
    return float(record.returns[player])


def sprinkled(number: int, share: float) -> GameRecord:
    """A random game whose plies are proven at random, players not strictly alternating."""
    record = random_record(GAME, number)
    rng = np.random.default_rng(number)
    results = rng.integers(-1, 2, record.num_plies).astype(np.int8)
    results[rng.random(record.num_plies) >= share] = 2
    players = rng.integers(0, 2, record.num_plies).astype(np.int8)
    return replace(record, results=results, players=players)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_labels_are_those_of_a_plain_walk(share: float) -> None:
    for number in range(25):
        record = sprinkled(number, share)
        labels = value_labels(record)
        expected = [plain_outcome(record, ply) for ply in range(record.num_plies)]
        assert labels.outcomes.tolist() == expected
        assert labels.exact.tolist() == (record.results != 2).tolist()


def test_a_win_that_was_blundered_is_still_a_win_before_the_blunder() -> None:
    record = random_record(GAME, 0)
    results = np.full(record.num_plies, 2, np.int8)
    results[4] = 1  # player 0 has a proven win, and then loses
    record = replace(record, results=results, returns=np.array([-1, 1], np.float32))
    labels = value_labels(record).outcomes
    assert labels[:7].tolist() == [1, -1, 1, -1, 1, 1, -1]


def plain_forgiving(record: GameRecord, ply: int, drop: float) -> float:
    """`plain_outcome`, but what came after a blunder says nothing of what was before it."""
    player, last = record.players[ply], record.num_plies - 1
    for later in range(ply, record.num_plies):
        sign = 1 if record.players[later] == player else -1
        if record.results[later] != 2:
            return float(sign * record.results[later])
        mover, value = record.players[later], float(record.root_values[later])
        if later == last:
            after = float(record.returns[mover])
        else:
            after = float(record.root_values[later + 1])
            after = after if record.players[later + 1] == mover else -after
        if value - after > drop:
            return sign * value
    return float(record.returns[player])


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_what_came_after_a_blunder_is_forgotten_as_a_plain_walk_forgets_it(share: float) -> None:
    for number in range(25):
        record = sprinkled(number, share)
        labels = value_labels(record, blunder_drop=0.7)
        expected = [plain_forgiving(record, ply, 0.7) for ply in range(record.num_plies)]
        np.testing.assert_allclose(labels.outcomes, expected, rtol=1e-6)
        plain = [plain_outcome(record, ply) for ply in range(record.num_plies)]
        changed = np.not_equal(expected, plain)
        assert changed.any() and not (changed & ~labels.searched).any()


def test_later_values_count_up_to_a_blunder() -> None:
    record = random_record(GAME, 0)
    # The first player has the better game until ply 4, the second one from then on.
    values = np.where(np.arange(record.num_plies) <= 4, 0.5, -0.8)
    values *= np.where(record.players == 0, 1, -1)
    record = replace(record, root_values=values, returns=np.array([-1, 1], np.float32))
    assert np.flatnonzero(blunders(record, 1.0)).tolist() == [4]
    assert not blunders(record, 0.0).any()
    found = search_values(record, 0.5, blunder_drop=1.0)
    assert found[:5].tolist() == [0.5, -0.5, 0.5, -0.5, 0.5]
    assert found[5:].tolist() == search_values(record, 0.5)[5:].tolist()


def test_a_search_that_stands_for_an_outcome_is_read_as_a_search() -> None:
    record = sprinkled(3, 0.0)
    window = SampleWindow(GAME, 100, value_mix=0.3, blunder_drop=0.7)
    window.add([record])
    (batch,) = window.batches(100)
    labels = value_labels(record, blunder_drop=0.7)
    for ply in np.flatnonzero(labels.searched):
        value = 0.7 * labels.outcomes[ply] + 0.3 * record.root_values[ply]
        assert batch.wdl[ply].tolist() == pytest.approx([(1 + value) / 2, 0, (1 - value) / 2])


def test_an_empty_game_has_no_labels() -> None:
    record = replace(
        random_record(GAME, 0), actions=np.zeros(0, np.int32), players=np.zeros(0, np.int8),
        results=np.zeros(0, np.int8), root_values=np.zeros(0, np.float32),
    )  # fmt: skip
    assert len(value_labels(record).outcomes) == 0


def targets(record: GameRecord, *, relabel: bool) -> list[list[float]]:
    window = SampleWindow(GAME, 100, value_mix=0.3, relabel=relabel)
    window.add([record])
    (batch,) = window.batches(100)
    return [row.tolist() for row in batch.wdl]


def test_a_proven_plys_target_is_its_proof_alone() -> None:
    record = sprinkled(3, 0.5)
    found = targets(record, relabel=True)
    for ply in range(record.num_plies):
        outcome, value = plain_outcome(record, ply), float(record.root_values[ply])
        certain = [float(outcome > 0), float(outcome == 0), float(outcome < 0)]
        mixed = [0.7 * c for c in certain]
        mixed[0] += 0.3 * (1 + value) / 2
        mixed[2] += 0.3 * (1 - value) / 2
        expected = mixed if record.results[ply] == 2 else certain
        assert found[ply] == pytest.approx(expected, abs=1e-6)


def test_off_proofs_change_nothing() -> None:
    record = sprinkled(3, 0.5)
    bare = replace(record, results=np.full(record.num_plies, 2, np.int8))
    assert targets(record, relabel=False) == targets(bare, relabel=True)


def test_a_rows_exactness_is_forgotten_with_it() -> None:
    window = SampleWindow(GAME, 10, value_mix=0.3, relabel=True)
    window.add([sprinkled(1, 1.0)])
    record = sprinkled(2, 0.0)
    window.add([record])
    (batch,) = window.batches(10)
    assert [row.tolist() for row in batch.wdl] == targets(record, relabel=True)[-10:]


def test_a_game_that_ends_at_its_proof_needs_no_relabelling_before_it() -> None:
    player = network(60, solver=True, end_when_proven=True)
    tictactoe = games.make("tictactoe")
    for record in Table(tictactoe, [player], limit=10).play(10).values():
        np.testing.assert_array_equal(
            value_labels(record).outcomes, record.returns[record.players]
        )


def test_relabelling_needs_the_solver() -> None:
    with pytest.raises(ConfigError, match=r"relabel must be false without search\.solver"):
        RunConfig(learner=LearnerConfig(relabel=True))
