"""The feather softens an edge by its width and moves nothing; the crop keeps every visible pixel."""

import numpy as np
import pytest

from backend.matte.refine.finish import crop_box, feather


def half_plane() -> np.ndarray:
    alpha = np.zeros((64, 200), np.float32)
    alpha[:, 100:] = 1
    return alpha


def test_no_width_changes_nothing() -> None:
    assert np.array_equal(feather(half_plane(), 0), half_plane())


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_alpha_is_left_alone(value: float) -> None:
    alpha = np.full((20, 30), value, np.float32)
    assert np.allclose(feather(alpha, 9), alpha, atol=1e-6)


@pytest.mark.parametrize("width", [4, 8, 16, 32])
def test_the_edge_is_spread_over_about_the_width_asked_for_and_stays_in_place(width: int) -> None:
    row = feather(half_plane(), width)[32]
    soft = np.count_nonzero((row > 0.02) & (row < 0.98))
    assert 0.6 * width <= soft <= 1.6 * width
    assert row[99] == pytest.approx(1 - row[100], abs=1e-5)


def test_a_wider_feather_is_never_steeper() -> None:
    steepness = [float(np.diff(feather(half_plane(), width)[32]).max()) for width in (1, 3, 6, 12, 24)]
    assert steepness == sorted(steepness, reverse=True)


def test_the_result_stays_an_alpha_and_the_input_as_it_was() -> None:
    alpha = half_plane()
    soft = feather(alpha, 50)
    assert soft.min() >= 0
    assert soft.max() <= 1
    assert np.array_equal(alpha, half_plane())


def test_a_negative_width_is_refused() -> None:
    with pytest.raises(ValueError, match="feather"):
        feather(half_plane(), -1)


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
