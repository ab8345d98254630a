import numpy as np
import pytest

from backend.images.geometry import (
    dilate,
    disc,
    distance_to,
    erode,
    mean_along,
    opened,
    outline,
    parts_holding,
    tiles,
)


def test_growing_and_shrinking_a_point_are_discs():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    assert dilate(mask, 4).sum() == disc(4).sum()
    assert np.array_equal(erode(dilate(mask, 4), 4), mask)
    assert np.array_equal(dilate(mask, 0), mask)


def test_the_frame_does_not_eat_an_object_that_it_cuts():
    assert erode(np.ones((9, 9), bool), 3).all()
    assert not outline(np.ones((9, 9), bool)).any()


def test_an_outline_lies_on_both_sides_of_the_line():
    mask = np.zeros((10, 10), bool)
    mask[:, 5:] = True
    assert np.array_equal(np.flatnonzero(outline(mask)[3]), [4, 5])


def test_distance_is_zero_on_the_mask_and_far_without_one():
    mask = np.zeros((5, 30), bool)
    assert distance_to(mask).min() > 1e5
    mask[:, 0] = True
    assert distance_to(mask)[2, 20] == pytest.approx(20, rel=0.05)


def test_the_mean_along_a_line_ignores_what_lies_off_it():
    values = np.zeros((9, 9), np.float32)
    values[4] = 7
    line = np.zeros((9, 9), bool)
    line[4] = True
    mean, near = mean_along(values, line, 3)
    assert np.allclose(mean[near], 7) and not near[0].any() and (mean[~near] == 0).all()


def test_tiles_cover_their_box_once():
    count = np.zeros((90, 130), int)
    for x0, y0, x1, y1 in tiles((10, 20, 125, 85), 32):
        assert 0 < x1 - x0 <= 32 and 0 < y1 - y0 <= 32
        count[y0:y1, x0:x1] += 1
    assert (count[20:85, 10:125] == 1).all() and count.sum() == 65 * 115


def test_opening_drops_what_the_disc_does_not_fit_into():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    mask[2, :] = True
    assert opened(mask, 3)[20, 20] and not opened(mask, 3)[2].any()


def test_only_the_parts_that_hold_a_seed_are_kept():
    mask = np.zeros((20, 20), bool)
    mask[2:6, 2:6] = mask[10:14, 10:14] = True
    seeds = np.zeros_like(mask)
    seeds[3, 3] = seeds[18, 18] = True
    kept = parts_holding(mask, seeds)
    assert kept[2:6, 2:6].all() and kept.sum() == 16
