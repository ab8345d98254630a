"""Signed distance functions of the solids that the example pictures show: (N, 3) points -> (N,) distances.

Formulas after Inigo Quilez's published list of distance functions; y is up, the table is y = 0.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def sphere(p: Array, center: tuple[float, float, float], radius: float) -> Array:
    return np.linalg.norm(p - np.float32(center), axis=1) - np.float32(radius)


def ellipsoid(p: Array, center: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    q = (p - np.float32(center)) / np.float32(radii)
    k0 = np.linalg.norm(q, axis=1)
    k1 = np.linalg.norm(q / np.float32(radii), axis=1)
    return k0 * (k0 - 1) / np.maximum(k1, 1e-6)


def capsule(p: Array, a: tuple[float, float, float], b: tuple[float, float, float], ra: float, rb: float) -> Array:
    """A rounded cone from `a` to `b` with radii from `ra` to `rb`."""
    start, along = np.float32(a), np.float32(b) - np.float32(a)
    t = np.clip((p - start) @ along / np.float32(along @ along), 0, 1)
    return np.linalg.norm(p - start - t[:, None] * along, axis=1) - (np.float32(ra) + t * np.float32(rb - ra))


def torus(p: Array, center: tuple[float, float, float], big: float, small: float, stretch: float = 1.0) -> Array:
    """A ring standing in the x, y plane, its height `stretch` times its width."""
    q = (p - np.float32(center)) / np.float32((1, stretch, 1))
    ring = np.hypot(np.hypot(q[:, 0], q[:, 1]) - np.float32(big), q[:, 2])
    return ring - np.float32(small)


def rounded_box(p: Array, center: tuple[float, float, float], half: tuple[float, float, float], radius: float) -> Array:
    q = np.abs(p - np.float32(center)) - np.float32(half) + np.float32(radius)
    outside = np.linalg.norm(np.maximum(q, 0), axis=1)
    return outside + np.minimum(q.max(axis=1), 0) - np.float32(radius)


def lathe(p: Array, heights: list[float], radii: list[float], wall: float | None = None) -> Array:
    """A solid of revolution: the smooth profile `radii` over `heights`; with `wall` hollow and open at the top."""
    profile = np.interp(p[:, 1], *_smooth(heights, radii)).astype(np.float32)
    side = np.hypot(p[:, 0], p[:, 2]) - profile
    ends = np.maximum(np.float32(heights[0]) - p[:, 1], p[:, 1] - np.float32(heights[-1]))
    solid = np.maximum(side, ends)
    if wall is None:
        return solid * np.float32(0.7)  # the profile's slope makes the true distance shorter
    inside = np.maximum(side + np.float32(wall), np.float32(heights[0] + wall) - p[:, 1])
    return np.maximum(solid, -inside) * np.float32(0.7)


def _smooth(heights: list[float], radii: list[float]) -> tuple[Array, Array]:
    from scipy.interpolate import PchipInterpolator

    fine = np.linspace(heights[0], heights[-1], 200)
    return fine.astype(np.float32), PchipInterpolator(heights, radii)(fine).astype(np.float32)


def blend(a: Array, b: Array, radius: float) -> Array:
    """The union of two solids with a seam rounded over `radius`."""
    h = np.clip(0.5 + 0.5 * (b - a) / np.float32(radius), 0, 1)
    return b + (a - b) * h - np.float32(radius) * h * (1 - h)
