import numpy as np
import pytest

from backend.images.geometry import dilate, disc, distance_to, erode, mean_along, outline


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
