"""The steps of training: views in, a loss on both layers and the back's colour, AdamW with a cosine; fixed seeds."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.engines.form.engine import NODES, PICTURE
from backend.mesh.camera import DISTANCE
from training.efficientnet import OWN
from training.form.network import FormNetwork, Layers
from training.form.pack import Views

KNEE = 0.1  # world units: from about this size on an error grows less than its size


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn."""

    steps: int
    batch: int = 16
    rate: float = 1.5e-3  # of the decoder
    seed: int = 7


@dataclass(frozen=True)
class Batch:
    """`inputs` as the network takes them and the truth at its nodes; `known` is 1 where there is an object."""

    inputs: Tensor  # (N, 7, PICTURE, PICTURE)
    front: Tensor  # (N, 1, NODES, NODES), as all below
    back: Tensor
    behind: Tensor  # (N, 3, NODES, NODES)
    known: Tensor


def train(network: FormNetwork, views: Views, plan: Plan, check: Callable[[int, FormNetwork], None]) -> None:
    """Train `network` in place; it ends with the running mean of its weights. `check` is called now and then."""
    torch.manual_seed(plan.seed)
    network.to(memory_format=torch.channels_last).train()
    encoder = [p for name, p in network.named_parameters() if name.startswith(OWN)]
    decoder = [p for name, p in network.named_parameters() if not name.startswith(OWN)]
    groups = [{"params": encoder, "lr": 0.4 * plan.rate}, {"params": decoder, "lr": plan.rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=2e-2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, plan.steps))
    average = {name: values.detach().clone().float() for name, values in network.state_dict().items()}
    losses: list[float] = []
    since = time.monotonic()
    for step, batch in enumerate(_batches(views, plan)):
        with torch.autocast("cpu", torch.bfloat16):
            layers = network(batch.inputs.contiguous(memory_format=torch.channels_last))
        loss = form_loss(layers, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        keep = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, values in network.state_dict().items():
                average[name].lerp_(values.float(), 1 - keep)
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            print(
                f"{step + 1}/{plan.steps} loss {np.mean(losses[-100:]):.4f} {time.monotonic() - since:.0f} s",
                flush=True,
            )
        if (step + 1) % 500 == 0 or step + 1 == plan.steps:
            mean = FormNetwork()
            mean.load_state_dict({name: values.to(mean.state_dict()[name].dtype) for name, values in average.items()})
            check(step + 1, mean.eval())
    network.load_state_dict({name: values.to(network.state_dict()[name].dtype) for name, values in average.items()})
    network.eval()


def form_loss(layers: Layers, batch: Batch) -> Tensor:
    """Errors of front, back and thickness, of slopes near and far, of the doubt told and of the back's colour.

    A photo does not say how far away the object is: the shift that most of both layers ask for is taken out first. An
    error counts less and less the larger it is: of two shapes that are possible, one and not their mean is wanted.
    """
    known = batch.known
    count = known.sum((1, 2, 3), keepdim=True).clamp(min=1)
    ahead, behind = layers.front - batch.front, layers.back - batch.back
    # Through this mean the gradient is free of any shift of all; without it the depths drift, to 20 in 2,500 steps.
    mean_error = (0.5 * (ahead + behind) * known).sum((1, 2, 3), keepdim=True) / count
    ahead, behind = ahead - mean_error, behind - mean_error
    shift = _shift(ahead, behind, known)
    ahead, behind = (ahead - shift) * known, (behind - shift) * known
    depth = (batch.front * known - 9 * (1 - known)).amax((1, 2, 3), keepdim=True) - (
        batch.back * known + 9 * (1 - known)
    ).amin((1, 2, 3), keepdim=True)
    share = known / count / depth.clamp(min=1.0) / len(known)

    def mean(error: Tensor) -> Tensor:
        return (error * share).sum()

    loss = mean(_flattened(ahead) + _flattened(behind) + 0.7 * _flattened(ahead - behind))
    for reach, weight in ((1, 1.0), (4, 0.5)):
        for axis in (2, 3):
            for error in (ahead, behind):
                pairs = known.narrow(axis, reach, NODES - reach) * known.narrow(axis, 0, NODES - reach)
                slope = error.narrow(axis, reach, NODES - reach) - error.narrow(axis, 0, NODES - reach)
                loss = loss + weight * (slope.abs().clamp(max=0.3) * pairs * share.narrow(axis, 0, NODES - reach)).sum()
    for index, error in enumerate((ahead, behind)):
        doubt = layers.doubt[:, index : index + 1]
        loss = loss + 0.05 * mean(error.detach().abs() / doubt + torch.log(doubt))
    return loss + 0.5 * mean((layers.behind - batch.behind).abs().mean(1, keepdim=True))


@torch.no_grad()
def _shift(ahead: Tensor, behind: Tensor, known: Tensor) -> Tensor:
    """Return the (N, 1, 1, 1) shift from 0 that is nearest to most errors, by reweighting their mean."""
    shift = torch.zeros(len(known), 1, 1, 1)
    for _ in range(3):
        first, last = (known / ((error - shift).abs() + 0.05) for error in (ahead, behind))
        total = (first + last).sum((1, 2, 3), keepdim=True).clamp(min=1e-6)
        shift = (first * ahead + last * behind).sum((1, 2, 3), keepdim=True) / total
    return shift


def _flattened(error: Tensor) -> Tensor:
    size = error.abs()
    return 0.25 * size + KNEE * size / (size + KNEE)


def _rate(step: int, steps: int) -> float:
    return (step + 1) / 200 if step < 200 else 0.5 * (1 + math.cos(math.pi * step / steps))


def batch_of(views: Views, index: np.ndarray, random: np.random.Generator | None) -> Batch:
    """Return the views of these numbers; with `random` mirrored, tinted, blurred, noised, at times with a disparity."""
    picture = torch.from_numpy(views.picture[index]).permute(0, 3, 1, 2).float() / 255
    front, back, half = (
        torch.from_numpy(plane[index].astype(np.float32))[:, None] for plane in (views.front, views.back, views.half)
    )
    behind = torch.from_numpy(views.behind[index]).permute(0, 3, 1, 2).float() / 255
    known = (front < 5).float()
    color, alpha = picture[:, :3], picture[:, 3:]
    disparity = torch.zeros(len(index), 1, PICTURE, PICTURE)
    given = torch.zeros(len(index), 1, 1, 1)
    if random is not None:
        color, behind = _tinted(color, behind, random)
        color, alpha = _as_photographed(color, alpha, random)
        given = torch.from_numpy((random.random((len(index), 1, 1, 1)) < 0.3).astype(np.float32))
        disparity = _disparity(front, known, random) * given
    inputs = network_inputs(color, alpha, half, disparity, given)
    made = Batch(inputs, front, back, behind, known)
    if random is not None and random.random() < 0.5:
        made = Batch(*(value.flip(-1) for value in vars(made).values()))
    return made


def network_inputs(color: Tensor, alpha: Tensor, half: Tensor, disparity: Tensor, given: Tensor) -> Tensor:
    """Return (N, 7, PICTURE, PICTURE) of planes of that size; `half` is (N, 1, NODES, NODES), `given` (N, 1, 1, 1)."""
    wide = functional.interpolate(half, size=(PICTURE, PICTURE), mode="bilinear", align_corners=False)
    return torch.cat([color * alpha + 0.5 * (1 - alpha), alpha, wide, disparity, given.expand_as(alpha)], 1)


def _tinted(color: Tensor, behind: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    order = torch.from_numpy(random.permutation(3)) if random.random() < 0.5 else torch.arange(3)
    gain = torch.from_numpy(random.uniform(0.7, 1.35, (len(color), 3, 1, 1)).astype(np.float32))
    gamma = torch.from_numpy(random.uniform(0.75, 1.35, (len(color), 1, 1, 1)).astype(np.float32))
    return tuple((plane[:, order] * gain).clamp(1e-4, 1) ** gamma for plane in (color, behind))  # type: ignore[return-value]


def _as_photographed(color: Tensor, alpha: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return a softer, noisier picture and a matte that is a little too wide or too narrow."""
    if random.random() < 0.4:
        color = functional.avg_pool2d(color, 3, 1, 1, count_include_pad=False)
    level = float(random.choice([0, 0.01, 0.03]))
    color = (color + level * torch.from_numpy(random.standard_normal(color.shape, dtype=np.float32))).clamp(0, 1)
    if random.random() < 0.3:
        soft = functional.avg_pool2d(alpha, 3, 1, 1)
        alpha = ((soft - float(random.uniform(0.3, 0.7))) * 2 + 0.5).clamp(0, 1)
    return color, alpha


def _disparity(front: Tensor, known: Tensor, random: np.random.Generator) -> Tensor:
    """Return the front as a network for depth might tell it: 0 to 1 over the object, bent, blurred, no unit."""
    true = 1 / (DISTANCE - front).clamp(min=0.2)
    low = torch.where(known > 0, true, torch.inf).amin((2, 3), keepdim=True)
    high = torch.where(known > 0, true, -torch.inf).amax((2, 3), keepdim=True)
    share = ((true - low) / (high - low).clamp(min=1e-4)).clamp(0, 1) * known
    blur = int(random.integers(0, 4)) * 2 + 1
    weight = functional.avg_pool2d(known, blur, 1, blur // 2)
    share = functional.avg_pool2d(share, blur, 1, blur // 2) / weight.clamp(min=1e-3)
    waves = torch.from_numpy(random.standard_normal((len(front), 1, 5, 5), dtype=np.float32)) * random.uniform(0, 0.08)
    bent = share ** float(random.uniform(0.7, 1.4)) + functional.interpolate(waves, size=(NODES, NODES), mode="bicubic")
    wide = functional.interpolate(
        bent.clamp(0, 1) * known, size=(PICTURE, PICTURE), mode="bilinear", align_corners=False
    )
    return wide


def _batches(views: Views, plan: Plan) -> Iterator[Batch]:
    ready: queue.Queue[Batch] = queue.Queue(maxsize=4)

    def fill() -> None:
        order: list[int] = []
        for step in range(plan.steps):
            random = np.random.default_rng([plan.seed, step])
            if len(order) < plan.batch:
                order = random.permutation(len(views.picture)).tolist()
            ready.put(batch_of(views, np.array([order.pop() for _ in range(plan.batch)]), random))

    threading.Thread(target=fill, daemon=True).start()
    for _ in range(plan.steps):
        yield ready.get()
