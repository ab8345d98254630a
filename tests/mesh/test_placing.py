"""A mesh stands in its file as asked: axes, origin and height."""

import numpy as np
import pytest

from backend.mesh.mesh import Mesh
from backend.mesh.placing import place, to_world
from tests.helpers.small_meshes import figure


def bounds(placed):
    return [placed.mesh.vertices.min(axis=0), placed.mesh.vertices.max(axis=0)]


def test_up_turns_vertices_and_normals():
    mesh = Mesh(figure().vertices, figure().faces, normals=np.tile(np.float32([1, 0, 0]), (4, 1)))
    assert (place(mesh, "y").mesh.normals == [0, 0, 1]).all()
    assert (place(mesh, "z").mesh.normals == [0, -1, 0]).all()
    assert np.allclose(bounds(place(mesh, "y")), [[0, 0, 0], [0.2, 0.3, 0.1]])
    assert np.allclose(bounds(place(mesh, "z")), [[0, -0.1, 0], [0.2, 0, 0.3]])


def test_the_foot_is_under_the_middle_and_the_centre_in_it():
    assert np.allclose(bounds(place(figure(), "y", "foot")), [[-0.1, 0, -0.05], [0.1, 0.3, 0.05]])
    assert np.allclose(bounds(place(figure(), "z", "foot")), [[-0.1, -0.05, 0], [0.1, 0.05, 0.3]])
    assert np.allclose(bounds(place(figure(), "y", "centre")), [[-0.1, -0.15, -0.05], [0.1, 0.15, 0.05]])


@pytest.mark.parametrize(("up", "axis"), [("y", 1), ("z", 2)])
def test_a_height_is_measured_along_the_up_axis(up, axis):
    placed = place(figure(), up, "foot", height=120.0)
    assert np.ptp(placed.mesh.vertices, axis=0)[axis] == pytest.approx(120, rel=1e-6)
    assert placed.scale == pytest.approx(400, rel=1e-6)


def test_what_no_face_uses_does_not_count():
    stray = Mesh(np.append(figure().vertices, [[0, 0, 9]], axis=0).astype(np.float32), figure().faces)
    assert place(stray, height=3.0).scale == pytest.approx(10, rel=1e-6)


@pytest.mark.parametrize("up", ["y", "z"])
def test_the_way_back_is_exact(up):
    placed = place(figure(), up)
    back = to_world(placed.mesh, up)
    assert (back.vertices == figure().vertices).all()
    assert (place(back, up).mesh.normals == placed.mesh.normals).all()


def test_nothing_is_written_into_the_mesh():
    mesh = figure()
    place(mesh, "z", "foot", 5.0)
    assert (mesh.vertices == figure().vertices).all() and mesh.normals is None


def test_what_cannot_be_placed_is_refused():
    flat = Mesh(figure().vertices * np.float32([1, 1, 0]), figure().faces)
    broken = figure()
    broken.vertices[2, 1] = np.nan
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))
    for call in (
        lambda: place(figure(), "x"),
        lambda: place(figure(), "y", "head"),
        lambda: place(flat, height=1.0),
        lambda: place(broken),
        lambda: place(empty),
    ):
        with pytest.raises(ValueError):
            call()
