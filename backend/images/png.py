"""Finished arrays -> PNG bytes. The only place where alpha is quantised, and no metadata leaves with it.

OpenCV's own default, run-length matching after a horizontal difference, is kept: at 12 Mpx it is two to four times
faster than any zlib level that can be asked for, and its files are up to a quarter larger (benchmarks/image_io.py).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, check_alpha, check_image, check_same_size


def encode_mask_png(alpha: Alpha) -> bytes:
    """Return `alpha` ((H, W) float32 in [0, 1]) as an 8-bit grey PNG, rounded to the nearest of 256 levels.

    Raises ValueError for another shape, dtype or range.
    """
    check_alpha(alpha)
    return _encode(_quantise(alpha))


def encode_cutout_png(image: Image, alpha: Alpha) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) with `alpha` ((H, W) float32) as an RGBA PNG, not premultiplied.

    Where the quantised alpha is 0 the colour is written as black: the background is what the caller wanted gone, and
    without it the file is a fraction of the size. Raises ValueError when the arrays are not what they should be.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    opacity = _quantise(alpha)
    visible = cv2.bitwise_and(image, image, mask=opacity)  # the mask is any value but 0
    pixels = np.empty((*opacity.shape, 4), np.uint8)
    cv2.mixChannels([visible, opacity], [pixels], [2, 0, 1, 1, 0, 2, 3, 3])  # RGB and A -> BGRA
    return _encode(pixels)


def encode_rgb_png(image: Image) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) as an RGB PNG. Raises ValueError for anything else."""
    check_image(image)
    return _encode(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def _quantise(alpha: Alpha) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = cv2.convertScaleAbs(alpha, alpha=255)  # rounds; 0 and 1 are met exactly
    return levels


def _encode(pixels: NDArray[np.uint8]) -> bytes:
    """Return grey, BGR or BGRA `pixels` as a PNG."""
    done, encoded = cv2.imencode(".png", pixels)
    if not done:
        raise RuntimeError("the PNG encoder gave up")
    result: bytes = encoded.tobytes()
    return result
