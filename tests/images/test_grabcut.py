import cv2
import numpy as np
import pytest

from backend.images.grabcut import GrabCutConfig, grabcut, learn_colors
from backend.images.trimap import make_trimap

CONFIG = GrabCutConfig()


def scene() -> tuple[np.ndarray, np.ndarray]:
    """An orange disc on noisy blue, and its true mask."""
    rng = np.random.default_rng(1)
    truth = cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 50, 1, -1) > 0
    image = np.where(truth[..., None], (220, 130, 30), (40, 70, 160)) + rng.normal(0, 8, (200, 200, 3))
    return np.clip(image, 0, 255).astype(np.uint8), truth


def wide_guess() -> np.ndarray:
    return cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 55, 1, -1) > 0


def cut(image: np.ndarray, guess: np.ndarray) -> np.ndarray:
    trimap = make_trimap(guess, 8)
    models = learn_colors(image, trimap == 255, trimap == 0, CONFIG)
    assert models is not None
    return grabcut(image, trimap, guess, models, CONFIG)


def test_a_border_five_pixels_too_wide_is_found_back():
    image, truth = scene()
    found = cut(image, wide_guess())
    assert (found ^ truth).sum() < 0.03 * truth.sum() < (wide_guess() ^ truth).sum()


def test_certain_pixels_stay_in_any_colour():
    image, _ = scene()
    image[98:103, 98:103] = (40, 70, 160)  # a hole's colour, deep inside
    image[5:8, 5:8] = (220, 130, 30)
    found = cut(image, wide_guess())
    assert found[98:103, 98:103].all() and not found[5:8, 5:8].any()


def test_the_same_picture_gives_the_same_mask_after_any_other():
    image, _ = scene()
    first = cut(image, wide_guess())
    cv2.setRNGSeed(12345)
    assert np.array_equal(cut(image, wide_guess()), first)


def test_too_few_certain_pixels_make_no_model():
    image, truth = scene()
    assert learn_colors(image, np.zeros_like(truth), ~truth, CONFIG) is None
    assert learn_colors(image, truth, np.zeros_like(truth), CONFIG) is None


def test_without_anything_unknown_the_trimap_decides():
    image, truth = scene()
    models = learn_colors(image, truth, ~truth, CONFIG)
    assert models is not None
    trimap = np.where(truth, 255, 0).astype(np.uint8)
    assert np.array_equal(grabcut(image, trimap, ~truth, models, CONFIG), truth)


def test_inputs_are_left_as_they_were():
    image, _ = scene()
    before, guess = image.copy(), wide_guess()
    cut(image, guess)
    assert np.array_equal(image, before) and np.array_equal(guess, wide_guess())


def test_sizes_that_differ_are_refused():
    image, truth = scene()
    models = learn_colors(image, truth, ~truth, CONFIG)
    assert models is not None
    with pytest.raises(ValueError, match="sizes differ"):
        grabcut(image, np.zeros((3, 3), np.uint8), truth, models, CONFIG)
