"""Depth, and where it disagrees with the segmentation, as pictures for the debug bundle and the page."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Disparity, Image
from backend.matte.fusion.support_plane import robust_range

# What white loses where only one of the two sees the object: that leaves orange for segmentation, blue for depth.
LOST_TO_ORANGE, LOST_TO_BLUE = np.array((25, 115, 230), np.float32), np.array((215, 120, 15), np.float32)


def color_depth(disparity: Disparity) -> Image:
    """Return (H, W, 3) uint8 RGB over the robust range of a finite `disparity`: yellow is near, dark violet far."""
    low, high = robust_range(disparity)
    share = np.clip((disparity - low) / max(high - low, 1e-12), 0, 1)
    colored = cv2.applyColorMap(np.rint(share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(colored[..., ::-1], np.uint8).copy()


def color_disagreement(disagreement: NDArray[np.float32]) -> Image:
    """Return (H, W, 3) uint8 RGB of a map from −1 (only segmentation sees the object: orange) over 0 (white) to +1
    (only depth does: blue)."""
    only_depth, only_segmentation = np.clip(disagreement, 0, 1), np.clip(-disagreement, 0, 1)
    lost = only_segmentation[..., None] * LOST_TO_ORANGE + only_depth[..., None] * LOST_TO_BLUE
    shown: Image = np.rint(np.clip(255 - lost, 0, 255)).astype(np.uint8)
    return shown
