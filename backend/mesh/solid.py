"""The relief's planes -> its two layers with normals, and from them the closed, textured mesh.

Normals come from the surface that the heights describe, not from its triangles: with F = (x − middle)² −
(factor · half)² the gradient of F stays finite at the rim, where the surface is upright and its triangles are long and
thin.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from backend.mesh.camera import DISTANCE, HALF_HEIGHT
from backend.mesh.depth_relief import Relief
from backend.mesh.layers import Layers, Vectors, close_layers, dress
from backend.mesh.mesh import Mesh
from backend.mesh.photo_texture import Atlas
from backend.mesh.planar import PlanarMesh
from backend.mesh.poisson import Domain, Plane, gradient
from backend.mesh.silhouette import Lattice


@dataclass(frozen=True)
class Solid:
    """The shape of a solid: (R, R) planes on the lattice, and the planar mesh over them."""

    lattice: Lattice  # the matte
    planar: PlanarMesh  # triangles of the matte, shared by front and back
    domain: Domain  # the inside nodes and the sides where the photo cut the object
    half: Plane  # half the thickness, world units
    relief: Relief  # the middle surface and the front's height above it


def close_solid(solid: Solid, atlas: Atlas) -> Mesh:
    """Return the closed mesh with smooth normals, the texture, and the texture's colours at the vertices."""
    layers = Layers(solid.lattice, solid.planar, *_heights(solid))
    front, back = layers.points()
    return dress(close_layers(layers, (_normals(solid, front, 1.0), _normals(solid, back, -1.0))), atlas)


def _rims(solid: Solid) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which points (P,) lie on the contour where the photo cut the object, and which on the rest of it."""
    planar = solid.planar
    row, column = planar.owner.T
    step = np.sign(planar.points - planar.owner).astype(int)  # (0, 0) for a node itself
    direction = np.select([step[:, 1] < 0, step[:, 1] > 0, step[:, 0] < 0], [0, 1, 2], 3)
    opened: NDArray[np.bool_] = np.isinf(solid.domain.reach[direction, row, column])
    on_contour = np.arange(len(opened)) >= planar.inner
    return opened & on_contour, ~opened & on_contour


def _heights(solid: Solid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x of the front and of the back at each point of the planar mesh."""
    planar = solid.planar
    row, column = planar.owner.T
    half = solid.half[row, column]
    half[_rims(solid)[1]] = 0.0
    middle = _at(solid.relief.middle, planar)
    return middle + _at(solid.relief.front, planar) * half, middle - half


def _at(plane: Plane, planar: PlanarMesh) -> NDArray[np.float64]:
    values: NDArray[np.float64] = map_coordinates(plane, planar.points.T, order=1, mode="nearest")
    return values


def _normals(solid: Solid, points: Vectors, side: float) -> Vectors:
    """Return the unit normals (P, 3) of the front (`side` 1) or back (−1) surface at its points."""
    planar, size = solid.planar, solid.lattice.size
    row, column = planar.owner.T
    half = solid.half[row, column]
    slopes = []
    factor = solid.relief.front if side > 0 else np.ones_like(solid.half)
    squares = gradient(solid.domain, solid.half**2)
    for axis in (0, 1):
        bulge = factor * squares[axis] + 2.0 * solid.half**2 * np.gradient(factor, axis=axis)
        lean = side * 2.0 * solid.half * np.gradient(solid.relief.middle, axis=axis)
        slopes.append(-(bulge + lean)[row, column] * size)  # per picture side
    return _unit(_to_world(side * 2.0 * half, slopes[0], slopes[1], points), _outward(solid, points))


def _outward(solid: Solid, points: Vectors) -> tuple[NDArray[np.bool_], Vectors]:
    """Return which points lie on the closed contour, and at every point the direction away from the matte."""
    planar = solid.planar
    smooth = cv2.GaussianBlur(solid.lattice.field, (0, 0), 1.0)
    down, across = (-_at(np.gradient(smooth, axis=axis).astype(np.float64), planar) for axis in (0, 1))
    return _rims(solid)[1], _to_world(np.zeros(len(points)), down, across, points)


def _to_world(
    along: NDArray[np.float64], down: NDArray[np.float64], across: NDArray[np.float64], points: Vectors
) -> Vectors:
    """Return a gradient over (x, place in the picture) as a gradient over the world: the projection's chain rule."""
    depth = DISTANCE - points[:, 0]
    y, z = across / (2.0 * HALF_HEIGHT * depth), -down / (2.0 * HALF_HEIGHT * depth)
    return np.stack([along + (y * points[:, 1] + z * points[:, 2]) / depth, y, z], axis=-1)


def _unit(vectors: Vectors, outward: tuple[NDArray[np.bool_], Vectors]) -> Vectors:
    closed, away = outward
    chosen = np.where(closed[:, None], away, vectors)
    length = np.linalg.norm(chosen, axis=1)
    # A single node or a ridge has no slope: any outward unit vector will do.
    chosen[length < 1e-12] = (1.0, 0.0, 0.0)
    unit: Vectors = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return unit
