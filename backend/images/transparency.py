"""A picture's own transparency: whether it outlines something, and what lies under its clear pixels."""

import cv2
import numpy as np

from backend.images.arrays import Alpha, Image, Mask, check_alpha, check_same_size
from backend.images.resize import fit_longest_side

CLEAR = 0.1  # opacity below which a pixel shows what lies behind it
LEAST_CLEAR = 0.02  # of the picture: rounded corners of a screenshot have 0.1 to 1 %, a stray pixel less
CLEAR_RIM = 0.2  # least share of the frame that is clear around an object: a watermark's letters are surrounded
FULL, LARGE = 0.9, 0.8  # of the box around what is left, and of the picture: a sheet with clear margins or corners
SIDE_PX = 512  # longer side of the copy on which a fade is told
STEP, STEP_REACH = 0.3, 0.03  # opacity that an outline reaches within this share of the longer side; a fade does not


def outlines(alpha: Alpha) -> bool:
    """Return whether `alpha` marks an object: part of the picture is clear, around something that has an outline.

    One transparent pixel, an opacity of 254 everywhere, clear rows, margins and corners, a watermark and a soft
    vignette mark none.
    """
    check_alpha(alpha)
    clear = alpha < CLEAR
    rim = np.concatenate([clear[0], clear[-1], clear[:, 0], clear[:, -1]])
    if not partly_clear(alpha) or rim.mean() < CLEAR_RIM:
        return False
    return bool(clear.all()) or not (_is_sheet(~clear) or _is_fade(alpha))


def partly_clear(alpha: Alpha) -> bool:
    """Return whether more of the picture is clear than the corners of a screenshot."""
    return bool((alpha < CLEAR).mean() >= LEAST_CLEAR)


def _is_sheet(left: Mask) -> bool:
    """Return whether what is left of the picture is a rectangle: nearly all of it, or a strip from side to side."""
    rows, columns = np.flatnonzero(left.any(axis=1)), np.flatnonzero(left.any(axis=0))
    sides = (len(left) - 1 - rows[-1], rows[0], left.shape[1] - 1 - columns[-1], columns[0])
    box = int(rows[-1] - rows[0] + 1) * int(columns[-1] - columns[0] + 1)
    return bool(
        np.count_nonzero(left) >= FULL * box and (box >= LARGE * left.size or sum(one == 0 for one in sides) >= 3)
    )


def _is_fade(alpha: Alpha) -> bool:
    small = fit_longest_side(alpha, SIDE_PX)
    reach = 2 * max(1, round(STEP_REACH * max(small.shape))) + 1
    beyond = cv2.dilate(small, np.ones((reach, reach), np.uint8))
    clear = small < CLEAR
    line = cv2.dilate(clear.view(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_) & ~clear
    return bool(line.any() and np.median(beyond[line]) < STEP)


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
