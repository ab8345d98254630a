"""A saliency and the image in, where the edge is hair and where the object is see-through out.

A segmenter is unsure of hair over a wider zone than of a hard edge, and the image has edges all over that zone; of
glass it is evenly unsure over an area, without a slope.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.masking.arrays import Mask, Saliency, check_alpha, check_same_size
from backend.masking.geometry import EdgeStrength, distance_to, grow, mean_along, outline, shrink


@dataclass(frozen=True)
class SoftnessConfig:
    """Shares of the picture's longer side where not said otherwise; measured on the drawn scenes of benchmarks/."""

    window: float = 0.03  # how far around an edge its kind is judged
    wide_ratio: float = 2.2  # hair: the unsure zone is this many times wider than along the hard edges
    least_width: float = 0.008  # and at least this wide
    dense: float = 0.35  # hair: share of the zone's pixels that lie on an edge of the image
    glass_width: float = 0.03  # see-through: unsure over a disc of at least this width
    glass_slope: float = 0.12  # and its saliency deviates by less than this inside the disc
    glass_low: float = 0.15  # see-through saliency lies between
    glass_high: float = 0.90


def find_see_through(saliency: Saliency, mask: Mask, config: SoftnessConfig) -> Mask:
    """Return the areas of even, in-between saliency that touch the object; haze far from it is none."""
    check_alpha(saliency)
    check_same_size(saliency, mask)
    radius = max(2, round(config.glass_width * max(mask.shape) / 2))
    side = (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(saliency, side)
    spread = np.sqrt(np.maximum(cv2.blur(saliency * saliency, side) - mean * mean, 0))
    between = (saliency > config.glass_low) & (saliency < config.glass_high)
    seeds = shrink(between, radius) & (spread < config.glass_slope)
    if not seeds.any() or not mask.any():
        return np.zeros_like(mask)
    area = grow(seeds, radius) & between
    count, labels = cv2.connectedComponents(area.view(np.uint8))
    touching = np.zeros(count, bool)
    touching[np.unique(labels[grow(mask, 2)])] = True
    touching[0] = False
    return np.asarray(touching[labels])


def find_softness(saliency: Saliency, mask: Mask, strength: EdgeStrength, config: SoftnessConfig) -> NDArray[np.float32]:
    """Return (H, W) float32 in [0, 1]: 0 around hard edges, 1 around hair and fur."""
    check_same_size(saliency, strength)
    line = outline(mask)
    window = 2 * round(config.window * max(mask.shape)) + 1
    unsure = (saliency > 0.05) & (saliency < 0.95)
    if not line.any() or not unsure.any():
        return np.zeros(mask.shape, np.float32)
    size = (window, window)
    area = cv2.boxFilter(unsure.astype(np.float32), cv2.CV_32F, size, normalize=False)
    length = cv2.boxFilter(line.astype(np.float32), cv2.CV_32F, size, normalize=False) / 2
    width = area / np.maximum(length, window / 2)
    usual = float(np.percentile(width[line], 25))
    least = max(config.wide_ratio * usual, config.least_width * max(mask.shape))
    wide = np.clip(width / least - 1, 0, 1)
    edges = strength > 0.35 * float(np.percentile(strength[line], 75))
    dense, _ = mean_along(edges.astype(np.float32), unsure, window)
    hairy = np.clip(dense / config.dense - 1, 0, 1)
    near = distance_to(unsure) <= 2
    return np.asarray(cv2.blur(np.where(near, wide * hairy, 0).astype(np.float32), (5, 5)), np.float32)
