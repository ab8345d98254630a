"""The one place that scales arrays: by a factor, to a longest side, to a shape, or back up to a picture's size."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha

WORKING_SIDE_PX = 512  # longer side; a network's disparity of a 518 px picture holds no more detail than that

T = TypeVar("T", bound=np.generic)


def scale_to_fit(shape: tuple[int, ...], longest_px: int) -> float:
    """Return the factor, at most 1, that brings the longer side of `shape` (height, width, …) to `longest_px`."""
    return min(1.0, longest_px / max(shape[:2]))


def scaled_shape(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Return (height, width) of `shape` times `scale`, rounded, each at least 1."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def rescale(array: NDArray[T], scale: float, enlarge_with: int = cv2.INTER_LINEAR) -> NDArray[T]:
    """Return `array` ((H, W) or (H, W, C)) at `scale` times its size; at 1 the array itself.

    Below 1 it is averaged by area, above 1 interpolated with `enlarge_with` (an OpenCV flag). Rounding may take floats
    out of their range.
    """
    if scale == 1:
        return array
    how = cv2.INTER_AREA if scale < 1 else enlarge_with
    return np.asarray(cv2.resize(array, scaled_shape(array.shape, scale)[::-1], interpolation=how), array.dtype)


def fit_longest_side(array: NDArray[T], longest_px: int) -> NDArray[T]:
    """Return `array` averaged down until its longer side is `longest_px`; a smaller one comes back as it is."""
    return rescale(array, scale_to_fit(array.shape, longest_px))


def resize_to(array: NDArray[T], shape: tuple[int, int], enlarge_with: int = cv2.INTER_LINEAR) -> NDArray[T]:
    """Return `array` at `shape` (height, width): averaged by area where a side gets shorter, else interpolated with
    `enlarge_with` (an OpenCV flag)."""
    shrinks = shape[0] < array.shape[0] or shape[1] < array.shape[1]
    how = cv2.INTER_AREA if shrinks else enlarge_with
    return np.asarray(cv2.resize(array, shape[::-1], interpolation=how), array.dtype)


def enlarge_alpha(small: Alpha, shape: tuple[int, ...]) -> Alpha:
    """Return an alpha interpolated bilinearly to `shape` (height, width, …), clipped to [0, 1]."""
    if small.shape == shape[:2]:
        return small
    return np.asarray(np.clip(cv2.resize(small, shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1), np.float32)
