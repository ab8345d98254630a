"""Tells a picture that is drawn in hard pixels, a sprite or an icon, from one whose edges are smoothed."""

import numpy as np

from backend.images.arrays import Image, check_image

MAX_COLORS = 256  # of a drawing; a photo of the size has thousands
MAX_MIXED = 0.05  # share of the edges with a colour between those of both sides: smoothing
MAX_PIXELS = 4_000_000  # larger pictures are not looked at: sprites are small


def is_pixel_art(image: Image) -> bool:
    """Return whether `image` has few colours and steps from one to the next without any between them."""
    check_image(image)
    height, width = image.shape[:2]
    if height * width > MAX_PIXELS or min(height, width) < 4:
        return False
    values = image.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    if (
        len(np.unique(values.ravel()[:: max(1, values.size // 65536)])) > MAX_COLORS
        or len(np.unique(values)) > MAX_COLORS
    ):
        return False
    edges = mixed = 0
    for lines in (image.astype(np.int16), image.astype(np.int16).swapaxes(0, 1)):
        before, here, after = lines[:, :-2], lines[:, 1:-1], lines[:, 2:]
        left, right = (here != before).any(axis=2), (here != after).any(axis=2)
        low, high = np.minimum(before, after), np.maximum(before, after)
        between = ((here >= low) & (here <= high)).all(axis=2) & (before != after).any(axis=2)
        edges += int(np.count_nonzero(left))
        mixed += int(np.count_nonzero(left & right & between))
    return bool(edges > 0 and mixed <= MAX_MIXED * edges)
