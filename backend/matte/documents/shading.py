"""An image of paper in, the paper's own colour at every place out, as if nothing were written on it.

A photo of a page is never evenly lit, and a rule with one colour of paper would keep every shadow as ink. Things
thinner than a brush stroke are closed over. Dark places inside the page, such as a stamp, are filled from around them.
Shadows reach in from the frame and stay.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import reconstruction

from backend.images.arrays import Image, Mask, check_image
from backend.images.geometry import dilate, disc, erode
from backend.images.resize import scale_to_fit, scaled_shape

SAMPLES = 4  # per side; each pixel of the small copy is the mean of 4 × 4 samples, enough against noise
RIM_PX = 6  # of the small copy, inwards: a shadow's slope is steepest well inside its boundary
Shading = NDArray[np.float32]  # (h, w, 3): the paper's RGB, on a small copy


@dataclass(frozen=True)
class ShadingConfig:
    side_px: int = 256  # longer side of the small copy
    stroke: float = 0.045  # things thinner than this share of the copy's longer side are ink, not paper
    filled: float = 0.93  # a place darker than this share of its level when filled may be a mark inside the page
    sharp: float = 0.12  # share of a place's depth that its edge must fall within one pixel; a shadow's edge is softer


def paper_shading(image: Image, page: Mask | None = None) -> Shading:
    """Return the paper's colour all over `image`, on a copy of at most 256 px, which interpolates to any size.

    With `page`, the colour is read inside the page only and continued beyond it. Along a shadow's edge it is a lower
    bound: both sides of the edge count as paper there.
    """
    check_image(image)
    config = ShadingConfig()
    height, width = image.shape[:2]
    shape = scaled_shape(image.shape, scale_to_fit(image.shape, config.side_px))
    step = max(1, max(height, width) // (SAMPLES * config.side_px))
    small = cv2.resize(image, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_NEAREST)
    if small.shape[:2] != shape:
        small = cv2.resize(small, shape[::-1], interpolation=cv2.INTER_AREA)
    calm = cv2.medianBlur(small, 3)
    radius = max(1, round(config.stroke * max(shape) / 2))
    closed = cv2.morphologyEx(calm, cv2.MORPH_CLOSE, disc(radius), borderType=cv2.BORDER_REPLICATE)
    beyond = np.zeros(closed.shape[:2], np.bool_)
    if page is not None and page.any():
        beyond = cv2.resize(page.view(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) == 0
    shading = _without_marks(closed.astype(np.float32), beyond, radius, config)
    shading = cv2.GaussianBlur(shading, (0, 0), max(1.0, radius / 3))
    return np.asarray(np.maximum(cv2.erode(shading, disc(1)), 1), np.float32)


def _without_marks(closed: Shading, beyond: Mask, radius: int, config: ShadingConfig) -> Shading:
    """Return `closed` with everything beyond the page and every mark inside it filled from around."""
    marks = _marks(closed.mean(axis=2), config) | beyond
    if not marks.any():
        return closed
    known = (~dilate(marks, radius)).astype(np.float32)
    if not known.any():
        return closed
    filled, weight = closed * known[..., None], known
    result = closed.copy()
    unknown = known == 0
    result[unknown] = closed[known > 0].mean(axis=0)  # the fallback where no blur below reaches
    reach = 2.0 * radius
    while unknown.any() and reach < max(known.shape):  # from near to far: each round reaches twice as far
        near = cv2.GaussianBlur(weight, (0, 0), reach)
        colors = cv2.GaussianBlur(filled, (0, 0), reach)
        reached = unknown & (near > 1e-3)
        result[reached] = colors[reached] / near[reached][:, None]
        unknown &= ~reached
        reach *= 2
    return result


def _marks(grey: NDArray[np.float32], config: ShadingConfig) -> Mask:
    """Return the dark places inside the page that have sharp edges; `grey` (h, w) is the closed copy."""
    grey = np.rint(grey)  # whole steps are enough, and sort faster
    seed = np.full_like(grey, grey.max())
    seed[0], seed[-1], seed[:, 0], seed[:, -1] = grey[0], grey[-1], grey[:, 0], grey[:, -1]
    depth = reconstruction(seed, grey, method="erosion").astype(np.float32) - grey
    dark = depth > (1 - config.filled) * (depth + grey)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8))
    marks = np.zeros(grey.shape, np.bool_)
    count, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        place = labels == label
        rim = dilate(place, 1) & ~erode(place, RIM_PX)  # only the rim has a slope; it is a small part of a large mark
        if np.percentile(slope[rim], 90) > config.sharp * depth[place].max():
            marks |= place
    return marks
