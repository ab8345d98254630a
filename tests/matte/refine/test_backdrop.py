"""Compositing on a colour."""

import numpy as np
import pytest

from backend.matte.refine.backdrop import on_color


def test_opaque_pixels_keep_their_colour_and_clear_ones_take_the_backdrop() -> None:
    image = np.full((300, 4, 3), (10, 20, 30), np.uint8)
    alpha = np.zeros((300, 4), np.float32)
    alpha[:150] = 1
    composited = on_color(image, alpha, "#ff8000")
    assert np.array_equal(composited[:150], image[:150])
    assert (composited[150:] == (255, 128, 0)).all()


def test_half_an_alpha_is_half_of_each_rounded_to_the_nearest() -> None:
    image = np.full((1, 1, 3), (0, 101, 255), np.uint8)
    assert on_color(image, np.full((1, 1), 0.25, np.float32), "#ffffff").tolist() == [[[191, 216, 255]]]


@pytest.mark.parametrize("color", ["red", "#fff", "", "#gggggg"])
def test_a_text_that_is_no_colour_is_refused(color: str) -> None:
    with pytest.raises(ValueError):
        on_color(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.float32), color)
