"""The learner: turns the window's samples into better weights.

Shapes: ``B`` batch, ``A`` actions. AdamW (Loshchilov and Hutter, arXiv:1711.05101) on the policy's
and the win/draw/loss head's cross-entropy; an exponential average of the weights plays.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.backends.devices import choose_device
from engine.backends.torch_backend import cpu_has_bf16
from engine.errors import EngineError, StoreError
from engine.process import cpu_count
from trainer.config import LearnerConfig
from trainer.heads import AuxiliaryHeads
from trainer.network import Network
from trainer.samples import Batch, SampleWindow
from trainer.schedule import average_decay, learning_rate

__all__ = ["Learner", "StepMetrics"]


class StepMetrics(NamedTuple):
    """What one training step, or the mean of several, came to."""

    step: int
    """Training steps done, this one included."""
    policy_loss: float
    """Cross-entropy with the visits, in nats."""
    value_loss: float
    """Cross-entropy with the value target, in nats."""
    loss: float
    """Both, weighted."""
    grad_norm: float
    """Before clipping."""
    learning_rate: float
    samples_per_s: float


class Learner:
    """A network in training, its average, and its optimiser.

    The sampling of step n depends on the seed and n alone, so that a restored learner goes on
    as if it had never stopped, given the same window.

    Parameters
    ----------
    network
        Trained in place.
    seed
        The run's seed.
    device
        "auto", "cpu", "cuda" or "cuda:N".
    """

    def __init__(
        self, network: Network, config: LearnerConfig, *, seed: int = 0, device: str = "auto"
    ) -> None:
        self.device = choose_device(device)
        self.config = config
        # Measured on two Zen 4 cores, samples/s, 4x48 and 5x64 on 6x7, batch 512: bf16
        # channels-last 3470 and 2050, fp32 channels-last 2730 and 1530, fp32 2470 and 1250.
        self.network = network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        """The weights that play."""
        self.step = 0
        """Training steps done."""
        self._seed = seed
        self._owed = 0.0  # training steps that new rows have paid for
        self._progress = 0.0
        fast = self.device.type == "cuda" or cpu_has_bf16()
        self._bf16 = config.precision == "bf16" or (config.precision == "auto" and fast)
        auxiliary = config.auxiliary
        self.heads = AuxiliaryHeads(self.network, list(auxiliary)).to(self.device)
        """What learns beside the network and never plays."""
        self._weights = {"policy": config.policy_weight, "value": config.value_weight, **auxiliary}
        self.auxiliary_losses: dict[str, float] = {}
        """Mean loss of each auxiliary head over the last turn."""
        self._head_losses: list[list[float]] = []  # of each step of it
        parameters = self._parameters = [*self.network.parameters(), *self.heads.parameters()]
        groups: list[dict[str, Any]] = [
            # Norms and biases set scales and offsets; pulling those to zero only hurts.
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        own, new = self.average.state_dict(), self.network.state_dict()
        floats = [name for name, tensor in new.items() if tensor.is_floating_point()]
        self._averaged = [own[name] for name in floats], [new[name] for name in floats]
        # Norms count their batches, too.
        self._counters = [(own[name], new[name]) for name in new.keys() - {*floats}]

    @property
    def samples(self) -> int:
        """Samples trained on, repetitions counted."""
        return self.step * self.config.batch_size

    def steps_due(self, new_rows: int) -> int:
        """Training steps that `new_rows` more rows pay for; the fraction is kept for later."""
        self._owed += new_rows * self.config.passes_per_row / self.config.batch_size
        return int(self._owed)

    def set_progress(self, fraction: float | None) -> None:
        """Say how much of the run's budget is spent, in [0, 1]; None: there is no end to it.

        The learning rate goes by it; see `trainer.schedule`.
        """
        self._progress = 0.0 if fraction is None else min(max(fraction, 0.0), 1.0)

    def learning_rate(self) -> float:
        """Rate of the next step."""
        return learning_rate(self.config, self.step, self._progress)

    def take_all_cores(self) -> None:
        """Self-play waits: for the rest of the turn, its cores are the learner's, too."""
        torch.set_num_threads(self.config.threads or cpu_count())

    def train(
        self,
        steps: int,
        window: SampleWindow,
        on_step: Callable[[StepMetrics], bool | None] | None = None,
    ) -> StepMetrics | None:
        """Do `steps` training steps and return their mean, None if there were none.

        Parameters
        ----------
        on_step
            Called after each step; a true answer ends the turn early. Steps not done stay due.

        Raises
        ------
        EngineError
            If the loss is not finite; the weights are those of the step before.
        """
        done: list[StepMetrics] = []
        self._head_losses.clear()
        with self._threads():
            for _ in range(steps):
                done.append(self._train_step(window))
                if on_step is not None and on_step(done[-1]):
                    break
        self._owed = max(0.0, self._owed - len(done))
        if not done:
            return None
        means = np.mean(self._head_losses, axis=0).tolist()
        self.auxiliary_losses = dict(zip(self.config.auxiliary, means, strict=True))
        mean = np.mean(np.array(done, dtype=np.float64), axis=0).tolist()
        return StepMetrics(self.step, *mean[1:])

    def _train_step(self, window: SampleWindow) -> StepMetrics:
        config, start, rate = self.config, time.perf_counter(), self.learning_rate()
        # Step 1. Draw the samples.
        rng = np.random.default_rng((self._seed, self.step))
        batch = window.sample(config.batch_size, rng, symmetries=config.symmetries)
        counts = self._counts(batch)
        sums: dict[str, float] = {}
        self._optimiser.zero_grad(set_to_none=True)
        for part in _parts(batch, config.accumulate):
            # Step 2. Forward.
            losses, _, _ = self._losses(self.network, part, counts, self.heads)
            # Step 3. Backward; the gradients of the parts add up to the batch's.
            loss = torch.stack([self._weights[name] * each for name, each in losses.items()]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            for name, value in {**losses, "loss": loss}.items():
                sums[name] = sums.get(name, 0.0) + value.item()
        norm = nn.utils.clip_grad_norm_(self._parameters, config.max_grad_norm)
        if not (math.isfinite(sums["loss"]) and math.isfinite(norm.item())):
            raise EngineError(
                f"training step {self.step + 1} has loss {sums['loss']} and gradient norm "
                f"{norm.item()}; lower learner.learning_rate, or go back to an older checkpoint"
            )
        # Step 4. Update the weights and their average.
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self.step += 1
        self._update_average()
        elapsed = time.perf_counter() - start
        self._head_losses.append([sums[name] for name in config.auxiliary])
        return StepMetrics(self.step, sums["policy"], sums["value"], sums["loss"], norm.item(),
                           rate, config.batch_size / elapsed)  # fmt: skip

    def _counts(self, batch: Batch) -> dict[str, float]:
        """Samples of `batch` that each loss is the mean over, at least 1."""
        counts = {"policy": float(batch.policy_weight.sum()), "value": float(len(batch.wdl))}
        for name, target in batch.auxiliary.items():
            counts[name] = float(AuxiliaryHeads.known(name, torch.from_numpy(target)).sum())
        return {name: max(count, 1.0) for name, count in counts.items()}

    def _losses(
        self,
        network: Network,
        batch: Batch,
        counts: Mapping[str, float],
        heads: AuxiliaryHeads | None = None,
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Cross-entropies of policy and value and the losses of `heads`, each the sum over
        `batch` divided by its count; policy and win/draw/loss logits [B, ...]."""
        observations = torch.from_numpy(batch.observations).to(self.device)
        observations = observations.contiguous(memory_format=torch.channels_last)
        policy, wdl, weight = (torch.from_numpy(a).to(self.device) for a in batch[1:4])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            trunk, features = network.features(observations)
            policy_logits, wdl_logits = network.answer(trunk, features)
            answers = {} if heads is None else heads(trunk, features)
        policy_logits, wdl_logits = policy_logits.float(), wdl_logits.float()
        each = -(policy * functional.log_softmax(policy_logits, 1)).sum(1)
        totals = {
            "policy": (weight * each).sum(),
            "value": -(wdl * functional.log_softmax(wdl_logits, 1)).sum(1).sum(),
        }
        for name, answer in answers.items():
            target = torch.from_numpy(batch.auxiliary[name]).to(self.device)
            totals[name] = AuxiliaryHeads.loss(name, answer, target)
        losses = {name: total / counts[name] for name, total in totals.items()}
        return losses, policy_logits, wdl_logits

    @torch.no_grad()
    def _update_average(self) -> None:
        # Running statistics are averaged as the weights they belong to are.
        average, new = self._averaged
        torch._foreach_lerp_(average, new, 1 - average_decay(self.config, self.step))
        for own, other in self._counters:
            own.copy_(other)

    @torch.no_grad()
    def validate(self, window: SampleWindow) -> dict[str, float]:
        """Losses of the averaged weights on all of `window`, in nats, and how often they agree.

        A window made with ``value_mix=0`` measures against the outcomes alone.

        Returns
        -------
        ``policy_loss``, ``value_loss``, ``policy_top1`` (share of rows whose most visited action
        has the highest logit) and ``value_sign`` (share of decided rows where win against loss is
        on the right side); empty without rows.
        """
        sums: dict[str, float] = {}
        weights: dict[str, float] = {}

        def add(name: str, total: Tensor | float, weight: Tensor | float) -> None:
            sums[name] = sums.get(name, 0.0) + float(total)
            weights[name] = weights.get(name, 0.0) + float(weight)

        with self._threads():
            for batch in window.batches(self.config.batch_size):
                losses, policy_logits, wdl_logits = self._losses(
                    self.average, batch, self._counts(batch)
                )
                rows = torch.from_numpy(batch.policy_weight).to(self.device)
                best = torch.from_numpy(batch.policy).to(self.device).argmax(1)
                target = torch.from_numpy(batch.wdl).to(self.device)
                lead = target[:, 0] - target[:, 2]
                agrees = (wdl_logits[:, 0] - wdl_logits[:, 2]) * lead > 0
                add("policy_loss", losses["policy"] * rows.sum(), rows.sum())
                add("value_loss", losses["value"] * len(rows), len(rows))
                add("policy_top1", ((policy_logits.argmax(1) == best) * rows).sum(), rows.sum())
                add("value_sign", agrees.sum(), (lead != 0).sum())
        return {name: total / max(weights[name], 1.0) for name, total in sums.items()}

    # -- checkpoints ----------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON values from which, with `average`, `restore` makes it anew."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"heads.{name}": t for name, t in self.heads.state_dict().items()}
        for name, parameter in self._named_parameters().items():
            for key, tensor in self._optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{name}.{key}"] = tensor
        meta = {"step": self.step, "owed": self._owed, "seed": self._seed}
        return {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, meta

    def restore(
        self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], average: Network
    ) -> None:
        """Become the learner whose `state` this is; `average` is its averaged network.

        Raises
        ------
        StoreError
            If the state is of another network.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "heads": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        own = {name: tensor.shape for name, tensor in self.network.state_dict().items()}
        if own != {name: tensor.shape for name, tensor in parts["network"].items()}:
            raise StoreError(
                f"the training state is not one of this network, {self.network.config}; keep the "
                "[network] settings of the run, or start a new run"
            )
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(average.state_dict())
        # Heads that are new begin anew, and those that are no longer asked for are dropped.
        self.heads.load_state_dict({**self.heads.state_dict(), **{
            name: tensor for name, tensor in parts["heads"].items()
            if name in self.heads.state_dict()
        }})  # fmt: skip
        parameters = self._named_parameters()
        self._optimiser.state.clear()
        for name, tensor in parts["optimiser"].items():
            owner, _, key = name.rpartition(".")
            if owner not in parameters:
                continue
            parameter, value = parameters[owner], tensor.to(self.device, copy=True)
            if value.shape == parameter.shape:  # moments lie in memory as their parameter does
                value = torch.empty_like(parameter, requires_grad=False).copy_(value)
            self._optimiser.state[parameter][key] = value
        self.step, self._owed = int(meta["step"]), float(meta["owed"])
        self._seed = int(meta["seed"])

    def _named_parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by the names of `state`."""
        heads = {f"heads.{name}": p for name, p in self.heads.named_parameters()}
        return dict(self.network.named_parameters()) | heads

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Use `config.threads`, or its share of the cores; the old number afterwards."""
        before, cores = torch.get_num_threads(), cpu_count()
        share = max(1, cores // 2) if self.config.beside_selfplay else cores
        torch.set_num_threads(self.config.threads or share)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _parts(batch: Batch, num: int) -> Iterator[Batch]:
    """`batch` in `num` equal parts, one after the other."""
    size = len(batch.wdl) // num
    for start in range(0, num * size, size):
        here = slice(start, start + size)
        yield Batch(
            batch.observations[here],
            batch.policy[here],
            batch.wdl[here],
            batch.policy_weight[here],
            {name: column[here] for name, column in batch.auxiliary.items()},
        )
