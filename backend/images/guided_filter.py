"""The guided filter (He et al. 2013) in the three forms that the stages need.

`guided_filter` works at one size with all three colours as the guide. `fit_grey_guide` fits the brightness alone and
gives back the coefficients, so that the caller can evaluate them on any part of a larger picture. `guided_upsample`
fits the colours of a small copy and evaluates them on the whole picture ("Fast Guided Filter", He and Sun 2015).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image

UPSAMPLING_RADIUS_PX = 3  # of the small copy: softens a hard edge over about two of its pixels
UPSAMPLING_EPSILON = 1e-3  # variance of the picture, in [0, 1] units, below which it does not guide
_STRIP_PX = 1 << 20  # pixels of the picture in work at a time: about 30 MB

Floats = NDArray[np.float32]


def guided_filter(image: Image, alpha: Alpha, radius_px: int, epsilon: float, grid: float = 1.0) -> Floats:
    """Return `alpha` filtered along the edges of `image` (same size), not clipped.

    `epsilon` is in squared 8-bit colour steps. With `grid` below 1 the coefficients are solved on a copy of that scale.
    """
    if min(alpha.shape) * grid < 1:  # no pixel would be left of a strip that is thinner than one of the copy's
        grid = 1.0
    return np.asarray(cv2.ximgproc.guidedFilter(image, alpha, radius_px, epsilon, scale=grid), np.float32)


def fit_grey_guide(image: Image, alpha: Alpha, radius_px: int, epsilon: float) -> tuple[Floats, Floats]:
    """Return (H, W) slope and offset: slope · grey + offset is `alpha` as the picture's edges show it, grey in [0, 1].

    `epsilon` is the variance of grey below which the picture does not guide.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, (2 * radius_px + 1, 2 * radius_px + 1)), np.float32)

    mean_grey, mean_alpha = mean(grey), mean(alpha)
    slope = (mean(grey * alpha) - mean_grey * mean_alpha) / (mean(grey * grey) - mean_grey**2 + epsilon)
    return mean(slope), mean(mean_alpha - slope * mean_grey)


def guided_upsample(alpha: Alpha, small: Image, image: Image) -> Alpha:
    """Return `alpha` (at the size of `small`) at the size of `image`, of which `small` is the reduced copy; in [0, 1].

    Strip by strip, so that a 12 Mpx picture needs little more memory than its own result. Raises ValueError when
    `alpha` and `small` differ in size.
    """
    if alpha.shape != small.shape[:2]:
        raise ValueError(f"sizes differ: {alpha.shape} and {small.shape[:2]}")
    model = _fit_colors(alpha, np.float32(1 / 255) * small.astype(np.float32))
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


def _fit_colors(alpha: Alpha, guide: Floats) -> Floats:
    """Return (h, w, 4): the three slopes and the offset of alpha as a linear function of colour, window-averaged."""

    def mean(values: Floats) -> Floats:
        size = 2 * UPSAMPLING_RADIUS_PX + 1
        blurred: Floats = cv2.blur(values, (size, size), borderType=cv2.BORDER_REFLECT)
        return blurred.reshape(values.shape)

    center, level = mean(guide), mean(alpha)
    outer = (guide[..., :, None] * guide[..., None, :]).reshape(*alpha.shape, 9)
    covariance = np.concatenate([mean(np.ascontiguousarray(outer[..., k : k + 3])) for k in (0, 3, 6)], axis=2)
    covariance = covariance.reshape(*alpha.shape, 3, 3) - center[..., :, None] * center[..., None, :]
    cross = mean(guide * alpha[..., None]) - center * level[..., None]
    slopes = np.linalg.solve(covariance + UPSAMPLING_EPSILON * np.eye(3, dtype=np.float32), cross[..., None])[..., 0]
    offset = level - (slopes * center).sum(axis=2)
    return mean(np.concatenate([slopes, offset[..., None]], axis=2).astype(np.float32))


def _interpolate_rows(model: Floats, top: int, count: int, height: int) -> Floats:
    """Return rows `top` to `top + count` of `model` stretched to `height` rows, pixel centres aligned.

    Exact, where `sample_map` rounds positions to 1/32 of a pixel: at a large enlargement that would show as steps.
    """
    y = np.clip((np.arange(top, top + count) + 0.5) * (len(model) / height) - 0.5, 0, len(model) - 1)
    above = np.floor(y).astype(np.intp)
    below = np.minimum(above + 1, len(model) - 1)
    share = (y - above).astype(np.float32)[:, None, None]
    rows: Floats = model[above] * (1 - share) + model[below] * share
    return rows
