"""An object and where it goes in, a frame of any size with the object in it out."""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Alpha, Box, Image, check_alpha, check_image, check_same_size, visible_box
from backend.matte.editing.fitting import resize_cutout

BESIDE_PX = 2  # clear pixels around the object that are scaled with it: its rim fades out as it does in the picture


@dataclass(frozen=True)
class Placing:
    """Where an object goes. Without a `margin` the whole picture is fitted into the frame; with one, the object is."""

    size: tuple[int, int] | None = None  # (height, width) of the frame; None: the picture's own
    margin: float | None = None  # least room on each side, as a share of the frame's shorter side
    scale: float = 1.0  # of the object, around its middle
    shift: tuple[float, float] = (0.0, 0.0)  # to the right and down, as shares of the frame's width and height


def place_object(image: Image, alpha: Alpha, placing: Placing) -> tuple[Image, Alpha]:
    """Return a frame of `placing.size`, clear but for the object, and its alpha.

    Where the object keeps its size and place, its pixels stay bit-equal. Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    own = (alpha.shape[0], alpha.shape[1])
    size = placing.size or own
    box = visible_box(alpha)
    if box is None:
        return np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32)
    factor, left, top = _geometry(box, own, size, placing)
    if factor == 1 and size == own and (left, top) == (0, 0):
        return image, alpha
    # What of the picture is needed: the object, as far as it reaches into the frame.
    x0, y0, x1, y1 = box
    x0, x1 = (
        max(0, x0 - BESIDE_PX, int(-left / factor) - 2),
        min(own[1], x1 + BESIDE_PX, int((size[1] - left) / factor) + 3),
    )
    y0, y1 = (
        max(0, y0 - BESIDE_PX, int(-top / factor) - 2),
        min(own[0], y1 + BESIDE_PX, int((size[0] - top) / factor) + 3),
    )
    if x0 >= x1 or y0 >= y1:
        return np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32)
    shape = max(1, round((y1 - y0) * factor)), max(1, round((x1 - x0) * factor))
    part, opacity = resize_cutout(image[y0:y1, x0:x1], alpha[y0:y1, x0:x1], shape, cv2.INTER_CUBIC)
    assert opacity is not None
    return pasted(part, opacity, size, (round(top + y0 * factor), round(left + x0 * factor)))


def _geometry(box: Box, own: tuple[int, int], size: tuple[int, int], placing: Placing) -> tuple[float, float, float]:
    """Return the factor of the picture's size and where its left and top edge come to lie in the frame."""
    height, width = size
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2  # the object's middle
    if placing.margin is None:
        factor = min(height / own[0], width / own[1])
        middle = width / 2 + (x - own[1] / 2) * factor, height / 2 + (y - own[0] / 2) * factor
    else:
        room = 2 * placing.margin * min(size)
        factor = min((height - room) / (box[3] - box[1]), (width - room) / (box[2] - box[0]))
        middle = width / 2, height / 2
    factor *= placing.scale
    left = middle[0] + placing.shift[0] * width - x * factor
    top = middle[1] + placing.shift[1] * height - y * factor
    return factor, left, top


def pasted(image: Image, alpha: Alpha, size: tuple[int, int], corner: tuple[int, int]) -> tuple[Image, Alpha]:
    """Return a frame of `size` (height, width), clear but for the picture with its top left at `corner` (top, left),
    which may lie outside."""
    whole, opacity = np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32)
    rows, columns = (
        (max(0, at), min(full, at + length)) for at, full, length in zip(corner, size, alpha.shape, strict=True)
    )
    into = slice(*rows), slice(*columns)
    of = slice(rows[0] - corner[0], rows[1] - corner[0]), slice(columns[0] - corner[1], columns[1] - corner[1])
    if rows[0] < rows[1] and columns[0] < columns[1]:
        whole[into], opacity[into] = image[of], alpha[of]
    return whole, opacity
