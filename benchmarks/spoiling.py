"""A true matte in, the same matte with one fault of a segmentation network out.

Every fault but `untouched` is laid over what a network's 320 px output grid leaves of the truth, so the boundary is
soft and quantised as well. `crisp` leaves that grid out, to see the fault alone.
"""

from collections.abc import Callable

import cv2
import numpy as np
from scipy import ndimage

from backend.images.arrays import Alpha

GRID = 320


def untouched(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth itself: a good first guess must not be made worse."""
    return truth


def grid(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth as it comes back from a 320 by 320 output."""
    return through_grid(truth)


def soft(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth with edges a few grid cells wide."""
    return through_grid(cv2.GaussianBlur(truth, (0, 0), max(truth.shape) * rng.uniform(0.006, 0.012)))


def missing_part(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth without a round bite of 5 to 9 percent of the object, taken at its outline."""
    body = truth > 0.5
    rows, columns = np.nonzero(body & ~ndimage.binary_erosion(body))
    if not len(rows):
        return truth
    at = rng.integers(len(rows))
    radius = np.sqrt(body.sum() * rng.uniform(0.05, 0.09) * 2 / np.pi)
    return through_grid(np.where(_disc(truth.shape, (columns[at], rows[at]), radius), np.float32(0), truth))


def stray_blob(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth and a second, round thing of 2 to 5 percent of the object, clear of it."""
    body = truth > 0.5
    radius = np.sqrt(max(body.sum(), 50) * rng.uniform(0.02, 0.05) / np.pi)
    clear = ndimage.distance_transform_edt(~body) > radius + 10
    rows, columns = np.nonzero(clear)
    if not len(rows):
        return truth
    at = rng.integers(len(rows))
    blob = _disc(truth.shape, (columns[at], rows[at]), radius)
    return through_grid(np.where(blob, np.float32(rng.uniform(0.7, 1.0)), truth))


def filled_hole(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth with every enclosed hole filled; without a hole it is `grid`."""
    filled = ndimage.binary_fill_holes(truth > 0.5)
    return through_grid(np.where(filled & (truth <= 0.5), np.float32(1), truth))


def too_wide(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth grown by 3 to 6 px."""
    size = 2 * int(rng.integers(3, 7)) + 1
    return through_grid(cv2.dilate(truth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))))


def everything(truth: Alpha, rng: np.random.Generator) -> Alpha:
    """Return the truth with all faults at once."""
    spoiled = truth
    for fault in (missing_part, stray_blob, filled_hole, too_wide, soft):
        spoiled = fault(spoiled, rng)
    return spoiled


SPOILINGS: dict[str, Callable[[Alpha, np.random.Generator], Alpha]] = {
    each.__name__: each for each in (untouched, grid, soft, missing_part, stray_blob, filled_hole, too_wide, everything)
}


def through_grid(alpha: Alpha) -> Alpha:
    """Return `alpha` after a trip through a 320 px square, resized back bilinearly."""
    height, width = alpha.shape
    small = cv2.resize(alpha, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1).astype(np.float32)


def _disc(
    shape: tuple[int, ...], center: tuple[int, int], radius: float
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((columns - center[0]) ** 2 + (rows - center[1]) ** 2 <= radius**2)
