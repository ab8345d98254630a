"""The pixels of the background that lie in a soft shadow: darker than the ground around them, of the same tint, and
reached from the ground without crossing a sharp edge. A dark object has such colours too, but it has an outline."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.engines.border.ground import Ground
from backend.images.arrays import Mask, Saliency

DARKEST = 0.45  # least share of the ground's lightness that a soft shadow keeps
TINT = 5.0  # most that a shadow's tint differs from the ground's, in Lab
EDGE = 5.0  # change of colour over three pixels, in Lab, from which on it is an outline and no shadow's edge
CALM_BELOW = 2.5  # the border's unrest in Lab, above which shadows are not looked for: a thing would look the same
MAX_SHARE = 0.5  # of what stands out: a larger shadow is the object itself


def find_soft_shadows(lab: NDArray[np.float32], saliency: Saliency, ground: Ground, unrest: float) -> Mask:
    """Return the mask of the shadowed ground of `lab` ((H, W, 3) float32 Lab).

    Where `saliency` < 0.15 the ground is taken as lit; the mask is empty where `unrest` says the ground is lively.
    """
    if unrest > CALM_BELOW:
        return np.zeros(saliency.shape, dtype=np.bool_)
    around, lit = ground.color, saliency < 0.15
    calm = cv2.GaussianBlur(lab, (0, 0), 1.0)
    ratio = calm[..., 0] / np.maximum(around[..., 0], 1.0)
    tint = np.linalg.norm(calm[..., 1:] - around[..., 1:] * np.clip(ratio, 0, 1)[..., None], axis=2)
    dimmed = (ratio > DARKEST) & (ratio < 1.0) & (tint < TINT)
    dimmed &= _change(calm) < EDGE
    _, labels = cv2.connectedComponents((dimmed | lit).astype(np.uint8), connectivity=4)
    open_to_ground = np.isin(labels, np.unique(labels[lit]))
    shadow = np.asarray(dimmed & open_to_ground & ~lit, dtype=np.bool_)
    standing_out = saliency > 0.5
    if (shadow & standing_out).sum() > MAX_SHARE * standing_out.sum():
        return np.zeros(saliency.shape, dtype=np.bool_)
    return shadow


def _change(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the larger of the colour changes across each pixel, sideways and upright, over three pixels."""
    padded = cv2.copyMakeBorder(lab, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    sideways = np.linalg.norm(padded[1:-1, 2:] - padded[1:-1, :-2], axis=2)
    upright = np.linalg.norm(padded[2:, 1:-1] - padded[:-2, 1:-1], axis=2)
    return np.asarray(np.maximum(sideways, upright), dtype=np.float32)
