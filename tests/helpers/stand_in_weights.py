"""Weights and a picture that anybody can rebuild: what the golden numbers were made from.

Each tensor is drawn from its own name, so two implementations agree on them without a file.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch


def stand_in(name: str, shape: Sequence[int], seed: int = 0) -> torch.Tensor:
    """Return the float32 tensor that stands in for the parameter `name`."""
    draw = np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0xFFFFFFFF)  # its stream is frozen
    unit = (2 * draw.random_sample(math.prod(shape)).reshape(tuple(shape)) - 1) * math.sqrt(3)  # of variance 1
    if len(shape) >= 2:
        values = unit / math.sqrt(math.prod(shape[1:]))
    else:
        values = 0.1 * unit + (1.0 if name.endswith(("weight", "gamma")) else 0.0)
    return torch.from_numpy(values.astype(np.float32))


def stand_in_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, torch.Tensor]:
    """Return a whole state dict of stand-in weights."""
    return {name: stand_in(name, shape, seed) for name, shape in shapes.items()}


def ring_picture(size: int = 512) -> torch.Tensor:
    """Return the golden input (1, 3, size, size) in [0, 1]: a shaded ring on grey 128, rounded to 8 bits."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1.0) * 2 - 1
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    rgb = np.stack([0.55 + 0.4 * np.sin(3 * angle), 0.5 + 0.35 * np.cos(2 * angle + 1), 0.25 + 0.7 * radius])
    rgb = np.rint(np.clip(rgb * (0.7 - 0.3 * x - 0.2 * y), 0, 1) * 255)
    picture = np.where((radius < 0.8) & (radius > 0.3), rgb, 128)
    return torch.from_numpy(picture.astype(np.float32) / 255).unsqueeze(0)


def difference(ours: torch.Tensor, golden: np.ndarray) -> float:
    """Return the largest difference relative to the largest golden number."""
    assert tuple(ours.shape) == golden.shape
    return float(np.abs(ours.numpy() - golden).max() / np.abs(golden).max())
