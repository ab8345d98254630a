"""A disparity map for the eye."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Disparity
from backend.matte.fusion.support_plane import robust_range


def color_depth(disparity: Disparity) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 RGB over the robust range of a finite `disparity`: yellow is near, dark violet far."""
    low, high = robust_range(disparity)
    share = np.clip((disparity - low) / max(high - low, 1e-12), 0, 1)
    colored = cv2.applyColorMap(np.rint(share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(colored[..., ::-1], np.uint8).copy()
