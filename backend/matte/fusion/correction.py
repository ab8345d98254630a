"""From a verdict at working size to the matte at the picture's own size.

The outline of what was added or taken away is drawn anew along the picture's edges; every pixel that the verdict does
not touch keeps its alpha bit by bit.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, Mask

Floats = NDArray[np.float32]


def snap_by_watershed(image: Image, mask: Mask, changed: Mask, radius: int) -> Mask:
    """Return `mask` with its outline beside `changed` moved to the nearest picture edge within `radius` px.

    A watershed (Meyer 1991) on the colour gradient between what is surely in and surely out.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    free = cv2.dilate(changed.astype(np.uint8), kernel) > 0
    inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) > 0
    outer = cv2.erode((~mask).astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) > 0
    unknown = free & ~inner & ~outer
    # A part thinner than the band has no inside left: its middle line stands for it.
    ridge = _middle(mask, radius) | _middle(~mask, radius)
    unknown &= ~ridge
    seeds = np.where(unknown, 0, np.where(mask, 2, 1)).astype(np.int32)
    border = np.ones_like(mask)
    border[1:-1, 1:-1] = False
    seeds[border & unknown] = np.where(mask, 2, 1)[border & unknown]
    flooded = cv2.watershed(cv2.GaussianBlur(image, (0, 0), 0.7), seeds)
    result = np.where(flooded == -1, mask, flooded == 2)
    return np.asarray(np.where(unknown, result, mask), bool)


def _middle(mask: Mask, radius: int) -> Mask:
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    peak = distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8)) - 0.5
    return np.asarray(peak & (distance > 1.5) & (distance <= radius + 1), bool)


def apply_correction(
    alpha: Alpha, image: Image, small_image: Image, mask: Mask, changed: Mask, radius: int = 3
) -> Alpha:
    """Return `alpha` with the pixels near `changed` replaced by `mask`, softened along the edges of `image`.

    `small_image`, `mask` and `changed` have the working size; `radius` (px there) is the guided filter's, and the width
    over which new goes over into old. The guided filter (He, Sun and Tang 2013) is fitted at working size and evaluated
    at full size. Untouched pixels come back bit-equal.
    """
    if not changed.any():
        return alpha.copy()
    slope, offset = _guided_fit(small_image, mask.astype(np.float32), radius, 2e-4)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    near = cv2.dilate(changed.astype(np.uint8), kernel).astype(np.float32)
    weight = np.minimum(cv2.GaussianBlur(near, (0, 0), 1.0) * 1.02, 1) * cv2.dilate(near, np.ones((5, 5)))
    height, width = alpha.shape
    rows, columns = (slice(*_span(weight.max(axis), size)) for axis, size in ((1, height), (0, width)))
    blend = _part(weight, rows, columns, alpha.shape)
    grey = cv2.cvtColor(np.ascontiguousarray(image[rows, columns]), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    drawn = _part(slope, rows, columns, alpha.shape) * grey + _part(offset, rows, columns, alpha.shape)
    result = alpha.copy()
    old = result[rows, columns]
    new = old + blend * (np.clip(drawn * 1.1 - 0.05, 0, 1) - old)
    result[rows, columns] = np.where(blend > 1e-3, np.clip(new, 0, 1), old)
    return result


def _span(profile: Floats, size: int) -> tuple[int, int]:
    """Return the half-open full-size range of the non-zero part of a working-size profile, two pixels wider there."""
    hit = np.flatnonzero(profile > 0)
    scale = size / profile.size
    return max(0, int((hit[0] - 2) * scale)), min(size, int(np.ceil((hit[-1] + 3) * scale)))


def _part(small: Floats, rows: slice, columns: slice, shape: tuple[int, int]) -> Floats:
    """Return a window of `small` enlarged bilinearly to `shape`, without making the rest of it."""
    y_scale, x_scale = small.shape[0] / shape[0], small.shape[1] / shape[1]
    matrix = np.array(
        [
            [x_scale, 0, (columns.start + 0.5) * x_scale - 0.5],
            [0, y_scale, (rows.start + 0.5) * y_scale - 0.5],
        ]
    )
    size = (columns.stop - columns.start, rows.stop - rows.start)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(small, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _guided_fit(image: Image, target: Floats, radius: int, epsilon: float) -> tuple[Floats, Floats]:
    """Return slope and offset, so that slope·grey + offset is `target` as seen through the picture's edges."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255

    def mean(x: Floats) -> Floats:
        return np.asarray(cv2.blur(x, (2 * radius + 1, 2 * radius + 1)), np.float32)

    m_grey, m_target = mean(grey), mean(target)
    slope = (mean(grey * target) - m_grey * m_target) / (mean(grey * grey) - m_grey**2 + epsilon)
    return mean(slope), mean(m_target - slope * m_grey)
