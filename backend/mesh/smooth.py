"""Mesh of a density field's surface -> the same faces as even triangles that lie closer to the surface.

Marching cubes leaves slivers, and steps where a steep density is far from linear. Each round moves a vertex toward its
neighbours along the surface only, then back onto the surface along the gradient of the density's logarithm, which is
near linear for a network. So nothing shrinks, and the field's detail stays.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from backend.mesh.mesh import Mesh

DensityAt = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (N, 3) world points -> (N,) density
Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothConfig:
    """Bounds and rounds of the smoothing."""

    reach: float = 0.0068  # world units a vertex may move; the default is a lattice step, 2 · 0.87 / 255
    rounds: int = 4  # three remove the slivers
    relax: float = 0.5  # share of the way to the neighbours' mean per round; above 0.6 vertices begin to oscillate


def smooth_on_field(mesh: Mesh, density_at: DensityAt, isovalue: float, config: SmoothConfig | None = None) -> Mesh:
    """Return `mesh` with its vertices spread evenly on the surface `density_at(points) == isovalue`.

    Faces stay, so a closed mesh stays closed; colours, normals and texture are dropped, because they belong to the old
    vertices. A vertex farther than `reach` from the surface, such as one of a cap at the box, does not move.

    Raises ValueError for an isovalue, a reach or a number of rounds that is not positive.
    """
    config = config or SmoothConfig()
    if not (isovalue > 0.0 and config.reach > 0.0 and config.rounds > 0):
        raise ValueError(f"isovalue, reach and rounds are positive, not {isovalue}, {config.reach}, {config.rounds}")
    start = mesh.vertices.astype(np.float64)
    neighbours = _neighbours(mesh.faces, len(start))
    offset, normal = _to_surface(start, density_at, isovalue, config.reach)
    free = np.abs(offset) < config.reach
    points = start
    for _ in range(config.rounds):
        aside = neighbours @ points - points
        aside -= (aside * normal).sum(axis=1, keepdims=True) * normal
        points = _near(points + config.relax * aside, start, free, config.reach)
        offset, normal = _to_surface(points, density_at, isovalue, config.reach)
        onto = np.where(np.isfinite(offset), offset, 0.0)[:, None] * normal
        points = _near(points + onto, start, free, config.reach)
    points = _without_folds(points, start, mesh.faces)
    return replace(mesh, vertices=points.astype(np.float32), colors=None, texture=None, normals=None)


def _neighbours(faces: NDArray[np.int64], count: int) -> coo_array:
    """Return the sparse matrix (N, N) whose product with the vertices is the mean of each one's neighbours."""
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    sides = np.unique(np.concatenate([sides, sides[:, ::-1]]), axis=0)
    degree = np.bincount(sides[:, 0], minlength=count)
    return coo_array((1.0 / degree[sides[:, 0]], (sides[:, 0], sides[:, 1])), shape=(count, count)).tocsr()


def _to_surface(
    points: Vectors, density_at: DensityAt, isovalue: float, reach: float
) -> tuple[NDArray[np.float64], Vectors]:
    """Return the distance (N,) to the surface by one Newton step, along the outward unit normals (N, 3)."""
    step = 0.25 * reach  # wide enough for float32 densities, narrow enough for the field's detail
    shifts = np.concatenate([np.zeros((1, 3)), step * np.eye(3), -step * np.eye(3)])
    density = density_at((points + shifts[:, None]).reshape(-1, 3).astype(np.float32)).astype(np.float64)
    depth = np.log(np.clip(np.nan_to_num(density), 1e-37, 1e37) / isovalue).reshape(7, -1)
    gradient = ((depth[1:4] - depth[4:]) / (2 * step)).T  # (N, 3)
    slope = np.linalg.norm(gradient, axis=1)
    safe = np.maximum(slope, 1e-12)
    return np.where(slope > 0.0, depth[0] / safe, np.inf), -gradient / safe[:, None]


def _near(points: Vectors, start: Vectors, free: NDArray[np.bool_], reach: float) -> Vectors:
    """Return `points` no farther than `reach` from their start; those that are not free stay at it."""
    way = np.where(free[:, None], points - start, 0.0)
    length = np.linalg.norm(way, axis=1, keepdims=True)
    nearer: Vectors = start + way * np.minimum(1.0, reach / np.maximum(length, 1e-12))
    return nearer


def _without_folds(points: Vectors, start: Vectors, faces: NDArray[np.int64]) -> Vectors:
    """Return `points` with the corners of flipped faces put back to `start`."""
    before, after = _normals(start, faces), _normals(points, faces)
    folded = (before * after).sum(axis=1) <= 0.0
    points = points.copy()
    points[faces[folded]] = start[faces[folded]]
    return points


def _normals(points: Vectors, faces: NDArray[np.int64]) -> Vectors:
    """Return the faces' normals (M, 3), twice the area long."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    across: Vectors = np.cross(b - a, c - a)
    return across
