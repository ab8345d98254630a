"""The outline of coarse masks, on a scene whose object is known."""

import cv2
import numpy as np
import pytest

from backend.engines.instances import Instance, combine
from backend.engines.mask_rcnn_outline import settle_outline
from tests.helpers.drawn import iou, toy


def coarse(mask: np.ndarray, shift: float = 0.0) -> Instance:
    """Return the answer of a good network to `mask` with 28 cells a side; `shift` of the box's width to the right."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    grid = cv2.resize(mask[y0:y1, x0:x1].astype(np.float32), (28, 28), interpolation=cv2.INTER_AREA)
    move = shift * (x1 - x0)
    return Instance("cup", 0.9, (x0 + move, y0, x1 + move, y1), grid)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    return toy(640, 480)


def test_an_outline_that_stands_a_cell_off_finds_its_edge(scene: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = scene
    one = coarse(mask, shift=0.04)
    before = combine([one], mask.shape)
    after, moved = settle_outline(image, before, one.cell_px)
    assert iou(before >= 0.5, mask) < 0.9 < 0.97 < iou(after >= 0.5, mask)
    assert moved > 0.02 and after.dtype == np.float32 and 0 <= after.min() <= after.max() <= 1


def test_an_outline_that_is_right_is_not_made_worse(scene: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = scene
    one = coarse(mask)
    before = combine([one], mask.shape)
    after, _ = settle_outline(image, before, one.cell_px)
    assert iou(after >= 0.5, mask) >= iou(before >= 0.5, mask) - 0.005


def test_where_there_is_no_edge_nothing_moves(scene: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = scene
    before = combine([coarse(mask, shift=0.04)], mask.shape)
    after, moved = settle_outline(np.full_like(image, 128), before, 10.0)
    assert moved == 0 and np.array_equal(after, before)


def test_cells_finer_than_the_band_of_tier_1_are_left_to_it(scene: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = scene
    before = combine([coarse(mask, shift=0.04)], mask.shape)
    after, moved = settle_outline(image, before, 1.0)
    assert moved == 0 and after is before


def test_far_from_the_outline_nothing_changes(scene: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = scene
    one = coarse(mask, shift=0.04)
    before = combine([one], mask.shape)
    after, _ = settle_outline(image, before, one.cell_px)
    band = 2 * int(one.cell_px) + 6
    near = cv2.dilate(
        cv2.morphologyEx((before >= 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))),
        np.ones((2 * band + 1,) * 2),
    )
    assert np.array_equal(after[near == 0], before[near == 0])


def test_an_empty_saliency_stays_empty(scene: tuple[np.ndarray, np.ndarray]) -> None:
    image, _ = scene
    after, moved = settle_outline(image, np.zeros(image.shape[:2], np.float32), 20.0)
    assert moved == 0 and not after.any()
