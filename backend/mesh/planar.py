"""Matte on a lattice -> a flat triangle mesh: fine at the contour, up to eight times coarser inside.

Marching squares makes the contour, so its vertices lie on the level line itself. Inside, squares of cells merge (a
quadtree in which neighbours differ by at most one level), because a smooth middle needs few triangles and a silhouette
many. Every edge off the contour has an end inside the object: two copies of the mesh, one behind the other, then meet
in the contour only and close to a manifold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from backend.mesh.poisson import MIN_FRACTION

Triangles = list[NDArray[np.int64]]


@dataclass(frozen=True)
class PlanarMesh:
    """Triangles over the lattice, clockwise when rows point down.

    The first `inner` points are lattice nodes inside the object, the others lie on the contour.
    """

    points: NDArray[np.float64]  # (P, 2): row, column in cells
    owner: NDArray[
        np.int64
    ]  # (P, 2): row, column of the node itself, or of the inside node next to the contour's point
    triangles: NDArray[np.int64]  # (T, 3)
    inner: int  # number of lattice nodes among the points

    def rim(self) -> NDArray[np.int64]:
        """Return the contour's edges (E, 2), with the object on their right when rows point down."""
        edges = self.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        outer = edges[(edges >= self.inner).all(axis=1)]
        return outer


def triangulate(field: NDArray[np.float32], level: float, merges: int = 3) -> PlanarMesh:
    """Return the planar mesh of `field > level`.

    The field is (R, R) with R − 1 a multiple of 2**merges, and its border lies outside the object.
    """
    inside = field > level
    corners = np.stack([inside[:-1, :-1], inside[:-1, 1:], inside[1:, 1:], inside[1:, :-1]])
    code = (corners * np.array([1, 2, 4, 8])[:, None, None]).sum(axis=0)
    # The halves of a saddle are joined where its middle is inside.
    middle = (field[:-1, :-1] + field[:-1, 1:] + field[1:, 1:] + field[1:, :-1]) / 4.0 > level
    code[np.isin(code, (5, 10)) & middle] += 16
    ids = _Numbering(inside)
    triangles = _rim_cells(code, ids) + _inner_cells(code, ids, merges)
    return _compact(field, level, ids, np.concatenate(triangles))


class _Numbering:
    """Unique numbers of the nodes, then of the crossings on horizontal edges, then of those on vertical edges."""

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        count = inside.size
        self.node = np.arange(count).reshape(inside.shape)
        self.across = self.node + count  # between a node and its right neighbour
        self.down = self.node + 2 * count  # between a node and its lower neighbour


def _rim_cells(code: NDArray[np.int64], ids: _Numbering) -> Triangles:
    """Return the triangles of the cells that the contour crosses."""
    # A cell's corners clockwise from its top left, and the edges that follow each.
    places = np.stack(
        [
            ids.node[:-1, :-1],
            ids.across[:-1, :-1],
            ids.node[:-1, 1:],
            ids.down[:-1, 1:],
            ids.node[1:, 1:],
            ids.across[1:, :-1],
            ids.node[1:, :-1],
            ids.down[:-1, :-1],
        ],
        axis=-1,
    )
    return [places[code == case][:, list(fan)] for case in range(1, 32) if case != 15 for fan in _polygons(case)]


def _polygons(case: int) -> list[tuple[int, int, int]]:
    """Return the triangles of a marching-squares case over a cell's eight places, the even ones corners."""
    if case >= 16 and case not in (16 + 5, 16 + 10):
        return []
    inside = [bool(case & 15 & (1 << corner)) for corner in range(4)]
    if case in (5, 10):
        return [(2 * k, (2 * k + 1) % 8, (2 * k - 1) % 8) for k in range(4) if inside[k]]
    walk: list[int] = []
    for corner in range(4):
        if inside[corner]:
            walk.append(2 * corner)
        if inside[corner] != inside[(corner + 1) % 4]:
            walk.append(2 * corner + 1)
    # A fan from an inside corner has no diagonal between two points of the contour. Of three corners the middle one
    # gives the most even fan.
    first = next(
        k for k, place in enumerate(walk) if place % 2 == 0 and (sum(inside) != 3 or not inside[(place // 2 + 2) % 4])
    )
    walk = walk[first:] + walk[:first]
    return [(walk[0], walk[k], walk[k + 1]) for k in range(1, len(walk) - 1)]


def _inner_cells(code: NDArray[np.int64], ids: _Numbering, merges: int) -> Triangles:
    """Return the triangles of the cells inside the object, merged where their neighbours are inside too."""
    levels = [code == 15]
    for _ in range(merges):
        deep = binary_erosion(levels[-1]) if len(levels) > 1 else levels[-1]
        levels.append(deep[::2, ::2] & deep[1::2, ::2] & deep[::2, 1::2] & deep[1::2, 1::2])
    used = np.zeros(ids.node.shape, bool)
    leaves = []
    crossed = (code > 0) & (code != 15)
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        used[down : down + len(code), across : across + len(code)] |= crossed
    for depth, block in enumerate(levels):
        leaf = block.copy()
        if depth < merges:
            leaf &= ~np.repeat(np.repeat(levels[depth + 1], 2, axis=0), 2, axis=1)
        row, column = (axis << depth for axis in np.nonzero(leaf))
        width = 1 << depth
        for down, across in ((0, 0), (0, width), (width, 0), (width, width)):
            used[row + down, column + across] = True
        leaves.append((row, column, width))
    return [part for row, column, width in leaves for part in _leaf(row, column, width, used, ids.node)]


def _leaf(
    row: NDArray[np.int64], column: NDArray[np.int64], width: int, used: NDArray[np.bool_], node: NDArray[np.int64]
) -> Triangles:
    """Return the triangles of squares `width` cells wide; edges are split where finer squares use their middles."""
    corner = [(0, 0), (0, width), (width, width), (width, 0)]
    at = [node[row + down, column + across] for down, across in corner]
    if width == 1:
        # Diagonals alternate, so that neither direction is visible.
        even = (row + column) % 2 == 0
        a, b, c, d = (np.where(even, at[k], at[(k + 1) % 4]) for k in range(4))
        return [np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]
    half = width // 2
    centre = node[row + half, column + half]
    parts = []
    for k in range(4):
        (down, across), (next_down, next_across) = corner[k], corner[(k + 1) % 4]
        mid_row, mid_column = row + (down + next_down) // 2, column + (across + next_across) // 2
        split = used[mid_row, mid_column]
        middle, after = node[mid_row, mid_column], at[(k + 1) % 4]
        parts.append(np.stack([centre, at[k], np.where(split, middle, after)], axis=-1))
        parts.append(np.stack([centre, middle, after], axis=-1)[split])
    return parts


def _compact(field: NDArray[np.float32], level: float, ids: _Numbering, triangles: NDArray[np.int64]) -> PlanarMesh:
    """Return the mesh of the points in use, nodes first, with their places."""
    number, triangles = np.unique(triangles, return_inverse=True)
    kind, place = np.divmod(number, field.size)
    row, column = np.divmod(place, field.shape[1])
    other_row, other_column = row + (kind == 2), column + (kind == 1)
    here, there = field[row, column].astype(np.float64), field[other_row, other_column].astype(np.float64)
    crossed = kind > 0
    fraction = np.where(crossed, (here - level) / np.where(crossed, here - there, 1.0), 0.0)
    # Kept off the nodes as in the solver, or needles would appear there.
    fraction = np.where(crossed, np.clip(fraction, MIN_FRACTION, 1.0 - MIN_FRACTION), 0.0)
    points = np.stack([row + fraction * (kind == 2), column + fraction * (kind == 1)], axis=-1)
    first_inside = here > level
    owner = np.stack([np.where(first_inside, row, other_row), np.where(first_inside, column, other_column)], axis=-1)
    return PlanarMesh(points, owner, triangles.reshape(-1, 3), int(np.count_nonzero(~crossed)))
