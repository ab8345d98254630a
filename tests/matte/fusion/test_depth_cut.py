"""The mask from depth alone keeps what stands, without the table before it."""

import numpy as np
import pytest

from backend.matte.fusion.depth_cut import depth_mask


def test_the_near_end_of_the_table_is_not_kept_and_the_object_is(table):
    alpha = table.put((130, 70, 190, 180), 0.625, (190, 40, 40))
    mask = depth_mask(table.seen(), table.image)
    assert mask.dtype == np.float32
    assert mask[215:].max() < 0.05
    upper = (slice(75, 140), slice(135, 185))
    assert mask[upper].min() > 0.95
    assert mask[alpha == 0].mean() < 0.02


def test_a_larger_percentile_keeps_less(table):
    table.put((130, 70, 190, 180), 0.625, (190, 40, 40))
    areas = [depth_mask(table.seen(), table.image, p).sum() for p in (5, 20, 40, 60, 90)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]


def test_auto_finds_a_cut_that_holds_the_object(table):
    alpha = table.put((130, 70, 190, 150), 0.9, (190, 40, 40))
    mask = depth_mask(table.seen(), table.image, "auto") > 0.5
    assert (mask & (alpha > 0)).sum() / (mask | (alpha > 0)).sum() > 0.85


def test_a_flat_picture_gives_an_empty_mask(table):
    assert depth_mask(np.full(table.disparity.shape, 2, np.float32), table.image).max() == 0
    assert depth_mask(table.seen(), table.image).max() < 0.05  # a table and a wall, with nothing on it


def test_a_percentile_outside_its_range_is_refused(table):
    with pytest.raises(ValueError, match="percentile"):
        depth_mask(table.seen(), table.image, 130)
