"""A flat foot: the lowest hundredth is pressed flat, the rest stays, the surface stays closed."""

import numpy as np
import pytest
import trimesh

from backend.mesh.foot import FOOT_SHARE, flat_foot
from backend.mesh.mesh import Mesh
from backend.mesh.texture import bake_texture
from backend.mesh.topology import topology, vertex_normals, weld


def mesh_of(shape):
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))


def foot_area(mesh):
    """The area of the faces in the lowest plane, and whether all of them look down."""
    corners = mesh.vertices[mesh.faces].astype(float)
    lowest = mesh.vertices[:, 2].min()
    flat = (corners[:, :, 2] == lowest).all(axis=1)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[flat] / 2
    return -across[:, 2].sum(), bool((across[:, 2] <= 1e-9).all())


@pytest.mark.parametrize("textured", [False, True])
def test_a_ball_stands_on_a_disc(textured):
    ball = mesh_of(trimesh.creation.icosphere(5, 0.5))
    ball = bake_texture(ball, lambda points: np.abs(points)) if textured else ball
    stands = flat_foot(ball)
    found = topology(weld(stands))
    assert found.closed and found.consistent and found.components == 1
    area, down = foot_area(stands)
    radius = np.sqrt(0.5**2 - (0.5 - FOOT_SHARE) ** 2)
    assert area == pytest.approx(np.pi * radius**2, rel=0.02) and down
    assert stands.vertices[:, 2].min() == pytest.approx(-0.5 + FOOT_SHARE, abs=1e-6)
    assert (stands.texture is not None) == textured


def test_what_is_above_the_cut_stays_where_it_was():
    ball = mesh_of(trimesh.creation.icosphere(4, 0.5))
    stands = flat_foot(ball)
    above = {tuple(row) for row in ball.vertices[ball.vertices[:, 2] > -0.48].tolist()}
    assert above <= {tuple(row) for row in stands.vertices.tolist()}
    assert trimesh.Trimesh(*weld_of(stands)).volume == pytest.approx(trimesh.Trimesh(*weld_of(ball)).volume, rel=1e-3)


def weld_of(mesh):
    welded = weld(mesh)
    return welded.points, welded.faces


def test_the_foot_looks_down_and_the_side_does_not():
    stands = flat_foot(mesh_of(trimesh.creation.icosphere(4, 0.5)))
    in_foot = (stands.vertices[stands.faces][:, :, 2] == stands.vertices[:, 2].min()).all(axis=1)
    assert (stands.normals[stands.faces[in_foot]] == [0, 0, -1]).all()
    rest = np.unique(stands.faces[~in_foot])
    assert (stands.normals[rest][:, 2] > -0.999).all()
    assert np.allclose(np.linalg.norm(stands.normals, axis=1), 1, atol=1e-3)


def test_what_stands_flat_already_keeps_its_shape():
    box = mesh_of(trimesh.creation.box((0.4, 0.6, 0.8)))
    stands = flat_foot(box)
    area, down = foot_area(stands)
    assert area == pytest.approx(0.24, rel=1e-5) and down
    assert topology(weld(stands)).closed


def test_nothing_is_written_into_the_mesh():
    ball = mesh_of(trimesh.creation.icosphere(2, 0.5))
    before, normals = ball.vertices.copy(), vertex_normals(ball)
    flat_foot(ball)
    assert (ball.vertices == before).all() and ball.normals is None and (vertex_normals(ball) == normals).all()
