"""An embedded profile ends as sRGB pixels; a useless one changes nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from backend.images.decoding.color_profile import to_srgb
from tests.helpers.picture_files import DISPLAY_P3, SRGB, display_p3_profile, scene

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def p3_to_srgb(color: NDArray[np.uint8]) -> NDArray[np.float64]:
    """IEC 61966-2-1's curve on both sides of the two matrices."""
    encoded = color / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    moved = np.clip(linear @ (np.linalg.inv(SRGB) @ DISPLAY_P3).T, 0, 1)
    return 255 * np.where(moved <= 0.0031308, moved * 12.92, 1.055 * moved ** (1 / 2.4) - 0.055)


def test_no_profile_leaves_the_pixels_alone() -> None:
    picture, use = to_srgb(Image.fromarray(scene()), None)
    assert use == "none"
    np.testing.assert_array_equal(np.asarray(picture), scene())


def test_an_srgb_profile_leaves_the_pixels_alone() -> None:
    picture, use = to_srgb(Image.fromarray(scene()), SRGB_PROFILE)
    assert use == "srgb"
    np.testing.assert_array_equal(np.asarray(picture), scene())


@pytest.mark.parametrize("profile", [SRGB_PROFILE, display_p3_profile()])
def test_a_grey_picture_may_have_a_profile_of_colours(profile: bytes) -> None:
    grey = np.arange(256, dtype=np.uint8)[None]
    picture, used = to_srgb(Image.fromarray(grey), profile)
    assert used != "ignored"
    np.testing.assert_allclose(np.asarray(picture), np.dstack([grey] * 3), atol=1)  # both have sRGB's curve


def test_display_p3_becomes_srgb() -> None:
    wide = np.array([[[0, 0, 0], [255, 255, 255], [128, 128, 128], [200, 100, 50], [60, 180, 90], [90, 70, 200]]])
    picture, use = to_srgb(Image.fromarray(wide.astype(np.uint8)), display_p3_profile())
    assert use == "converted"
    np.testing.assert_allclose(np.asarray(picture), p3_to_srgb(wide), atol=1.6)
    assert np.abs(np.asarray(picture)[0, 3].astype(int) - wide[0, 3]).max() > 8  # the conversion is worth seeing


@pytest.mark.parametrize(
    "profile",
    [b"junk", b"\0" * 200, SRGB_PROFILE[:150], SRGB_PROFILE[:-100], SRGB_PROFILE.replace(b"RGB XYZ", b"CMYKLab")],
)
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    picture, use = to_srgb(Image.fromarray(scene()), profile)
    assert use in ("ignored", "srgb")
    np.testing.assert_array_equal(np.asarray(picture), scene())


def test_a_profile_for_another_kind_of_pixel_is_ignored() -> None:
    plain = Image.fromarray(scene()).convert("CMYK")
    picture, use = to_srgb(plain, SRGB_PROFILE)
    assert use == "ignored"
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(plain.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_answer_is_always_rgb(mode: str) -> None:
    picture, _ = to_srgb(Image.new(mode, (5, 3)), None)
    assert (picture.mode, picture.size) == ("RGB", (5, 3))
