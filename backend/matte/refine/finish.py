"""A finished alpha in, its edge softened and its box found: the last steps before it is encoded."""

import cv2
import numpy as np

from backend.images.arrays import Alpha, Box, check_alpha, visible_box


def feather(alpha: Alpha, width_px: float) -> Alpha:
    """Return `alpha` with every edge spread over about `width_px` pixels; 0 changes nothing.

    Three box filters stand for a Gaussian of standard deviation width / 4, at a cost that does not grow with the
    width (Wells, "Efficient synthesis of Gaussian filters by cascaded uniform filters", 1986). Raises ValueError for
    a negative width or an array that is not an alpha.
    """
    check_alpha(alpha)
    if not width_px >= 0:
        raise ValueError(f"a feather is 0 px wide or more, not {width_px}")
    if width_px == 0:
        return alpha.copy()
    # n boxes of side w have the variance n (w² - 1) / 12.
    side = round(float(np.sqrt(4 * (width_px / 4) ** 2 + 1)))
    side += 1 - side % 2  # an even box would shift the matte
    soft = alpha
    for _ in range(3):
        soft = cv2.blur(soft, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.clip(soft, 0, 1)


def crop_box(alpha: Alpha, margin: float = 0.0) -> Box:
    """Return the box of everything visible in `alpha`, widened on each side by `margin` of its longer side.

    It is cut at the picture's frame; for an empty alpha it is the whole picture. Raises ValueError for a negative
    margin.
    """
    check_alpha(alpha)
    if not margin >= 0:
        raise ValueError(f"a margin is 0 or more, not {margin}")
    height, width = alpha.shape
    x0, y0, x1, y1 = visible_box(alpha) or (0, 0, width, height)
    room = round(margin * max(x1 - x0, y1 - y0))
    return max(0, x0 - room), max(0, y0 - room), min(width, x1 + room), min(height, y1 + room)
