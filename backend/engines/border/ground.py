"""The ground's own colour at every pixel, carried on underneath the object, and how far the picture departs from it.

On a calm background this tells object from ground to the pixel, where superpixels lose thin legs and open handles.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Mask, Saliency


@dataclass(frozen=True)
class GroundConfig:
    """Lab units; the background's unrest is added twice to `same` and four times to `other`."""

    reaches: tuple[float, ...] = (0.02, 0.06, 0.15)  # of the longer side: nearby ground, and what lies far inside
    same: float = 2.0  # a departure of up to this is ground
    other: float = 8.0  # a departure of this much is another thing
    calm: tuple[float, float] = (3.0, 7.0)  # unrest up to which this counts fully, and from which it does not count


@dataclass(frozen=True)
class Ground:
    """What is known of the ground, at the working size."""

    color: NDArray[np.float32]  # (H, W, 3) Lab: the widest average
    departure: NDArray[np.float32]  # (H, W) Lab: from the nearest of the averages


def estimate_ground(lab: NDArray[np.float32], saliency: Saliency, config: GroundConfig | None = None) -> Ground | None:
    """Return the ground of `lab` ((H, W, 3) float32 Lab), taken from where `saliency` < 0.15; None where there is none.

    Averages of several widths are kept, because a wide one mixes wall and table, and a narrow one ends at the object.
    """
    config = config or GroundConfig()
    weight = (saliency < 0.15).astype(np.float32)
    if not weight.any():
        return None
    departure = np.full(saliency.shape, np.inf, np.float32)
    calm = cv2.GaussianBlur(lab, (0, 0), 0.7)
    for reach in config.reaches:
        sigma = reach * max(saliency.shape)
        known = cv2.GaussianBlur(weight, (0, 0), sigma)
        color = cv2.GaussianBlur(lab * weight[..., None], (0, 0), sigma) / np.maximum(known, 1e-6)[..., None]
        apart = np.linalg.norm(calm - color, axis=2)
        departure = np.where(known > 1e-3, np.minimum(departure, apart), departure)
    departure[np.isinf(departure)] = apart[np.isinf(departure)]
    return Ground(color, departure.astype(np.float32))


def sharpen_guess(
    saliency: Saliency, ground: Ground, shadow: Mask, unrest: float, config: GroundConfig | None = None
) -> Saliency:
    """Return `saliency` raised where the picture departs from a calm ground and is no shadow."""
    config = config or GroundConfig()
    trust = np.clip((config.calm[1] - unrest) / (config.calm[1] - config.calm[0]), 0.0, 1.0)
    low, high = config.same + 2 * unrest, config.other + 4 * unrest
    stands_out = np.clip((ground.departure - low) / (high - low), 0.0, 1.0) * ~shadow * trust
    return np.asarray(np.maximum(saliency, stands_out), dtype=np.float32)
