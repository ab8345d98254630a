"""A JPEG, PNG or WebP's outer structure, read without decoding: metadata, frames and whether it is all there.

Of the other formats only a TIFF's metadata are read.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from backend.contract.errors import ImageCorruptError
from backend.images.decoding.image_header import ImageFormat
from backend.images.decoding.jpeg_header import jpeg_segments

_APP1, _APP2, _EOI = 0xE1, 0xE2, 0xD9


@dataclass(frozen=True)
class Container:
    """The structure of a file. `complete`: its end marker is there; `faults` are sentences."""

    exif: bytes = b""  # a TIFF block, b"" without one
    several: bool = False  # an MPO, or an animation: more than the picture that is taken
    complete: bool = True
    faults: tuple[str, ...] = ()


def read_container(data: bytes, kind: ImageFormat) -> Container:
    """Return the structure of `data`, which `read_header` accepted as `kind`. Faults are returned, never raised."""
    if kind == "tiff":
        return Container(exif=data)  # its directories are those of an EXIF block
    readers = {"jpeg": _jpeg, "png": _png, "webp": _webp}
    return readers[kind](data) if kind in readers else Container()


def _jpeg(data: bytes) -> Container:
    exif, several, complete = b"", False, False
    faults: tuple[str, ...] = ()
    try:
        for marker, start, end in jpeg_segments(data):
            if marker == _APP1 and not exif and data[start : start + 6] == b"Exif\0\0":
                exif = data[start + 6 : end]
            several |= marker == _APP2 and data[start : start + 4] == b"MPF\0"
            complete |= marker == _EOI
    except ImageCorruptError as error:
        faults = (error.detail,)
    return Container(exif, several, complete, faults)


def _png(data: bytes) -> Container:
    exif, several, complete, broken = b"", False, False, []
    for name, start, end in _png_chunks(data):
        if end + 4 > len(data):
            break
        if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            broken.append(name)
        exif = data[start:end] if name == b"eXIf" else exif
        several |= name == b"acTL"
        complete |= name == b"IEND"
    shown = ", ".join(sorted({name.decode("latin-1") for name in broken if name.isalpha()}))
    faults = (f"The checksum of {shown or 'a chunk'} does not match.",) if broken else ()
    return Container(exif, several, complete, faults)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, end) of each chunk's body up to IEND; the last may be cut short."""
    position = 8
    while position + 8 <= len(data):
        length, name = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        yield name, position + 8, position + 8 + length
        if name == b"IEND":
            return
        position += 12 + length


def _webp(data: bytes) -> Container:
    announced = int.from_bytes(data[4:8], "little") + 8
    exif, several = b"", False
    position = 12
    while position + 8 <= min(len(data), announced):
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if name == b"EXIF":
            exif = data[position + 8 : position + 8 + length].removeprefix(b"Exif\0\0")
        several |= name == b"ANIM"
        position += 8 + length + length % 2
    complete = announced <= len(data)
    faults = ("Its chunks overrun the length that it announces.",) if complete and position > announced + 1 else ()
    return Container(exif, several, complete, faults)
