"""A picture's own transparency: whether it outlines something, and what lies under its clear pixels."""

import cv2
import numpy as np

from backend.images.arrays import Alpha, Image, check_alpha, check_same_size

CLEAR = 0.1  # opacity below which a pixel shows what lies behind it
LEAST_CLEAR = 0.02  # of the picture: rounded corners of a screenshot have 0.1 to 1 %, a stray pixel less


def outlines(alpha: Alpha) -> bool:
    """Return whether `alpha` marks an object: part of the picture is clear.

    One transparent pixel, an opacity of 254 everywhere and rounded corners mark none.
    """
    check_alpha(alpha)
    return bool((alpha < CLEAR).mean() >= LEAST_CLEAR)


def without_clear_pixels(image: Image, alpha: Alpha) -> Image:
    """Return `image` with the colour of each clear pixel, which nobody sees, taken from the nearest visible one.

    Raises ValueError for arrays of two sizes.
    """
    check_same_size(image, alpha)
    clear = alpha < 0.5
    if not clear.any() or clear.all():
        return image
    _, cells = cv2.distanceTransformWithLabels(clear.view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    colors = np.zeros((int(cells.max()) + 1, 3), np.uint8)
    colors[cells[~clear]] = image[~clear]
    return np.where(clear[..., None], colors[cells], image)
