"""The lattice keeps the matte's place, its parts and its holes, and loses only specks."""

import numpy as np
import pytest

from backend.mesh.silhouette import BLOCK, RING, lattice_of


def disc(side, radius, row=0.5, column=0.5):
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / side
    return (np.hypot(rows - row, columns - column) < radius).astype(np.float32)


@pytest.mark.parametrize("side", [100, 256, 1100])
def test_the_object_is_where_it_was_at_any_size(side):
    lattice = lattice_of(disc(side, 0.3, 0.4, 0.55), 128)
    rows, columns = np.nonzero(lattice.inside)
    assert lattice.over_picture(rows.astype(float)).mean() == pytest.approx(0.4, abs=0.004)
    assert lattice.over_picture(columns.astype(float)).mean() == pytest.approx(0.55, abs=0.004)
    assert lattice.inside.sum() / 128**2 == pytest.approx(np.pi * 0.3**2, rel=0.02)


def test_an_object_that_fills_its_picture_ends_at_the_pictures_edge():
    lattice = lattice_of(np.ones((50, 50), np.float32), 64)
    assert lattice.inside.sum() == 64**2
    assert not lattice.inside[:RING].any() and not lattice.inside[:, -1].any()
    assert (len(lattice.field) - 1) % BLOCK == 0


def test_specks_and_pores_go_and_holes_and_parts_stay():
    alpha = np.maximum(disc(512, 0.3), disc(512, 0.03, 0.1, 0.1))
    alpha[250:270, 250:270] = 0.0
    alpha[20:22, 480:482] = 1.0
    alpha[200:202, 200:202] = 0.0
    lattice = lattice_of(alpha, 512)
    inside = lattice.inside[RING : RING + 512, RING : RING + 512]
    assert inside[51, 51] and not inside[260, 260]
    assert not inside[20:22, 480:482].any() and inside[200:202, 200:202].all()


def test_faint_and_thin_objects_get_a_lower_level():
    assert lattice_of(disc(200, 0.3), 128).level == 0.5
    faint = lattice_of(np.float32(0.05) * disc(200, 0.3), 128)
    assert faint.level < 0.05 and faint.inside.any()
    hair = np.zeros((2000, 2000), np.float32)
    hair[1000, 100:1900] = 1.0
    thin = lattice_of(hair, 256)
    assert thin.level < 0.5 and thin.inside.any(axis=0).sum() > 200
