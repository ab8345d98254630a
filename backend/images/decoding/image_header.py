"""Untrusted bytes in, the picture's type and announced size out, before any decoder sees them.

Decoders trust a header: a WebP of 34 bytes makes them allocate more than a gigabyte. So type and size are read here
from the header's own bytes (ITU-T T.81, W3C PNG, RFC 9649) and checked first.
"""

import re
from dataclasses import dataclass
from typing import Literal

from backend.contract.errors import EmptyFileError, ImageCorruptError, TooManyPixelsError, UnsupportedImageTypeError
from backend.images.decoding.jpeg_header import jpeg_size

ImageFormat = Literal["jpeg", "png", "webp"]

_OTHERS: tuple[tuple[bytes, str], ...] = (  # pattern of the first bytes; "." is any byte
    (rb"GIF8[79]a", "a GIF"),
    (rb"....ftyp(?:avif|avis)", "an AVIF"),
    (rb"....ftyp(?:heic|heix|hevc|hevx|heim|heis|mif1|msf1)", "a HEIC"),
    (rb"BM....\x00{4}", "a BMP"),
    (rb"II\*\x00|MM\x00\*", "a TIFF"),
    (rb"8BPS", "a Photoshop"),
    (rb"\x00\x00\x01\x00", "an ICO"),
    (rb"\xff\x0a|\x00{3}\x0cJXL ", "a JPEG XL"),
    (rb"\x00{3}\x0cjP  ", "a JPEG 2000"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?<svg", "an SVG"),
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class ImageLimits:
    """The largest picture that is decoded, by the size in its header."""

    max_pixels: int = 50_000_000  # width × height
    max_side_px: int = 16_384  # longer side


@dataclass(frozen=True)
class ImageHeader:
    """Format and stored size, before any EXIF turn."""

    format: ImageFormat
    height: int
    width: int
    bit_depth: int  # bits of one sample of one channel, or of a palette's index


def read_header(data: bytes, limits: ImageLimits) -> ImageHeader:
    """Return the header of the picture in `data`.

    Raises, in this order: EmptyFileError; UnsupportedImageTypeError by the first bytes, not the file's name;
    ImageCorruptError when the header gives no size; TooManyPixelsError with `limit` and `actual`.
    """
    if not data:
        raise EmptyFileError("The file is empty.")
    kind = _format_of(data)
    if kind is None:
        name = next((name for pattern, name in _OTHERS if re.match(pattern, data[:512], re.DOTALL)), "")
        if name:
            raise UnsupportedImageTypeError(f"This is {name} picture; save it as JPEG, PNG or WebP.")
        raise UnsupportedImageTypeError("The file is not a JPEG, PNG or WebP picture.")
    height, width = {"jpeg": jpeg_size, "png": _png_size, "webp": _webp_size}[kind](data)
    _check_size(height, width, limits)
    return ImageHeader(kind, height, width, data[24] if kind == "png" else 8)


def _format_of(data: bytes) -> ImageFormat | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(_PNG_SIGNATURE):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _check_size(height: int, width: int, limits: ImageLimits) -> None:
    if max(height, width) > limits.max_side_px:
        raise TooManyPixelsError(
            f"The picture is {width} × {height} pixels; a side may have at most {limits.max_side_px}.",
            limit=limits.max_side_px,
            actual=max(height, width),
        )
    if height * width > limits.max_pixels:
        raise TooManyPixelsError(
            f"The picture has {height * width} pixels; at most {limits.max_pixels} are accepted.",
            limit=limits.max_pixels,
            actual=height * width,
        )


def _png_size(data: bytes) -> tuple[int, int]:
    # IHDR comes first and has 13 bytes; the decoder checks its checksum.
    if data[8:16] != b"\x00\x00\x00\rIHDR" or len(data) < 33:
        raise ImageCorruptError("The picture's header is broken.")
    return _known_size(_big(data, 20, 4), _big(data, 16, 4))


def _webp_size(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:  # the canvas; no frame may leave it
        return 1 + _little(data, 27, 3), 1 + _little(data, 24, 3)
    if chunk == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:
        bits = _little(data, 21, 4)  # 14 bits of width less one, then 14 of height less one
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    if chunk == b"VP8 " and len(data) >= 30 and data[23:26] == b"\x9d\x01\x2a":
        return _known_size(_little(data, 28, 2) & 0x3FFF, _little(data, 26, 2) & 0x3FFF)
    raise ImageCorruptError("The picture's header is broken.")


def _known_size(height: int, width: int) -> tuple[int, int]:
    if not height or not width:
        raise ImageCorruptError("The picture's header gives no size.")
    return height, width


def _big(data: bytes, start: int, count: int) -> int:
    return int.from_bytes(data[start : start + count], "big")


def _little(data: bytes, start: int, count: int) -> int:
    return int.from_bytes(data[start : start + count], "little")
