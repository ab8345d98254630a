"""The chunks of a PNG that say how its values become colours."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.images.decoding.image_header import ImageLimits
from backend.images.decoding.png_color import SRGB_PRIMARIES, PngColor, png_to_srgb, read_png_color
from backend.images.image_io import read_picture

COLOR = (220, 60, 50)
COLOR_SHARES = tuple(value / 255 for value in COLOR)


def png(*chunks: tuple[bytes, bytes], color: tuple[int, int, int] = COLOR, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), color).save(buffer, "PNG", **options)
    data, extra = buffer.getvalue(), b""
    for kind, content in chunks:
        extra += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + extra + data[33:]


def decoded(data: bytes, *, as_data: bool = False) -> tuple[int, ...]:
    picture = read_picture(data, ImageLimits(), as_data=as_data)
    return tuple(int(value) for value in picture.image[0, 0])


def test_values_of_linear_light_become_srgb() -> None:
    linear = png((b"gAMA", struct.pack(">I", 100_000)), color=(183, 12, 8))
    assert decoded(linear) == pytest.approx(COLOR, abs=2)
    assert decoded(linear, as_data=True) == (183, 12, 8)


def test_the_p3_of_a_cicp_chunk_becomes_srgb() -> None:
    """By the matrix of CSS Color 4 from Display P3 to sRGB, which share their curve."""
    light = np.array(
        [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in COLOR_SHARES]
    )
    linear = (
        np.array([[1.2249401, -0.2249404, 0], [-0.0420569, 1.0420571, 0], [-0.0196376, -0.0786361, 1.0982735]]) @ light
    )
    assert decoded(png((b"cICP", bytes((12, 13, 0, 1))))) == pytest.approx(
        255 * (1.055 * linear ** (1 / 2.4) - 0.055), abs=0.6
    )


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45_455))],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"cICP", bytes((1, 13, 0, 1)))],
        [(b"cICP", bytes((9, 16, 0, 1)))],  # PQ: not for 8 bits
        [(b"cICP", b"\1")],
        [(b"gAMA", struct.pack(">I", 0))],
        [],
    ],
)
def test_srgb_and_what_makes_no_sense_change_nothing(chunks: list[tuple[bytes, bytes]]) -> None:
    assert decoded(png(*chunks)) == COLOR


def test_a_profile_goes_before_gama() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decoded(png((b"gAMA", struct.pack(">I", 100_000)), icc_profile=profile)) == COLOR


def test_primaries_that_span_nothing_are_left_alone() -> None:
    flat = b"".join(struct.pack(">I", value) for value in (31270, 32900, 30000, 30000, 30000, 30000, 30000, 30000))
    assert decoded(png((b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", flat))) == COLOR


def test_a_jpeg_has_no_chunks_to_read() -> None:
    assert read_png_color(b"\xff\xd8\xff" + bytes(200)) is None


def test_grey_stays_grey_whatever_the_primaries() -> None:
    wide = PngColor(None, (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060))
    grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    assert np.abs(png_to_srgb(grey, wide).astype(int) - grey).max() <= 1
    assert np.array_equal(png_to_srgb(grey, PngColor(None, SRGB_PRIMARIES)), grey)
