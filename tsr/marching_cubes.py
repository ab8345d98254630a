"""Cells of a lattice and the densities at their corners in, triangles with shared vertices out (marching cubes).

A vertex belongs to one edge of the lattice and stands where the density, taken as linear along the edge, meets the
isovalue. Every edge has one number on the whole lattice, so batches of cells join without looking at coordinates.
"""

from dataclasses import dataclass

import torch

from tsr.cell_table import CORNERS, EDGES, triangle_table

# Vertices keep this part of a lattice edge away from its ends. Otherwise a lattice point that lies on the surface gives
# several vertices at one place, and faces without area. At 256 points a side it is 7e-6 world units.
MIN_FRACTION = 1e-3


@dataclass(frozen=True)
class Cells:
    """Some cells of a lattice of `size` points a side.

    `index` (N, 3) int64 is each cell's lowest corner, `density` (N, 8) float32 its corners in the order of `CORNERS`.
    """

    size: int
    index: torch.Tensor
    density: torch.Tensor


@dataclass(frozen=True)
class Triangles:
    """A surface in index units.

    `edge` (V,) int64 is the number of each vertex's lattice edge, ascending; `fraction` (V,) float32 how far along it
    the vertex stands; `faces` (M, 3) int64 are counter-clockwise seen from the outside.
    """

    edge: torch.Tensor
    fraction: torch.Tensor
    faces: torch.Tensor


def triangulate(cells: Cells, isovalue: float) -> Triangles:
    """Return the surface `density == isovalue` inside `cells`; the inside is where the density is larger.

    Two cells that share a face join on it without a gap, in one call or through `join`.
    """
    device = cells.index.device
    first, edges = (torch.from_numpy(table).to(device) for table in triangle_table())
    corner_bit = 1 << torch.arange(8, device=device)
    signs = ((cells.density > isovalue) * corner_bit).sum(1)  # (N,)
    count = first[signs + 1] - first[signs]
    cell = torch.arange(len(signs), device=device).repeat_interleave(count)  # (M,): the cell of each triangle
    nth = torch.arange(len(cell), device=device) - (count.cumsum(0) - count)[cell]
    cell, local = cell.repeat_interleave(3), edges[first[signs][cell] + nth].flatten()  # (3 M,) each

    corner, axis = torch.tensor(EDGES, device=device)[local].unbind(1)
    base = cells.index[cell] + torch.tensor(CORNERS, device=device)[corner]
    number, vertex = torch.unique(edge_number(base, axis, cells.size), return_inverse=True)
    low = cells.density[cell, corner]
    high = cells.density[cell, corner + (1 << axis)]
    # All triangles around a vertex computed the same fraction from the same two densities: any may write it.
    fraction = torch.empty(len(number), device=device)
    fraction[vertex] = crossing(low, high, isovalue)
    return Triangles(number, fraction, vertex.reshape(-1, 3))


def crossing(low: torch.Tensor, high: torch.Tensor, isovalue: float) -> torch.Tensor:
    """Return how far from `low` to `high`, (N,) densities on either side of the surface, it crosses: (N,) in (0, 1)."""
    rises = high > isovalue
    outside, inside = torch.where(rises, low, high), torch.where(rises, high, low)
    # An infinite density lies anywhere above: the crossing is where the outside is. NaN counts as outside, far below.
    part = ((isovalue - outside) / (inside - outside)).nan_to_num(nan=1.0).clamp(MIN_FRACTION, 1 - MIN_FRACTION)
    return torch.where(rises, part, 1 - part)


def join(parts: list[Triangles], device: torch.device) -> Triangles:
    """Return one surface from those of batches of cells, none or many; vertices on the same lattice edge become one."""
    none = torch.empty(0, dtype=torch.int64, device=device)
    parts = [Triangles(none, none.float(), none.reshape(0, 3)), *parts]
    edge, vertex = torch.unique(torch.cat([part.edge for part in parts]), return_inverse=True)
    fraction = torch.empty(len(edge), device=edge.device)
    fraction[vertex] = torch.cat([part.fraction for part in parts])
    faces, before = [], 0
    for part in parts:
        faces.append(vertex[before : before + len(part.edge)][part.faces])
        before += len(part.edge)
    return Triangles(edge, fraction, torch.cat(faces))


def edge_number(base: torch.Tensor, axis: torch.Tensor, size: int) -> torch.Tensor:
    """Return the number (N,) int64 of the edges that start at `base` (N, 3) and run along `axis` (N,)."""
    x, y, z = base.unbind(1)
    return ((x * size + y) * size + z) * 3 + axis


def edge_of_number(number: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the start (N, 3) and the axis (N,) of the edges with these numbers."""
    point = number // 3
    return torch.stack([point // size**2, point // size % size, point % size], 1), number % 3
