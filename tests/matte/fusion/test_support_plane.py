"""The backdrop is found under what hides part of it, and is the same each time."""

import numpy as np
import pytest

from backend.matte.fusion.support_plane import fit_backdrop


def test_a_tilted_plane_is_subtracted_completely():
    v, u = np.mgrid[0:120, 0:160].astype(np.float32)
    disparity = 0.01 * v + 0.002 * u + 3
    backdrop = fit_backdrop(disparity, np.ones(disparity.shape, bool))
    assert np.abs(disparity - backdrop.surface).max() < 1e-3
    assert backdrop.planes == 1


def test_table_and_wall_are_both_found_and_the_object_rises_above_them(table):
    alpha = table.put((130, 70, 190, 180), 0.625, (190, 40, 40))
    disparity = table.seen()
    backdrop = fit_backdrop(disparity, alpha == 0)
    rise = disparity - backdrop.surface
    assert backdrop.planes == 2
    assert np.abs(rise[200:]).max() < 0.1 * rise[80:120, 140:180].min()  # the near end of the table is not "near"


def test_other_things_do_not_bend_the_backdrop(table):
    disparity = table.seen()
    outside = np.ones(disparity.shape, bool)
    clean = fit_backdrop(disparity, outside).surface
    things = np.zeros(disparity.shape, bool)
    for x in (20, 120, 240):
        things[100:150, x : x + 25] = True
    crowded = fit_backdrop(np.where(things, disparity + 5, disparity), outside).surface
    assert np.abs(crowded - clean)[things].max() < 0.1 * 5


def test_the_same_picture_gives_the_same_backdrop(table):
    outside = np.ones(table.disparity.shape, bool)
    first, second = (fit_backdrop(table.seen(), outside).surface for _ in range(2))
    assert np.array_equal(first, second)


def test_nothing_outside_gives_the_low_end():
    disparity = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    backdrop = fit_backdrop(disparity, np.zeros(disparity.shape, bool))
    assert backdrop.planes == 0
    assert backdrop.surface.max() <= np.percentile(disparity, 1) + 1e-6


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="sizes differ"):
        fit_backdrop(np.zeros((4, 5), np.float32), np.zeros((5, 4), bool))
