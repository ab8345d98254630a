"""An image of paper in, the paper's own colour at every place out, as if nothing were written on it.

A photo of a page is never evenly lit, and a rule that knows one colour of paper keeps every shadow as ink. What is
thinner than a brush stroke is closed over; what is dark and lies inside the page, a stamp for one, is filled from
around it; a shadow comes in from the frame and stays.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import reconstruction

from backend.images.arrays import Image, Mask, check_image
from backend.images.geometry import disc
from backend.images.resize import shrink, working_shape

SAMPLES = 4  # a side, of which each pixel of the small copy is the mean: enough against noise, and soon read
RIM_PX = 6  # on the small copy, inwards: a shadow's slope is steepest well inside of where it begins
Shading = NDArray[np.float32]  # (h, w, 3): the paper's RGB, on a small copy


@dataclass(frozen=True)
class ShadingConfig:
    side_px: int = 256  # of the small copy
    stroke: float = 0.045  # of its longer side: what is thinner is ink on the paper, not paper
    filled: float = 0.93  # a place that filling raises by more than this factor is a mark inside the page
    sharp: float = 0.12  # if its edge falls by this share of its depth within a pixel; a softer one is a shadow


def paper_shading(image: Image, page: Mask | None = None, config: ShadingConfig | None = None) -> Shading:
    """Return the paper's colour all over `image`, on a copy of at most `side_px`, which interpolates to any size.

    Where `page` is given it is read inside the page alone, and goes on beyond it.
    It is a lower bound where a shadow has an edge: either side of the edge counts as paper there.
    """
    check_image(image)
    config = config or ShadingConfig()
    height, width = image.shape[:2]
    shape = working_shape(image.shape, config.side_px)
    step = max(1, max(height, width) // (SAMPLES * config.side_px))
    small = cv2.resize(image, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_NEAREST)
    small = shrink(np.asarray(small), shape)
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
    """Return `closed` with what lies beyond the page, and dark places inside it, filled with the colours around."""
    marks = _marks(closed.mean(axis=2), config) | beyond
    if not marks.any():
        return closed
    known = (cv2.dilate(marks.astype(np.uint8), disc(radius)) == 0).astype(np.float32)
    if not known.any():
        return closed
    filled, weight = closed * known[..., None], known
    result = closed.copy()
    unknown = known == 0
    result[unknown] = closed[known > 0].mean(axis=0)  # where so little is known that no look reaches it
    reach = 2.0 * radius
    while unknown.any() and reach < max(known.shape):  # from near first: each round looks twice as far
        near = cv2.GaussianBlur(weight, (0, 0), reach)
        colors = cv2.GaussianBlur(filled, (0, 0), reach)
        reached = unknown & (near > 1e-3)
        result[reached] = colors[reached] / near[reached][:, None]
        unknown &= ~reached
        reach *= 2
    return result


def _marks(grey: NDArray[np.float32], config: ShadingConfig) -> Mask:
    """Return the dark places inside the page that have sharp edges; `grey` (h, w) is the closed copy."""
    grey = np.rint(grey)  # whole steps are enough, and sorted sooner
    seed = np.full_like(grey, grey.max())
    seed[0], seed[-1], seed[:, 0], seed[:, -1] = grey[0], grey[-1], grey[:, 0], grey[:, -1]
    depth = reconstruction(seed, grey, method="erosion").astype(np.float32) - grey
    dark = depth > (1 - config.filled) * (depth + grey)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8))
    marks = np.zeros(grey.shape, np.bool_)
    count, labels = cv2.connectedComponents(dark.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        place = labels == label
        whole = place.view(np.uint8)  # only the rim has a slope, and of a large mark it is a small part
        rim = (cv2.dilate(whole, disc(1)) > 0) & (cv2.erode(whole, disc(RIM_PX), borderValue=1) == 0)
        if np.percentile(slope[rim], 90) > config.sharp * depth[place].max():
            marks |= place
    return marks
