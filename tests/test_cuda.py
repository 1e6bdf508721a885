"""The CUDA back end on a card: skipped, saying why, where there is none."""

import threading

import numpy as np
import pytest
import torch
from factories import lively_network, random_run
from playing import by_number, network

import games
from engine.backends.batches import buckets
from engine.backends.cuda_backend import CudaEvaluator
from engine.backends.cuda_lane import CudaLane, PageLock
from engine.backends.spec import EvaluatorSpec
from engine.batching import BatchPolicy
from engine.evaluator import Run
from engine.player import PlayerSpec
from engine.pool import Pool, PoolConfig, segment_spec
from engine.ring import Ring
from engine.segment import Segment
from trainer.network import load_plan, save_model

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch sees no CUDA device on this machine"
)

GAME = games.make("connect4")
MAX_BATCH = 200
# Of the largest logit; low precisions err in the trunk only.
PRECISIONS = [("fp32", 1e-5), ("tf32", 5e-3), ("bf16", 0.03), ("fp16", 5e-3)]


def evaluator_of(net, *, graphs=True, **options):
    source = net if isinstance(net, str) else net.plan()
    lane = CudaLane(torch.device("cuda"), graphs=graphs)
    options = {"max_batch": MAX_BATCH, "precision": "fp32", **options}
    return CudaEvaluator(GAME, source, lane=lane, **options)


def check(evaluator, net, runs, tolerance=1e-5):
    evaluator.evaluate(runs)
    for run in runs:
        with torch.inference_mode():
            expected = net(torch.from_numpy(GAME.unpack(run.observations)))
        for got, wanted in zip((run.policy_logits, run.wdl_logits), expected, strict=True):
            atol = tolerance * max(1.0, wanted.abs().max().item())
            np.testing.assert_allclose(got, wanted.numpy(), atol=atol)


def new_segment():
    return Segment(segment_spec(GAME, [PlayerSpec()], 1, PoolConfig(games_per_worker=128)))


def locked_column():
    """All slots of a segment's ring, and the lock on its memory."""
    segment = new_segment()
    column = Ring(segment, 0, 0).columns()
    column.observations[:] = random_run(GAME, len(column.observations)).observations
    return column, PageLock(segment.columns(), torch.device("cuda"))


def pieces(column, sizes):
    """Consecutive runs of `column` with a slot left out between each two."""
    runs, start = [], 0
    for size in sizes:
        runs.append(Run(*(part[start : start + size] for part in column)))
        start += size + 1
    return runs


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("sizes", [{}, {"channels": 48, "pool_every": 1}, {"blocks": 0}])
def test_agrees_with_the_network_on_the_cpu(precision, tolerance, sizes):
    if precision == "bf16" and torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this device does not multiply in bf16")
    net = lively_network(GAME, **sizes)
    evaluator = evaluator_of(net, precision=precision)
    for rows in ([1], [33], [MAX_BATCH], [1, 70, 3, 330]):
        check(evaluator, net, [random_run(GAME, n, seed=n) for n in rows], tolerance)


def test_auto_is_a_low_precision():
    assert evaluator_of(lively_network(GAME), precision="auto").name.split()[2] in ("bf16", "fp16")


def test_graphs_give_what_kernel_by_kernel_gives_in_every_bucket():
    net = lively_network(GAME)
    graphs, eager = evaluator_of(net), evaluator_of(net, graphs=False)
    assert " graphs" in graphs.name and " eager" in eager.name
    for rows in buckets(MAX_BATCH):
        one, other = random_run(GAME, rows), random_run(GAME, rows)
        graphs.evaluate([one])
        eager.evaluate([other])
        np.testing.assert_allclose(one.policy_logits, other.policy_logits, atol=1e-5)
        np.testing.assert_allclose(one.wdl_logits, other.wdl_logits, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # what inductor imports
def test_compiled_it_agrees_too():
    net = lively_network(GAME)
    evaluator = evaluator_of(net, compile=True, max_batch=40)
    check(evaluator, net, [random_run(GAME, 40), random_run(GAME, 3)], 1e-4)


@pytest.mark.parametrize("sizes", [[150], [1] * 60, [3, 70, 1, 40]])
def test_locked_slots_are_read_and_written_in_place(sizes, monkeypatch):
    net = lively_network(GAME)
    column, lock = locked_column()
    evaluator = evaluator_of(net, slots=lock)
    monkeypatch.setattr(evaluator, "_compute_staged", None)
    for part in (column.policy_logits, column.wdl_logits):
        part[:] = np.nan
    runs = pieces(column, sizes)
    check(evaluator, net, runs)
    num_written = np.isfinite(column.policy_logits).all(1).sum()
    assert num_written == sum(sizes)


def test_a_page_lock_can_be_taken_again_after_its_end():
    memory = new_segment().columns()
    for _ in range(2):
        lock = PageLock(memory, torch.device("cuda"))
        lock.release()
        lock.release()


def test_a_refused_lock_leaves_no_error_behind():
    column, lock = locked_column()
    memory = np.frombuffer(column.observations, np.uint8)
    with pytest.raises(OSError, match="gave CUDA error"):
        PageLock(memory, torch.device("cuda"))  # registered already
    net = lively_network(GAME)
    check(evaluator_of(net, slots=lock), net, pieces(column, [10]))


def test_weights_change_under_the_graphs(tmp_path):
    nets = [lively_network(GAME, seed=i) for i in range(2)]
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(2)]
    for path, net in zip(paths, nets, strict=True):
        save_model(path, net, games.spec(GAME), {})
    evaluator = evaluator_of(paths[0], load_plan=load_plan)
    run = random_run(GAME, 50)
    for i in (0, 1, 0, 1):
        evaluator.load(paths[i])
        check(evaluator, nets[i], [run])


def test_streams_work_side_by_side_while_weights_change(tmp_path):
    # Both networks are the same: whatever moment the weights change at, results must not.
    net = lively_network(GAME)
    path = str(tmp_path / "0.safetensors")
    save_model(path, net, games.spec(GAME), {})
    column, lock = locked_column()
    evaluators = [evaluator_of(path, slots=lock, load_plan=load_plan) for _ in range(3)]
    expected = random_run(GAME, len(column.observations))
    evaluators[0].evaluate([expected])
    failures = []

    def stream(k):
        # Every stream has its third of the slots, in pieces of changing sizes.
        try:
            third = len(column.observations) // 3
            own = slice(k * third, (k + 1) * third)
            for turn in range(50):
                mine = Run(*(part[own] for part in column))
                mine.policy_logits[:] = np.nan
                cut = 1 + (7 * turn) % (third - 1)
                evaluators[k].evaluate(
                    [Run(*(part[:cut] for part in mine)), Run(*(part[cut:] for part in mine))]
                )
                np.testing.assert_allclose(
                    mine.policy_logits, expected.policy_logits[own], atol=1e-5
                )
                if turn % 10 == k:
                    evaluators[k].load(path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=stream, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_a_pool_plays_on_the_card_and_takes_new_weights(tmp_path):
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(2)]
    for seed, path in enumerate(paths):
        save_model(path, lively_network(GAME, seed=seed), games.spec(GAME), {})
    spec = EvaluatorSpec(path=paths[0], device="cuda")
    config = PoolConfig(
        workers=2, games_per_worker=16, streams=2, batch=BatchPolicy(max_batch=64)
    )
    with Pool(GAME, [network(20)], [spec], config, seed=1, game_limit=60) as pool:
        pool.wait_ready()
        pool.load(0, paths[1], 1)
        found = by_number(pool.games(60.0))
        assert pool.segment.loaded(0) == 1 and pool.num_restarts == 0
    assert sorted(found) == list(range(60))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch sees fewer than 2 CUDA devices")
def test_two_cards_share_the_workers(tmp_path):
    path = str(tmp_path / "0.safetensors")
    save_model(path, lively_network(GAME), games.spec(GAME), {})
    spec = EvaluatorSpec(path=path, device="cuda:0,cuda:1")
    config = PoolConfig(workers=2, games_per_worker=16)
    with Pool(GAME, [network(20)], [spec], config, seed=1, game_limit=40) as pool:
        assert len(by_number(pool.games(60.0))) == 40
        counters = pool.counters()
    assert all(counters[f"inference-{i}"]["evaluations"] for i in range(2))
