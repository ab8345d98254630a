"""The crop keeps every visible pixel."""

import numpy as np
import pytest

from backend.matte.refine.crop import crop_box


def spot(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    alpha = np.zeros((60, 80), np.float32)
    alpha[y0:y1, x0:x1] = 1
    return alpha


def test_the_box_is_half_open_and_tight() -> None:
    assert crop_box(spot(10, 20, 30, 25)) == (10, 20, 30, 25)


def test_the_margin_is_a_share_of_the_longer_side_and_stays_inside() -> None:
    assert crop_box(spot(10, 20, 30, 25), 0.1) == (8, 18, 32, 27)
    assert crop_box(spot(10, 20, 30, 25), 1.0) == (0, 0, 50, 45)


def test_a_faint_pixel_counts_as_soon_as_a_png_would_show_it() -> None:
    alpha = spot(10, 20, 30, 25)
    alpha[50, 70] = 0.6 / 255
    assert crop_box(alpha) == (10, 20, 71, 51)
    alpha[50, 70] = 0.4 / 255
    assert crop_box(alpha) == (10, 20, 30, 25)


def test_an_empty_alpha_is_not_cropped() -> None:
    assert crop_box(np.zeros((60, 80), np.float32)) == (0, 0, 80, 60)


def test_a_negative_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        crop_box(spot(1, 1, 2, 2), -0.1)
