"""Several servers for one model, as several devices have them: they share its workers."""

import logging
import os
import signal
from pathlib import Path

import pytest
from factories import lively_network
from playing import assert_same_records, network, play, serial_records
from running import wait_for
from test_ring import ask, reply, spec

import games
from engine.backends.spec import EvaluatorSpec
from engine.errors import ConfigError
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig
from engine.ring import RingSet
from engine.segment import Segment
from engine.testing import WorkerSide
from games import Game
from trainer.config import SelfplayConfig
from trainer.network import save_model

CONNECT4 = games.make("connect4")
TICTACTOE = games.make("tictactoe")
PAIR = EvaluatorSpec(kind="uniform", device="cpu,cpu")


def pool_of(
    game: Game = CONNECT4,
    *,
    workers: int = 2,
    game_limit: int | None = 16,
    serial: bool = False,
    evaluators: tuple[EvaluatorSpec, ...] = (PAIR,),
) -> Pool:
    config = PoolConfig(workers=workers, games_per_worker=4, serial=serial)
    players = [
        PlayerSpec(search=network().search, model=model) for model in range(len(evaluators))
    ]
    return Pool(game, players, evaluators, config, seed=1, game_limit=game_limit)


def evaluations(pool: Pool) -> dict[str, int]:
    counters = pool.counters()
    return {name: counters[name]["evaluations"] for name in counters if "inference" in name}


def test_a_worker_asks_one_server_of_each_model() -> None:
    segment = Segment(spec(num_workers=3, num_models=2, servers_per_model=2))
    assert segment.spec.num_servers == 4 and segment.spec.num_processes == 7
    for worker in range(3):
        for model in range(2):
            ask(WorkerSide(segment, worker, model), 10 * worker + model)
    replies = [sorted(reply(RingSet(segment, server))) for server in range(4)]
    assert replies == [[0, 20], [10], [1, 21], [11]]


def test_each_server_has_its_own_mailbox_and_counters() -> None:
    segment = Segment(spec(num_workers=2, servers_per_model=2))
    ask(WorkerSide(segment, 1), 5)
    rings = RingSet(segment, 1)
    rings.count_batch(3, 8, 100, 10)
    segment.set_loaded(1, 4)
    segment.set_ready(1, True)
    assert (segment.loaded(0), segment.ready(0)) == (0, False)
    assert segment.counters(3)["evaluations"] == 3 and segment.counters(2)["evaluations"] == 0


@pytest.mark.parametrize("serial", [True, False])
def test_two_servers_play_the_games_that_one_does(serial: bool) -> None:
    with pool_of(serial=serial) as pool:
        found = play(pool)
        assert list(evaluations(pool)) == ["inference-0", "inference-1"]
    assert_same_records(found, serial_records(CONNECT4, [network()], 16))


def test_a_match_of_two_models_asks_both_servers_of_both() -> None:
    with pool_of(TICTACTOE, evaluators=(PAIR, PAIR), serial=True) as pool:
        assert len(play(pool)) == 16
        counts = evaluations(pool)
    assert len(counts) == 4 and all(counts.values())


def test_a_model_on_one_device_meets_one_on_two() -> None:
    with pool_of(
        TICTACTOE, evaluators=(EvaluatorSpec(kind="uniform"), PAIR), serial=True
    ) as pool:
        assert len(play(pool)) == 16
        assert len(evaluations(pool)) == 4


@pytest.mark.parametrize("serial", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_both_servers_take_over_new_weights(serial: bool, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(2)]
    for seed, path in enumerate(paths):
        net = lively_network(TICTACTOE, seed=seed, blocks=1, channels=8)
        save_model(path, net, games.spec(TICTACTOE), {})
    torch = EvaluatorSpec(path=paths[0], device="cpu,cpu", precision="fp32")
    with pool_of(TICTACTOE, evaluators=(torch,), game_limit=None, serial=serial) as pool:
        pool.wait_ready()
        pool.load(0, paths[1], 7)

        def both_loaded() -> bool:
            pool.release(pool.finished(0.01))
            return [pool.segment.loaded(server) for server in range(2)] == [7, 7]

        wait_for(both_loaded, 60, "both servers to take over generation 7")
        before = evaluations(pool)

        def both_answer() -> bool:
            pool.release(pool.finished(0.01))
            return all(count > before[name] for name, count in evaluations(pool).items())

        wait_for(both_answer, 60, "both servers to go on with the new weights")


@pytest.mark.chaos
def test_a_killed_server_is_replaced_and_changes_no_game() -> None:
    with pool_of(game_limit=30) as pool:
        found = {}
        for record in pool.games(60.0):
            if not found:
                os.kill(pool.pids["inference-1"], signal.SIGKILL)
            found[record.number] = record
        wait_for(lambda: pool.watch() or pool.num_restarts, 60, "the server's replacement")
        assert pool.num_restarts == 1 and sorted(pool.pids)[:2] == ["inference-0", "inference-1"]
    assert_same_records(found, serial_records(CONNECT4, [network()], 30))


def test_a_device_without_a_worker_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), pool_of(workers=1, serial=True) as pool:
        assert len(play(pool)) == 16
        assert list(evaluations(pool)) == ["inference-0"]
    assert "idle_devices devices=2 workers=1" in caplog.text


def test_self_play_takes_several_devices_by_name() -> None:
    assert SelfplayConfig(device="cuda:0,cuda:1").device == "cuda:0,cuda:1"
    for wrong in ("cuda:0,", "auto,cuda", "cuda:0 cuda:1"):
        with pytest.raises(ConfigError, match="several separated by commas"):
            SelfplayConfig(device=wrong)
