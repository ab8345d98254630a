"""An image and its alpha in, the image with the object's own colours in the rim out.

A pixel of the rim mixes the object with the old background, which would stay visible as a halo over a new one. The
colours are estimated by blurred fusion at two scales (Forte, "Approximate Fast Foreground Colour Estimation", ICIP
2021), only in tiles with a rim in them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Box, Image, check_alpha, check_image, check_same_size
from backend.images.geometry import tiles

WIDE_PX, FINE_PX = 45, 4  # blur radii: colours come from this far, then from close by
TILE_PX = 256
THINNED = 4  # the wide estimate is made on every fourth pixel, because it is smooth
OPAQUE = 0.995  # alpha from which a pixel shows the object only


def foreground_colors(image: Image, alpha: Alpha) -> Image:
    """Return a copy of `image` in which every pixel with 0 < alpha < 1 has the object's own colour.

    So has the background next to the rim, because viewers that interpolate would show it. Opaque pixels and the rest of
    the background stay as they are. Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    result = image.copy()
    height, width = alpha.shape
    for x0, y0, x1, y1 in tiles((0, 0, width, height), TILE_PX):
        inner = (slice(y0, y1), slice(x0, x1))
        rim = _rim(alpha, (x0, y0, x1, y1))
        if not rim.any():
            continue
        top, left = max(y0 - WIDE_PX, 0), max(x0 - WIDE_PX, 0)
        window = (slice(top, y1 + WIDE_PX), slice(left, x1 + WIDE_PX))
        colors = _estimate(image[window].astype(np.float32), alpha[window])
        own = colors[y0 - top : y1 - top, x0 - left : x1 - left]
        result[inner][rim] = np.clip(np.rint(own[rim]), 0, 255).astype(np.uint8)
    return result


def _estimate(image: NDArray[np.float32], alpha: Alpha) -> NDArray[np.float32]:
    height, width = alpha.shape
    size = (max(1, width // THINNED), max(1, height // THINNED))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    wide = _fuse(small, cover, small, small, WIDE_PX // THINNED)
    front, back = (cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in wide)
    return _fuse(image, alpha, front, back, FINE_PX)[0]


def _fuse(
    image: NDArray[np.float32], alpha: Alpha, front: NDArray[np.float32], back: NDArray[np.float32], radius: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both colours: blurred estimates, the object's corrected by the residual of each pixel's mix."""
    front = _blur_under(front, alpha, radius)
    back = _blur_under(back, 1 - alpha, radius)
    cover = alpha[..., None]
    missing = image - cover * front - (1 - cover) * back
    return np.clip(front + cover * missing, 0, 255), back


def _blur_under(colors: NDArray[np.float32], weight: Alpha, radius: int) -> NDArray[np.float32]:
    # Squared: a half-covered pixel shows less than half of the colour.
    weight = weight * weight + np.float32(1e-5)
    size = (2 * radius + 1, 2 * radius + 1)
    total = cv2.blur(colors * weight[..., None], size)
    return np.asarray(total / cv2.blur(weight, size)[..., None], np.float32)


def _rim(alpha: Alpha, tile: Box) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = tile
    top, left = max(y0 - 2, 0), max(x0 - 2, 0)
    part = alpha[top : y1 + 2, left : x1 + 2]
    beside = cv2.dilate(part, np.ones((5, 5), np.uint8)) > 0
    return np.asarray((beside & (part < OPAQUE))[y0 - top : y1 - top, x0 - left : x1 - left])
