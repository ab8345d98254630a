"""The flat mesh covers the matte, hangs together, and its contour lies on the level line."""

import numpy as np
import pytest

from backend.mesh.planar import triangulate

SIDE = 65


def field_of(name):
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    distance = np.hypot(rows - 31.3, columns - 32.4)
    field = {
        "disc": np.clip((25.2 - distance) / 4, -0.5, 0.5) + 0.5,
        "ring": np.clip(8.4 - np.abs(distance - 18.1), -0.5, 0.5) + 0.5,
        "node": (np.hypot(rows - 20, columns - 30) < 0.5) * 1.0,
        "noise": np.random.default_rng(1).random((SIDE, SIDE)),
        "checkers": (rows + columns) % 2,
        "block": ((np.abs(rows - 32) < 25) & (np.abs(columns - 32) < 20)) * 1.0,
    }[name].astype(np.float32)
    field[[0, -1]] = field[:, [0, -1]] = 0
    return field


@pytest.fixture(params=["disc", "ring", "node", "noise", "checkers", "block"])
def field(request):
    return field_of(request.param)


def edges_of(mesh):
    edges = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)


def test_only_contour_edges_belong_to_one_triangle(field):
    mesh = triangulate(field, 0.5)
    edges, uses = edges_of(mesh)
    on_contour = (edges >= mesh.inner).all(axis=1)
    assert (uses == np.where(on_contour, 1, 2)).all()
    assert sorted(map(tuple, np.sort(mesh.rim(), axis=1))) == sorted(map(tuple, edges[on_contour]))


def test_the_contour_is_made_of_simple_loops(field):
    mesh = triangulate(field, 0.5)
    assert (np.bincount(mesh.rim().ravel(), minlength=len(mesh.points))[mesh.inner :] == 2).all()


def test_all_triangles_run_one_way_and_none_is_flat(field):
    a, b, c = (triangulate(field, 0.5).points[triangulate(field, 0.5).triangles[:, k]] for k in range(3))
    twice = (b - a)[:, 1] * (c - a)[:, 0] - (b - a)[:, 0] * (c - a)[:, 1]
    assert (twice > 1e-3).all()


def test_contour_points_lie_on_the_level_line():
    mesh = triangulate(field_of("disc"), 0.5)
    rim = mesh.points[mesh.inner :]
    assert np.abs(np.hypot(rim[:, 0] - 31.3, rim[:, 1] - 32.4) - 25.2).max() < 0.06


def test_the_area_is_the_objects():
    mesh = triangulate(field_of("ring"), 0.5)
    a, b, c = (mesh.points[mesh.triangles[:, k]] for k in range(3))
    area = ((b - a)[:, 1] * (c - a)[:, 0] - (b - a)[:, 0] * (c - a)[:, 1]).sum() / 2
    assert area == pytest.approx(np.pi * ((18.1 + 8.4) ** 2 - (18.1 - 8.4) ** 2), rel=0.005)


def test_a_hole_stays_a_hole():
    for name, expected in (("disc", 1), ("ring", 0), ("node", 1)):
        mesh = triangulate(field_of(name), 0.5)
        assert len(mesh.points) - len(edges_of(mesh)[0]) + len(mesh.triangles) == expected


def test_the_middle_is_coarser_than_the_rim():
    field = field_of("block")
    fine, merged = triangulate(field, 0.5, merges=0), triangulate(field, 0.5, merges=3)
    assert len(merged.triangles) < 0.5 * len(fine.triangles)
    assert len(merged.rim()) == len(fine.rim())
