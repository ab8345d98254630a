"""The encoders quantise once, to the nearest level, and send nothing but pixels."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.images.encode import encode_cutout_png, encode_jpeg, encode_mask_png, encode_rgb_png
from tests.helpers.drawn import toy
from tests.helpers.picture_files import scene


def decoded(data: bytes, mode: str) -> np.ndarray:
    picture = Image.open(io.BytesIO(data))
    assert (picture.format, picture.mode) == ("PNG", mode)
    return np.asarray(picture)


def ramp(height: int = 24, width: int = 40) -> np.ndarray:
    return np.linspace(0, 1, height * width, dtype=np.float32).reshape(height, width)


def chunk_names(data: bytes) -> set[bytes]:
    names, position = set(), 8
    while position < len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        names.add(name)
        position += 12 + length
    return names


def test_a_mask_is_rounded_to_the_nearest_level() -> None:
    alpha = ramp(100, 300)
    np.testing.assert_array_equal(decoded(encode_mask_png(alpha), "L"), np.rint(alpha * np.float32(255)))


def test_the_ends_are_exact() -> None:
    alpha = np.array([[0.0, 1.0]], np.float32)
    np.testing.assert_array_equal(decoded(encode_mask_png(alpha), "L"), [[0, 255]])


@given(st.integers(0, 255))
def test_every_level_survives_the_trip(level: int) -> None:
    alpha = np.full((1, 1), level / np.float32(255), np.float32)
    assert decoded(encode_mask_png(alpha), "L")[0, 0] == level


def test_a_cutout_keeps_colour_and_order_of_channels_where_anything_is_seen() -> None:
    alpha = ramp()
    pixels = decoded(encode_cutout_png(scene(), alpha), "RGBA")
    opacity = np.rint(alpha * np.float32(255))
    np.testing.assert_array_equal(pixels[..., 3], opacity)
    np.testing.assert_array_equal(pixels[opacity > 0, :3], scene()[opacity > 0])


def test_a_cutout_carries_no_background_under_its_transparent_pixels() -> None:
    alpha = np.zeros((24, 40), np.float32)
    alpha[8:16, 10:30] = 1
    alpha[0, 0] = 0.4 / 255  # rounds to nothing
    pixels = decoded(encode_cutout_png(np.full((24, 40, 3), 200, np.uint8), alpha), "RGBA")
    assert not pixels[pixels[..., 3] == 0].any()
    assert (pixels[8:16, 10:30] == [200, 200, 200, 255]).all()
    assert pixels[0, 0, 3] == 0


def test_an_rgb_picture_comes_back_as_it_was() -> None:
    np.testing.assert_array_equal(decoded(encode_rgb_png(scene()), "RGB"), scene())


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 7)])
def test_every_shape_comes_back(shape: tuple[int, int]) -> None:
    alpha = np.ones(shape, np.float32)
    assert decoded(encode_mask_png(alpha), "L").shape == shape
    assert decoded(encode_cutout_png(scene(*shape), alpha), "RGBA").shape == (*shape, 4)


def test_nothing_but_pixels_is_sent() -> None:
    for data in (encode_mask_png(ramp()), encode_cutout_png(scene(), ramp()), encode_rgb_png(scene())):
        assert chunk_names(data) == {b"IHDR", b"IDAT", b"IEND"}


def test_inputs_are_left_alone() -> None:
    image, alpha = scene(), ramp()
    image.setflags(write=False)
    alpha.setflags(write=False)
    encode_cutout_png(image, alpha)
    encode_rgb_png(image)
    np.testing.assert_array_equal(image, scene())


def test_a_view_with_gaps_encodes_like_its_copy() -> None:
    image, alpha = scene(48, 80)[::2, ::2], ramp(48, 80)[::2, ::2]
    assert encode_cutout_png(image, alpha) == encode_cutout_png(image.copy(), alpha.copy())


@pytest.mark.parametrize(
    "alpha",
    [
        np.zeros((4, 4), np.float64),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 1), np.float32),
        np.zeros((0, 4), np.float32),
        np.full((4, 4), 1.01, np.float32),
        np.full((4, 4), -0.01, np.float32),
        np.full((4, 4), np.nan, np.float32),
    ],
)
def test_an_array_that_is_not_an_alpha_is_refused(alpha: np.ndarray) -> None:
    with pytest.raises(ValueError, match="alpha"):
        encode_mask_png(alpha)
    with pytest.raises(ValueError, match="alpha"):
        encode_cutout_png(scene(4, 4), alpha)


def test_image_and_alpha_must_be_of_one_size() -> None:
    with pytest.raises(ValueError, match="sizes differ"):
        encode_cutout_png(scene(4, 4), np.zeros((4, 5), np.float32))
    with pytest.raises(ValueError, match="image"):
        encode_rgb_png(np.zeros((4, 4), np.uint8))


def test_a_jpeg_opens_as_the_same_picture_without_metadata() -> None:
    image, _ = toy()
    opened = Image.open(io.BytesIO(encode_jpeg(image, 95)))
    assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (160, 120))
    assert np.abs(np.asarray(opened).astype(int) - image).mean() < 2
    assert not opened.getexif()


def test_a_higher_quality_is_larger_and_nearer() -> None:
    image, _ = toy()
    sizes, errors = [], []
    for quality in (10, 50, 89, 90, 100):
        data = encode_jpeg(image, quality)
        sizes.append(len(data))
        errors.append(np.abs(np.asarray(Image.open(io.BytesIO(data))).astype(int) - image).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_a_quality_that_there_is_not_is_refused(quality: int) -> None:
    with pytest.raises(ValueError, match="quality"):
        encode_jpeg(toy()[0], quality)
