"""The sparse search finds what the dense one finds, with few samples."""

import pytest
import torch

from tests.helpers.analytic_fields import (
    BRACKET,
    ISOVALUE,
    AnalyticField,
    Depth,
    ball,
    box,
    torus,
    union,
    wire,
    without,
)
from tsr import surface_cells
from tsr.isosurface import extract_surface
from tsr.marching_cubes import Triangles, join, triangulate
from tsr.surface_cells import PaddedLattice, dense_cells, sparse_cells

RESOLUTION = 122  # coarse cells are two steps wide
FINE = 2 * 0.87 / (RESOLUTION - 1)
COARSE_OF_256 = 4 * 2 * 0.87 / 255


def both(field: AnalyticField, resolution: int, rim: int = 1) -> tuple[Triangles, Triangles]:
    lattice = PaddedLattice(resolution, rim, field.lattice(resolution).density, field.device)
    found = [find(lattice, ISOVALUE) for find in (sparse_cells, dense_cells)]
    sparse, dense = (join([triangulate(cells, ISOVALUE) for cells in cells_of], field.device) for cells_of in found)
    return sparse, dense


def assert_same(sparse: Triangles, dense: Triangles) -> None:
    assert len(dense.faces) > 0
    assert torch.equal(sparse.edge, dense.edge)
    assert torch.equal(sparse.fraction, dense.fraction)
    assert torch.equal(torch.unique(sparse.faces, dim=0), torch.unique(dense.faces, dim=0))


def closed(faces: torch.Tensor) -> bool:
    sides = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(1).values
    return bool((torch.unique(sides, dim=0, return_counts=True)[1] == 2).all())


SHAPES: dict[str, Depth] = {
    "ball": ball(0.55, (0.02, 0.0, -0.1)),
    "torus": torus(0.5, 0.07),
    "bracket": BRACKET,
    "hollow": without(ball(0.6), ball(0.58)),
    "leaves the box": union(ball(0.5, (0.7, 0.1, 0.0)), wire((0.1, 0.0, 0.1), (-2.0, 0.3, 0.4), 0.8 * FINE)),
    "diagonal wire": wire((-0.61, -0.5, -0.4), (0.5, 0.63, 0.55), 0.8 * FINE),
    "straight wire": wire((-0.6, 0.0131, 0.0077), (0.6, 0.0131, 0.0077), 0.8 * FINE),
    "plate": box((-0.5, -0.4, 0.0033), (0.5, 0.3, 0.0033 + 1.1 * FINE)),
    "dust": union(*[ball(1.2 * FINE, (0.31 * i - 0.6, 0.27 * i - 0.5, 0.11 * i * i - 0.3)) for i in range(4)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_sparse_surface_is_the_dense_one(name: str) -> None:
    assert_same(*both(AnalyticField(SHAPES[name]), RESOLUTION))


def test_the_sparse_surface_is_the_dense_one_where_it_stays_open_at_the_box() -> None:
    assert_same(*both(AnalyticField(SHAPES["leaves the box"]), RESOLUTION, rim=0))


@pytest.mark.parametrize(("steepness", "shift"), [(15.0, 0.5), (60.0, 0.0), (60.0, 0.5), (240.0, 0.25), (240.0, 0.5)])
def test_wires_and_plates_thinner_than_a_coarse_cell_survive_wherever_they_lie(steepness: float, shift: float) -> None:
    fine, at = COARSE_OF_256 / 4, shift * COARSE_OF_256
    thin = union(
        wire((-0.6, 0.3 + at, 0.3 + at), (0.6, 0.3 + at, 0.3 + at), 0.8 * fine),
        box((-0.5, -0.4, at - 0.55 * fine), (0.5, 0.2, at + 0.55 * fine)),
    )
    field = AnalyticField(thin, steepness)
    surface = extract_surface(field, resolution=256, min_component=0)
    low, high = surface.vertices.min(0).values, surface.vertices.max(0).values
    assert low[0] < -0.58 and high[0] > 0.58 and low[1] < -0.38
    assert closed(surface.faces)
    bodies = [surface.vertices[:, 2] > 0.2, surface.vertices[:, 2] < 0.2]
    assert all(len(surface.vertices[body]) > 1000 for body in bodies)


def test_a_sheet_that_leaves_no_trace_outside_itself_is_followed_to_its_end() -> None:
    spike = wire((0.0, 0.0, 0.0), (0.803, 0.111, 0.211), 1.1 * COARSE_OF_256 / 4)
    surface = extract_surface(AnalyticField(union(ball(0.1), spike), steepness=1e9), resolution=256)
    assert closed(surface.faces) and surface.vertices[:, 0].max() > 0.8


def test_the_sparse_search_samples_a_small_part_of_the_lattice() -> None:
    field = AnalyticField(ball(0.5))
    extract_surface(field, resolution=256)
    assert field.asked < 256**3 / 20


@pytest.mark.parametrize("resolution", [3, 61, 124, 131, 246])
def test_any_resolution_works_whatever_its_remainder(resolution: int) -> None:
    field = AnalyticField(union(ball(0.2), wire((0.0, 0.0, 0.0), (0.9, 0.9, 0.9), 0.05)))
    surface = extract_surface(field, resolution=resolution)
    assert len(surface.faces) and closed(surface.faces)


def test_the_surface_does_not_depend_on_how_much_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    field = AnalyticField(SHAPES["leaves the box"])
    _, whole = both(field, RESOLUTION)
    monkeypatch.setattr(surface_cells, "POINTS_AT_ONCE", 40 * RESOLUTION**2)
    monkeypatch.setattr(surface_cells, "CELLS_AT_ONCE", 3000)
    monkeypatch.setattr(surface_cells, "MARKS_AT_ONCE", 9 * RESOLUTION**2)
    sparse, dense = both(field, RESOLUTION)
    assert_same(sparse, whole)
    assert_same(dense, whole)
