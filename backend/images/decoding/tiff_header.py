"""The first directory of a TIFF (TIFF 6.0) in, the size of its picture and of its tiles out."""

from dataclasses import dataclass
from typing import Literal

from backend.contract.errors import ImageCorruptError, UnsupportedImageTypeError

MAX_PAGES = 1000  # counted; more are told as so many
_INTEGER_BYTES = {1: 1, 3: 2, 4: 4}  # BYTE, SHORT and LONG
_COMPRESSION, _PLANES, _SEPARATE = 259, 284, 2
_KIND, _WIDTH, _HEIGHT, _BITS, _ORIENTATION, _TILE_WIDTH, _TILE_HEIGHT, _DNG = 254, 256, 257, 258, 274, 322, 323, 50706


@dataclass(frozen=True)
class TiffHeader:
    """Sizes are (height, width)."""

    size: tuple[int, int]  # as stored
    tile: tuple[int, int]  # (0, 0) without tiles
    bit_depth: int
    orientation: int  # as in EXIF, 1 to 8
    pages: int


def read_tiff_header(data: bytes) -> TiffHeader:
    """Return the header of the first picture in `data`.

    Raises ImageCorruptError where it gives no size, and UnsupportedImageTypeError for a camera's raw file, which begins
    as a TIFF of its preview, and for planes that the decoder misreads.
    """
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"

    def number(start: int, count: int) -> int:
        return int.from_bytes(data[start : start + count], order)

    directory = number(4, 4)
    entries: dict[int, int] = {}
    for index in range(number(directory, 2)):
        entry = directory + 2 + 12 * index
        if entry + 12 > len(data):
            break
        width = _INTEGER_BYTES.get(number(entry + 2, 2), 0)
        inline = width * number(entry + 4, 4) <= 4
        entries.setdefault(number(entry, 2), number(entry + 8 if inline else number(entry + 8, 4), width))
    if _DNG in entries or entries.get(_KIND, 0) & 1 or data[8:10] == b"CR":
        raise UnsupportedImageTypeError("This is a camera's raw file; save it as JPEG, PNG or WebP.")
    if entries.get(_PLANES) == _SEPARATE and entries.get(_BITS) == 16 and entries.get(_COMPRESSION, 1) == 1:
        raise UnsupportedImageTypeError(  # Pillow would read the bytes of each plane as two pixels
            "This is a TIFF of 16 bits in separate planes without compression; save it compressed, or as a PNG."
        )
    size = entries.get(_HEIGHT, 0), entries.get(_WIDTH, 0)
    if not all(size):
        raise ImageCorruptError("The picture's header gives no size.")
    pages, seen = 0, set()
    while directory and directory not in seen and pages < MAX_PAGES:
        seen.add(directory)
        pages += 1
        directory = number(directory + 2 + 12 * number(directory, 2), 4)
    tile = entries.get(_TILE_HEIGHT, 0), entries.get(_TILE_WIDTH, 0)
    orientation = entries.get(_ORIENTATION, 1)
    return TiffHeader(size, tile, entries.get(_BITS, 1), orientation if 1 <= orientation <= 8 else 1, pages)
