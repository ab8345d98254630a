"""Headers of pictures without the pictures: what a file may claim, written byte by byte."""

import struct
from collections.abc import Mapping


def bmp_claim(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def gif_claim(screen: tuple[int, int], picture: tuple[int, int], frames: int = 1) -> bytes:
    """Sizes are (width, height)."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, *picture, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def tiff_claim(entries: Mapping[int, int], next_directory: int = 0) -> bytes:
    """A little-endian TIFF of one directory, whose `entries` are LONGs."""
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", next_directory)


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def heif(
    brand: bytes,
    ispe: tuple[int, int] | None = None,
    sps: tuple[int, int] | None = None,
    item: tuple[bytes, bytes] | None = None,
) -> bytes:
    """An AVIF or HEIC of boxes: sizes are (width, height); `sps` is a parameter set's, `item` its kind and its data."""
    properties = b""
    if ispe:
        properties += box(b"ispe", bytes(4), struct.pack(">II", *ispe))
    if sps:
        unit = nal(*sps)[4:]
        sets = b"\x01\x21\0\x01" + struct.pack(">H", len(unit)) + unit
        properties += box(b"hvcC", bytes(21), b"\x03", sets)
    kind, data = item or (b"hvc1", b"")
    entry = box(b"infe", b"\x02\0\0\0", b"\0\x01\0\0", kind, b"\0")
    meta = bytes(4) + box(b"iinf", bytes(4), b"\0\x01", entry)
    where = b"\x01\0\0\0" + b"\x44\0" + b"\0\x01" + b"\0\x01" + b"\0\x01" + bytes(2) + b"\0\x01"  # inside idat
    meta += box(b"iloc", where, struct.pack(">II", 0, len(data))) + box(b"iprp", box(b"ipco", properties))
    return box(b"ftyp", brand, bytes(4), brand) + box(b"meta", meta, box(b"idat", data))


def nal(width: int, height: int) -> bytes:
    """A sequence parameter set of HEVC behind its length of four bytes."""
    bits = "0000" + "000" + "1" + "0" * 88 + "0" * 8  # no sub-layers
    bits += _exp_golomb(0) + _exp_golomb(1) + _exp_golomb(width) + _exp_golomb(height) + "1"
    body = _packed(bits)
    escaped = body.replace(b"\0\0\0", b"\0\0\3\0")
    return struct.pack(">I", 2 + len(escaped)) + b"\x42\x01" + escaped


def obu(width: int, height: int) -> bytes:
    """A sequence header of AV1, reduced for a still picture."""
    bits = "000" + "1" + "1" + "00000" + "1111" + "1111" + f"{width - 1:016b}" + f"{height - 1:016b}"
    body = _packed(bits)
    return bytes([0x0A, len(body)]) + body


def _exp_golomb(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _packed(bits: str) -> bytes:
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
