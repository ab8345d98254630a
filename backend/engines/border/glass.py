"""A plain backdrop and what stands before it in, how much of that shows the backdrop through it out.

Behind tinted glass the backdrop's own shades go on, only weaker: colours inside follow the fitted backdrop with a slope
below 1 and above 0. An opaque thing of one colour has the slope 0. Before a backdrop of one shade nothing can be told.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Mask

Floats = NDArray[np.float32]

NEAR = 25.0  # departure in Lab up to which an area may be tinted backdrop
EVEN = 5.0  # range in Lab over 7 px inside an area without edges
LEAST_AREA = 0.05  # of the object: smallest area that is judged
LEAST_SHADES = 0.7  # deviation in Lab of the backdrop behind an area below which it is of one shade
SLOPES = (0.25, 0.95)  # of the colours inside over those of the backdrop: the share of it that is seen
FOLLOWS = 0.7  # share of an area's variance that the backdrop explains
NOISE_PX = 3.0  # deviation of the blur that takes the noise away


def see_through_share(lab: Floats, backdrop: Floats, mask: Mask) -> float:
    """Return the share of `mask` in which the shades of `backdrop` go on, 0 to 1.

    `lab` and `backdrop` are (H, W, 3) float32 Lab: the picture and what its backdrop would be everywhere.
    """
    area = np.count_nonzero(mask)
    if area == 0:
        return 0.0
    calm = cv2.GaussianBlur(lab, (0, 0), NOISE_PX)
    square = np.ones((7, 7), np.uint8)
    span = (cv2.dilate(calm, square) - cv2.erode(calm, square)).max(axis=2)
    near = np.linalg.norm(calm - backdrop, axis=2) < NEAR
    even = (cv2.erode(mask.view(np.uint8), square) > 0) & near & (span < EVEN)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(even.view(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = [one for one in range(1, count) if areas[one] >= LEAST_AREA * area]
    return float(sum(areas[one] for one in large if _follows(calm[labels == one], backdrop[labels == one])) / area)


def _follows(colors: Floats, behind: Floats) -> bool:
    """Return whether the colours ((N, 3)) are a weaker image of those behind them."""
    shades, off = behind - behind.mean(axis=0), colors - colors.mean(axis=0)
    spread, whole = float(np.square(shades).sum()), float(np.square(off).sum())
    if spread < LEAST_SHADES**2 * len(colors) or whole == 0:
        return False
    slope = float((shades * off).sum()) / spread
    explained = 1 - float(np.square(off - slope * shades).sum()) / whole
    return SLOPES[0] < slope < SLOPES[1] and explained > FOLLOWS
