"""A verdict at working size in, the corrected alpha at the picture's own size out.

The outline of what was added or removed is redrawn along the picture's edges. Every pixel that the verdict does not
touch keeps its alpha bit by bit.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, Mask
from backend.images.geometry import dilate, erode
from backend.images.guided_filter import fit_grey_guide
from backend.images.view import sample_map

BLEND_PX = 3  # working pixels over which the new alpha passes into the old one; also the guided filter's radius
EPSILON = 2e-4  # variance of grey, in [0, 1] units, below which the picture does not guide


def snap_by_watershed(image: Image, mask: Mask, changed: Mask, radius: int) -> Mask:
    """Return `mask` with its outline beside `changed` moved to the nearest picture edge within `radius` px.

    A watershed (Meyer 1991) on the colour gradient between what is certainly in and certainly out.
    """
    unknown = dilate(changed, radius) & ~erode(mask, radius) & ~erode(~mask, radius)
    # A part thinner than the band has no certain inside left: its middle line takes that place.
    unknown &= ~(_middle(mask, radius) | _middle(~mask, radius))
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


def apply_correction(alpha: Alpha, image: Image, small_image: Image, mask: Mask, changed: Mask) -> Alpha:
    """Return `alpha` with the pixels near `changed` replaced by `mask`, softened along the edges of `image`.

    `small_image`, `mask` and `changed` have the working size. The guided filter is fitted there and evaluated at full
    size. Untouched pixels come back bit-equal.
    """
    if not changed.any():
        return alpha.copy()
    slope, offset = fit_grey_guide(small_image, mask.astype(np.float32), BLEND_PX, EPSILON)
    near = dilate(changed, BLEND_PX).astype(np.float32)
    weight = np.minimum(cv2.GaussianBlur(near, (0, 0), 1.0) * 1.02, 1) * cv2.dilate(near, np.ones((5, 5)))
    height, width = alpha.shape
    (y0, y1), (x0, x1) = _span(weight.max(1), height), _span(weight.max(0), width)

    def enlarged(small: NDArray[np.float32]) -> NDArray[np.float32]:
        return sample_map(small, (0, 0, width, height), (x0, y0, x1, y1), (y1 - y0, x1 - x0))

    blend = enlarged(weight)
    grey = cv2.cvtColor(np.ascontiguousarray(image[y0:y1, x0:x1]), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    drawn = enlarged(slope) * grey + enlarged(offset)
    result = alpha.copy()
    old = result[y0:y1, x0:x1]
    new = old + blend * (np.clip(drawn * 1.1 - 0.05, 0, 1) - old)
    result[y0:y1, x0:x1] = np.where(blend > 1e-3, np.clip(new, 0, 1), old)
    return result


def _span(profile: NDArray[np.float32], size: int) -> tuple[int, int]:
    """Return the half-open full-size range of the non-zero part of a working-size profile, two pixels wider there."""
    hit = np.flatnonzero(profile > 0)
    scale = size / profile.size
    return max(0, int((hit[0] - 2) * scale)), min(size, int(np.ceil((hit[-1] + 3) * scale)))
