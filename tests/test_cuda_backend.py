"""engine.backends.cuda_backend on the CPU, by way of a lane that is one: all but the card."""

import gc
import logging
import types
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from factories import lively_network, random_run
from host_lane import HostLane

import games
from engine.backends import torch_layers
from engine.backends.batches import bucket_for, buckets, split
from engine.backends.cuda_backend import CudaEvaluator
from engine.backends.cuda_lane import PageLock, page_lock
from engine.backends.devices import choose_device, choose_devices
from engine.errors import ConfigError, EvaluatorError
from engine.evaluator import Run
from engine.segment import Segment
from games import Game
from trainer.network import load_plan, save_model

CONNECT4 = games.make("connect4")
SCALARS = Game("any", num_actions=5, board_shape=(9, 9), num_planes=3, num_scalars=3,
               max_game_length=1)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def device_arithmetic(monkeypatch):
    """The operations of other devices, on one thread: the CPU's own loops stay out."""
    monkeypatch.setattr(torch_layers, "_has_kernels", lambda x: False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise_run(game, rows, seed=0):
    """`rows` observations of random bits and scalars in [-1, 1]."""
    rng = np.random.default_rng(seed)
    plane_bytes = 8 * game.num_planes * game.words_per_plane
    packed = np.zeros((rows, game.observation_bytes), np.uint8)
    packed[:, :plane_bytes] = rng.integers(0, 256, (rows, plane_bytes))
    scalars = rng.uniform(-1, 1, (rows, game.num_scalars)).astype("<f4").view(np.uint8)
    packed[:, plane_bytes : plane_bytes + scalars.shape[1]] = scalars
    return Run(
        packed,
        np.full((rows, game.num_actions), np.nan, np.float32),
        np.full((rows, 3), np.nan, np.float32),
    )


def evaluator_of(network, game=CONNECT4, **options):
    return CudaEvaluator(game, network.plan(), lane=HostLane(), **{"max_batch": 40, **options})


def check(evaluator, network, runs, game=CONNECT4, tolerance=5e-6):
    evaluator.evaluate(runs)
    for run in runs:
        if not len(run.observations):
            continue
        with torch.inference_mode():
            expected = network(torch.from_numpy(game.unpack(run.observations)))
        for got, wanted in zip((run.policy_logits, run.wdl_logits), expected, strict=True):
            atol = tolerance * max(1.0, wanted.abs().max().item())
            np.testing.assert_allclose(got, wanted.numpy(), atol=atol)


# -- shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rows", [1, 7, 8, 9, 40, 64, 100, 128, 1000, 1024, 4096])
def test_buckets_increase_to_the_maximum_and_waste_less_than_a_quarter(max_rows):
    sizes = buckets(max_rows)
    assert sizes[-1] == max_rows and list(sizes) == sorted(set(sizes))
    for rows in range(1, max_rows + 1):
        bucket = bucket_for(rows, sizes)
        assert bucket >= rows
        assert bucket - rows < max(8, rows / 4)
    assert len(sizes) <= 4 * max(1, max_rows.bit_length() - 3)


def test_buckets_are_those_of_the_docstring():
    assert buckets(160) == (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160)


def test_split_fills_every_chunk_but_the_last_and_keeps_the_order():
    runs = [noise_run(CONNECT4, rows, seed=rows) for rows in (3, 0, 10, 1)]
    chunks = split(runs, 4)
    assert [sum(len(r.observations) for r in chunk) for chunk in chunks] == [4, 4, 4, 2]
    joined = np.concatenate([run.observations for chunk in chunks for run in chunk])
    np.testing.assert_array_equal(joined, np.concatenate([run.observations for run in runs]))
    for chunk in chunks:
        for part in chunk:
            part.wdl_logits[:] = 1.0
    assert all((run.wdl_logits == 1.0).all() for run in runs)


# -- results --------------------------------------------------------------------------------


@pytest.mark.parametrize("game", [CONNECT4, SCALARS, games.make("tictactoe")], ids=repr)
@pytest.mark.parametrize("sizes", [{}, {"channels": 24, "pool_every": 1}, {"blocks": 0}])
def test_agrees_with_the_network(game, sizes):
    network = lively_network(game, **sizes)
    evaluator = evaluator_of(network, game)
    assert evaluator.name == "torch cpu fp32 host staged"
    for rows in ([1], [40], [41], [1, 70, 3, 130], [0, 9, 0], []):
        runs = [noise_run(game, n, seed=i) for i, n in enumerate(rows)]
        check(evaluator, network, runs, game, tolerance=2e-5)


def test_bf16_is_near():
    network = lively_network(CONNECT4)
    evaluator = evaluator_of(network, precision="bf16")
    check(evaluator, network, [random_run(CONNECT4, 30)], tolerance=0.02)


def test_every_batch_runs_in_its_bucket_and_is_waited_for():
    lane = HostLane()
    evaluator = CudaEvaluator(CONNECT4, lively_network(CONNECT4).plan(), lane=lane, max_batch=40)
    largest_first = buckets(40)[::-1]
    assert lane.num_recorded == len(largest_first)
    lane.repeats.clear()
    lane.num_waits = 0
    evaluator.evaluate([noise_run(CONNECT4, 13), noise_run(CONNECT4, 12)])
    evaluator.evaluate([noise_run(CONNECT4, 43)])
    assert [largest_first[number] for number in lane.repeats] == [32, 40, 8]
    assert lane.num_waits == 3


def test_padding_does_not_change_results():
    evaluator = evaluator_of(lively_network(CONNECT4))
    many = random_run(CONNECT4, 40)
    evaluator.evaluate([many])
    one = Run(many.observations[17:18], np.empty((1, 7), np.float32), np.empty((1, 3), np.float32))
    evaluator.evaluate([one])
    np.testing.assert_allclose(one.policy_logits[0], many.policy_logits[17], atol=2e-5)


def test_logits_that_are_not_finite_are_an_error_and_not_an_answer():
    evaluator = evaluator_of(lively_network(SCALARS), SCALARS)
    run = noise_run(SCALARS, 5)
    run.observations[3, 48:52] = np.array([np.nan], "<f4").view(np.uint8)
    with pytest.raises(EvaluatorError, match="gave logits that are not finite"):
        evaluator.evaluate([run])


# -- weights --------------------------------------------------------------------------------


def saved(tmp_path, networks):
    paths = [str(tmp_path / f"{i}.safetensors") for i in range(len(networks))]
    for path, network in zip(paths, networks, strict=True):
        save_model(path, network, games.spec(CONNECT4), {})
    return paths


def test_new_weights_of_the_same_sizes_are_written_over_the_old_without_recording(tmp_path):
    networks = [lively_network(CONNECT4, seed=i) for i in range(2)]
    paths = saved(tmp_path, networks)
    lane = HostLane()
    evaluator = CudaEvaluator(CONNECT4, paths[0], lane=lane, load_plan=load_plan, max_batch=40)
    recorded = lane.num_recorded
    run = random_run(CONNECT4, 10)
    check(evaluator, networks[0], [run])
    evaluator.load(paths[1])
    check(evaluator, networks[1], [run])
    assert lane.num_recorded == recorded
    assert evaluator.model == f"model {paths[1]}"


def test_a_network_of_other_sizes_is_taken_over_too(tmp_path):
    networks = [lively_network(CONNECT4), lively_network(CONNECT4, blocks=1, channels=24)]
    paths = saved(tmp_path, networks)
    evaluator = evaluator_of(networks[0], load_plan=load_plan)
    evaluator.load(paths[1])
    check(evaluator, networks[1], [random_run(CONNECT4, 10)])


@pytest.mark.parametrize("sizes", [{}, {"blocks": 1}], ids=["same sizes", "other sizes"])
def test_weights_that_give_no_number_are_refused_and_the_old_ones_stay(tmp_path, sizes):
    good, bad = lively_network(CONNECT4), lively_network(CONNECT4, seed=1, **sizes)
    with torch.no_grad():
        bad.policy.weight[0, 0] = float("nan")
    path = saved(tmp_path, [bad])[0]
    evaluator = evaluator_of(good, load_plan=load_plan)
    with pytest.raises(EvaluatorError, match=r"0\.safetensors gave logits that are not finite"):
        evaluator.load(path)
    check(evaluator, good, [random_run(CONNECT4, 10)])


def test_the_plan_keeps_its_weights_when_the_evaluator_takes_others(tmp_path):
    plan = lively_network(CONNECT4).plan()
    before = [layer.weight.copy() for layer in plan.layers()]
    evaluator = CudaEvaluator(CONNECT4, plan, lane=HostLane(), load_plan=load_plan, max_batch=8)
    evaluator.load(saved(tmp_path, [lively_network(CONNECT4, seed=1)])[0])
    for old, layer in zip(before, plan.layers(), strict=True):
        np.testing.assert_array_equal(old, layer.weight)


# -- what is refused ------------------------------------------------------------------------


def test_what_cannot_work_is_refused():
    network = lively_network(CONNECT4)
    with pytest.raises(EvaluatorError, match="choose a model of this game"):
        evaluator_of(network, games.make("tictactoe"))
    with pytest.raises(ConfigError, match="precision on a GPU must be"):
        evaluator_of(network, precision="int8")
    with pytest.raises(ConfigError, match="max_batch must be >= 1"):
        evaluator_of(network, max_batch=0)


def test_devices_are_named_one_by_one():
    assert choose_devices("cpu,cpu") == [CPU, CPU]
    assert choose_device("cpu,cpu") == CPU
    for text in ("gpu", "cpu,", "auto,cpu", "cuda:x"):
        with pytest.raises(ConfigError, match="device must be auto, or cpu"):
            choose_devices(text)
    if not torch.cuda.is_available():
        assert choose_device("auto") == CPU
        with pytest.raises(ConfigError, match="torch sees 0 CUDA devices"):
            choose_devices("cpu,cuda:1")


# -- page-locked memory ---------------------------------------------------------------------


class Runtime:
    """The two functions of the CUDA runtime, on the books only."""

    def __init__(self, error=0):
        self.error, self.locked, self.flags = error, {}, []

    def cudaHostRegister(self, address, size, flags):
        self.flags.append(flags)
        if not self.error:
            self.locked[address] = size
        return self.error

    def cudaHostUnregister(self, address):
        del self.locked[address]
        return 0


def runtime_of(monkeypatch, error=0):
    runtime = Runtime(error)
    monkeypatch.setattr(torch.cuda, "cudart", lambda: runtime)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return runtime


def segment():
    from engine.player import PlayerSpec
    from engine.pool import PoolConfig, segment_spec

    return Segment(segment_spec(CONNECT4, [PlayerSpec()], 1, PoolConfig(games_per_worker=2)))


def test_a_segments_columns_are_whole_pages_around_every_run(monkeypatch):
    from engine.ring import Ring

    runtime = runtime_of(monkeypatch)
    mapping = segment()
    memory = mapping.columns()
    lock = PageLock(memory, CPU)
    [(address, size)] = runtime.locked.items()
    assert address % 4096 == 0 and size % 4096 == 0 and runtime.flags == [1]
    assert all(lock.covers(column[1:3]) for column in Ring(mapping, 0, 0).columns())
    assert not any(lock.covers(column) for column in random_run(CONNECT4, 2))


def test_a_page_lock_ends_with_its_last_user(monkeypatch):
    runtime = runtime_of(monkeypatch)
    lock = PageLock(segment().columns(), CPU)
    evaluators = [evaluator_of(lively_network(CONNECT4), slots=lock) for _ in range(2)]
    del lock
    gc.collect()
    assert len(runtime.locked) == 1
    evaluators.clear()
    gc.collect()
    assert not runtime.locked


def test_memory_that_cannot_be_locked_is_said_and_done_without(monkeypatch, caplog):
    runtime_of(monkeypatch, error=2)
    with caplog.at_level(logging.WARNING):
        assert page_lock(segment().columns(), CPU) is None
    assert "CUDA error 2" in caplog.text and len(caplog.records) == 1


def test_locked_slots_are_read_and_written_where_they_are(monkeypatch):
    from engine.ring import Ring

    runtime_of(monkeypatch)
    mapping = segment()
    network = lively_network(CONNECT4)
    evaluator = evaluator_of(network, slots=PageLock(mapping.columns(), CPU))
    assert evaluator.name == "torch cpu fp32 host"
    monkeypatch.setattr(evaluator, "_compute_staged", None)
    column = Ring(mapping, 0, 0).columns()
    column.observations[:] = random_run(CONNECT4, len(column.observations)).observations
    for part in (column.policy_logits, column.wdl_logits):
        part[:] = np.nan
    runs = [Run(*(part[i:j] for part in column)) for i, j in ((5, 6), (0, 2))]
    check(evaluator, network, runs)
    for part in (column.policy_logits, column.wdl_logits):
        assert np.isnan(part[2:5]).all() and np.isnan(part[6:]).all()


def test_a_batch_half_in_locked_memory_is_staged(monkeypatch):
    from engine.ring import Ring

    runtime_of(monkeypatch)
    mapping = segment()
    network = lively_network(CONNECT4)
    evaluator = evaluator_of(network, slots=PageLock(mapping.columns(), CPU))
    inside = Run(*(part[:2] for part in Ring(mapping, 0, 0).columns()))
    inside.observations[:] = random_run(CONNECT4, 2).observations
    check(evaluator, network, [inside, random_run(CONNECT4, 3)])


def test_a_torch_spec_on_a_cpu_takes_no_lock(tmp_path):
    from engine.backends.spec import EvaluatorSpec

    path = saved(tmp_path, [lively_network(CONNECT4)])[0]
    spec = EvaluatorSpec(path=path, device="cpu,cpu", precision="fp32")
    assert [one.device for one in spec.devices] == ["cpu", "cpu"]
    first, second = spec.make_streams(CONNECT4, 8, 2, segment().columns())
    assert first is not second and first.name == "torch cpu fp32 fused"


def test_compiled_it_gives_the_same(monkeypatch):
    # What torch.compile makes of the code is the card's to tell; here it is passed through.
    asked = []

    def compiled(function, **options):
        asked.append(options)
        return function

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 8)
    network = lively_network(CONNECT4)
    evaluator = evaluator_of(network, compile=True)
    assert asked == [{"dynamic": False}] and "compiled" in evaluator.name
    check(evaluator, network, [random_run(CONNECT4, 5)])


def test_a_lane_knows_its_streams_place(monkeypatch):
    """The calls of a CUDA lane in their order, with torch's classes replaced by recorders."""
    from engine.backends import cuda_lane

    calls = []
    stream = types.SimpleNamespace(
        device=torch.device("cuda", 1), synchronize=lambda: calls.append("synchronize")
    )

    class Event:
        def __init__(self, *, blocking):
            assert blocking

        def record(self, of):
            assert of is stream
            calls.append("record")

        def synchronize(self):
            calls.append("sleep")

    class Graph:
        def replay(self):
            calls.append("replay")

    def capture(graph, *, pool, stream, capture_error_mode):
        calls.append((pool, capture_error_mode))
        return nullcontext()

    for name, value in {
        "Stream": lambda device: stream,
        "Event": Event,
        "CUDAGraph": Graph,
        "graph": capture,
        "stream": lambda of: nullcontext(),
        "graph_pool_handle": lambda: "pool",
        "get_device_capability": lambda device: (7, 5),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    lane = cuda_lane.CudaLane(torch.device("cuda:1"))
    assert (lane.precision, lane.kind, lane.device.index) == ("fp16", "graphs", 1)
    with lane.scope():
        repeat = lane.record(lambda: calls.append("work"))
    repeat()
    lane.wait()
    assert calls == [
        *["work"] * cuda_lane.WARM_UPS, "synchronize", ("pool", "thread_local"), "work",
        "replay", "record", "sleep",
    ]  # fmt: skip
