"""A sloppy stroke, snapped to the edges of a drawn scene."""

import cv2
import numpy as np

from backend.contract.marks import Stroke
from backend.matte.editing.brush import paint
from backend.matte.editing.snap import snap_strokes
from tests.helpers.drawn import iou

HEIGHT, WIDTH = 300, 400


def ring() -> tuple[np.ndarray, np.ndarray]:
    """Return a blue ring on a noisy ground, and its mask."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (200, 150), 80, 1, 24)
    image = np.where(mask[..., None] > 0, (40, 70, 150), (205, 200, 190))
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mask > 0


def around(radius: float, mode: str = "add") -> Stroke:
    """Return a stroke along the ring's middle, with a hand that trembles."""
    turns = np.linspace(0, 2 * np.pi, 60)
    wobble = 80 + 3 * np.sin(7 * turns)
    points = [(200 + r * np.cos(t), 150 + r * np.sin(t)) for r, t in zip(wobble, turns, strict=True)]
    return Stroke(points=points, radius=radius, hardness=0.7, mode=mode)


def test_a_stroke_that_is_too_wide_or_too_narrow_takes_the_edges_shape() -> None:
    image, truth = ring()
    for radius in (11.0, 18.0):
        stroke = around(radius)
        painted, touched = paint(np.zeros((HEIGHT, WIDTH), np.float32), [stroke])
        snapped = snap_strokes(image, painted, touched, [stroke])
        assert iou(snapped >= 0.5, truth) > 0.95 > iou(painted >= 0.5, truth)


def test_a_stroke_that_removes_is_snapped_too() -> None:
    image, truth = ring()
    stroke = around(18.0, "remove")
    painted, touched = paint(np.ones((HEIGHT, WIDTH), np.float32), [stroke])
    snapped = snap_strokes(image, painted, touched, [stroke])
    assert iou(snapped < 0.5, truth) > 0.95


def test_nothing_changes_beyond_the_band_around_the_strokes() -> None:
    image, _ = ring()
    before = (np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH)) / np.float32(255)).astype(np.float32)
    stroke = Stroke(points=[(130, 100), (150, 90)], radius=12, hardness=0.5, mode="add")
    painted, touched = paint(before, [stroke])
    snapped = snap_strokes(image, painted, touched, [stroke])
    band = cv2.dilate(touched.view(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))) > 0
    assert np.array_equal(snapped[~band], before[~band])


def test_a_stroke_without_an_edge_nearby_stays_as_drawn() -> None:
    rng = np.random.default_rng(0)
    plain = np.clip(180 + rng.normal(0, 3, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
    before = np.zeros((HEIGHT, WIDTH), np.float32)
    before[200:280, 20:120] = 1
    stroke = Stroke(points=[(100, 100), (300, 120)], radius=15, hardness=1, mode="add")
    painted, touched = paint(before, [stroke])
    snapped = snap_strokes(plain, painted, touched, [stroke])
    assert iou(snapped >= 0.5, painted >= 0.5) > 0.97


def test_a_lasso_around_a_disc_takes_the_discs_shape() -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    truth = np.hypot(columns - 200, rows - 150) < 70
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 3))
    image = np.clip(np.where(truth[..., None], (40, 70, 150), (205, 200, 190)) + noise, 0, 255).astype(np.uint8)
    turns = np.linspace(0, 2 * np.pi, 50)
    points = [(200 + (76 + 2 * np.sin(5 * t)) * np.cos(t), 150 + (76 + 2 * np.sin(5 * t)) * np.sin(t)) for t in turns]
    stroke = Stroke(points=points, radius=1, mode="add", filled=True)
    painted, touched = paint(np.zeros((HEIGHT, WIDTH), np.float32), [stroke])
    snapped = snap_strokes(image, painted, touched, [stroke])
    assert iou(snapped >= 0.5, truth) > 0.97 > iou(painted >= 0.5, truth)
