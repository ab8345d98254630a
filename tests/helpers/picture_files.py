"""Picture files written byte by byte, so that a test knows what is in them without asking a decoder."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Which side of the upright picture the stored first row and first column are (CIPA DC-008, tag Orientation).
EXIF_SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def scene(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """A picture that no flip and no turn leaves as it is: red grows to the right, green downward, one blue corner."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns * 255 // max(width - 1, 1), rows * 255 // max(height - 1, 1), 0 * rows], axis=-1)
    image[: height // 3, : width // 4, 2] = 255
    return image.astype(np.uint8)


def stored_as(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The array a camera writes with `orientation`, from the definition of the tag."""
    first_row, first_column = EXIF_SIDES[orientation]
    stored = upright if first_row in ("top", "bottom") else upright.swapaxes(0, 1)
    if first_row in ("bottom", "right"):
        stored = stored[::-1]
    if first_column in ("bottom", "right"):
        stored = stored[:, ::-1]
    return np.ascontiguousarray(stored)


def exif_block(orientation: int, order: str = "<", kind: str = "H") -> bytes:
    """A TIFF block with one entry; `kind` is B, H or I for BYTE, SHORT or LONG."""
    value = struct.pack(order + kind, orientation).ljust(4, b"\0")
    head = b"II*\0" if order == "<" else b"MM\0*"
    code = {"B": 1, "H": 3, "I": 4}[kind]
    return head + struct.pack(order + "IHHHI", 8, 1, 0x0112, code, 1) + value + b"\0\0\0\0"


def saved(image: Image.Image | NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    """Return the file that Pillow writes: "JPEG", "PNG", "WEBP", "MPO", …"""
    target = io.BytesIO()
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(target, kind, **options)
    return target.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def header_chunk(width: int, height: int, bit_depth: int, color_type: int, interlaced: bool = False) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, int(interlaced)))


def png(
    rows: Sequence[bytes], width: int, bit_depth: int, color_type: int, extra: bytes = b"", after: bytes = b""
) -> bytes:
    """A PNG of unfiltered `rows` (packed samples); `extra` chunks come before the data, `after` behind them."""
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return (
        PNG_SIGNATURE
        + header_chunk(width, len(rows), bit_depth, color_type)
        + extra
        + data
        + after
        + chunk(b"IEND", b"")
    )


def interlaced_png(image: NDArray[np.uint8]) -> bytes:
    """An Adam7 PNG of an RGB image: seven coarse to fine passes, each a small picture of its own."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b""
    for row, column, down, right in passes:
        part = image[row::down, column::right]
        if part.size:
            data += b"".join(b"\0" + line.tobytes() for line in part)
    height, width = image.shape[:2]
    body = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return PNG_SIGNATURE + header_chunk(width, height, 8, 2, interlaced=True) + body


def webp_claim(kind: str, width: int, height: int) -> bytes:
    """A WebP that is all header."""
    if kind == "VP8 ":
        body = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    elif kind == "VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\0" * 5
    else:
        body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    inner = b"WEBP" + kind.encode() + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jpeg_claiming(width: int, height: int, source: bytes) -> bytes:
    """`source` with another size in its first frame header."""
    changed = bytearray(source)
    start = next(changed.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in changed)
    changed[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(changed)


# Columns of the matrices from linear RGB to XYZ under D50 (ICC's connection space).
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def display_p3_profile() -> bytes:
    """An sRGB profile whose primaries are replaced by Display P3's; both share the tone curve."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(int.from_bytes(profile[128:132], "big")):
        name, start, _ = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            column = DISPLAY_P3[:, b"rgb".index(name[:1])]
            struct.pack_into(">3i", profile, start + 8, *np.round(column * 65536).astype(int).tolist())
    return bytes(profile)
