"""Alpha -> the same alpha with its edge softened over a chosen width."""

import cv2
import numpy as np

from backend.images.arrays import Alpha, check_alpha


def feather(alpha: Alpha, width_px: float) -> Alpha:
    """Return `alpha` with every edge spread over about `width_px` pixels; 0 changes nothing.

    Three box filters stand for a Gaussian of standard deviation width / 4, at a cost that does not grow with the
    width (Wells, "Efficient synthesis of Gaussian filters by cascaded uniform filters", 1986). Raises ValueError for
    a negative width or an array that is no alpha.
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
