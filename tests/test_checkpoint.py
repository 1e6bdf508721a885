"""trainer.checkpoint: exact resumption, retention, damage."""

import json

import pytest
import torch
from test_learner import GAME, make_learner, make_window, same_weights

import games
from engine.errors import StoreError
from trainer.checkpoint import CheckpointStore
from trainer.config import LearnerConfig, NetworkConfig
from trainer.learner import Learner
from trainer.network import Network, load_model

SPEC = games.spec(GAME)


def save_at(store: CheckpointStore, learner: Learner, step: int, **info) -> None:
    learner.step = step
    store.save(learner, SPEC, info)


def test_a_restored_learner_goes_on_as_if_it_had_never_stopped(tmp_path):
    window, store = make_window(), CheckpointStore(tmp_path)
    straight, stopped = make_learner(), make_learner()
    for learner in (straight, stopped):
        learner.steps_due(100)
        learner.train(4, window)
    path = store.save(stopped, SPEC, {"generation": 2, "seconds": 1.5}, config="seed = 5\n")
    assert path.name == "00000004" and store.latest() == 4
    assert (path / "config.toml").read_text() == "seed = 5\n"
    resumed = make_learner()
    resumed.train(1, window)  # whatever it was before
    assert store.load(4, resumed) == {"generation": 2, "seconds": 1.5}
    assert same_weights(straight, resumed)
    assert straight.steps_due(7) == resumed.steps_due(7)
    for learner in (straight, resumed):
        learner.train(3, window)
    assert same_weights(straight, resumed)


def test_a_checkpoint_of_a_new_learner_can_be_restored(tmp_path):
    store = CheckpointStore(tmp_path)
    fresh = make_learner()
    store.save(fresh, SPEC, {})
    resumed = make_learner()
    store.load(0, resumed)
    for learner in (fresh, resumed):
        learner.train(2, make_window())
    assert same_weights(fresh, resumed)


def test_the_model_that_plays_is_the_average(tmp_path):
    learner, store = make_learner(), CheckpointStore(tmp_path)
    learner.train(3, make_window())
    store.save(learner, SPEC, {"generation": 1})
    model, metadata = load_model(store.model_path(3))
    assert metadata.info == {"generation": 1, "steps": 3} and metadata.game == SPEC
    for name, tensor in learner.average.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_newest_and_every_nth_generation_stay(tmp_path):
    store, learner = CheckpointStore(tmp_path, keep=2, keep_every=3), make_learner()
    for generation in range(1, 9):
        save_at(store, learner, 10 * generation, generation=generation)
    assert store.steps() == [30, 60, 70, 80]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{s:08d}" for s in (30, 60, 70, 80)]


def test_the_same_step_is_replaced(tmp_path):
    store, learner = CheckpointStore(tmp_path), make_learner()
    save_at(store, learner, 5, generation=1)
    save_at(store, learner, 5, generation=2)
    assert store.load(5, make_learner()) == {"generation": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["00000005"]


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "meta.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damage_is_named_and_fallback_is_explicit(tmp_path, name, damage):
    store, learner = CheckpointStore(tmp_path), make_learner()
    save_at(store, learner, 1, generation=1)
    save_at(store, learner, 2, generation=2)
    assert store.newest_readable() == (2, {})
    path = store.path(2) / name
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        path.write_bytes(data[:-20] + bytes(255 - b for b in data[-20:]))
    else:
        path.unlink()
    with pytest.raises(StoreError, match=r"checkpoint .*00000002 is damaged.*; move it away"):
        store.load(2, make_learner())
    step, damaged = store.newest_readable()
    assert step == 1 and list(damaged) == [2] and "00000002" in damaged[2]


def test_foreign_newer_and_missing_checkpoints_are_named(tmp_path):
    store, learner = CheckpointStore(tmp_path), make_learner()
    assert store.latest() is None and store.newest_readable() == (None, {})
    save_at(store, learner, 1)
    path = store.path(1) / "meta.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps({**meta, "version": 2}))
    with pytest.raises(StoreError, match="has version 2, this program reads up to 1; upgrade"):
        store.load(1, learner)
    path.write_text(json.dumps({**meta, "format": "other"}))
    with pytest.raises(StoreError, match="no ringzero checkpoint"):
        store.load(1, learner)
    with pytest.raises(StoreError, match=r"00000009 is damaged.*No such file"):
        store.load(9, learner)


def test_another_network_is_refused(tmp_path):
    store = CheckpointStore(tmp_path)
    save_at(store, make_learner(), 1)
    other = Network(GAME.observation_shape, 9, NetworkConfig(blocks=2, channels=8))
    with pytest.raises(StoreError, match=r"not one of this network.*\[network\] settings"):
        store.load(1, Learner(other, LearnerConfig(min_rows=1), device="cpu"))


def test_what_a_crash_left_is_swept(tmp_path):
    store, learner = CheckpointStore(tmp_path), make_learner()
    save_at(store, learner, 1, generation=1)
    (tmp_path / ".00000002.123.tmp").mkdir()
    (tmp_path / ".00000002.123.tmp" / "model.safetensors").write_bytes(b"half")
    # Killed between the two renames of a replacement: the old one comes back.
    store.path(1).rename(tmp_path / ".00000001.old.tmp")
    assert store.steps() == []
    assert [p.name for p in store.sweep()] == [".00000002.123.tmp"]
    assert store.steps() == [1] and store.newest_readable() == (1, {})
    assert store.sweep() == []


def test_a_failed_save_leaves_the_others_and_nothing_half(tmp_path, monkeypatch):
    store, learner = CheckpointStore(tmp_path), make_learner()
    save_at(store, learner, 1)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StoreError, match="No space left on device"):
        save_at(store, learner, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["00000001"]
