"""A density field in, the closed surface of the object out: the last step from a scene code to a mesh."""

from dataclasses import dataclass
from typing import Protocol

import torch

from tsr.components import drop_small_components
from tsr.marching_cubes import Triangles, edge_of_number, join, triangulate
from tsr.surface_cells import PaddedLattice, dense_cells, sparse_cells


class LatticeDensity(Protocol):
    """The density on the lattice linspace(-radius, radius, resolution) cubed."""

    def density(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the (N,) densities at (N, 3) int64 indices in the order x, y, z."""
        ...


class Field(Protocol):
    """One object's density; it is only looked at inside the box of ±`radius`."""

    @property
    def radius(self) -> float: ...

    @property
    def device(self) -> torch.device: ...

    def density(self, points: torch.Tensor) -> torch.Tensor:
        """Return the (N,) densities at (N, 3) float32 points in world units."""
        ...

    def lattice(self, resolution: int) -> LatticeDensity:
        """Return the same field on a lattice, where it may know shortcuts."""
        ...


@dataclass(frozen=True)
class Surface:
    """A triangle surface in the field's own frame, on the field's device; it may be empty.

    `vertices` (N, 3) float32 world units; `faces` (M, 3) int64, counter-clockwise seen from the outside, which is
    where the density is lower; `dropped_components` counts the floaters that were left out.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    dropped_components: int


@torch.no_grad()
def extract_surface(
    field: Field,
    *,
    resolution: int = 256,
    isovalue: float = 25.0,
    method: str = "sparse",
    close: bool = True,
    min_component: float = 0.01,
) -> Surface:
    """Return the surface of the solid `density > isovalue`, by marching cubes on `resolution` points a side.

    `method` "dense" samples every point of the lattice through `field.density`; "sparse" samples `field.lattice` where
    the surface can be (see `sparse_cells` for what that promises), and differs by the rounding of the field's shortcuts
    only. Both work in bounded memory beside their result.
    With `close` the object ends at the box, capped there, and the surface is closed and manifold; without, it is open
    where the object leaves the box. Components with less than `min_component` of the largest one's area are dropped.

    Raises ValueError for a resolution below 2, an isovalue that is not positive and finite, an unknown method, or a
    `min_component` outside [0, 1].
    """
    if resolution < 2:
        raise ValueError(f"a lattice has at least 2 points a side, not {resolution}")
    if not 0.0 < isovalue < float("inf"):
        raise ValueError(f"an isovalue is positive and finite, not {isovalue}")
    if not 0.0 <= min_component <= 1.0:
        raise ValueError(f"min_component lies in [0, 1], not {min_component}")
    lattice = _lattice(field, resolution, method, rim=int(close))
    find_cells = sparse_cells if method == "sparse" else dense_cells
    triangles = join([triangulate(cells, isovalue) for cells in find_cells(lattice, isovalue)], field.device)
    vertices = _world(triangles, lattice, field.radius)
    vertices, faces, dropped = drop_small_components(vertices, triangles.faces, min_component)
    return Surface(vertices, faces, dropped)


def _lattice(field: Field, resolution: int, method: str, rim: int) -> PaddedLattice:
    if method == "sparse":
        return PaddedLattice(resolution, rim, field.lattice(resolution).density, field.device)
    if method == "dense":
        side = torch.linspace(-field.radius, field.radius, resolution, device=field.device)
        return PaddedLattice(resolution, rim, lambda index: field.density(side[index]), field.device)
    raise ValueError(f"the method is 'sparse' or 'dense', not {method!r}")


def _world(triangles: Triangles, lattice: PaddedLattice, radius: float) -> torch.Tensor:
    """Return the vertices (V, 3) float32 in world units."""
    step = 2 * radius / (lattice.resolution - 1)
    base, axis = edge_of_number(triangles.edge, lattice.size)
    reach = radius + lattice.rim * step
    side = torch.linspace(-reach, reach, lattice.size, device=lattice.device)
    along = torch.nn.functional.one_hot(axis, 3) * triangles.fraction[:, None]
    return side[base] + along * step
