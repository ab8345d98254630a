"""The feather softens an edge by its width and moves nothing."""

import numpy as np
import pytest

from backend.matte.refine.feather import feather


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
