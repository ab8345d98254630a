"""Closedness, parts and normals are those of the places, however the vertices are stored."""

import numpy as np
import trimesh

from backend.mesh.mesh import Mesh
from backend.mesh.topology import creased, topology, vertex_normals, weld


def ball(subdivisions=2):
    shape = trimesh.creation.icosphere(subdivisions, 0.5)
    return Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int64))


def apart(mesh):
    return Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3))


def test_welding_brings_the_corners_of_a_soup_together():
    welded = weld(apart(ball()))
    assert len(welded.points) == len(ball().vertices) and len(welded.faces) == len(ball().faces)
    assert (welded.points[welded.place] == apart(ball()).vertices).all()
    assert (apart(ball()).vertices[welded.source] == welded.points).all()


def test_a_ball_is_closed_and_a_ball_without_a_face_is_not():
    whole = topology(weld(apart(ball())))
    assert whole.closed and whole.consistent and whole.open_edges == 0 and whole.components == 1
    holed = topology(weld(Mesh(ball().vertices, ball().faces[1:])))
    assert not holed.closed and holed.open_edges == 3


def test_an_edge_of_four_faces_is_not_closed_and_has_no_open_end():
    one = trimesh.creation.box((1, 1, 1))
    other = one.copy().apply_translation((1, 1, 0))  # the two share one edge
    both = trimesh.util.concatenate([one, other])
    found = topology(weld(Mesh(both.vertices.astype(np.float32), both.faces.astype(np.int64))))
    assert not found.closed and found.open_edges == 0 and found.components == 1


def test_vertices_that_no_face_uses_are_no_part():
    extra = Mesh(np.concatenate([ball().vertices, np.float32([[9, 9, 9]])]), ball().faces)
    assert topology(weld(extra)).components == 1


def test_a_balls_normals_point_away_from_its_middle_across_seams():
    mesh = apart(ball(4))
    normals = vertex_normals(mesh)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert ((normals * mesh.vertices).sum(axis=1) > 0.999 * 0.5).all()


def test_creased_keeps_a_box_sharp_and_a_ball_smooth():
    box = trimesh.creation.box((1, 1, 1)).subdivide().subdivide()
    sharp = creased(Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int64)))
    assert np.isclose(np.abs(sharp.normals).max(axis=1), 1).all()
    assert topology(weld(sharp)).closed and len(sharp.faces) == len(box.faces)
    ball = trimesh.creation.icosphere(3)
    smooth = creased(Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int64)))
    assert len(smooth.vertices) == len(ball.vertices)
    assert (smooth.normals * smooth.vertices).sum(axis=1).min() > 0.99
