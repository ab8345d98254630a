"""The ground's own colour at every pixel, continued underneath the object, and the picture's departure from it.

On a calm background this separates object and ground to the pixel; superpixels lose thin legs and open handles.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Mask, Saliency

REACHES = (0.02, 0.06, 0.15)  # widths of the averages, of the longer side: nearby ground, and ground under the object
SAME = 2.0  # departure in Lab that is still ground; twice the background's unrest is added
OTHER = 8.0  # departure in Lab that is another thing; four times the background's unrest is added
CALM = (3.0, 7.0)  # unrest in Lab up to which the departure counts fully, and from which it does not count


@dataclass(frozen=True)
class Ground:
    """The ground's colour and the picture's departure from it, at the working size."""

    color: NDArray[np.float32]  # (H, W, 3) Lab: the widest average
    departure: NDArray[np.float32]  # (H, W) Lab: from the nearest of the averages


def estimate_ground(lab: NDArray[np.float32], saliency: Saliency) -> Ground | None:
    """Return the ground of `lab` ((H, W, 3) float32 Lab), taken from where `saliency` < 0.15; None where there is none.

    Averages of several widths are kept, because a wide one mixes wall and table, and a narrow one ends at the object.
    """
    weight = (saliency < 0.15).astype(np.float32)
    if not weight.any():
        return None
    departure = np.full(saliency.shape, np.inf, np.float32)
    calm = cv2.GaussianBlur(lab, (0, 0), 0.7)
    for reach in REACHES:
        sigma = reach * max(saliency.shape)
        known = cv2.GaussianBlur(weight, (0, 0), sigma)
        color = cv2.GaussianBlur(lab * weight[..., None], (0, 0), sigma) / np.maximum(known, 1e-6)[..., None]
        apart = np.linalg.norm(calm - color, axis=2)
        departure = np.where(known > 1e-3, np.minimum(departure, apart), departure)
    departure[np.isinf(departure)] = apart[np.isinf(departure)]
    return Ground(color, departure.astype(np.float32))


def sharpen_guess(saliency: Saliency, ground: Ground, shadow: Mask, unrest: float) -> Saliency:
    """Return `saliency` raised where the picture departs from a calm ground, shadows left out."""
    trust = np.clip((CALM[1] - unrest) / (CALM[1] - CALM[0]), 0.0, 1.0)
    low, high = SAME + 2 * unrest, OTHER + 4 * unrest
    stands_out = np.clip((ground.departure - low) / (high - low), 0.0, 1.0) * ~shadow * trust
    return np.asarray(np.maximum(saliency, stands_out), dtype=np.float32)
