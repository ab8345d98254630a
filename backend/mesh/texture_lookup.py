"""Places in a texture -> its colours there, for pictures of a mesh and for colours at its vertices."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.mesh.mesh import Texture


def texture_colors(texture: Texture, uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the texture's colours (K, 3), 0 to 255, between its texels, at places (K, 2) in it."""
    height, width = texture.image.shape[:2]
    rows = -(-len(uv) // 1024)  # cv2.remap takes no map over 32,767 a side: fold the list into rows
    place = np.zeros((rows * 1024, 2), np.float32)
    place[: len(uv)] = uv * (width, height) - 0.5
    x, y = place.reshape(rows, 1024, 2).transpose(2, 0, 1)
    if rows == 0:
        return np.zeros((0, 3), np.float32)
    sampled = cv2.remap(
        texture.image,
        np.ascontiguousarray(x),
        np.ascontiguousarray(y),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    colors: NDArray[np.float32] = sampled.reshape(-1, 3)[: len(uv)].astype(np.float32)
    return colors
