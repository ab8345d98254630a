"""The distance of a mask or matte from the truth: the measures of papers on salient objects and mattes.

`found` is an alpha, `truth` a mask of the same size; everything is computed at that size. Levels are the 256 of an
8-bit mask, and nothing is stretched to fill them: an alpha that is unsure everywhere scores as such.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Mask

LEVELS = 256
BETA_SQUARED = 0.3  # of F: precision counts more than recall (Achanta et al. 2009)
Curve = NDArray[np.float64]  # (256,), a value for each level at which an alpha may be cut: 0/255 to 255/255


def iou(found: Mask, truth: Mask) -> float:
    """Return intersection over union; two empty masks agree (1.0)."""
    union = int(np.count_nonzero(found | truth))
    return int(np.count_nonzero(found & truth)) / union if union else 1.0


def mean_absolute_error(found: Alpha, truth: Alpha) -> float:
    """Return the mean absolute difference of two alphas over the whole picture (MAE)."""
    return float(np.abs(found - truth).mean())


def foreground_kept(found: Alpha, truth: Alpha) -> float:
    """Return the share of the true object's opacity that `found` has too; 1.0 where there is no object."""
    total = float(truth.sum(dtype=np.float64))
    return float(np.minimum(found, truth).sum(dtype=np.float64)) / total if total else 1.0


def boundary_f(found: Mask, truth: Mask, tolerance_px: float = 2.0) -> float:
    """Return the boundary F-score (Martin et al. 2004, matched by distance): 1.0 when every boundary pixel has one
    of the other mask within `tolerance_px`, both ways. The picture's frame is not a boundary."""
    edges = [_boundary(mask) for mask in (found, truth)]
    if not edges[0].any() or not edges[1].any():
        return float(edges[0].any() == edges[1].any())
    near = [cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5) <= tolerance_px + 1e-3 for edge in edges]
    precision = float(near[1][edges[0]].mean())
    recall = float(near[0][edges[1]].mean())
    return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(mask: Mask) -> Mask:
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    edge: Mask = mask & ~eroded
    return edge


def f_curve(found: Alpha, truth: Mask) -> Curve:
    """Return F (beta² = 0.3) of `found` cut at each level. Its largest value is the maximal F of one picture; that of
    a data set is the largest of the mean curve. Without an object, a cut that keeps nothing is right (1.0)."""
    true_kept, kept = _kept(found, truth)
    objects = int(np.count_nonzero(truth))
    if not objects:
        return np.asarray(kept == 0, np.float64)
    precision = true_kept / np.maximum(kept, 1)
    recall = true_kept / objects
    weighed = BETA_SQUARED * precision + recall
    return np.asarray((1 + BETA_SQUARED) * precision * recall / np.maximum(weighed, 1e-12))


def e_curve(found: Alpha, truth: Mask) -> Curve:
    """Return the enhanced-alignment measure (Fan et al. 2018) of `found` cut at each level; papers report its mean.

    Both masks less their means are compared pixel by pixel; as each has two values, four products stand for all
    pixels. As in the authors' code the sum is divided by one less than the number of pixels.
    """
    true_kept, kept = _kept(found, truth)
    size, objects = truth.size, int(np.count_nonzero(truth))
    if objects in (0, size):
        right = kept if objects else size - kept
        return np.asarray(right / max(size - 1, 1))
    mean_found, mean_truth = kept / size, objects / size
    counts = {(1, 1): true_kept, (1, 0): kept - true_kept, (0, 1): objects - true_kept}
    counts[0, 0] = size - kept - counts[0, 1]
    total = np.zeros(LEVELS)
    for (in_found, in_truth), count in counts.items():
        one, other = in_found - mean_found, in_truth - mean_truth
        alignment = 2 * one * other / (one**2 + other**2)
        total += count * (1 + alignment) ** 2 / 4
    return np.asarray(total / (size - 1))


def s_measure(found: Alpha, truth: Mask) -> float:
    """Return the structure measure (Fan et al. 2017), half of it by object and background, half by region."""
    share = float(truth.mean())
    if share == 0:
        return 1.0 - float(found.mean())
    if share == 1:
        return float(found.mean())
    by_object = share * _likeness(found[truth]) + (1 - share) * _likeness(1 - found[~truth])
    return max(0.0, 0.5 * by_object + 0.5 * _by_region(found, truth))


def _likeness(values: NDArray[np.float32]) -> float:
    """Return how bright and even the part is that should be all 1."""
    mean = float(values.mean(dtype=np.float64))
    spread = float(values.std(dtype=np.float64, ddof=1)) if len(values) > 1 else 0.0
    return 2 * mean / (mean**2 + 1 + spread)


def _by_region(found: Alpha, truth: Mask) -> float:
    """Return the likeness in structure (SSIM) of the four quarters about the object's centre of mass, by area."""
    rows, columns = np.nonzero(truth)
    # The centre's own row and column belong to the upper and left quarters; half way is rounded to the even number.
    y, x = int(np.round(rows.mean())) + 1, int(np.round(columns.mean())) + 1
    total = 0.0
    for vertical in (slice(0, y), slice(y, None)):
        for horizontal in (slice(0, x), slice(x, None)):
            part = truth[vertical, horizontal]
            if part.size:
                total += part.size / truth.size * _structure(found[vertical, horizontal], part)
    return total


def _structure(found: Alpha, truth: Mask) -> float:
    first, second = found.astype(np.float64).ravel(), truth.astype(np.float64).ravel()
    mean_first, mean_second = first.mean(), second.mean()
    count = max(first.size - 1, 1)
    first -= mean_first
    second -= mean_second
    both = 4 * mean_first * mean_second * (first @ second) / count
    apart = (mean_first**2 + mean_second**2) * (first @ first + second @ second) / count
    if both:
        return float(both / (apart + np.finfo(np.float64).eps))
    return float(apart == 0)


def _kept(found: Alpha, truth: Mask) -> tuple[Curve, Curve]:
    """Return for each level how many pixels of the object, and how many in all, are at or above it."""
    levels = np.rint(found * (LEVELS - 1)).astype(np.uint8)
    of_object = np.bincount(levels[truth], minlength=LEVELS)
    of_all = np.bincount(levels.ravel(), minlength=LEVELS)
    return _from_above(of_object), _from_above(of_all)


def _from_above(counts: NDArray[np.int64]) -> Curve:
    return np.cumsum(counts[::-1])[::-1].astype(np.float64)
