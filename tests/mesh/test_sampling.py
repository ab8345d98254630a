"""Samples lie between the pixels they should, in the picture's own shape and dtype."""

import numpy as np
import pytest

from backend.mesh.sampling import FOLD, sample, texture_colors

RAMP = np.add.outer(10.0 * np.arange(20), np.arange(30)).astype(np.float32)  # row 2, column 3 is 23


@pytest.mark.parametrize("count", [0, 1, FOLD, FOLD + 1])
def test_a_ramp_is_read_exactly_between_its_pixels(count: int) -> None:
    eighths = np.random.default_rng(0).integers(0, 8 * 18, (count, 2)).astype(np.float32) / 8
    samples = sample(RAMP, eighths)
    assert samples.shape == (count,) and samples.dtype == np.float32
    np.testing.assert_allclose(samples, eighths[:, 0] + 10 * eighths[:, 1], atol=1e-4)


def test_beyond_the_edge_the_edge_goes_on() -> None:
    assert sample(RAMP, np.float32([[-5, 2], [99, 99]])).tolist() == [20.0, 219.0]


def test_a_texture_is_read_from_its_top_left_corner() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[0, 0], image[1, 3] = (200, 100, 50), (1, 2, 3)
    colors = texture_colors(image, np.float32([[0.125, 0.25], [0.875, 0.75], [0.5, 0.5]]))
    assert colors.dtype == np.float32 and colors.tolist() == [[200, 100, 50], [1, 2, 3], [0, 0, 0]]
