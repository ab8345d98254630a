"""A decided mask in, the same mask without specks and cracks out; thin parts of the object stay."""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Mask, Saliency, check_mask, check_same_size
from backend.images.geometry import disc, erode, parts_holding

REFERENCE_SIDE_PX = 1024  # picture side that `kernel_size` refers to: ISNet's output


@dataclass(frozen=True)
class MorphologyConfig:
    kernel_size: int = 5  # pixels across, on a picture 1,024 px long; 0 or 1 turns the stage off
    sure: float = 0.65  # a part with a pixel of at least this saliency is not opened
    doubtful: float = 0.48  # saliency up to which the closing fills nothing: gaps between hairs are not cracks

    def __post_init__(self) -> None:
        if self.kernel_size < 0 or not 0 <= self.doubtful <= self.sure <= 1:
            raise ValueError("kernel_size is at least 0, and 0 <= doubtful <= sure <= 1")


def kernel_radius(config: MorphologyConfig, longest_side_px: int) -> int:
    """Return the kernel's radius on a picture of this size; at least 1 px unless the stage is off."""
    if config.kernel_size <= 1:
        return 0
    return max(1, round(config.kernel_size / 2 * longest_side_px / REFERENCE_SIDE_PX))


def clean_mask(mask: Mask, saliency: Saliency, config: MorphologyConfig) -> Mask:
    """Return `mask` opened and closed with an elliptic kernel scaled to the picture.

    The opening is by reconstruction: a part without room for the kernel goes, a part connected to one with room stays
    whole (a bird's leg, a cactus's spine), and so does one that the guess was sure of somewhere (a rotor's blade).
    """
    check_mask(mask)
    check_same_size(mask, saliency)
    radius = kernel_radius(config, max(mask.shape))
    if radius == 0 or not mask.any():
        return mask.copy()
    kept = parts_holding(mask, erode(mask, radius) | (mask & (saliency >= config.sure)))
    closed = cv2.morphologyEx(_padded(kept, radius), cv2.MORPH_CLOSE, disc(radius))[radius:-radius, radius:-radius]
    return np.asarray(kept | ((closed > 0) & (saliency > config.doubtful)))


def _padded(mask: Mask, radius: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    # Without the border OpenCV would close the gap between an object and the frame.
    return np.asarray(
        cv2.copyMakeBorder(mask.view(np.uint8), radius, radius, radius, radius, cv2.BORDER_CONSTANT, value=0)
    )
