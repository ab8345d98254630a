"""The steps of training: crops in, a loss on alpha, AdamW with a cosine; the same seed gives the same samples."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.efficientnet import OWN
from training.refiner.network import Refiner, doubted
from training.refiner.samples import Example, Sample, sample


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn."""

    steps: int
    batch: int = 8
    side: int = 192
    rate: float = 1.5e-3
    encoder_rate: float = 3e-4
    photos: float = 0.45  # share of samples from photos with a hand-made mask
    seed: int = 7
    gated: bool = False  # learn at the edge of the coarse alpha alone


def train(
    network: Refiner,
    exact: Sequence[Example],
    photos: Sequence[Example],
    plan: Plan,
    say: Callable[[str], None] = print,
) -> Tensor:
    """Train `network` in place; return the loss of each step."""
    torch.manual_seed(plan.seed)
    network.gated = plan.gated
    network.to(memory_format=torch.channels_last).train()
    _freeze_encoder_norms(network)
    encoder = [p for name, p in network.named_parameters() if name.startswith(OWN)]
    decoder = [p for name, p in network.named_parameters() if not name.startswith(OWN)]
    groups = [{"params": encoder, "lr": plan.encoder_rate}, {"params": decoder, "lr": plan.rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, plan.steps))
    average = {name: values.detach().clone().float() for name, values in network.state_dict().items()}
    losses, since = [], time.monotonic()
    for step, (inputs, alpha, weight) in enumerate(_batches(exact, photos, plan)):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network.logits(inputs.contiguous(memory_format=torch.channels_last))
        if plan.gated:
            weight = weight * doubted(inputs[:, 3:4])
        loss = alpha_loss(logits.float(), alpha, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        keep = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, values in network.state_dict().items():
                average[name].lerp_(values.float(), 1 - keep)
        losses.append(loss.detach())
        if (step + 1) % 50 == 0:
            say(f"{step + 1}/{plan.steps} loss {torch.stack(losses[-50:]).mean():.4f} {time.monotonic() - since:.0f} s")
        if step + 1 == plan.steps:
            break
    own = network.state_dict()
    network.load_state_dict({name: values.to(own[name].dtype) for name, values in average.items()})
    network.eval()
    return torch.stack(losses)


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


def _freeze_encoder_norms(network: Refiner) -> None:
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d) and name.startswith(("_bn", "_blocks")):
            module.eval()


def _rate(step: int, steps: int) -> float:
    if step < 100:
        return (step + 1) / 100
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def _batches(
    exact: Sequence[Example], photos: Sequence[Example], plan: Plan
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    ready: queue.Queue[list[Sample]] = queue.Queue(maxsize=6)
    cv2.setNumThreads(1)

    def fill() -> None:
        for step in range(plan.steps):
            random = np.random.default_rng([plan.seed, step])
            drawn = []
            for _ in range(plan.batch):
                pool = photos if random.random() < plan.photos and photos else exact
                drawn.append(sample(random, pool[random.integers(len(pool))], plan.side))
            ready.put(drawn)

    threading.Thread(target=fill, daemon=True).start()
    for _ in range(plan.steps):
        drawn = ready.get()
        yield (
            torch.from_numpy(np.stack([one.inputs for one in drawn])),
            torch.from_numpy(np.stack([one.alpha for one in drawn]))[:, None],
            torch.from_numpy(np.stack([one.weight for one in drawn]))[:, None],
        )
