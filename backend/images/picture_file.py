"""Finished arrays in, the file of a format out: PNG, WebP, JPEG or AVIF, with density and EXIF where they are given."""

import io
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from backend.contract.errors import InvalidParameterError
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.images.arrays import Alpha, Image
from backend.images.encode import encode_cutout_png, encode_mask_png, encode_rgb_png, quantised, visible_pixels
from backend.images.metadata import exif_of_density
from backend.images.png import SIGNATURE

AVIF_SPEED = 8  # of 10: a photo of 12 megapixels takes seconds at the default of 6
WEBP_SIDE_PX = 16_383


@dataclass(frozen=True)
class FileStyle:
    """How a file is written."""

    format: str = "png"  # a row of PICTURE_FORMATS
    quality: int = 90  # 1 to 100; a WebP of 100 is without loss
    density: tuple[int, int] | None = None  # pixels per metre, across and down
    exif: bytes = b""  # of `exif_to_keep`


def encode_file(image: Image | None, alpha: Alpha | None, style: FileStyle) -> bytes:
    """Return `image` ((H, W, 3) uint8) with `alpha` ((H, W) float32) as a file; without `image` the mask itself.

    Raises InvalidParameterError for a side that the format cannot have, ValueError for arrays of the wrong kind, and
    for a cutout in a format without transparency.
    """
    if style.format == "png":
        return _png(image, alpha, style)
    if image is None and alpha is not None:
        pixels = quantised(alpha)
    elif image is not None and alpha is not None:
        if not PICTURE_FORMATS[style.format].transparent:
            raise ValueError(f"a {style.format} has no transparency")
        pixels = visible_pixels(image, alpha)
    elif image is not None:
        pixels = image
    else:
        raise ValueError("there is neither an image nor an alpha")
    return _encoded(pixels, style)


def encode_again(data: bytes, style: FileStyle) -> bytes:
    """Return a file of ours, in any format, in that of `style`. Raises what `encode_file` raises."""
    pixels = np.asarray(PillowImage.open(io.BytesIO(data), formats=[name.upper() for name in PICTURE_FORMATS]))
    if pixels.ndim == 3 and pixels.shape[2] == 4 and not PICTURE_FORMATS[style.format].transparent:
        raise ValueError(f"a {style.format.upper()} has no transparency")
    return _encoded(pixels, style)


def _encoded(pixels: NDArray[np.uint8], style: FileStyle) -> bytes:
    if style.format == "webp" and max(pixels.shape[:2]) > WEBP_SIDE_PX:
        raise InvalidParameterError(
            f"A WebP has at most {WEBP_SIDE_PX} pixels a side; use another output_format.", parameter="output_format"
        )
    exif = style.exif
    options: dict[str, Any] = {} if style.format == "png" else {"quality": style.quality}
    if style.format == "jpeg":
        options["subsampling"] = 0 if style.quality >= 90 else 2  # full colour: half of it frays red edges
        if style.density is not None:
            options["dpi"] = tuple(round(value * 0.0254) for value in style.density)
    elif style.density is not None:
        exif = exif_of_density(style.density, exif)
    if style.format == "webp":
        options |= {"lossless": style.quality == 100, "method": 4}
    if style.format == "avif":
        options["speed"] = AVIF_SPEED
    target = io.BytesIO()
    PillowImage.fromarray(pixels).save(target, style.format.upper(), exif=exif, **options)
    return target.getvalue()


def _png(image: Image | None, alpha: Alpha | None, style: FileStyle) -> bytes:
    if image is not None:
        data = encode_rgb_png(image) if alpha is None else encode_cutout_png(image, alpha)
    elif alpha is not None:
        data = encode_mask_png(alpha)
    else:
        raise ValueError("there is neither an image nor an alpha")
    extra = b""
    if style.density is not None:
        extra += _chunk(b"pHYs", b"".join(value.to_bytes(4, "big") for value in style.density) + b"\x01")
    if style.exif:
        extra += _chunk(b"eXIf", style.exif.removeprefix(b"Exif\0\0"))
    end = len(SIGNATURE) + 25  # of the header chunk, which comes first
    return data[:end] + extra + data[end:] if extra else data


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
