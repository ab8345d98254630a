"""A closed mesh -> how thick its walls are: what a printer can make of it.

Rays along the three axes are followed through the solid. Where a ray enters and leaves through surfaces that look away
from each other, there is a wall; it is as thick as the ray's way, times the cosine between the ray and its normal.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backend.mesh.mesh import Mesh
from backend.mesh.raster import fragments

SIDE = 384  # rays along the longest side
STEEP = 0.5  # least cosine between ray and normal; one axis always has 0.57
OPPOSITE = -0.7  # largest cosine between the normals of the two sides of a wall: a corner of 90° is none
THIN_SHARE = 0.01  # of the surface: a rim is thin without being weak


def wall_thickness(mesh: Mesh, side: int = SIDE) -> float | None:
    """Return the thickness, in the mesh's own units, that all but the thinnest hundredth of its surface exceed. `side`
    rays go along its longest side.

    None where there is no wall.
    """
    found = [pair for axis in range(3) for pair in _along(mesh, axis, side)]
    thickness, area = (np.concatenate([pair[k] for pair in found] or [np.zeros(0)]) for k in range(2))
    if not len(thickness):
        return None
    order = np.argsort(thickness)
    reached = np.cumsum(area[order])
    return float(thickness[order][np.searchsorted(reached, THIN_SHARE * reached[-1])])


def _along(mesh: Mesh, axis: int, side: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the thickness and the area of each piece of surface that rays along the axis meet steeply."""
    others = [k for k in range(3) if k != axis]
    points = mesh.vertices.astype(np.float64)
    low, step = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-12) / side
    corners = (points[:, others] - low[others]) / step
    width, height = (int(size) + 1 for size in corners.max(axis=0))
    a, b, c = (points[mesh.faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    normals = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    pieces = [
        (part.pixel, (part.weights * points[mesh.faces[part.face], axis]).sum(axis=1), part.face)
        for part in fragments(corners, mesh.faces, height, width)
    ]
    if not pieces:
        return
    pixel, depth, face = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.lexsort((depth, pixel))
    pixel, depth, face = pixel[order], depth[order], face[order]
    near, far = normals[face[:-1]], normals[face[1:]]
    walls = (pixel[1:] == pixel[:-1]) & (near[:, axis] < 0) & (far[:, axis] > 0)
    walls &= (near * far).sum(axis=1) < OPPOSITE
    way = (depth[1:] - depth[:-1])[walls]
    for side in (near[walls, axis], far[walls, axis]):
        slope = np.abs(side)
        steep = slope >= STEEP
        yield (way * slope)[steep], (step * step / slope)[steep]
