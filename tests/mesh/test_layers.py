"""Two depth maps over a matte become a closed solid of just that shape."""

import numpy as np
import pytest

from backend.contract.errors import NoSubjectError
from backend.mesh.camera import DISTANCE, HALF_HEIGHT, project
from backend.mesh.figures import silhouette_iou
from backend.mesh.layers import MIN_THICKNESS, depth_layers, mesh_of_layers
from backend.mesh.topology import topology, weld

SIDE = 256
ROWS, COLUMNS = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) / SIDE * 2 - 1
PHOTO = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
RING = ((np.hypot(ROWS, COLUMNS) < 0.8) & (np.hypot(ROWS, COLUMNS) > 0.35)).astype(np.float32)
SQUARE = (np.maximum(abs(ROWS), abs(COLUMNS)) < 0.6).astype(np.float32)


def ball_layers(radius, side=SIDE):
    """Return the matte of a ball at the origin and the depths of its front and back, NaN beside it."""
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1
    ray = (1 + HALF_HEIGHT**2 * (rows**2 + columns**2)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        root = np.sqrt(DISTANCE**2 - ray * (DISTANCE**2 - radius**2))
    front, back = (((DISTANCE + sign * root) / ray).astype(np.float32) for sign in (-1, 1))
    return np.isfinite(front).astype(np.float32), front, back


def planes(near, far, side=64):
    return np.full((side, side), near, np.float32), np.full((side, side), far, np.float32)


def volume(mesh):
    welded = weld(mesh)
    a, b, c = (welded.points[welded.faces[:, k]].astype(np.float64) for k in range(3))
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize("side", [64, SIDE])
def test_the_layers_of_a_ball_make_that_ball(side):
    matte, _, _ = ball_layers(0.5)
    mesh = mesh_of_layers(PHOTO, matte, *ball_layers(0.5, side)[1:])
    found = topology(weld(mesh))
    assert found.closed and found.consistent and found.components == 1
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.03)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.5).mean() < 0.01
    toward = np.einsum("nk,nk->n", mesh.normals, mesh.vertices / 0.5)
    assert np.percentile(toward, 5) > 0.9


def test_a_part_too_thin_for_the_maps_is_as_thin_as_it_is_wide():
    matte = SQUARE.copy()
    matte[:60, SIDE // 2 - 1 : SIDE // 2 + 1] = 1  # an antenna of 2 px; a pixel of the maps is 4 wide
    mesh = mesh_of_layers(PHOTO, matte, *planes(1.5, 2.3))
    antenna = project(mesh.vertices)[1] < 36 / SIDE
    assert 0 < np.ptp(mesh.vertices[antenna, 0]) < 0.1
    assert np.ptp(mesh.vertices[:, 0]) == pytest.approx(0.8, abs=1e-3)


def test_walls_join_layers_that_do_not_meet_and_holes_stay_open():
    mesh = mesh_of_layers(PHOTO, RING, *planes(1.7, 2.1))
    welded = weld(mesh)
    found = topology(welded)
    edges = np.unique(np.sort(welded.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    assert found.closed and found.consistent
    assert len(welded.points) - len(edges) + len(welded.faces) == 0  # the Euler number of a ring
    assert silhouette_iou(mesh, RING) > 0.985
    assert mesh.vertices[:, 0].min() == pytest.approx(-0.2, abs=1e-5)
    assert mesh.vertices[:, 0].max() == pytest.approx(0.2, abs=1e-5)


def test_a_box_keeps_its_sharp_edges():
    mesh = mesh_of_layers(PHOTO, SQUARE, *planes(1.7, 2.1))
    _, down, _ = project(mesh.vertices)
    front = (mesh.vertices[:, 0] > 0.199) & (mesh.normals[:, 0] > 0.5)
    assert (mesh.normals[front][:, 0] > 0.999).all() and (front & (down < 0.25)).any()


def test_layers_that_cross_keep_a_thickness():
    mesh = mesh_of_layers(PHOTO, RING, *planes(1.9, 1.8))
    found = topology(weld(mesh))
    assert found.closed and found.consistent and volume(mesh) > 0
    inner = mesh.vertices[np.abs(project(mesh.vertices)[1] - 0.2) < 0.05]
    assert np.ptp(inner[:, 0]) == pytest.approx(MIN_THICKNESS, rel=0.05)


def test_only_depths_on_the_object_are_used():
    front, back = planes(1.7, 2.1, SIDE)
    wild = np.where(RING > 0, front, np.float32(np.nan)), np.where(RING > 0, back, np.float32(1e9))
    mesh, expected = mesh_of_layers(PHOTO, RING, *wild), mesh_of_layers(PHOTO, RING, front, back)
    assert np.allclose(mesh.vertices, expected.vertices, atol=1e-5)


def test_the_photo_is_on_the_front_and_the_back_shows_its_own_picture():
    left_red, left_blue = np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    left_red[:, : SIDE // 2, 0] = left_red[:, SIDE // 2 :, 1] = 255
    left_blue[:, :20, 2] = 255
    left_blue[:, 20:] = 255
    mesh = mesh_of_layers(left_red, SQUARE, *planes(1.7, 2.1), left_blue)
    inner = (np.abs(mesh.vertices[:, 1:]).max(axis=1) < 0.3) & (np.abs(mesh.vertices[:, 1]) > 0.05)
    front, left = mesh.normals[:, 0] > 0.5, mesh.vertices[:, 1] < 0
    for side, on_left, expected in (
        (front, left, (1, 0, 0)),
        (front, ~left, (0, 1, 0)),
        (~front, left, (0, 0, 1)),
        (~front, ~left, (1, 1, 1)),
    ):
        found = mesh.colors[inner & side & on_left]
        assert len(found) and np.abs(found - expected).max() < 0.05


def test_what_does_not_fit_is_refused():
    layers = planes(1.7, 2.1)
    with pytest.raises(NoSubjectError):
        mesh_of_layers(PHOTO, np.zeros((SIDE, SIDE), np.float32), *layers)
    with pytest.raises(ValueError, match="square"):
        mesh_of_layers(PHOTO, RING, layers[0][:30], layers[1][:30])
    with pytest.raises(ValueError, match="finite"):
        mesh_of_layers(PHOTO, RING, *planes(np.nan, 2.1))


def test_the_layers_of_a_mesh_are_read_back() -> None:
    side = 96
    alpha = np.zeros((side, side), np.float32)
    alpha[20:76, 20:76] = 1
    near, far = np.full((2, side, side), 1.9, np.float32) + np.float32([-0.2, 0.3])[:, None, None]
    mesh = mesh_of_layers(np.full((side, side, 3), 90, np.uint8), alpha, near, far)
    front, back = depth_layers(mesh, side)
    inner = np.s_[26:70, 26:70]
    assert np.allclose(front[inner], 1.7, atol=0.01) and np.allclose(back[inner], 2.2, atol=0.01)
    assert np.isnan(front[:10]).all() and np.isnan(back[:10]).all()
