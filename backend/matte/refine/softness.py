"""A saliency and the image in, where the edge is hair and where the object is see-through out.

A segmenter is unsure of hair over a zone that the image fills with edges; of glass it is evenly unsure over an area,
without a slope. Where hair and its background have colours that differ clearly, those two colours come along: each
strand's opacity follows from its place between them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, Saliency, check_alpha, check_image, check_same_size
from backend.images.geometry import EdgeStrength, dilate, distance_to, erode, outline

MIN_WINDOW_PX = 24  # in a smaller one a plain soft edge looks as wide as hair
Colors = NDArray[np.float32]  # (h, w, 3) RGB in [0, 255]


@dataclass(frozen=True)
class SoftnessConfig:
    """Lengths are shares of the working copy's longer side; set on the drawn scenes of benchmarks/matte.py."""

    window: float = 0.05  # how far around a pixel its kind is judged
    unsure_share: float = 0.42  # hair: share of the window of which the saliency is unsure
    dense: float = 0.55  # hair: share of the unsure pixels that lie on an edge of the image
    color_reach: float = 0.08  # how far the colours of hair and background are taken from
    separation: float = 2.0  # they must differ by this many of their deviations
    glass_width: float = 0.03  # see-through: unsure over a disc of at least this width
    glass_slope: float = 0.12  # and its saliency deviates by less than this inside the disc
    glass_low: float = 0.15  # see-through saliency lies between
    glass_high: float = 0.90


@dataclass(frozen=True)
class Softness:
    """Maps of one working copy: `amount` (h, w) is 0 at hard edges and 1 in hair."""

    amount: NDArray[np.float32]
    front: Colors
    back: Colors


def find_see_through(saliency: Saliency, mask: Mask, config: SoftnessConfig) -> Mask:
    """Return the areas of even, in-between saliency that touch the object; haze far from it is none."""
    check_alpha(saliency)
    check_same_size(saliency, mask)
    # A blurred edge is unsure over some width, too: the disc must not fit into it.
    radius = max(2, round(config.glass_width * max(mask.shape) / 2), round(0.8 * _edge_width(saliency, mask)))
    side = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(saliency, side)
    spread = np.sqrt(np.maximum(cv2.blur(saliency * saliency, side) - mean * mean, 0))
    between = (saliency > config.glass_low) & (saliency < config.glass_high)
    seeds = erode(between, radius) & (spread < config.glass_slope)
    if not seeds.any() or not mask.any():
        return np.zeros_like(mask)
    area = dilate(seeds, radius) & between
    count, labels = cv2.connectedComponents(area.view(np.uint8))
    touching = np.zeros(count, bool)
    touching[np.unique(labels[dilate(mask, 2)])] = True
    touching[0] = False
    return np.asarray(touching[labels])


def find_softness(
    image: Image, saliency: Saliency, mask: Mask, strength: EdgeStrength, config: SoftnessConfig
) -> Softness | None:
    """Return where the edge of `mask` is hair, or None where there is none.

    Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_same_size(image, saliency)
    check_same_size(saliency, strength)
    line = outline(mask)
    unsure = (saliency > 0.05) & (saliency < 0.95)
    if not line.any() or not unsure.any():
        return None
    hairy = _hairy(unsure, mask, strength, line, config)
    if hairy.max() < 0.05:
        return None
    # Hair's own zone: what is unsure, and as much again beside it (a spoiled guess may have cut the tips).
    near = distance_to(unsure | line) <= 2
    reach = max(2, round(config.color_reach * max(mask.shape)))
    front, front_spread = _local_color(image, (saliency >= 0.95) & mask, reach)
    back, back_spread = _local_color(image, (saliency <= 0.05) & ~mask, reach)
    apart = np.linalg.norm(front - back, axis=2)
    clear = np.clip(apart / (config.separation * (front_spread + back_spread) + 1) - 1, 0, 1)
    amount = np.where(near, hairy * clear, 0).astype(np.float32)
    return Softness(np.asarray(cv2.blur(amount, (5, 5)), np.float32), front, back)


def _hairy(unsure: Mask, mask: Mask, strength: EdgeStrength, line: Mask, config: SoftnessConfig) -> NDArray[np.float32]:
    window = 2 * round(max(config.window * max(unsure.shape), MIN_WINDOW_PX) / 2) + 1
    size = (window, window)
    share = cv2.blur(unsure.astype(np.float32), size)
    edges = strength > 0.35 * np.percentile(strength[line], 75)
    # On both sides of the decided line: a printed box on a plain ground has edges inside only.
    dense = np.minimum(
        *(_share_of(edges, unsure & side, size) for side in (mask, ~mask)),
    )
    wide = np.clip(4 * (share / config.unsure_share - 0.9), 0, 1)
    return np.asarray(wide * np.clip(3 * (dense / config.dense - 1), 0, 1), np.float32)


def _share_of(edges: Mask, zone: Mask, size: tuple[int, int]) -> NDArray[np.float32]:
    whole = cv2.blur(zone.astype(np.float32), size)
    return np.asarray(cv2.blur((edges & zone).astype(np.float32), size) / np.maximum(whole, 1e-3), np.float32)


def _edge_width(saliency: Saliency, mask: Mask) -> float:
    """Return how wide the saliency's transition is along the outline of `mask`, in pixels (the median)."""
    square = np.ones((3, 3), np.uint8)
    slope = (cv2.dilate(saliency, square) - cv2.erode(saliency, square)) / 2
    line = outline(mask)
    return float(1 / max(np.median(slope[line]), 0.01)) if line.any() else 0.0


def _local_color(image: Image, sure: Mask, reach: int) -> tuple[Colors, NDArray[np.float32]]:
    """Return the mean colour of the sure pixels around each pixel and its deviation; where none is in reach, of all."""
    pixels = image.astype(np.float32)
    weight = sure.astype(np.float32) + np.float32(1e-6)
    side = (2 * reach + 1, 2 * reach + 1)
    total = cv2.blur(weight, side)
    mean = cv2.blur(pixels * weight[..., None], side) / total[..., None]
    square = cv2.blur((pixels * pixels).sum(axis=2) * weight, side) / total
    spread = np.sqrt(np.maximum(square - (mean * mean).sum(axis=2), 0))
    # Only the faint weight was in reach: such a mean says nothing, and its spread says so.
    return np.asarray(mean, np.float32), np.where(total > 2e-3, spread, np.float32(1e3))
