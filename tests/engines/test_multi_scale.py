"""Three scales and their median, with segmenters whose answer is known."""

import cv2
import numpy as np
import pytest

from backend.engines.first_guess import FirstGuess
from backend.engines.multi_scale import predict_at_scales
from backend.images.arrays import Image


class Red:
    """Sees as object what is red, on a grid of 64 × 64 like a network, and keeps what it was shown."""

    name = "red"
    one_scale = ""

    def __init__(self) -> None:
        self.shown: list[Image] = []

    def predict(self, image: Image) -> FirstGuess:
        self.shown.append(image)
        small = cv2.resize(image[..., 0], (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        saliency = np.clip(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1)
        return FirstGuess(saliency, ("A doubt.",), {"number": len(self.shown)})


class OneMistake(Red):
    """Sees everything in one of the three views."""

    def __init__(self, wrong: int) -> None:
        super().__init__()
        self.wrong = wrong

    def predict(self, image: Image) -> FirstGuess:
        guess = super().predict(image)
        return guess if len(self.shown) != self.wrong else FirstGuess(np.ones_like(guess.saliency))


def red_disc(height: int = 240, width: int = 320) -> tuple[Image, np.ndarray]:
    disc = cv2.circle(np.zeros((height, width), np.uint8), (width * 2 // 5, height // 2), height // 4, 255, -1)
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = disc
    return image, disc > 127


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize("size", [(240, 320), (241, 317), (3000, 2200)])
def test_the_three_views_lie_on_each_other(size: tuple[int, int]) -> None:
    image, disc = red_disc(*size)
    segmenter = Red()
    guess = predict_at_scales(segmenter, image)
    assert guess.saliency.shape == size and guess.saliency.dtype == np.float32
    assert iou(guess.saliency >= 0.5, disc) > 0.96
    assert guess.notes == ("A doubt.",) and guess.facts["number"] == 1
    red_share = [float((view[..., 0] > 127).mean()) for view in segmenter.shown]
    assert red_share[1] / red_share[0] == pytest.approx(0.8**2, rel=0.03)
    assert red_share[2] / red_share[0] == pytest.approx(1.2**2, rel=0.03)


@pytest.mark.parametrize("wrong", [2, 3])
def test_what_one_further_view_alone_sees_is_left_out(wrong: int) -> None:
    image, disc = red_disc()
    saliency = predict_at_scales(OneMistake(wrong), image).saliency
    assert iou(saliency >= 0.5, disc) > 0.95


def test_a_mistake_of_the_plain_view_is_outvoted_where_all_three_look() -> None:
    image, disc = red_disc()
    saliency = predict_at_scales(OneMistake(1), image).saliency
    inner = np.s_[25:-25, 32:-32]
    assert iou(saliency[inner] >= 0.5, disc[inner]) > 0.95


def test_the_picture_is_not_written_to_and_equal_views_give_the_plain_answer() -> None:
    image = np.full((50, 70, 3), 90, np.uint8)
    before = image.copy()
    saliency = predict_at_scales(Red(), image).saliency
    assert np.array_equal(image, before)
    assert np.allclose(saliency, 90 / 255)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (17, 5), (1, 9000)])
def test_any_shape_is_answered(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    saliency = predict_at_scales(Red(), image).saliency
    assert saliency.shape == shape
    assert 0 <= saliency.min() <= saliency.max() <= 1


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError):
        predict_at_scales(Red(), np.zeros((4, 4), np.uint8))
