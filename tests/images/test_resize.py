"""Scaling keeps proportions, never empties a picture, and leaves alone what is small enough."""

import cv2
import numpy as np
import pytest

from backend.images.resize import enlarge_alpha, fit_longest_side, rescale, resize_to


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (700, 900), (513, 512), (1, 1)])
def test_the_longest_side_is_met_and_no_side_is_empty(shape: tuple[int, int]) -> None:
    small = fit_longest_side(np.zeros((*shape, 3), np.uint8), 512)
    assert max(small.shape[:2]) == min(512, max(shape)) and min(small.shape[:2]) >= 1
    assert small.dtype == np.uint8 and small.shape[2] == 3


def test_a_picture_that_fits_is_not_copied() -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    assert fit_longest_side(image, 40) is image and rescale(image, 1.0) is image


def test_reducing_averages_and_enlarging_interpolates_as_asked() -> None:
    checks = np.indices((40, 40)).sum(axis=0) % 2 * np.float32(1)
    np.testing.assert_allclose(rescale(checks, 0.5), 0.5)
    assert set(np.unique(rescale(checks, 2.0, cv2.INTER_NEAREST))) == {0, 1}
    assert rescale(checks, 2.0).shape == (80, 80)


def test_an_enlarged_alpha_stays_an_alpha() -> None:
    alpha = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    enlarged = enlarge_alpha(alpha, (90, 71, 3))
    assert enlarged.shape == (90, 71) and enlarged.dtype == np.float32
    assert enlarged.min() >= 0 and enlarged.max() <= 1
    assert enlarge_alpha(alpha, alpha.shape) is alpha


def test_resize_to_averages_where_a_side_gets_shorter_and_keeps_the_dtype() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), (8, 8))
    assert (resize_to(stripes, (8, 8)) == 100).all()
    assert (resize_to(stripes, (16, 8)) == 100).all()
    assert resize_to(stripes, (8, 8)).dtype == np.uint8
    assert np.array_equal(resize_to(stripes, stripes.shape), stripes)
    ramp = np.array([[0.0, 1.0]], np.float32)
    assert np.allclose(resize_to(ramp, (1, 4)), [[0, 0.25, 0.75, 1]])
