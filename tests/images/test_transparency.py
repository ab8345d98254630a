"""Transparency is a cut-out only where it outlines something."""

import numpy as np
import pytest

from backend.images.transparency import outlines, partly_clear, without_clear_pixels


def rounded(side: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[0:side, 0:side]
    down, across = (np.maximum(radius - np.minimum(at, side - 1 - at), 0) for at in (rows, columns))
    return (np.hypot(down, across) <= radius).astype(np.float32)


def speck() -> np.ndarray:
    alpha = np.ones((100, 100), np.float32)
    alpha[3, 4] = 0
    return alpha


def disc() -> np.ndarray:
    rows, columns = np.mgrid[0:100, 0:100]
    return (np.hypot(rows - 50, columns - 50) < 40).astype(np.float32)


def margins(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    alpha = np.zeros((200, 240), np.float32)
    alpha[top : 200 - bottom, left : 240 - right] = 1
    return alpha


def watermark() -> np.ndarray:
    alpha = np.ones((200, 240), np.float32)
    alpha[80:120, 40:200] = 0
    return alpha


def vignette(edge: float) -> np.ndarray:
    rows, columns = np.mgrid[0:200, 0:240]
    away = np.hypot((rows - 100) / 100, (columns - 120) / 120)
    return np.clip((edge - away) / 0.8, 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    "alpha",
    [margins(0, 0, 8, 0), margins(9, 9, 9, 9), margins(0, 110, 0, 0), rounded(200, 60), watermark(), vignette(1.0)],
)
def test_clear_margins_a_watermark_and_a_vignette_outline_nothing(alpha: np.ndarray) -> None:
    assert partly_clear(alpha)
    assert not outlines(alpha)


@pytest.mark.parametrize("alpha", [margins(30, 40, 30, 60), margins(60, 80, 0, 80), 0.4 * disc()])
def test_a_box_in_clear_surroundings_a_cut_body_and_flat_glass_are_cutouts(alpha: np.ndarray) -> None:
    assert outlines(alpha.astype(np.float32))


@pytest.mark.parametrize("alpha", [speck(), np.full((50, 60), 254 / 255, np.float32), rounded(200, 12)])
def test_specks_haze_and_rounded_corners_outline_nothing(alpha: np.ndarray) -> None:
    assert not outlines(alpha)


@pytest.mark.parametrize("alpha", [disc(), np.zeros((50, 60), np.float32)])
def test_a_cutout_and_an_empty_picture_do(alpha: np.ndarray) -> None:
    assert outlines(alpha)


def test_clear_pixels_take_the_colour_beside_them() -> None:
    image = np.full((200, 200, 3), (230, 228, 224), np.uint8)
    alpha = rounded(200, 30)
    image[alpha < 0.5] = 0
    filled = without_clear_pixels(image, alpha)
    assert (filled == (230, 228, 224)).all()
    assert image[0, 0].max() == 0  # the caller's array is not written to


def test_a_picture_without_clear_pixels_or_with_nothing_else_stays() -> None:
    image = np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
    for value in (0, 1):
        np.testing.assert_array_equal(without_clear_pixels(image, np.full((5, 5), value, np.float32)), image)
