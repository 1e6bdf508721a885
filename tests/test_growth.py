"""trainer.growth: a run that begins with another's weights and games."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import lively_network, random_record, random_run
from running import options, ringzero

import games
from engine.errors import ConfigError, StoreError
from trainer.arena.players import find_model
from trainer.config import LearnerConfig
from trainer.growth import start_from
from trainer.learner import Learner
from trainer.network import load_model, save_model
from trainer.replay import ReplayStore
from trainer.samples import SampleWindow

GAME = games.make("tictactoe")


def digests(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name[-4:] not in ("-shm", "-wal"))
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_bigger_network_goes_on_from_another_runs_weights_and_games(tiny_run, tmp_path):
    tiny_run = shutil.copytree(tiny_run, tmp_path / "tiny")  # even readers leave files beside it
    before = digests(tiny_run)
    done = ringzero(
        *("train", "tictactoe", "--run", tmp_path / "run", "--serial", "--json"),
        *("--from", tiny_run),
        *options(
            network__channels=12, network__blocks=3, learner__games_from=tiny_run,
            learner__ownership_weight=0.1, budget__max_generations=1,
        ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert digests(tiny_run) == before
    # The first checkpoint computes what the other run's last one did.
    small, _ = load_model(find_model(tiny_run))
    big, _ = load_model(tmp_path / "run" / "checkpoints" / "00000000" / "model.safetensors")
    assert big.config.channels == 12 and len(big.blocks) == 3
    observations = torch.from_numpy(GAME.unpack(random_run(GAME, 50).observations))
    with torch.no_grad():
        for one, other in zip(small(observations), big(observations), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
    # The first turn learns from the games of both.
    with ReplayStore(tiny_run / "run.db", GAME, read_only=True) as store:
        borrowed = store.num_rows(validation=False)
    with ReplayStore(tmp_path / "run" / "run.db", GAME) as store:
        assert store.num_games() == json.loads(done.stdout)["games"]
        own, (row,) = store.num_rows(validation=False), store.generations()
        assert {m.name for m in store.metrics()} >= {"loss/ownership", "loss/policy"}
    assert borrowed > 200 and row["samples"] == borrowed + own
    assert row["step"] * 32 == pytest.approx(6 * row["samples"], abs=32)


def test_a_model_of_another_game_is_refused(tmp_path):
    network = lively_network(GAME)
    save_model(tmp_path / "model.safetensors", network, games.spec(GAME), {})
    learner = Learner(network, LearnerConfig(), device="cpu")
    with pytest.raises(ConfigError, match=r"must be a model of connect4, got .* plays tictactoe"):
        start_from(str(tmp_path), learner, games.make("connect4"))


def test_a_store_that_is_only_read_is_not_made_or_written(tmp_path):
    with pytest.raises(StoreError, match="could not open"):
        ReplayStore(tmp_path / "run.db", GAME, read_only=True)
    assert not list(tmp_path.iterdir())
    ReplayStore(tmp_path / "run.db", GAME).close()
    with (
        ReplayStore(tmp_path / "run.db", GAME, read_only=True) as store,
        pytest.raises(StoreError, match="may not be written"),
    ):
        store.put("x", 1)


def test_a_window_takes_two_stores_one_after_the_other(tmp_path):
    window = SampleWindow(GAME, 1000)
    for name, numbers in (("a", range(5)), ("b", range(5, 8))):
        with ReplayStore(tmp_path / name, GAME, validation_share=0.0) as store:
            store.add_games(random_record(GAME, n) for n in numbers)
            window.fill(store)
    expected = SampleWindow(GAME, 1000)
    expected.add(random_record(GAME, n) for n in range(8))
    assert window.total_rows == expected.total_rows == len(window) == len(expected)
    for one, other in zip(window.batches(100), expected.batches(100), strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
