"""A mesh and the photo's disparity -> the mesh bent so that its visible front agrees with the disparity.

A network that sees one photo often has an object's details right and its large form bent: a lean, a wave. Disparity has
no unit, so it is first fitted to the mesh's own front. What then remains between both, smoothed, is a shift along the
camera's rays, and each ray carries all surfaces that it meets: the outline stays, nothing folds, and the back follows.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from backend.images.arrays import Alpha, Disparity, Mask, check_same_size
from backend.images.resize import resize_to
from backend.mesh.camera import PICTURE_SIDE, lift, project
from backend.mesh.layers import depth_layers
from backend.mesh.mesh import Mesh
from backend.mesh.sampling import sample

Plane = NDArray[np.float64]  # (SIDE, SIDE) over the framed picture
SIDE = 128
RIM = 2  # pixels of SIDE: a network's disparity mixes object and background at the rim
WIDTH = 0.06  # of the object: bends that are narrower are left to the mesh
MIN_PIXELS = 100
MIN_SWING = 1e-4  # of a disparity's peak, over the object; less is a flat map
MIN_AGREEMENT = 0.3  # disparities of other objects reach 0.3 in one of ten cases
LEAN = 0.5  # a plane that leaves less than this share of the misfit is a lean of the mesh, not its shape,
LEAN_MISFIT = 0.1  # where that is at least this share of the front's own relief
MAX_SHIFT = 0.25  # of the object's size
MAX_STEEP = 0.8  # slope of the shift along the picture; more would stretch the front visibly
FARTHEST = 4.0  # world units: a fit may put a few pixels at infinity
ROUNDS = 20


@dataclass(frozen=True)
class Bend:
    """How far all points on each ray of the input camera are carried along it."""

    farther: NDArray[np.float32]  # (m, m) over the framed picture: world units along the camera's axis

    def apply(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the points (N, 3) where they are carried to."""
        return self._moved(points, 1.0)

    def undo(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return where carried points (N, 3) came from."""
        return self._moved(points, -1.0)

    def _moved(self, points: NDArray[np.floating], sign: float) -> NDArray[np.float32]:
        across, down, _ = project(points)
        places = np.stack([across, down], axis=-1) * len(self.farther) - 0.5
        shift = sample(self.farther, places.astype(np.float32)).astype(np.float64)
        return lift(across, down, points[:, 0] - sign * shift).astype(np.float32)


@dataclass(frozen=True)
class Guide:
    """The bend, or why there is none."""

    bend: Bend | None
    why_not: str = ""  # half a sentence; "" with a bend
    agreement: float = 0.0  # share of the front's relief that the disparity explains beyond a lean, 0 to 1
    moved: float = 0.0  # mean shift of the front as a share of the object's size


def bend_to_depth(mesh: Mesh, disparity: Disparity, alpha: Alpha, strength: float = 1.0) -> Guide:
    """Return how the mesh has to be bent, by `strength` of the way in (0, 1], for its front to agree with a disparity.

    `disparity` and `alpha` are (n, n) over the framed picture. There is no bend where the disparity is flat over the
    object or contradicts the mesh's front, and where the front would be stretched.
    Raises ValueError for arrays of two sizes or a strength outside (0, 1].
    """
    check_same_size(disparity, alpha)
    if not 0.0 < strength <= 1.0:
        raise ValueError(f"strength lies in (0, 1], not {strength}")
    front, _ = depth_layers(mesh, SIDE)
    given = resize_to(disparity, (SIDE, SIDE)).astype(np.float64)
    known = np.isfinite(front) & binary_erosion(resize_to(alpha, (SIDE, SIDE)) > 0.9, iterations=RIM)
    if known.sum() < MIN_PIXELS:
        return Guide(None, "the mesh and the mask hardly overlap.")
    if not np.isfinite(given[known]).all():
        return Guide(None, "the depth map has values that are not finite.")
    low, high = (float(value) for value in np.percentile(given[known], (1, 99)))
    if not high - low > MIN_SWING * max(abs(low), abs(high)):
        return Guide(None, "the depth map is flat over the object.")
    near = (given - low) / (high - low)
    scale, agreement = _fit(near, 1.0 / np.where(known, front, 1.0), known)
    if scale <= 0.0 or agreement < MIN_AGREEMENT:
        return Guide(None, "the depth map contradicts the mesh.", agreement)
    wanted = scale * near
    wanted += np.median(1.0 / front[known] - wanted[known])
    size = _size(known)
    misfit = 1.0 / np.maximum(wanted, 1.0 / FARTHEST) - np.where(known, front, 0.0)
    shift = strength * _spread(np.clip(misfit, -MAX_SHIFT * size, MAX_SHIFT * size), known)
    steep = np.hypot(*np.gradient(shift, PICTURE_SIDE / SIDE))[known]
    if np.percentile(steep, 99) > MAX_STEEP:
        return Guide(None, "the mesh would be stretched too much.", agreement)
    moved = float(np.abs(shift[known]).mean()) / size
    return Guide(Bend(shift.astype(np.float32)), "", agreement, moved)


def _fit(near: Plane, closeness: Plane, known: Mask) -> tuple[float, float]:
    """Return by how much the mesh's closeness (1 / depth) rises with the disparity, and their agreement.

    The scale is fitted beside a lean where the mesh clearly has one: alone, it would take part of it.
    """
    row, column = (index / SIDE for index in np.nonzero(known))
    lean = np.stack([np.ones(len(row)), row - row.mean(), column - column.mean()], axis=-1)
    values, x = closeness[known], near[known][:, None]
    _, without = _robust(lean, values)
    plain, alone = _robust(np.concatenate([x, lean[:, :1]], axis=1), values)
    beside, left = _robust(np.concatenate([x, lean], axis=1), values)
    relief = float(np.median(np.abs(values - np.median(values))))
    leans = left < LEAN * alone and alone > LEAN_MISFIT * relief
    scale = beside[0] if leans else plain[0]
    return float(scale), 1.0 - left / without if without > 0.0 else 0.0


def _robust(columns: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the coefficients of Huber's fit (by reweighted least squares) and the median misfit."""
    weight = np.ones(len(values))
    for _ in range(ROUNDS):
        solution = np.linalg.lstsq(columns * weight[:, None], values * weight, rcond=None)[0]
        fitted = np.asarray(solution, np.float64)
        misfit = np.abs(values - columns @ fitted)
        middle = float(np.median(misfit))
        weight = np.sqrt(1.0 / np.maximum(1.0, misfit / max(1.4826 * middle, 1e-9)))
    return fitted, middle


def _spread(misfit: Plane, known: Mask) -> Plane:
    """Return the misfit where it is known, smoothed, and its nearest value elsewhere."""
    sigma = WIDTH * _size(known) / PICTURE_SIDE * SIDE
    total, count = (cv2.GaussianBlur(plane, (0, 0), sigma) for plane in (misfit * known, known.astype(np.float64)))
    near = distance_transform_edt(count < 0.02, return_distances=False, return_indices=True)
    smooth = (total / np.maximum(count, 1e-9))[tuple(near)]
    return np.asarray(cv2.GaussianBlur(smooth, (0, 0), RIM), np.float64)  # without the edges between nearest values


def _size(known: Mask) -> float:
    """Return the object's longer side in world units."""
    rows, columns = np.nonzero(known)
    return float(max(np.ptp(rows), np.ptp(columns)) + 1) * PICTURE_SIDE / SIDE
