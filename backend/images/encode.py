"""Finished arrays in, PNG or JPEG bytes out, without metadata. The only place that quantises alpha."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, check_alpha, check_image, check_same_size
from backend.images.png import png_pieces


def encode_mask_png(alpha: Alpha) -> bytes:
    """Return `alpha` ((H, W) float32 in [0, 1]) as an 8-bit grey PNG, rounded to the nearest of 256 levels.

    Raises ValueError for another shape, dtype or range.
    """
    check_alpha(alpha)
    return b"".join(png_pieces((*alpha.shape, 1), lambda rows: quantised(alpha[rows])))


def encode_cutout_png(image: Image, alpha: Alpha) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) with `alpha` ((H, W) float32) as an RGBA PNG, not premultiplied.

    Where the quantised alpha is 0 the colour is written as black, which makes the file a fraction of the size. Raises
    ValueError for arrays of another shape, dtype or range, or of two sizes.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)

    return b"".join(png_pieces((*alpha.shape, 4), lambda rows: visible_pixels(image[rows], alpha[rows])))


def visible_pixels(image: Image, alpha: Alpha) -> NDArray[np.uint8]:
    """Return the (H, W, 4) RGBA pixels of a cutout, not premultiplied; black where alpha is 0 in 8 bits."""
    opacity = quantised(alpha)
    return np.dstack([cv2.bitwise_and(image, image, mask=opacity), opacity])  # the mask is any value but 0


def encode_rgb_png(image: Image) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) as an RGB PNG. Raises ValueError for anything else."""
    check_image(image)
    return b"".join(png_pieces(image.shape, lambda rows: image[rows]))


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) as a JPEG of `quality` 1 to 100. Raises ValueError for anything else."""
    check_image(image)
    if not 1 <= quality <= 100:
        raise ValueError(f"a JPEG's quality is 1 to 100, not {quality}")
    # Colours at full resolution from 90 on: at half of it red edges on a plain ground fray.
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if quality >= 90 else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    how = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return encode_pixels(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), ".jpg", how)


def quantised(alpha: Alpha) -> NDArray[np.uint8]:
    """Return `alpha` in 8 bits, rounded to the nearest of 256 levels."""
    levels: NDArray[np.uint8] = cv2.convertScaleAbs(alpha, alpha=255)  # rounds; 0 and 1 are met exactly
    return levels


def encode_webp(image: Image, quality: int) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) as a lossy WebP of `quality` 1 to 100. Raises ValueError for anything
    else."""
    check_image(image)
    if not 1 <= quality <= 100:
        raise ValueError(f"a WebP's quality is 1 to 100, not {quality}")
    return encode_pixels(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), ".webp", [cv2.IMWRITE_WEBP_QUALITY, quality])


def encode_pixels(pixels: NDArray[np.uint8], extension: str, how: Sequence[int] = ()) -> bytes:
    """Return grey, BGR or BGRA `pixels` as a file of the kind that `extension` names; `how` are flags of OpenCV."""
    done, encoded = cv2.imencode(extension, pixels, how)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {extension} file")
    result: bytes = encoded.tobytes()
    return result
