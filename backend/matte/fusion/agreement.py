"""How far segmentation and depth agree, in figures that the report shows and `auto` decides by."""

import cv2
import numpy as np

from backend.images.arrays import Alpha
from backend.matte.fusion.layers import Layers


def measure_agreement(alpha: Alpha, depth_alpha: Alpha, layers: Layers) -> dict[str, float]:
    """Return `iou`, `area_ratio` (segmentation over depth), `separation`, `contrast` and `noise`.

    `separation` says how clearly disparity divides at the segmentation's outline: the step between the two sides over
    the spread of both, 0 where there is no outline. `contrast` and `noise` are shares of the disparity's range.
    """
    both = float(np.minimum(alpha, depth_alpha).sum())
    either = float(np.maximum(alpha, depth_alpha).sum())
    span = max(layers.span, 1e-12)
    return {
        "iou": both / either if either > 0 else 1.0,
        "area_ratio": float(alpha.sum()) / max(float(depth_alpha.sum()), 1.0),
        "separation": _separation(alpha, layers),
        "contrast": layers.contrast / span,
        "noise": layers.backdrop.noise / span,
    }


def _separation(alpha: Alpha, layers: Layers) -> float:
    hard = (alpha > 0.5).astype(np.uint8)
    width = max(3, round(0.012 * max(alpha.shape)))
    gap, wide = (np.ones((k, k), np.uint8) for k in (2 * (width // 2) + 1, 4 * width + 1))
    inside = (cv2.erode(hard, gap) > 0) & (cv2.erode(hard, wide) == 0)
    outside = (cv2.dilate(hard, gap) == 0) & (cv2.dilate(hard, wide) > 0)
    if inside.sum() < 20 or outside.sum() < 20:
        return 0.0
    near, far = layers.rise[inside], layers.rise[outside]
    spread = float(np.std(near)) + float(np.std(far)) + 1e-9 * layers.span + 1e-12
    return max(float(np.median(near) - np.median(far)) / spread, 0.0)
