"""The input camera: the viewpoint of TripoSR's training pictures, which framing gives every photo.

It stands on +x, 1.9 from the origin, looks at it with z up, and sees 40° from bottom to top of a square picture.
"""

from math import radians, tan

import numpy as np
from numpy.typing import NDArray

DISTANCE = 1.9  # world units
FOV_DEG = 40.0
HALF_HEIGHT = tan(radians(FOV_DEG / 2.0))  # of the picture, one unit in front of the camera
PICTURE_SIDE = 2.0 * DISTANCE * HALF_HEIGHT  # world units that the picture spans in the plane x = 0


def lift(across: NDArray[np.float64], down: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the world points (N, 3) that are seen at places in the picture and lie at the given x.

    `across` and `down` (N,) run from 0 to 1 over the picture, from its left and its top.
    """
    depth = (DISTANCE - x) * HALF_HEIGHT
    return np.stack([x, (2.0 * across - 1.0) * depth, (1.0 - 2.0 * down) * depth], axis=-1)


def project(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return where (N, 3) world points are seen: `across` and `down`, 0 to 1 over the picture, and the depth.

    A point at depth 0 or less is behind the camera; its place in the picture has no meaning.
    """
    x, y, z = np.asarray(points, np.float64).T
    depth = DISTANCE - x
    scale = 0.5 / HALF_HEIGHT / np.where(depth == 0.0, np.finfo(np.float64).eps, depth)
    return 0.5 + y * scale, 0.5 - z * scale, depth
