"""Two outlines of one object and the image in, for each stretch the outline that lies on an edge of the image out.

A colour model that mistakes an object for its background proposes nonsense with full confidence; the image's edges
are a second witness. A proposal is taken only where the old outline lies on no edge and the new one does.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Image, Mask, check_image, check_same_size
from backend.images.geometry import EdgeStrength, distance_to, mean_along, outline


@dataclass(frozen=True)
class EdgePreferenceConfig:
    """All measured over stretches about four bands long, on benchmarks/matte.py."""

    gain: float = 1.3  # the new outline's edge must be this many times stronger
    min_gain: float = 0.5  # and stronger by this many Lab units a pixel: noise is no edge
    settled: float = 1.3  # an outline this many times stronger than its surroundings already lies on its edge
    trusted_share: float = 0.6  # of an outline; when so much lies on edges, the rest is doubted only
    off_edge: float = 0.55  # where it is this weak against its surroundings,
    off_edge_untrusted: float = 1.1  # and else already here,
    far_better: float = 1.8  # or where the new outline is this many times stronger
    min_shift_px: float = 1.5  # smaller corrections are the edge stage's


def edge_strength(image: Image) -> EdgeStrength:
    """Return how fast the colour changes at each pixel: the Lab gradient's length, slightly blurred first."""
    check_image(image)
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 0.8), cv2.COLOR_RGB2LAB)
    across = cv2.Scharr(lab, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(lab, cv2.CV_32F, 0, 1, scale=1 / 32)
    length = np.sqrt((across * across + down * down).sum(axis=2))
    return np.asarray(cv2.dilate(length, np.ones((3, 3), np.uint8)), np.float32)


def prefer_edges(
    mask: Mask, proposal: Mask, strength: EdgeStrength, band_px: int, grid_px: float, config: EdgePreferenceConfig
) -> Mask:
    """Return `mask`, and `proposal` instead along the stretches where only the proposal lies on an edge.

    `band_px` is how far the two may differ, `grid_px` how finely a network can tell a place at all: where the
    outline as a whole is trusted, a smaller shift says nothing. Raises ValueError for arrays of two sizes.
    """
    check_same_size(mask, proposal)
    check_same_size(mask, strength)
    if not (mask ^ proposal).any():
        return mask.copy()
    window = 4 * band_px + 1
    old_line, new_line = outline(mask), outline(proposal)
    distance = distance_to(old_line)
    old, _ = mean_along(strength, old_line, window)
    new, reached = mean_along(strength, new_line, window)
    around, _ = mean_along(strength, distance <= band_px, window)
    shift, _ = mean_along(distance, new_line, window)
    on_edge = np.count_nonzero((old >= config.settled * around) & old_line)
    trusted = on_edge >= config.trusted_share * np.count_nonzero(old_line)
    if trusted:
        doubtful, min_shift = old < config.off_edge * around, max(config.min_shift_px, grid_px)
    else:
        doubtful = (old < config.off_edge_untrusted * around) | (new > config.far_better * old)
        min_shift = config.min_shift_px
    better = (new > config.gain * old + config.min_gain) & doubtful
    return np.where(reached & better & (shift > min_shift), proposal, mask)
