"""The steps of training: crops in, a loss on alpha, AdamW with a cosine; the same seed gives the same samples."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.efficientnet import OWN
from training.refiner.network import Refiner, doubted
from training.refiner.samples import Example, sample

_WEIGHT_STEPS = 40  # a weight travels from the workers as so many steps of 1, in a byte


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn."""

    steps: int
    batch: int = 64
    side: int = 256
    rate: float = 2e-3
    encoder_rate: float = 6e-4
    photos: float = 0.3  # share of samples from photos with a hand-made mask
    seed: int = 7
    workers: int = 0  # processes that make crops; 0: this one


class Crops(IterableDataset[Tensor]):
    """Batches (N, 6, S, S) uint8: red, green, blue, coarse alpha, true alpha, weight; step by step from the seed."""

    def __init__(self, exact: Sequence[Example], photos: Sequence[Example], plan: Plan) -> None:
        self._exact, self._photos, self._plan = exact, photos, plan

    def __iter__(self) -> Iterator[Tensor]:
        cv2.setNumThreads(1)
        me = get_worker_info()
        first, stride = (me.id, me.num_workers) if me else (0, 1)
        for step in range(first, self._plan.steps, stride):
            yield torch.from_numpy(self._batch(np.random.default_rng([self._plan.seed, step])))

    def _batch(self, random: np.random.Generator) -> np.ndarray:
        plan = self._plan
        batch = np.empty((plan.batch, 6, plan.side, plan.side), np.uint8)
        for row in batch:
            pool = self._photos if self._photos and random.random() < plan.photos else self._exact
            made = sample(random, pool[random.integers(len(pool))], plan.side)
            row[:4] = np.rint(made.inputs * 255)
            row[4] = np.rint(made.alpha * 255)
            row[5] = np.rint(made.weight * _WEIGHT_STEPS)
        return batch


class Learner:
    """One network in training on a device; `average` is the running mean of its weights."""

    def __init__(self, network: Refiner, plan: Plan, device: str) -> None:
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self._freeze_encoder_norms()
        self._device = device
        encoder = [p for name, p in network.named_parameters() if name.startswith(OWN)]
        decoder = [p for name, p in network.named_parameters() if not name.startswith(OWN)]
        groups = [{"params": encoder, "lr": plan.encoder_rate}, {"params": decoder, "lr": plan.rate}]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=1e-2)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _rate(step, plan.steps))
        self._step = 0
        self.average = {name: values.detach().clone().float() for name, values in network.state_dict().items()}

    def learn(self, inputs: Tensor, alpha: Tensor, weight: Tensor) -> Tensor:
        """Take one step; return its loss."""
        with torch.autocast(self._device, torch.bfloat16):
            logits = self.network.logits(inputs.contiguous(memory_format=torch.channels_last))
        if self.network.gated:
            weight = weight * doubted(inputs[:, 3:4])
        loss = alpha_loss(logits.float(), alpha, weight)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self._scheduler.step()
        keep = min(0.998, (1 + self._step) / (10 + self._step))
        self._step += 1
        with torch.no_grad():
            own = self.network.state_dict()
            floats = [name for name, values in own.items() if values.is_floating_point()]
            torch._foreach_lerp_([self.average[name] for name in floats], [own[name] for name in floats], 1 - keep)
        return loss.detach()

    def finished(self) -> Refiner:
        """Return a network with the mean weights, on the CPU."""
        done = Refiner(self.network.gated)
        own = done.state_dict()
        done.load_state_dict({name: self.average[name].to("cpu", own[name].dtype) for name in own})
        return done.eval()

    def _freeze_encoder_norms(self) -> None:
        for name, module in self.network.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d) and name.startswith(OWN):
                module.eval()


def train(
    network: Refiner,
    exact: Sequence[Example],
    photos: Sequence[Example],
    plan: Plan,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> Refiner:
    """Return `network` trained: the running mean of its weights."""
    torch.manual_seed(plan.seed)
    learner, since, losses = Learner(network, plan, device), time.monotonic(), []
    for step, batch in enumerate(batches(exact, photos, plan)):
        losses.append(learner.learn(*unpacked(batch.to(device, non_blocking=True))))
        if (step + 1) % 100 == 0:
            say(
                f"{step + 1}/{plan.steps} loss {torch.stack(losses[-100:]).mean():.4f} {time.monotonic() - since:.0f} s"
            )
    return learner.finished()


def batches(exact: Sequence[Example], photos: Sequence[Example], plan: Plan) -> Iterator[Tensor]:
    """Yield `plan.steps` batches as `Crops` has them, in the order of the steps."""
    crops, ahead = Crops(exact, photos, plan), 4 if plan.workers else None
    return iter(DataLoader(crops, batch_size=None, num_workers=plan.workers, prefetch_factor=ahead))


def unpacked(batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs (N, 4, S, S), alpha and weight (N, 1, S, S), float32, of a batch as `Crops` has it."""
    inputs, alpha, weight = batch.split((4, 1, 1), 1)
    return inputs.float() / 255, alpha.float() / 255, weight.float() / _WEIGHT_STEPS


def alpha_loss(logits: Tensor, alpha: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy and absolute error of alpha, and of its slopes; all weighted. Shapes (N, 1, S, S)."""
    answer = torch.sigmoid(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, alpha, weight=weight)
    error = (weight * (answer - alpha).abs()).mean()
    slopes = sum(
        (
            torch.minimum(
                weight.narrow(axis, 1, weight.shape[axis] - 1), weight.narrow(axis, 0, weight.shape[axis] - 1)
            )
            * (answer.diff(dim=axis) - alpha.diff(dim=axis)).abs()
        ).mean()
        for axis in (2, 3)
    )
    return entropy + 2 * error + 2 * slopes


def _rate(step: int, steps: int) -> float:
    warm = min(200, max(steps // 10, 1))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * step / steps))
