"""Shapes, lines and tiles that several stages measure with: discs, outlines, averages along a line."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Box, Mask

EdgeStrength = NDArray[np.float32]  # (H, W): 8-bit Lab units per pixel, the strongest within one pixel


def tiles(box: Box, side_px: int) -> Iterator[Box]:
    """Yield the tiles of at most `side_px` a side that fill `box`, row by row."""
    for y in range(box[1], box[3], side_px):
        for x in range(box[0], box[2], side_px):
            yield x, y, min(x + side_px, box[2]), min(y + side_px, box[3])


def disc(radius_px: int) -> NDArray[np.uint8]:
    """Return a (2r+1, 2r+1) uint8 structuring element: 1 inside the circle."""
    side = 2 * radius_px + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def dilate(mask: Mask, radius_px: int) -> Mask:
    """Return `mask` dilated by a disc; 0 px changes nothing."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), disc(radius_px)) > 0) if radius_px > 0 else mask.copy()


def erode(mask: Mask, radius_px: int) -> Mask:
    """Return `mask` eroded by a disc; the picture's frame does not eat into an object that it cuts."""
    if radius_px <= 0:
        return mask.copy()
    return np.asarray(cv2.erode(mask.view(np.uint8), disc(radius_px), borderValue=255) > 0)


def opened(mask: Mask, radius_px: int) -> Mask:
    """Return `mask` opened by a disc: parts in which the disc does not fit are gone."""
    return np.asarray(cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, disc(radius_px)) > 0)


def parts_holding(mask: Mask, seeds: Mask) -> Mask:
    """Return the 8-connected parts of `mask` that hold a pixel of `seeds`."""
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    held = np.zeros(count, np.bool_)
    held[labels[seeds]] = True
    held[0] = False
    return np.asarray(held[labels])


def outline(mask: Mask) -> Mask:
    """Return the pixels on both sides of the line between object and background (two pixels wide)."""
    field, square = mask.view(np.uint8), np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(field, square) != cv2.erode(field, square, borderValue=255))


def distance_to(mask: Mask) -> NDArray[np.float32]:
    """Return each pixel's distance in pixels to the nearest True pixel of `mask`; far away (1e6) when there is none."""
    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3), np.float32)


def mean_along(values: NDArray[np.float32], line: Mask, window_px: int) -> tuple[NDArray[np.float32], Mask]:
    """Return the mean of `values` over the pixels of `line` inside a square window around each pixel, and where the
    window holds any of the line (elsewhere the mean is 0)."""
    weight = line.astype(np.float32)
    count = _box_sum(weight, window_px)
    near = count > 0.5
    return np.where(near, _box_sum(values * weight, window_px) / np.maximum(count, 1), np.float32(0)), near


def _box_sum(values: NDArray[np.float32], window_px: int) -> NDArray[np.float32]:
    size = (window_px, window_px)
    return np.asarray(cv2.boxFilter(values, cv2.CV_32F, size, normalize=False, borderType=cv2.BORDER_CONSTANT))
