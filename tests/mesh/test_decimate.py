"""Lighter meshes keep shape, closedness and colours."""

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from backend.mesh.decimate import decimate
from backend.mesh.mesh import Mesh


def paint(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return ((points + 1) / 2).astype(np.float32)


def as_mesh(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(solid.vertices.astype(np.float32), solid.faces.astype(np.int64))


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@pytest.mark.parametrize("target", [4000, 1000, 100])
def test_a_decimated_ball_is_a_closed_ball_of_at_most_as_many_faces_as_asked(target: int) -> None:
    ball = trimesh.creation.icosphere(5)
    lighter = decimate(as_mesh(ball), target, paint)
    mesh = as_trimesh(lighter.mesh)
    assert lighter.asked == target and lighter.got == len(mesh.faces) and 0.95 * target <= lighter.got <= target
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(ball.volume, rel=0.05)


def test_colours_are_those_of_the_new_vertices() -> None:
    lighter = decimate(as_mesh(trimesh.creation.icosphere(4)), 500, paint).mesh
    assert lighter.colors is not None and lighter.colors.dtype == np.float32
    np.testing.assert_allclose(lighter.colors, paint(lighter.vertices))


def test_handles_too_thin_for_the_new_faces_leave_no_hole() -> None:
    parts = [trimesh.creation.box((1.0, 1.0, 1.0)).subdivide_loop(5)]
    for k in range(6):
        ring = trimesh.creation.torus(0.05, 0.01, major_sections=24, minor_sections=12)
        ring.apply_translation([0.3 * k - 0.75, 0.7, 0.0])
        parts.append(ring)
    crowd = trimesh.util.concatenate(parts)
    for target in (3000, 1000, 300):
        lighter = as_trimesh(decimate(as_mesh(crowd), target, paint).mesh)
        assert lighter.is_watertight and len(lighter.faces) <= target and lighter.body_count == len(parts)


def test_when_there_are_more_parts_than_faces_the_largest_stay() -> None:
    balls = [trimesh.creation.icosphere(4 if k < 3 else 1).apply_translation([3.0 * k, 0.0, 0.0]) for k in range(40)]
    lighter = decimate(as_mesh(trimesh.util.concatenate(balls)), 100, paint).mesh
    assert len(lighter.faces) <= 100 and as_trimesh(lighter).is_watertight
    for k in range(3):
        assert (np.abs(lighter.vertices[:, 0] - 3.0 * k) < 1.1).any()


def test_a_mesh_that_is_light_enough_comes_back_itself() -> None:
    mesh = as_mesh(trimesh.creation.icosphere(2))
    lighter = decimate(mesh, 320, paint)
    assert lighter.mesh is mesh and lighter.got == 320


def test_vertices_doubled_along_a_seam_do_not_open_the_mesh() -> None:
    ball = trimesh.creation.icosphere(4)
    loose = Mesh(ball.triangles.reshape(-1, 3).astype(np.float32), np.arange(3 * len(ball.faces)).reshape(-1, 3))
    assert as_trimesh(decimate(loose, 500, paint).mesh).is_watertight


def test_an_open_mesh_stays_open() -> None:
    ball = trimesh.creation.icosphere(4)
    half = Mesh(ball.vertices.astype(np.float32), ball.faces[ball.triangles_center[:, 2] > 0].astype(np.int64))
    lighter = as_trimesh(decimate(half, 300, paint).mesh)
    assert not lighter.is_watertight and lighter.vertices[:, 2].min() > -0.05


def test_fewer_faces_than_a_tetrahedron_are_refused() -> None:
    with pytest.raises(ValueError, match="4 faces"):
        decimate(as_mesh(trimesh.creation.icosphere(1)), 3, paint)
