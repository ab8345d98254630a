"""A saliency and the image in, maps of hair and of see-through parts out.

A segmenter is unsure of hair over a zone full of image edges, and evenly unsure of glass over an area without a slope.
Where the colours of hair and background differ clearly, both come along: a strand's opacity follows from where its
colour lies between them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, Saliency, check_alpha, check_image, check_same_size
from backend.images.geometry import EdgeStrength, dilate, distance_to, erode, outline, parts_holding

MIN_WINDOW_PX = 24  # in a smaller window a plain soft edge looks as wide as hair
Colors = NDArray[np.float32]  # (h, w, 3) RGB in [0, 255]


@dataclass(frozen=True)
class SoftnessConfig:
    """Lengths are shares of the working copy's longer side; values were set on benchmarks/matte.py's drawn scenes."""

    window: float = 0.05  # side of the window in which a pixel is judged
    unsure_share: float = 0.42  # hair: share of the window in which the saliency is unsure
    dense: float = 0.55  # hair: share of the unsure pixels on an edge of the image
    color_reach: float = 0.08  # distance within which the colours of hair and background are averaged
    separation: float = 2.0  # hair: distance of both colours in sums of their deviations
    glass_width: float = 0.03  # see-through: width of a disc in which every pixel is unsure
    glass_slope: float = 0.12  # see-through: largest deviation of the saliency inside that disc
    glass_low: float = 0.15  # see-through: lowest saliency
    glass_high: float = 0.90  # see-through: highest saliency


@dataclass(frozen=True)
class Softness:
    """Maps of one working copy."""

    amount: NDArray[np.float32]  # (h, w): 0 at hard edges, 1 in hair
    front: Colors  # the object's colour around each pixel
    back: Colors  # the background's colour around each pixel


def find_see_through(saliency: Saliency, mask: Mask, config: SoftnessConfig) -> Mask:
    """Return the areas of even, in-between saliency that touch the object; haze elsewhere does not count."""
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
    return parts_holding(dilate(seeds, radius) & between, dilate(mask, 2))


def find_softness(
    image: Image, saliency: Saliency, mask: Mask, strength: EdgeStrength, config: SoftnessConfig
) -> Softness | None:
    """Return where the edge of `mask` is hair, or None without any.

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
    # Hair's zone is the unsure part and 2 px beside it, because a poor guess may have cut the tips.
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
    """Return the median width in pixels of the saliency's transition along the outline of `mask`."""
    square = np.ones((3, 3), np.uint8)
    slope = (cv2.dilate(saliency, square) - cv2.erode(saliency, square)) / 2
    line = outline(mask)
    return float(1 / max(np.median(slope[line]), 0.01)) if line.any() else 0.0


def _local_color(image: Image, sure: Mask, reach: int) -> tuple[Colors, NDArray[np.float32]]:
    """Return the mean colour of the sure pixels around each pixel and its deviation, 1000 where none is in reach."""
    pixels = image.astype(np.float32)
    weight = sure.astype(np.float32) + np.float32(1e-6)
    side = (2 * reach + 1, 2 * reach + 1)
    total = cv2.blur(weight, side)
    mean = cv2.blur(pixels * weight[..., None], side) / total[..., None]
    square = cv2.blur((pixels * pixels).sum(axis=2) * weight, side) / total
    spread = np.sqrt(np.maximum(square - (mean * mean).sum(axis=2), 0))
    # Without a sure pixel in reach the mean means nothing, so its spread is set high.
    return np.asarray(mean, np.float32), np.where(total > 2e-3, spread, np.float32(1e3))
