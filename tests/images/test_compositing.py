"""Laws of one picture over another, and over a colour."""

import numpy as np
import pytest

from backend.images.compositing import on_color, over

SIZE = (300, 20)


def pictures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    alpha = (rng.integers(0, 256, SIZE) / np.float32(255)).astype(np.float32)
    alpha[:100], alpha[100:150] = 0, 1
    return image, alpha


def test_an_opaque_front_hides_the_back_and_a_clear_one_leaves_it() -> None:
    (front, alpha), (back, _) = pictures(0), pictures(1)
    mixed, opacity = over(front, alpha, back, None)
    assert opacity is None
    assert np.array_equal(mixed[alpha == 0], back[alpha == 0])
    assert np.array_equal(mixed[alpha == 1], front[alpha == 1])
    low, high = np.minimum(front, back), np.maximum(front, back)
    assert ((mixed >= low) & (mixed <= high)).all()


def test_over_a_see_through_back_is_the_textbooks_formula() -> None:
    (front, alpha), (back, below) = pictures(0), pictures(1)
    mixed, opacity = over(front, alpha, back, below)
    a, b = alpha[..., None].astype(float), below[..., None].astype(float)
    whole = a + b * (1 - a)
    assert opacity is not None
    assert np.abs(opacity - whole[..., 0]).max() < 1e-6
    colors = (front * a + back * b * (1 - a)) / np.maximum(whole, 1e-9)
    assert np.abs(mixed - colors)[whole[..., 0] > 0.01].max() <= 0.51


def test_an_opacity_of_one_is_the_same_as_none() -> None:
    (front, alpha), (back, _) = pictures(0), pictures(1)
    opaque_back, opacity = over(front, alpha, back, np.ones(SIZE, np.float32))
    assert np.abs(opaque_back.astype(int) - over(front, alpha, back, None)[0]).max() <= 1
    assert opacity is not None
    assert np.abs(opacity - 1).max() < 1e-6


def test_pictures_of_two_sizes_are_refused() -> None:
    front, alpha = pictures(0)
    with pytest.raises(ValueError, match="sizes"):
        over(front, alpha, front[:10], None)


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
def test_an_invalid_colour_is_refused(color: str) -> None:
    with pytest.raises(ValueError):
        on_color(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.float32), color)
