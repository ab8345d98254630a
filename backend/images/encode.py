"""Finished arrays in, PNG or JPEG bytes out, without metadata but the density. The only place that quantises alpha."""

import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Box, Image, check_alpha, check_image, check_same_size
from backend.images.compositing import on_color
from backend.images.png import SIGNATURE, png_pieces


def encode_mask_png(alpha: Alpha) -> bytes:
    """Return `alpha` ((H, W) float32 in [0, 1]) as an 8-bit grey PNG, rounded to the nearest of 256 levels.

    Raises ValueError for another shape, dtype or range.
    """
    check_alpha(alpha)
    return b"".join(png_pieces((*alpha.shape, 1), lambda rows: _quantise(alpha[rows])))


def encode_cutout_png(image: Image, alpha: Alpha) -> bytes:
    """Return `image` ((H, W, 3) uint8 RGB) with `alpha` ((H, W) float32) as an RGBA PNG, not premultiplied.

    Where the quantised alpha is 0 the colour is written as black, which makes the file a fraction of the size. Raises
    ValueError for arrays of another shape, dtype or range, or of two sizes.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)

    def pixels(rows: slice) -> NDArray[np.uint8]:
        opacity = _quantise(alpha[rows])
        visible = cv2.bitwise_and(image[rows], image[rows], mask=opacity)  # the mask is any value but 0
        return np.dstack([visible, opacity])

    return b"".join(png_pieces((*alpha.shape, 4), pixels))


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


def encode_matte(image: Image, alpha: Alpha, box: Box, *, as_cutout: bool, background: str | None) -> bytes:
    """Return the part `box` of a picture as a PNG: its mask, its cutout, or the object on `background` (#rrggbb)."""
    x0, y0, x1, y1 = box
    image, alpha = image[y0:y1, x0:x1], alpha[y0:y1, x0:x1]
    if background is not None:
        return encode_rgb_png(on_color(image, alpha, background))
    return encode_cutout_png(image, alpha) if as_cutout else encode_mask_png(alpha)


def with_density(png: bytes, density: tuple[int, int] | None) -> bytes:
    """Return the PNG with its pixels per metre, across and down, written after the header: prints keep their size."""
    if density is None:
        return png
    chunk = b"pHYs" + b"".join(value.to_bytes(4, "big") for value in density) + b"\x01"
    end = len(SIGNATURE) + 25  # of the header chunk, which comes first
    return png[:end] + (9).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[end:]


def as_jpeg(png: bytes, quality: int = 92) -> bytes | None:
    """Return a PNG in colour without transparency as a JPEG; None for a mask or a cutout."""
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 3:
        return None
    return encode_jpeg(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), quality)


def _quantise(alpha: Alpha) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = cv2.convertScaleAbs(alpha, alpha=255)  # rounds; 0 and 1 are met exactly
    return levels


def encode_pixels(pixels: NDArray[np.uint8], extension: str, how: Sequence[int] = ()) -> bytes:
    """Return grey, BGR or BGRA `pixels` as a file of the kind that `extension` names; `how` are flags of OpenCV."""
    done, encoded = cv2.imencode(extension, pixels, how)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {extension} file")
    result: bytes = encoded.tobytes()
    return result
