import cv2
import numpy as np
import pytest

from backend.images.edge_preference import edge_strength
from backend.matte.refine.softness import SoftnessConfig, find_see_through, find_softness

CONFIG = SoftnessConfig()


def rectangle(value: float, x0: int, y0: int, x1: int, y1: int, on: np.ndarray | None = None) -> np.ndarray:
    field = np.zeros((300, 300), np.float32) if on is None else on.copy()
    field[y0:y1, x0:x1] = value
    return field


def hairy_disc() -> tuple[np.ndarray, np.ndarray]:
    """A brown disc with 300 hairs on light blue, and its alpha as a 100 px network would see it."""
    rng = np.random.default_rng(3)
    fine = cv2.circle(np.zeros((1200, 1200), np.uint8), (600, 600), 260, 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 300):
        way = np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(int(v) for v in 600 + way * reach) for reach in (250, 400)]
        cv2.line(fine, ends[0], ends[1], 255, 5)
    alpha = cv2.resize(fine, (300, 300), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = alpha[..., None] * np.array([90, 50, 30]) + (1 - alpha[..., None]) * np.array([190, 210, 235])
    guess = cv2.resize(cv2.resize(alpha, (100, 100), interpolation=cv2.INTER_AREA), (300, 300))
    return image.astype(np.uint8), np.clip(guess, 0, 1)


def test_glass_in_a_solid_rim_is_see_through():
    saliency = rectangle(0.5, 90, 90, 210, 200, on=rectangle(1.0, 80, 80, 220, 220))
    found = find_see_through(saliency, saliency >= 0.8, CONFIG)
    assert found[100:190, 100:200].all() and not found[82:88, 82:218].any()


def test_a_blurred_edge_is_not_see_through():
    for sigma in (3, 8, 15):
        saliency = cv2.GaussianBlur(rectangle(1.0, 80, 80, 220, 220), (0, 0), sigma)
        assert not find_see_through(saliency, saliency >= 0.5, CONFIG).any()


def test_haze_far_from_the_object_is_not_glass():
    saliency = rectangle(0.4, 220, 20, 290, 280, on=rectangle(1.0, 20, 80, 120, 220))
    assert not find_see_through(saliency, saliency >= 0.5, CONFIG).any()


def test_hair_is_soft_and_brings_both_colours():
    image, guess = hairy_disc()
    soft = find_softness(image, guess, guess >= 0.5, edge_strength(image), CONFIG)
    assert soft is not None
    ring = np.hypot(*(np.indices((300, 300)) - 149.5))
    assert soft.amount[(ring > 70) & (ring < 85)].mean() > 0.5
    assert soft.amount[ring < 45].max() < 0.05 and soft.amount[ring > 135].max() < 0.05
    at = (150, 230)
    assert np.allclose(soft.front[at], (90, 50, 30), atol=12) and np.allclose(soft.back[at], (190, 210, 235), atol=12)


def test_a_plain_disc_has_no_hair():
    truth = cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 80, 1, -1).astype(np.float32)
    image = (truth[..., None] * np.array([90, 50, 30]) + (1 - truth[..., None]) * 200).astype(np.uint8)
    guess = cv2.GaussianBlur(truth, (0, 0), 2)
    soft = find_softness(image, guess, guess >= 0.5, edge_strength(image), CONFIG)
    assert soft is None or soft.amount.max() < 0.05


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_guesses_and_one_pixel_pass(value: float):
    for shape in ((1, 1), (1, 200), (40, 40)):
        saliency, image = np.full(shape, value, np.float32), np.zeros((*shape, 3), np.uint8)
        assert find_softness(image, saliency, saliency >= 0.5, edge_strength(image), CONFIG) is None
        assert find_see_through(saliency, saliency >= 0.5, CONFIG).shape == shape
