"""A decided mask in, a trimap out: certain background, unknown, certain foreground."""

from dataclasses import dataclass

import numpy as np

from backend.images.arrays import Mask, Trimap, check_mask, check_same_size
from backend.images.geometry import EdgeStrength, dilate, distance_to, erode, mean_along, outline

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255


@dataclass(frozen=True)
class TrimapConfig:
    band_px: int = 8  # working pixels on each side of the outline; networks are 3 to 6 off, the edge must lie inside
    weak: float = 0.5  # a stretch below this share of the outline's median edge strength may cut through the object
    reach: float = 0.30  # how far beyond a weak stretch the object may go on, as a share of the root of its area


def make_trimap(mask: Mask, band_px: int) -> Trimap:
    """Return a trimap with an unknown band of `band_px` on both sides of the outline."""
    check_mask(mask)
    trimap = np.full(mask.shape, UNKNOWN, np.uint8)
    trimap[erode(mask, band_px)] = FOREGROUND
    trimap[~dilate(mask, band_px)] = BACKGROUND
    return trimap


def make_wide_trimap(mask: Mask, strength: EdgeStrength, config: TrimapConfig) -> Trimap:
    """Return a trimap for what a band cannot reach: a part that the mask misses, a hole that it covers.

    Unknown are the inside (deeper than the band) and the surroundings of the outline's weak stretches. The band itself
    counts as decided.
    """
    check_same_size(mask, strength)
    trimap = np.where(mask, FOREGROUND, BACKGROUND).astype(np.uint8)
    trimap[erode(mask, config.band_px)] = UNKNOWN
    line = outline(mask)
    if line.any():
        along, _ = mean_along(strength, line, 2 * config.band_px + 1)
        weak = line & (along < config.weak * np.median(along[line]))
        reach = max(config.band_px, int(config.reach * np.sqrt(np.count_nonzero(mask))))
        trimap[(distance_to(weak) <= reach) & ~mask] = UNKNOWN
    return trimap
