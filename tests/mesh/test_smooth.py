"""Smoothing evens the triangles and brings the surface nearer to the field's."""

from collections.abc import Callable

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from backend.mesh.mesh import Mesh
from backend.mesh.smooth import SmoothConfig, smooth_on_field

Points = NDArray[np.float32]
STEP = 2 * 0.87 / 39
CONFIG = SmoothConfig(reach=STEP)
ISOVALUE = 25.0


def ball(points: Points) -> NDArray[np.float32]:
    return (ISOVALUE * np.exp(np.clip(60 * (0.5 - np.linalg.norm(points, axis=-1)), -60, 60))).astype(np.float32)


def box(points: Points) -> NDArray[np.float32]:
    depth = (np.array([0.5, 0.4, 0.3]) - np.abs(points)).min(axis=-1)
    return (ISOVALUE * np.exp(np.clip(60 * depth, -60, 60))).astype(np.float32)


def surface(density: Callable[[Points], NDArray[np.float32]]) -> Mesh:
    side = np.linspace(-0.87, 0.87, 40, dtype=np.float32)
    volume = density(np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1))
    vertices, faces, _, _ = marching_cubes(volume, ISOVALUE, gradient_direction="ascent")
    return Mesh((vertices * STEP - 0.87).astype(np.float32), faces.astype(np.int64))


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def test_a_ball_keeps_its_radius_and_loses_its_slivers() -> None:
    rough = surface(ball)
    even = smooth_on_field(rough, ball, ISOVALUE, CONFIG)
    np.testing.assert_allclose(np.linalg.norm(even.vertices, axis=1), 0.5, atol=0.01 * STEP)
    before, after = (np.percentile(as_trimesh(m).face_angles.min(axis=1), 2) for m in (rough, even))
    assert after > 2 * before
    assert as_trimesh(even).volume == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.01)


def test_the_faces_stay_so_a_closed_mesh_stays_closed_and_nothing_turns_over() -> None:
    rough = surface(box)
    even = smooth_on_field(rough, box, ISOVALUE, CONFIG)
    np.testing.assert_array_equal(even.faces, rough.faces)
    before, after = as_trimesh(rough), as_trimesh(even)
    whole = (before.area_faces > 0) & (after.area_faces > 0)
    assert ((before.triangles_cross * after.triangles_cross).sum(axis=1)[whole] >= 0).all()
    assert after.volume == pytest.approx(1.0 * 0.8 * 0.6, rel=0.03)


def test_no_vertex_goes_farther_than_the_reach() -> None:
    rough = surface(box)
    even = smooth_on_field(rough, box, ISOVALUE, SmoothConfig(reach=0.2 * STEP))
    assert np.linalg.norm(even.vertices - rough.vertices, axis=1).max() <= 0.2 * STEP + 1e-6


def test_vertices_off_the_surface_such_as_a_caps_stay_where_they_are() -> None:
    rough = surface(ball)
    flat = np.minimum(rough.vertices, [1, 1, 0.2]).astype(np.float32)
    cap = (rough.vertices[:, 2] > 0.2 + 2 * STEP) & (np.hypot(*rough.vertices[:, :2].T) < 0.3)
    even = smooth_on_field(Mesh(flat, rough.faces), ball, ISOVALUE, CONFIG)
    np.testing.assert_array_equal(even.vertices[cap], flat[cap])


def test_a_field_of_nothing_but_nan_or_a_constant_moves_nothing() -> None:
    rough = surface(ball)
    for value in (np.nan, 3.0):
        even = smooth_on_field(rough, lambda points, v=value: np.full(len(points), v, np.float32), ISOVALUE, CONFIG)
        np.testing.assert_array_equal(even.vertices, rough.vertices)


def test_old_colours_do_not_stay_on_moved_vertices() -> None:
    rough = surface(ball)
    colored = Mesh(rough.vertices, rough.faces, colors=np.zeros_like(rough.vertices))
    assert smooth_on_field(colored, ball, ISOVALUE, CONFIG).colors is None


@pytest.mark.parametrize(
    ("isovalue", "config"), [(0.0, CONFIG), (ISOVALUE, SmoothConfig(reach=0.0)), (ISOVALUE, SmoothConfig(rounds=0))]
)
def test_what_is_not_positive_is_refused(isovalue: float, config: SmoothConfig) -> None:
    with pytest.raises(ValueError, match="positive"):
        smooth_on_field(surface(ball), ball, isovalue, config)
