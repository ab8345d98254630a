"""Surfaces of solids whose volume, topology and place are known."""

import math

import numpy as np
import pytest
import torch
import trimesh

from tests.helpers.analytic_fields import BRACKET, ISOVALUE, AnalyticField, ball, box, torus, union, without
from tsr.isosurface import Surface, extract_surface


def as_trimesh(surface: Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(surface.vertices.numpy(), surface.faces.numpy(), process=False)


def fans(mesh: trimesh.Trimesh) -> int:
    """Return how many runs of triangles around a vertex there are: one a vertex where the surface is a manifold."""
    pairs, sides = mesh.face_adjacency, mesh.face_adjacency_edges
    corner = {(face, vertex): 3 * face + k for face, row in enumerate(mesh.faces) for k, vertex in enumerate(row)}
    same = [(corner[f, v], corner[g, v]) for (f, g), side in zip(pairs, sides, strict=True) for v in side]
    return len(trimesh.graph.connected_components(np.array(same), nodes=np.arange(3 * len(mesh.faces))))


def test_a_ball_has_its_volume_its_place_and_its_outside_outside() -> None:
    surface = extract_surface(AnalyticField(ball(0.5, (0.1, -0.2, 0.15))), resolution=64)
    mesh = as_trimesh(surface)
    assert surface.vertices.dtype == torch.float32 and surface.faces.dtype == torch.int64
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * 0.5**3, rel=0.02)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - [0.1, -0.2, 0.15], axis=1), 0.5, atol=0.01)


def test_vertices_stand_where_the_density_is_linear_along_the_edges() -> None:
    field = AnalyticField(ball(0.5))
    field.density = lambda points: 25.0 + 100.0 * (0.213 - points[:, 2])  # type: ignore[method-assign]
    surface = extract_surface(field, resolution=20, method="dense", close=False)
    np.testing.assert_allclose(surface.vertices[:, 2], 0.213, atol=1e-6)


def test_a_torus_keeps_its_hole() -> None:
    mesh = as_trimesh(extract_surface(AnalyticField(torus(0.5, 0.2)), resolution=80))
    assert mesh.is_watertight and mesh.euler_number == 0
    assert mesh.volume == pytest.approx(2 * math.pi**2 * 0.5 * 0.2**2, rel=0.03)


def test_a_hollow_ball_keeps_its_cavity_turned_inside_out() -> None:
    mesh = as_trimesh(extract_surface(AnalyticField(without(ball(0.6), ball(0.3))), resolution=80))
    assert mesh.is_watertight and mesh.body_count == 2
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * (0.6**3 - 0.3**3), rel=0.03)


@pytest.mark.parametrize("method", ["dense", "sparse"])
def test_an_asymmetric_object_stands_in_the_frame_as_it_was_given(method: str) -> None:
    surface = extract_surface(AnalyticField(BRACKET), resolution=96, method=method)
    low, high = surface.vertices.min(0).values, surface.vertices.max(0).values
    np.testing.assert_allclose(low, [-0.1, -0.25, -0.1], atol=0.02)
    np.testing.assert_allclose(high, [0.6, 0.1, 0.4], atol=0.02)
    assert as_trimesh(surface).volume > 0


def test_an_object_that_leaves_the_box_is_capped_there_or_left_open_there() -> None:
    field = AnalyticField(box((-0.3, -0.2, -5.0), (5.0, 0.4, 0.5)))
    closed = as_trimesh(extract_surface(field, resolution=48))
    assert closed.is_watertight and closed.volume == pytest.approx(1.17 * 0.6 * 1.37, rel=0.05)
    assert np.abs(closed.vertices).max() < 0.87 + 1e-4
    opened = as_trimesh(extract_surface(field, resolution=48, close=False, min_component=0))
    sides = np.sort(opened.edges, axis=1)
    single = sides[trimesh.grouping.group_rows(sides, require_count=1)]
    assert len(single) > 0
    assert np.isclose(opened.vertices[single], [0.87, np.nan, -0.87], atol=1e-6).any(axis=(1, 2)).all()


def test_a_box_full_of_object_is_the_box() -> None:
    mesh = as_trimesh(extract_surface(AnalyticField(ball(9.0)), resolution=9))
    assert mesh.is_watertight and mesh.volume == pytest.approx(1.74**3, rel=1e-3)


def test_floaters_are_dropped_and_counted_and_kept_when_asked() -> None:
    field = AnalyticField(union(ball(0.5), ball(0.04, (0.7, 0.7, 0.7)), ball(0.04, (-0.7, 0.7, 0.7))), steepness=200.0)
    tidy, raw = extract_surface(field, resolution=96), extract_surface(field, resolution=96, min_component=0)
    assert tidy.dropped_components == 2 and as_trimesh(tidy).body_count == 1
    assert raw.dropped_components == 0 and as_trimesh(raw).body_count == 3
    assert len(tidy.vertices) == len(torch.unique(tidy.faces))


def test_lattice_points_that_lie_on_the_surface_make_no_face_without_area_and_no_hole() -> None:
    field = AnalyticField(ball(0.5))
    # Taxicab distance: whole layers of lattice points have exactly the isovalue.
    side = torch.linspace(-0.87, 0.87, 25)
    step = float(side[1] - side[0])
    field.density = lambda points: ISOVALUE + (7 - (points / step).round().abs().sum(1))  # type: ignore[method-assign]
    surface = extract_surface(field, resolution=25)
    mesh = as_trimesh(surface)
    assert mesh.is_watertight and mesh.euler_number == 2
    assert mesh.area_faces.min() > 1e-3 * (1e-3 * step) ** 2
    assert len(np.unique(mesh.vertices, axis=0)) == len(mesh.vertices)


@pytest.mark.parametrize("close", [True, False])
def test_noise_gives_a_manifold_however_wild(close: bool) -> None:
    field = AnalyticField(ball(0.5))
    noise = torch.rand(17**3, generator=torch.Generator().manual_seed(4)) * 50
    noise[::97], noise[5::89] = torch.inf, torch.nan
    field.density = lambda points: noise[(((points / 0.87 + 1) * 8).round() @ torch.tensor([289.0, 17.0, 1.0])).long()]  # type: ignore[method-assign]
    mesh = as_trimesh(extract_surface(field, resolution=17, method="dense", close=close, min_component=0))
    assert np.isfinite(mesh.vertices).all() and mesh.is_winding_consistent
    _, uses = np.unique(np.sort(mesh.edges, axis=1), axis=0, return_counts=True)
    assert uses.max() == 2 and (uses.min() == 2) == close
    assert fans(mesh) == len(mesh.vertices)


@pytest.mark.parametrize("density", [0.0, 24.0, math.nan])
@pytest.mark.parametrize(("method", "resolution"), [("dense", 12), ("sparse", 12), ("sparse", 80), ("sparse", 250)])
def test_a_field_without_surface_gives_an_empty_one(method: str, density: float, resolution: int) -> None:
    field = AnalyticField(ball(0.5))
    field.density = lambda points: torch.full((len(points),), density)  # type: ignore[method-assign]
    surface = extract_surface(field, resolution=resolution, method=method)
    assert surface.vertices.shape == (0, 3) and surface.faces.shape == (0, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"resolution": 1},
        {"isovalue": 0.0},
        {"isovalue": math.nan},
        {"isovalue": math.inf},
        {"method": "octree"},
        {"min_component": -0.1},
        {"min_component": 1.5},
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        extract_surface(AnalyticField(ball(0.5)), **{"resolution": 8, **options})  # type: ignore[arg-type]
