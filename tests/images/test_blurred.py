"""A blurred picture: how far, and that an object which was taken out leaves no glow."""

import numpy as np
import pytest

from backend.images.blurred import blurred


def test_an_even_picture_stays_as_it_is() -> None:
    image = np.full((50, 70, 3), (10, 120, 240), np.uint8)
    assert np.array_equal(blurred(image, 0.05), image)


@pytest.mark.parametrize("share", [0.005, 0.02, 0.06])
def test_an_edge_is_spread_by_the_standard_deviation(share: float) -> None:
    image = np.zeros((100, 800, 3), np.uint8)
    image[:, 400:] = 250
    profile = blurred(image, share)[50, :, 0] / 250
    assert (np.diff(profile) >= 0).all()
    places = np.arange(800) + 0.5
    slope = np.diff(profile)
    mean = (places[1:] - 0.5) @ slope / slope.sum()
    spread = np.sqrt(((places[1:] - 0.5 - mean) ** 2) @ slope / slope.sum())
    assert mean == pytest.approx(400, abs=2)
    assert spread == pytest.approx(share * 800, rel=0.15)


@pytest.mark.parametrize("share", [0.004, 0.03, 0.1])
def test_an_object_that_is_taken_out_leaves_no_glow(share: float) -> None:
    rows = np.linspace(40, 120, 240).astype(np.uint8)
    image = np.repeat(np.repeat(rows[:, None, None], 320, 1), 3, 2)
    ground = blurred(image, share)
    hidden = np.zeros((240, 320), np.float32)
    hidden[60:200, 100:220] = 1
    image[59:201, 99:221] = (255, 0, 255)  # and a rim that the matte does not cover
    assert np.abs(blurred(image, share, hidden).astype(int) - ground).max() < 30
    assert np.abs(blurred(image, share).astype(int) - ground).max() > 60


def test_what_hides_everything_leaves_the_picture() -> None:
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    assert np.array_equal(blurred(image, 0.05, np.ones((30, 40), np.float32)), blurred(image, 0.05))


def test_a_blur_of_nothing_and_arrays_of_two_sizes_are_refused() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="above 0"):
        blurred(image, 0)
    with pytest.raises(ValueError, match="sizes differ"):
        blurred(image, 0.1, np.zeros((8, 9), np.float32))
