"""A bounded size at which to decide, and the ways down to it and up again."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha

WORKING_SIDE_PX = 512  # longer side; a network's disparity of a 518 px picture holds no more detail than that

T = TypeVar("T", bound=np.generic)


def working_shape(shape: tuple[int, ...], longest: int = WORKING_SIDE_PX) -> tuple[int, int]:
    """Return (height, width) of `shape` scaled so that the longer side is at most `longest`."""
    scale = min(1.0, longest / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def shrink(array: NDArray[T], shape: tuple[int, int]) -> NDArray[T]:
    """Return `array` ((H, W) or (H, W, 3)) averaged down to `shape`."""
    if array.shape[:2] == shape:
        return array
    small: NDArray[T] = cv2.resize(array, shape[::-1], interpolation=cv2.INTER_AREA).astype(array.dtype)
    return small


def enlarge(small: Alpha, shape: tuple[int, ...]) -> Alpha:
    """Return an alpha brought to (H, W) `shape` bilinearly."""
    if small.shape == shape[:2]:
        return small
    return np.asarray(np.clip(cv2.resize(small, shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1), np.float32)
