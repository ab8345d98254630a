"""Untrusted bytes in, the picture's type and announced size out, before any decoder sees them.

Decoders trust a header: a WebP of 34 bytes makes them allocate more than a gigabyte. So type and size are read here
from the header's own bytes (ITU-T T.81, W3C PNG, RFC 9649) and checked first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backend.contract.errors import EmptyFileError, ImageCorruptError, TooManyPixelsError, UnsupportedImageTypeError
from backend.images.decoding.gif_header import read_gif_header
from backend.images.decoding.heif_header import AVIF_BRANDS, heif_brand, read_heif_header
from backend.images.decoding.jpeg_header import jpeg_size
from backend.images.decoding.tiff_header import read_tiff_header

ImageFormat = Literal["jpeg", "png", "webp", "avif", "heic", "tiff", "gif", "bmp"]
READ = "JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP"

_OTHERS: tuple[tuple[bytes, str], ...] = (  # pattern of the first bytes; "." is any byte
    (rb"8BPS", "a PSD"),
    (rb"\x00\x00\x01\x00", "an ICO"),
    (rb"\xff\x0a|\x00{3}\x0cJXL ", "a JPEG XL"),
    (rb"\x00{3}\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000"),
    (rb"II\+\x00|MM\x00\+", "a BigTIFF"),
    (rb"....ftypcrx ", "a camera's raw"),
    (rb"....ftyp", "a video"),
    (rb"%PDF-", "a PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript"),
    (rb"v/1\x01", "an OpenEXR"),
    (rb"#\?RADIANCE", "a Radiance HDR"),
    (rb"qoif", "a QOI"),
    (rb"gimp xcf", "a GIMP"),
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
    frames: int | None = None  # where the header tells; else its decoder knows
    orientation: int = 1  # of a TIFF, whose decoder turns it upright
    cicp: tuple[int, int] | None = None  # primaries and transfer of an AVIF or HEIC, by ITU-T H.273


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
            raise UnsupportedImageTypeError(f"This is {name} file; save it as JPEG, PNG or WebP.")
        raise UnsupportedImageTypeError(f"The file is not a {READ} picture.")
    header, others = _read(kind, data)
    for height, width in ((header.height, header.width), *others):
        _check_size(height, width, limits)
    return header


def _format_of(data: bytes) -> ImageFormat | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(_PNG_SIGNATURE):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if brand := heif_brand(data):
        return "avif" if brand in AVIF_BRANDS else "heic"
    if re.match(rb"GIF8[79]a", data):
        return "gif"
    if re.match(rb"BM....\x00{4}", data, re.DOTALL):
        return "bmp"
    return "tiff" if data.startswith((b"II*\0", b"MM\0*")) else None


def _read(kind: ImageFormat, data: bytes) -> tuple[ImageHeader, Sequence[tuple[int, int]]]:
    """Return the header, and what other sizes (height, width) the file's decoder would make room for."""
    if kind in ("avif", "heic"):
        boxes = read_heif_header(data)
        return ImageHeader(kind, *boxes.size, 8, cicp=boxes.cicp), boxes.coded
    if kind == "tiff":
        tiff = read_tiff_header(data)
        return ImageHeader(kind, *tiff.size, tiff.bit_depth, tiff.pages, tiff.orientation), (tiff.tile,)
    if kind == "gif":
        height, width, frames = read_gif_header(data)
        return ImageHeader(kind, height, width, 8, frames), ()
    size = {"jpeg": jpeg_size, "png": _png_size, "webp": _webp_size, "bmp": _bmp_size}[kind](data)
    return ImageHeader(kind, *size, data[24] if kind == "png" else 8), ()


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


def _bmp_size(data: bytes) -> tuple[int, int]:
    if len(data) >= 26 and data[14] == 12:  # of OS/2
        return _known_size(_little(data, 20, 2), _little(data, 18, 2))
    if len(data) < 30:
        raise ImageCorruptError("The picture's header is broken.")
    height, width = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (22, 18))
    return _known_size(abs(height), max(width, 0))  # a negative height is stored from the top down


def _known_size(height: int, width: int) -> tuple[int, int]:
    if not height or not width:
        raise ImageCorruptError("The picture's header gives no size.")
    return height, width


def _big(data: bytes, start: int, count: int) -> int:
    return int.from_bytes(data[start : start + count], "big")


def _little(data: bytes, start: int, count: int) -> int:
    return int.from_bytes(data[start : start + count], "little")
