"""Disparity -> how the solid's middle surface leans and how far its front bulges, as planes on the relief's lattice.

Monocular disparity has no unit and errs most at the object's rim, so it is not a height: it is scaled to agree with the
inflated front, and moves the front only within bounds that shrink to zero at the contour.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Alpha, Disparity
from backend.images.resize import resize_to
from backend.mesh.poisson import Plane, domain_of, extend_inward
from backend.mesh.silhouette import Lattice, lattice_of

MAX_LEAN = 0.25  # world units between the middle surface and the plane x = 0
FLAT_FRONT = 0.25  # height of the front without any relief, in half thicknesses
MAX_FRONT, MIN_FRONT = 1.55, -0.4  # bounds of that height; below 0 the front is hollow


@dataclass(frozen=True)
class Relief:
    """The shape of the solid's front, (R, R) planes on the lattice."""

    middle: Plane  # x of the middle surface, world units
    front: Plane  # height of the front above the middle surface, in half thicknesses


def no_relief(lattice: Lattice) -> Relief:
    """Return the relief of a front that mirrors the back."""
    return Relief(np.zeros(lattice.field.shape), np.ones(lattice.field.shape))


def relief_of(disparity: Disparity, alpha: Alpha, lattice: Lattice, half: Plane) -> Relief | None:
    """Return the relief of an (n, n) disparity, or None when that is flat over the object or not finite.

    `half` is half the thickness on the lattice, in world units.
    """
    plane = _steady(disparity, alpha, lattice)
    if plane is None:
        return None
    lean = _rim_surface(plane, alpha, lattice)
    swell = np.where(lattice.inside, plane - lean, 0.0)
    # Least-squares fit of the swell to the inflated height, within what an object of this size can have.
    size = float(np.percentile(half[lattice.inside], 95))
    fitted = float((swell * half).sum()) / max(float((swell * swell).sum()), 1e-9)
    scale = float(np.clip(fitted, 0.5 * size, 2.0 * size))
    ratio = scale * swell / np.maximum(half, 0.02 * size)
    centre, reach = (MAX_FRONT + MIN_FRONT) / 2.0, (MAX_FRONT - MIN_FRONT) / 2.0
    offset = reach * np.arctanh((FLAT_FRONT - centre) / reach)
    front = centre + reach * np.tanh((ratio + offset) / reach)
    middle = scale * lean
    middle = MAX_LEAN * np.tanh((middle - np.median(middle[lattice.inside])) / MAX_LEAN)
    return Relief(middle, _smoothed(front, lattice))


def _steady(disparity: Disparity, alpha: Alpha, lattice: Lattice) -> Plane | None:
    """Return the disparity on the lattice: smooth, about 0 to 1 over the object, extrapolated outward from well inside;
    None when it is flat over the object or not finite."""
    peak = float(np.abs(disparity).max())
    if not 0.0 < peak < np.inf:  # false for NaN too
        return None
    sure = _on_lattice((alpha > 0.9).astype(np.float32), lattice) > 0.99
    inner = cv2.erode(sure.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, lattice.size // 100)) > 0
    trusted = inner if inner.any() else lattice.inside
    plane = _on_lattice(disparity / np.float32(peak), lattice)
    low, high = (float(value) for value in np.percentile(plane[trusted], (1, 99)))
    if not high - low > 1e-6 * max(abs(low), abs(high)):
        return None
    plane = np.clip((plane - low) / (high - low), -0.1, 1.1)
    _, labels = cv2.distanceTransformWithLabels(
        (~trusted).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(labels.max()) + 1)
    values[labels[trusted]] = plane[trusted]
    return _smoothed(values[labels], lattice)


def _rim_surface(plane: Plane, alpha: Alpha, lattice: Lattice) -> Plane:
    """Return the smoothest surface through the plane's values at the contour, where front and back have to meet."""
    coarse = lattice_of(alpha, max(8, lattice.size // 4))
    small = cv2.resize(lattice.crop(plane), (coarse.size, coarse.size), interpolation=cv2.INTER_AREA)
    rim = cv2.GaussianBlur(coarse.pad(small), (0, 0), 2.0)
    smooth = coarse.crop(extend_inward(domain_of(coarse.field, coarse.level), rim[..., None])[..., 0])
    wide = cv2.resize(smooth, (lattice.size, lattice.size), interpolation=cv2.INTER_LINEAR)
    return _smoothed(lattice.pad(wide), lattice)


def _on_lattice(plane: Disparity, lattice: Lattice) -> Plane:
    return lattice.pad(resize_to(plane, (lattice.size, lattice.size)).astype(np.float64))


def _smoothed(plane: Plane, lattice: Lattice) -> Plane:
    smooth: Plane = cv2.GaussianBlur(plane, (0, 0), lattice.size / 250.0)
    return smooth
