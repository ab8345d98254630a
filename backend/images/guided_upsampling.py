"""A small alpha carried up to its picture's full size along the picture's own edges.

The guided filter's linear coefficients are found at the small size and applied at the large one (He and Sun, "Fast
Guided Filter", 2015), strip by strip, so that a 12 Mpx picture needs little more memory than its own result.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image

_STRIP_PX = 1 << 20  # pixels in work at a time: some 30 MB


@dataclass(frozen=True)
class UpsamplingConfig:
    """The guided filter's two numbers."""

    radius_px: int = 3  # at the small size: softens a hard edge over some two pixels of it
    epsilon: float = 1e-3  # variance of the picture, in [0, 1] units, below which it does not guide


def guided_upsample(
    alpha: Alpha, small: Image, image: Image, config: UpsamplingConfig | None = None
) -> NDArray[np.float32]:
    """Return `alpha` (at the size of `small`) at the size of `image`, of which `small` is the reduced copy; in [0, 1].

    Raises ValueError when `alpha` and `small` differ in size.
    """
    if alpha.shape != small.shape[:2]:
        raise ValueError(f"sizes differ: {alpha.shape} and {small.shape[:2]}")
    model = _linear_model(alpha, np.float32(1 / 255) * small.astype(np.float32), config or UpsamplingConfig())
    height, width = image.shape[:2]
    out = np.empty((height, width), np.float32)
    rows = max(1, _STRIP_PX // width)
    for top in range(0, height, rows):
        strip = image[top : top + rows]
        model_here = _interpolate_rows(model, top, len(strip), height)
        model_here = cv2.resize(model_here, (width, len(strip)), interpolation=cv2.INTER_LINEAR)
        guide = strip.astype(np.float32) * np.float32(1 / 255)
        out[top : top + rows] = np.einsum("ijk,ijk->ij", model_here[..., :3], guide) + model_here[..., 3]
    return np.clip(out, 0.0, 1.0, out=out)


def _linear_model(alpha: Alpha, guide: NDArray[np.float32], config: UpsamplingConfig) -> NDArray[np.float32]:
    """Return (h, w, 4): the three slopes and the offset of alpha as a linear function of colour, window-averaged."""

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        size = 2 * config.radius_px + 1
        blurred: NDArray[np.float32] = cv2.blur(values, (size, size), borderType=cv2.BORDER_REFLECT)
        return blurred.reshape(values.shape)

    center, level = mean(guide), mean(alpha)
    outer = (guide[..., :, None] * guide[..., None, :]).reshape(*alpha.shape, 9)
    covariance = np.concatenate([mean(np.ascontiguousarray(outer[..., k : k + 3])) for k in (0, 3, 6)], axis=2)
    covariance = covariance.reshape(*alpha.shape, 3, 3) - center[..., :, None] * center[..., None, :]
    cross = mean(guide * alpha[..., None]) - center * level[..., None]
    slopes = np.linalg.solve(covariance + config.epsilon * np.eye(3, dtype=np.float32), cross[..., None])[..., 0]
    offset = level - (slopes * center).sum(axis=2)
    return mean(np.concatenate([slopes, offset[..., None]], axis=2).astype(np.float32))


def _interpolate_rows(model: NDArray[np.float32], top: int, count: int, height: int) -> NDArray[np.float32]:
    """Return rows `top` to `top + count` of `model` stretched to `height` rows, pixel centres aligned."""
    y = np.clip((np.arange(top, top + count) + 0.5) * (len(model) / height) - 0.5, 0, len(model) - 1)
    above = np.floor(y).astype(np.intp)
    below = np.minimum(above + 1, len(model) - 1)
    share = (y - above).astype(np.float32)[:, None, None]
    rows: NDArray[np.float32] = model[above] * (1 - share) + model[below] * share
    return rows
