"""Colour and transparency part, in every way a PNG can store them; the values are written bit by bit."""

import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.images.decoding.pixel_modes import split_alpha
from tests.helpers.picture_files import chunk, png, saved, scene


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def split(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    color, alpha = split_alpha(opened(data), data[24])
    assert color.mode in ("L", "RGB", "CMYK")
    return np.asarray(color), alpha


def test_sixteen_bit_grey_goes_to_the_nearest_of_256_levels() -> None:
    levels = np.arange(65536, dtype=">u2").reshape(256, 256)
    color, alpha = split(png([row.tobytes() for row in levels], 256, 16, 0))
    assert alpha is None
    np.testing.assert_array_equal(color, np.rint(levels / 257).astype(np.uint8))
    assert color.ravel()[40000] == 156


@pytest.mark.parametrize(("bit_depth", "row"), [(1, b"\x40"), (2, b"\x1b"), (4, b"\x05\xaf")])
def test_few_bits_of_grey_fill_the_range(bit_depth: int, row: bytes) -> None:
    count = min(4, len(row) * 8 // bit_depth)
    bits = "".join(f"{byte:08b}" for byte in row)
    values = [int(bits[i * bit_depth : (i + 1) * bit_depth], 2) for i in range(count)]
    color, alpha = split(png([row], count, bit_depth, 0))
    assert alpha is None
    np.testing.assert_array_equal(color, [[value * 255 // (2**bit_depth - 1) for value in values]])


@pytest.mark.parametrize(
    ("bit_depth", "row", "key", "invisible"),
    [
        (1, b"\x40", 1, [False, True, False, False]),
        (1, b"\x40", 0, [True, False, True, True]),
        (2, b"\x1b", 2, [False, False, True, False]),
        (4, b"\x05\xaf", 10, [False, False, True, False]),
        (8, b"\x00\x05\xaf\xff", 0xAF, [False, False, True, False]),
        (16, b"\x00\x00\x9c\x40\x9c\x41\xff\xff", 40000, [False, True, False, False]),
    ],
)
def test_one_grey_declared_invisible_is_transparent(
    bit_depth: int, row: bytes, key: int, invisible: list[bool]
) -> None:
    _, alpha = split(png([row], 4, bit_depth, 0, extra=chunk(b"tRNS", struct.pack(">H", key))))
    np.testing.assert_array_equal(alpha, [np.where(invisible, 0, 255)])


def test_one_colour_declared_invisible_is_transparent() -> None:
    row = bytes([1, 2, 3, 1, 2, 4, 9, 9, 9])
    color, alpha = split(png([row], 3, 8, 2, extra=chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))))
    np.testing.assert_array_equal(alpha, [[0, 255, 255]])
    np.testing.assert_array_equal(color, [[[1, 2, 3], [1, 2, 4], [9, 9, 9]]])  # the colour below is kept


def test_one_colour_of_sixteen_bits_declared_invisible_is_transparent() -> None:
    row = struct.pack(">6H", 0x0102, 0x2030, 0xFFFF, 0x5002, 0x2030, 0xFFFF)
    _, alpha = split(png([row], 2, 16, 2, extra=chunk(b"tRNS", struct.pack(">3H", 0x0102, 0x2030, 0xFFFF))))
    np.testing.assert_array_equal(alpha, [[0, 255]])


def test_an_unused_invisible_colour_is_not_transparency() -> None:
    _, alpha = split(png([b"\x01\x02\x03"], 1, 8, 2, extra=chunk(b"tRNS", struct.pack(">3H", 9, 9, 9))))
    assert alpha is None


PALETTE = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
PALETTE_COLORS = [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


@pytest.mark.parametrize(
    ("opacities", "expected"),
    [(b"", None), (b"\xff\xff\xff", None), (b"\x00", [0, 255, 255]), (b"\x00\x80\xff", [0, 128, 255])],
)
def test_a_palette_gives_its_colours_and_its_alpha(opacities: bytes, expected: list[int] | None) -> None:
    extra = PALETTE + (chunk(b"tRNS", opacities) if opacities else b"")
    color, alpha = split(png([b"\x00\x01\x02"], 3, 8, 3, extra=extra))
    np.testing.assert_array_equal(color, PALETTE_COLORS)
    if expected is None:
        assert alpha is None
    else:
        np.testing.assert_array_equal(alpha, [expected])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_alpha_channel_is_split_off_and_the_colour_below_kept(mode: str) -> None:
    picture = Image.fromarray(scene()).convert(mode)
    opacity = np.arange(24 * 40, dtype=np.uint32).reshape(24, 40).astype(np.uint8)
    picture.putalpha(Image.fromarray(opacity))
    color, alpha = split(saved(picture, "PNG"))
    np.testing.assert_array_equal(alpha, opacity)
    np.testing.assert_array_equal(color, np.asarray(Image.fromarray(scene()).convert(mode[:-1])))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_opaque_alpha_channel_is_not_transparency(mode: str) -> None:
    _, alpha = split(saved(Image.fromarray(scene()).convert(mode), "PNG"))
    assert alpha is None


def test_sixteen_bit_grey_with_alpha_is_split_too() -> None:
    row = struct.pack(">4H", 0xFFFF, 0x0000, 0x8080, 0xFFFF)
    color, alpha = split(png([row], 2, 16, 4))
    np.testing.assert_array_equal(alpha, [[0, 255]])
    np.testing.assert_array_equal(color[0, :, 0], [255, 128])
