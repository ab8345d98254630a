"""A picture and a size in, the picture at that size out: cropped, with room around it, or stretched."""

from typing import Literal

import cv2
import numpy as np

from backend.images.arrays import Alpha, Image, check_image
from backend.images.resize import resize_to

Fit = Literal["cover", "contain", "stretch"]


def fit_picture(image: Image, alpha: Alpha | None, size: tuple[int, int], fit: Fit) -> tuple[Image, Alpha | None]:
    """Return `image` at `size` (height, width) and its opacity there, None where it is opaque everywhere.

    `cover` crops to the middle; `contain` centres the picture, and the room around it has opacity 0.
    """
    check_image(image)
    height, width = size
    own_height, own_width = image.shape[:2]
    if fit == "cover":
        box_height = _at_least_1(min(own_height, own_width * height / width))
        box_width = _at_least_1(min(own_width, own_height * width / height))
        top, left = (own_height - box_height) // 2, (own_width - box_width) // 2
        window = (slice(top, top + box_height), slice(left, left + box_width))
        image, alpha = image[window], None if alpha is None else alpha[window]
    if fit != "contain":
        return resize_cutout(image, alpha, size)
    scale = min(height / own_height, width / own_width)
    inner = (min(height, _at_least_1(own_height * scale)), min(width, _at_least_1(own_width * scale)))
    image, alpha = resize_cutout(image, alpha, inner)
    if inner == size:
        return image, alpha
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    window = (slice(top, top + inner[0]), slice(left, left + inner[1]))
    framed, opacity = np.zeros((height, width, 3), np.uint8), np.zeros(size, np.float32)
    framed[window], opacity[window] = image, 1 if alpha is None else alpha
    return framed, opacity


def _at_least_1(length: float) -> int:
    return max(1, round(length))


def resize_cutout(
    image: Image, alpha: Alpha | None, size: tuple[int, int], enlarge_with: int = cv2.INTER_LINEAR
) -> tuple[Image, Alpha | None]:
    """Return `image` and its opacity (None: opaque) at `size` (height, width), enlarged with an OpenCV flag."""
    if image.shape[:2] == size:
        return image, alpha
    if alpha is None:
        return resize_to(image, size, enlarge_with), None
    # Premultiplied, or the colours under transparent pixels would bleed into their neighbours.
    cover = resize_to(alpha, size, enlarge_with)
    weighed = resize_to(image.astype(np.float32) * alpha[..., None], size, enlarge_with)
    colors = np.divide(weighed, cover[..., None], out=np.zeros_like(weighed), where=cover[..., None] > 1e-4)
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8), np.clip(cover, 0, 1)
