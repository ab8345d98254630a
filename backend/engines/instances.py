"""Single objects with a small mask each -> the saliency of those that the request asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from backend.contract.coco import LABELS
from backend.engines.first_guess import Segmenter
from backend.images.arrays import Saliency

SAME_OBJECT = 0.7  # intersection over union from which on two masks are one object under two names


@dataclass(frozen=True)
class InstanceChoice:
    """The objects that a request asks for."""

    score_threshold: float = 0.5  # lowest score of an object that counts
    classes: frozenset[str] = frozenset()  # COCO names; empty: all
    instances: Literal["main", "all"] | int = "main"  # a number: at most that many, the most prominent first


@runtime_checkable
class InstanceSegmenter(Segmenter, Protocol):
    """A segmenter that finds single objects and takes the chosen ones."""

    def choosing(self, choice: InstanceChoice) -> Segmenter:
        """Return a segmenter over the same network that takes the objects of `choice`."""
        ...


@dataclass(frozen=True)
class Instance:
    """One object: its box in pixels, and how surely each cell of a grid over the box is its own."""

    name: str
    score: float  # in [0, 1]
    box: tuple[float, float, float, float]  # x0, y0, x1, y1; pixel (0, 0) covers [0, 1) × [0, 1)
    grid: NDArray[np.float32]  # (28, 28) in [0, 1]

    @property
    def cell_px(self) -> float:
        """The longer side of one cell."""
        x0, y0, x1, y1 = self.box
        return float(max((x1 - x0) / self.grid.shape[1], (y1 - y0) / self.grid.shape[0]))

    @property
    def prominence(self) -> float:
        """Its score times the pixels that belong to it: the higher, the likelier it is the photo's subject."""
        x0, y0, x1, y1 = self.box
        share = float(self.grid.mean())
        return self.score * share * (x1 - x0) * (y1 - y0)


def name_of(label: int) -> str:
    """Return the COCO name of a label; one that has none is called by its number."""
    return LABELS.get(label, f"class {label}")


def choose(instances: Sequence[Instance], choice: InstanceChoice) -> list[Instance]:
    """Return the instances that `choice` asks for, the most prominent first; one object counts once."""
    distinct: list[Instance] = []
    for one in sorted(instances, key=lambda instance: instance.score, reverse=True):
        wanted = one.score >= choice.score_threshold and (not choice.classes or one.name in choice.classes)
        if wanted and all(_overlap(one, other) < SAME_OBJECT for other in distinct):
            distinct.append(one)
    distinct.sort(key=lambda instance: instance.prominence, reverse=True)
    if choice.instances == "all":
        return distinct
    return distinct[: 1 if choice.instances == "main" else choice.instances]


def combine(instances: Sequence[Instance], size: tuple[int, int]) -> Saliency:
    """Return the (height, width) saliency that a pixel belongs to any of the instances: 1 - ∏ (1 - p).

    The greatest p alone would leave a seam of one half between two objects that touch, where either is likely.
    """
    clear = np.ones(size, np.float32)
    for instance in instances:
        rows, columns, mask = paste(instance, size)
        clear[rows, columns] *= 1 - mask
    return np.clip(1 - clear, 0, 1)


def paste(instance: Instance, size: tuple[int, int]) -> tuple[slice, slice, Saliency]:
    """Return the rows and columns of a (height, width) picture that the instance reaches, and its saliency there.

    A cell's value stands at its middle; between the middles it is bilinear, and around the grid it is 0. Bilinear
    weights are a product of one weight down and one across, so the whole is two matrix products.
    """
    x0, y0, x1, y1 = instance.box
    rows, down = _weights(y0, y1, instance.grid.shape[0], size[0])
    columns, across = _weights(x0, x1, instance.grid.shape[1], size[1])
    return rows, columns, np.clip(down @ instance.grid @ across.T, 0, 1)


def _weights(start: float, end: float, cells: int, length: int) -> tuple[slice, NDArray[np.float32]]:
    """Return the pixels of an axis that `cells` from `start` to `end` reach, and (pixels, cells): what each cell
    weighs there."""
    cell = max(end - start, 1e-3) / cells
    first = min(max(int(np.floor(start - cell / 2)), 0), length)
    last = min(max(int(np.ceil(end + cell / 2)), first), length)
    places = (np.arange(first, last) + 0.5 - start) / cell - 0.5
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))
    return slice(first, last), weights.astype(np.float32)


def _overlap(first: Instance, second: Instance) -> float:
    """Return the intersection over union of two instances, on a copy of the place that both lie in."""
    x0, y0 = (min(a, b) for a, b in zip(first.box[:2], second.box[:2], strict=True))
    x1, y1 = (max(a, b) for a, b in zip(first.box[2:], second.box[2:], strict=True))
    side = 64
    scale = side / max(x1 - x0, y1 - y0, 1e-3)
    full = []
    for one in (first, second):
        box = tuple((value - start) * scale for value, start in zip(one.box, (x0, y0, x0, y0), strict=True))
        mask = np.zeros((side, side), np.float32)
        rows, columns, pasted = paste(Instance(one.name, one.score, box, one.grid), (side, side))  # type: ignore[arg-type]
        mask[rows, columns] = pasted
        full.append(mask >= 0.5)
    both, either = np.count_nonzero(full[0] & full[1]), np.count_nonzero(full[0] | full[1])
    return float(both / either) if either else 0.0
