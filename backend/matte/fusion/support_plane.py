"""A disparity map in, the surface behind and below the object out: without it the near end of a table is "near".

In disparity a plane of the world is an affine function of the pixel, whatever scale and shift the network adds. Floor,
walls and sky are found one by one by RANSAC (Fischler and Bolles 1981) on pixels outside the object. Each is then bent
by a quadratic, because networks do not keep planes quite flat.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Disparity, Mask, check_mask, check_same_size

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PlaneConfig:
    planes: int = 4  # largest number of planes: floor, two walls, sky
    trials: int = 250  # random triples of pixels tried for each plane
    samples: int = 3000  # pixels that vote on a plane
    tolerance: float = 0.025  # distance from a plane that counts as on it, as a share of the disparity's robust range
    min_share: float = 0.08  # share of the pixels outside the object that a plane must hold
    seed: int = 7  # fixed, so that the same picture gives the same answer


@dataclass(frozen=True)
class Backdrop:
    """The surface behind and below everything that stands, and how well the picture fits it."""

    surface: Disparity  # (H, W): disparity of the backdrop at every pixel, hidden ones included
    noise: float  # robust deviation of the backdrop's own pixels from the surface, in disparity
    planes: int  # how many were found


def robust_range(disparity: Disparity) -> tuple[float, float]:
    """Return the 1st and the 99th percentile of a finite disparity map."""
    low, high = np.percentile(disparity[::2, ::2] if disparity.size > 1_000_000 else disparity, (1, 99))
    return float(low), float(high)


def fit_backdrop(disparity: Disparity, outside: Mask) -> Backdrop:
    """Return the backdrop of `disparity`, found on the pixels `outside` the object.

    Where no plane is found, or hardly any of the picture is outside, the surface is the low end of the disparity.
    Raises ValueError for arrays of two sizes.
    """
    config = PlaneConfig()
    check_mask(outside)
    check_same_size(disparity, outside)
    low, high = robust_range(disparity)
    tolerance = config.tolerance * max(high - low, 1e-12)
    surface = np.full(disparity.shape, -np.inf)
    spare = np.full(disparity.shape, low)
    left, found = outside.copy(), 0
    basis = _basis(disparity.shape)
    generator = np.random.default_rng(config.seed)
    asked = max(int(outside.sum()), 1)
    while found < config.planes:
        plane = _largest_plane(disparity, basis, left, tolerance, config, generator, asked)
        if plane is None:
            break
        bent = _bend(disparity, basis, left, plane, tolerance)
        reach, mine = _reach(np.abs(disparity - bent) < 2 * tolerance, left)
        surface = np.where(reach, np.maximum(surface, bent), surface)
        left &= ~mine & (np.abs(disparity - bent) >= 2 * tolerance)
        found += 1
    surface = np.where(np.isfinite(surface), surface, spare)
    error = np.abs(disparity - surface)[outside] if outside.any() else np.zeros(1)
    on_it = error[error < 3 * tolerance]
    noise = 1.4826 * float(np.median(on_it)) if on_it.size else tolerance
    return Backdrop(surface.astype(np.float32), noise, found)


def _basis(shape: tuple[int, ...]) -> Floats:
    """Return (H, W, 6): 1, u, v, u², uv, v² with u and v from −1 to 1."""
    v, u = np.mgrid[-1 : 1 : complex(shape[0]), -1 : 1 : complex(shape[1])]
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1)


def _largest_plane(
    disparity: Disparity,
    basis: Floats,
    left: Mask,
    tolerance: float,
    config: PlaneConfig,
    generator: np.random.Generator,
    asked: int,
) -> Floats | None:
    """Return the three coefficients of the plane that holds most `left` pixels, or None where none holds enough."""
    rows, columns = np.nonzero(left)
    if rows.size < max(64, config.min_share * asked):
        return None
    pick = generator.choice(rows.size, min(rows.size, config.samples), replace=False)
    points = basis[rows[pick], columns[pick], :3]
    values = disparity[rows[pick], columns[pick]].astype(np.float64)
    triples = generator.integers(0, pick.size, (config.trials, 3))
    corners, heights = points[triples], values[triples]
    sound = np.abs(np.linalg.det(corners)) > 0.02  # three pixels in a row do not span a plane
    if not sound.any():
        return None
    planes = np.linalg.solve(corners[sound], heights[sound][..., None])[..., 0]
    votes = (np.abs(points @ planes.T - values[:, None]) < tolerance).sum(0)
    best = int(votes.argmax())
    if votes[best] * rows.size / pick.size < config.min_share * asked:
        return None
    plane: Floats = planes[best]
    return plane


def _bend(disparity: Disparity, basis: Floats, left: Mask, plane: Floats, tolerance: float) -> Floats:
    """Return the plane's surface after two rounds of fitting a quadratic to the pixels near it."""
    bent: Floats = basis[..., :3] @ plane
    for reach in (2.5, 2.0):
        near = left & (np.abs(disparity - bent) < reach * tolerance)
        rows = basis[near][:: max(1, int(near.sum()) // 4000)]
        values = disparity[near][:: max(1, int(near.sum()) // 4000)]
        ridge = np.diag([0.0, 0, 0, 1, 1, 1]) * 0.02 * len(rows)  # bend only where the pixels ask for it
        weights = np.linalg.solve(rows.T @ rows + ridge + 1e-9 * np.eye(6), rows.T @ values)
        bent = basis @ weights
    return bent


def _reach(near: Mask, left: Mask) -> tuple[Mask, Mask]:
    """Return the plane's larger patches, and before them their convex hull, which covers the object too."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    patches = cv2.morphologyEx((near & left).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(patches)
    if count < 2:
        return np.zeros(near.shape, bool), near & left
    area = stats[:, cv2.CC_STAT_AREA]
    kept = np.flatnonzero(area >= 0.12 * area[1:].max())
    mine = np.isin(labels, kept[kept > 0])
    rows = np.flatnonzero(mine.any(1))
    first, last = mine[rows].argmax(1), mine.shape[1] - 1 - mine[rows, ::-1].argmax(1)
    ends = np.concatenate([np.stack([first, rows], 1), np.stack([last, rows], 1)])  # of each row: enough for a hull
    hull = cv2.convexHull(ends.astype(np.int32))
    reach = np.zeros(near.shape, np.uint8)
    cv2.fillConvexPoly(reach, hull, 1)
    return reach.astype(bool), mine
