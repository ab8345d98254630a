"""Two outlines of one object and the image in; along each stretch, the outline that lies on an edge of the image out.

A colour model that mistakes the object for its background is wrong with full confidence, so the image's edges are
asked too: a proposal is taken only where the old outline is off any edge and the new one lies on one.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Image, Mask, check_image, check_same_size
from backend.images.geometry import EdgeStrength, distance_to, mean_along, outline


@dataclass(frozen=True)
class EdgePreferenceConfig:
    """Edge strengths are means over stretches about four bands long; all values were set on benchmarks/matte.py."""

    gain: float = 1.3  # the new outline must be this many times stronger than the old one
    min_gain: float = 0.5  # the new outline must be stronger by this many Lab units a pixel; less is noise
    on_edge: float = 1.3  # from this ratio to its surroundings on, an outline already lies on an edge
    trusted_share: float = 0.6  # an outline is trusted as a whole when this share of it lies on edges
    off_edge: float = 0.55  # trusted outlines: a stretch below this ratio to its surroundings is doubted
    off_edge_untrusted: float = 1.1  # other outlines: a stretch below this ratio to its surroundings is doubted
    far_better: float = 1.8  # other outlines: a stretch is doubted too if the new one is this many times stronger
    min_shift_px: float = 1.5  # smaller corrections are left to the edge stage


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
    """Return `mask`, with `proposal` along the stretches where only the proposal lies on an edge.

    `band_px` is how far the two may differ. `grid_px` is the cell of the network's output: smaller shifts of a trusted
    outline are ignored. Raises ValueError for arrays of two sizes.
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
    on_edge_px = np.count_nonzero((old >= config.on_edge * around) & old_line)
    trusted = on_edge_px >= config.trusted_share * np.count_nonzero(old_line)
    if trusted:
        doubtful, min_shift = old < config.off_edge * around, max(config.min_shift_px, grid_px)
    else:
        doubtful = (old < config.off_edge_untrusted * around) | (new > config.far_better * old)
        min_shift = config.min_shift_px
    better = (new > config.gain * old + config.min_gain) & doubtful
    return np.where(reached & better & (shift > min_shift), proposal, mask)
