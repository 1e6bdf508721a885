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
from trainer.value_targets import value_labels

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


def test_an_empty_game_has_no_labels() -> None:
    record = replace(
        random_record(GAME, 0), actions=np.zeros(0, np.int32), players=np.zeros(0, np.int8),
        results=np.zeros(0, np.int8),
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
