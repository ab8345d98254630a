"""Clicks that keep or remove a part, on drawn scenes whose parts are known."""

import cv2
import numpy as np
import pytest

from backend.contract.marks import Click
from backend.matte.editing.clicks import click_parts
from tests.helpers.drawn import iou

Scene = tuple[np.ndarray, np.ndarray, np.ndarray]


def scene(height: int, width: int) -> Scene:
    """Return a red block with a blue handle on a restless ground, and the alphas of the block and of the handle."""
    rng = np.random.default_rng(0)
    body, handle = np.zeros((2, height, width), np.float32)
    cv2.rectangle(body, (int(0.3 * width), int(0.3 * height)), (int(0.55 * width), int(0.8 * height)), 1, -1)
    center = (int(0.6 * width), int(0.5 * height))
    cv2.ellipse(handle, center, (int(0.1 * width), int(0.15 * height)), 0, 0, 360, 1, -1)
    cv2.ellipse(handle, center, (int(0.06 * width), int(0.1 * height)), 0, 0, 360, 0, -1)
    handle *= 1 - body
    cloud = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), width / 80)
    image = np.array((205, 200, 190)) + 0.1 * width * cloud[..., None]
    for part, color in ((body, (170, 40, 30)), (handle, (40, 70, 150))):
        image = image * (1 - part[..., None]) + np.array(color) * part[..., None]
    image += rng.normal(0, 3, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), body, handle


@pytest.fixture(scope="module")
def small() -> Scene:
    return scene(360, 480)


def on_handle(shape: tuple[int, ...]) -> tuple[float, float]:
    return 0.68 * shape[1], 0.5 * shape[0]


def test_a_click_on_a_missed_part_adds_that_part(small: Scene) -> None:
    image, body, handle = small
    x, y = on_handle(body.shape)
    clicked = click_parts(image, body, [Click(x=x, y=y, mode="keep")])
    assert clicked.outcomes == ["added"]
    assert iou(clicked.alpha >= 0.5, np.maximum(body, handle) >= 0.5) > 0.99


def test_a_click_on_a_part_that_does_not_belong_removes_that_part(small: Scene) -> None:
    image, body, handle = small
    x, y = on_handle(body.shape)
    clicked = click_parts(image, np.maximum(body, handle), [Click(x=x, y=y, mode="remove")])
    assert clicked.outcomes == ["removed"]
    assert iou(clicked.alpha >= 0.5, body >= 0.5) > 0.99


@pytest.mark.parametrize("place", [(0.2, 0.2), (0.42, 0.3)])
def test_one_click_removes_background_from_the_mask(small: Scene, place: tuple[float, float]) -> None:
    image, body, handle = small
    height, width = body.shape
    whole = np.maximum(body, handle)
    spoiled = whole.copy()
    cv2.circle(spoiled, (int(place[0] * width), int(place[1] * height)), int(0.07 * width), 1, -1)
    click = Click(x=place[0] * width, y=(place[1] - 0.04) * height, mode="remove")
    clicked = click_parts(image, spoiled, [click])
    assert iou(spoiled >= 0.5, whole >= 0.5) < 0.95
    assert iou(clicked.alpha >= 0.5, whole >= 0.5) > 0.98


def test_a_click_changes_nothing_far_from_its_part(small: Scene) -> None:
    image, _, handle = small
    before = (np.random.default_rng(1).integers(0, 100, handle.shape) / np.float32(255)).astype(np.float32)
    x, y = on_handle(handle.shape)
    after = click_parts(image, before, [Click(x=x, y=y, mode="keep")]).alpha
    near = cv2.dilate(handle, np.ones((41, 41))) > 0
    assert (after[handle > 0.9] > 0.5).mean() > 0.98
    assert np.array_equal(after[~near], before[~near])


def test_a_small_part_of_a_large_photo_is_found() -> None:
    image = np.full((1800, 2400, 3), (205, 200, 190), np.uint8)
    truth = np.zeros((1800, 2400), np.float32)
    cv2.rectangle(image, (800, 600), (1500, 1400), (170, 40, 30), -1)
    cv2.rectangle(truth, (800, 600), (1500, 1400), 1, -1)
    before = truth.copy()
    cv2.circle(image, (1800, 400), 20, (40, 70, 150), -1)
    cv2.circle(truth, (1800, 400), 20, 1, -1)
    rng = np.random.default_rng(0)
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    after = click_parts(image, before, [Click(x=1803, y=398, mode="keep")]).alpha
    window = (slice(350, 450), slice(1750, 1850))
    assert iou(after[window] >= 0.5, truth[window] >= 0.5) > 0.9
    assert np.array_equal(after[:, :1700], before[:, :1700])


def test_a_click_without_effect_gives_the_reason(small: Scene) -> None:
    image, body, _ = small
    clicks = [
        Click(x=0.4 * 480, y=0.5 * 360, mode="keep"),
        Click(x=-4, y=10, mode="keep"),
        Click(x=480, y=10, mode="keep"),
    ]
    clicked = click_parts(image, body, clicks)
    assert clicked.outcomes == ["already", "outside", "outside"]
    assert len(clicked.notes) == 3
    assert np.array_equal(clicked.alpha, body)


def test_a_plain_picture_has_no_parts_to_click_on() -> None:
    plain = np.full((120, 160, 3), 180, np.uint8)
    before = np.zeros((120, 160), np.float32)
    before[40:80, 40:90] = 1
    clicked = click_parts(plain, before, [Click(x=140, y=20, mode="keep")])
    assert clicked.outcomes == ["unclear"]
    assert np.array_equal(clicked.alpha, before)


def test_an_earlier_click_holds_against_a_later_one(small: Scene) -> None:
    image, body, _ = small
    x, y = on_handle(body.shape)
    keep, away = Click(x=x, y=y, mode="keep"), Click(x=0.6 * 480, y=0.5 * 360, mode="remove")
    both = click_parts(image, body, [away, keep]).alpha
    assert both[int(0.5 * 360), int(0.6 * 480)] < 0.5
    assert both[int(y), int(x)] > 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3)])
def test_the_smallest_pictures_do_no_harm(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    for value, mode in ((0, "keep"), (1, "remove")):
        alpha = np.full(size, value, np.float32)
        after = click_parts(image, alpha, [Click(x=0.5, y=0.5, mode=mode)]).alpha
        assert after.shape == size
        assert after.min() >= 0
        assert after.max() <= 1
