"""A picture and places between its pixels -> the values there, for textures and for what the input camera saw."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FOLD = 1024  # places per row of the map: cv2.remap takes none over 32,767 a side


def sample(picture: NDArray[Any], places: NDArray[np.float32]) -> NDArray[Any]:
    """Return bilinear samples (K, …) of a picture (h, w, …) in its own dtype; beyond its edge the edge's.

    `places` (K, 2) are column and row in pixels; the centre of the first pixel is (0, 0).
    """
    folded = np.zeros((max(1, -(-len(places) // FOLD)), FOLD, 2), np.float32)
    folded.reshape(-1, 2)[: len(places)] = places
    samples = cv2.remap(picture, folded, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(samples.reshape(-1, *picture.shape[2:])[: len(places)])


def texture_colors(image: NDArray[np.uint8], uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a texture's colours (K, 3), 0 to 255, at the places `uv` (K, 2) in [0, 1], glTF's origin."""
    height, width = image.shape[:2]
    return sample(image, (uv * (width, height) - 0.5).astype(np.float32)).astype(np.float32)
