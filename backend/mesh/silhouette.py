"""Framed matte -> the matte on the relief's own lattice: smooth, bounded in size, free of specks.

A matte of 12 Mpx and one of 100 px both get 512 nodes per side, so that time and faces depend on the object's shape
and not on the camera.
"""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha
from backend.images.resize import resize_to

T = TypeVar("T", bound=np.generic)
RING = 1  # nodes outside the picture on each side, so that a matte that fills its picture has a contour
BLOCK = 8  # the cells per side are a multiple of it, so that they can merge three times


@dataclass(frozen=True)
class Lattice:
    """The matte at the nodes of a square lattice; the object is `field > level`.

    Node (row, column) lies at `(row − RING + 0.5) / size` of the picture's height from its top; columns likewise.
    """

    field: NDArray[np.float32]  # (R, R); R − 1 is a multiple of BLOCK; 0 from the ring outward
    level: float  # of the field on the contour
    size: int  # nodes along the picture's side

    @property
    def inside(self) -> NDArray[np.bool_]:
        return self.field > self.level

    def over_picture(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places of rows (or columns), fractions allowed: 0 to 1 from the picture's top (or left)."""
        return (index - RING + 0.5) / self.size

    def crop(self, plane: NDArray[T]) -> NDArray[T]:
        """Return a plane's (size, size) nodes over the picture."""
        return plane[RING : RING + self.size, RING : RING + self.size]

    def pad(self, plane: NDArray[T]) -> NDArray[T]:
        """Return a (size, size, …) plane over the picture with its edge repeated over the rest: (R, R, …)."""
        around = (RING, len(self.field) - RING - self.size)
        return np.pad(plane, (around, around, (0, 0))[: plane.ndim], mode="edge")


def lattice_of(alpha: Alpha, size: int) -> Lattice:
    """Return the (n, n) matte on a lattice of `size` nodes per side, smoothed by 0.6 of the coarser pixel."""
    side = len(alpha)
    plane = resize_to(alpha, (size, size))
    sigma = 0.6 * max(1.0, size / side)
    cells = -(-(size + 2 * RING - 1) // BLOCK) * BLOCK
    padded = np.zeros((cells + 1, cells + 1), np.float32)
    padded[RING : RING + size, RING : RING + size] = plane
    # Blurred with its ring, so that the contour of an object that fills the picture stays on the picture's edge.
    field = cv2.GaussianBlur(padded, (0, 0), sigma) if sigma < size / 8 else padded
    field[:RING] = field[RING + size :] = 0.0
    field[:, :RING] = field[:, RING + size :] = 0.0
    level = _level(field, float(plane.sum()))
    return Lattice(_without_specks(field, level), level, size)


def _level(field: NDArray[np.float32], mass: float) -> float:
    """Return 0.5, or less for an object so thin or faint that the lattice would show under half of it at 0.5."""
    for level in (0.5, 0.25, 0.12):
        if np.count_nonzero(field > level) >= 0.5 * mass and float(field.max()) > 1.2 * level:
            return level
    return 0.4 * float(field.max())


def _without_specks(field: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """Return the field without parts below a thousandth of the largest and without holes of under eight nodes."""
    cleaned = field.copy()
    _, parts, stats, _ = cv2.connectedComponentsWithStats((field > level).astype(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    small = areas < 0.001 * areas[1:].max(initial=0)
    small[0] = False
    cleaned[small[parts]] = 0.0
    _, holes, stats, _ = cv2.connectedComponentsWithStats((cleaned <= level).astype(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    pores = areas < 8
    pores[0] = False
    cleaned[pores[holes]] = 1.0
    return cleaned
