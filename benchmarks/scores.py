"""How far a mask is from the truth: the two figures that every table of the matte prints."""

import cv2
import numpy as np

from backend.masking.arrays import Alpha, Mask


def iou(found: Mask, truth: Mask) -> float:
    """Return intersection over union; two empty masks agree (1.0)."""
    union = int(np.count_nonzero(found | truth))
    return int(np.count_nonzero(found & truth)) / union if union else 1.0


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


def mean_error(found: Alpha, truth: Alpha) -> float:
    """Return the mean absolute difference of two alphas, over the pixels where either is not 0."""
    touched = (found > 0) | (truth > 0)
    return float(np.abs(found - truth)[touched].mean()) if touched.any() else 0.0


def _boundary(mask: Mask) -> Mask:
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    return mask & ~eroded
