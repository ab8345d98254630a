"""A mask from depth alone: what stands nearest, with its support taken out."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Disparity, Image, Mask, check_image, check_same_size
from backend.images.resize import enlarge, shrink, working_shape
from backend.matte.fusion.support_plane import Backdrop, fit_backdrop, robust_range

Percentile = float | Literal["auto"]


@dataclass(frozen=True)
class DepthCutConfig:
    """Where the cut lies and how its outline is cleaned. Lengths in pixels of the working size."""

    percentile: Percentile = 30.0  # of the range of rises, from the far end: a larger one keeps less
    morph_kernel_size: int = 7
    blur_size: int = 7
    flat: float = 0.06  # a picture whose rises span less of the disparity's range has nothing standing in it


@dataclass(frozen=True)
class DepthCut:
    """The alpha, and the cut in use as a percentile (the one asked for, or the one "auto" found)."""

    alpha: Alpha
    percentile: float
    flat: bool


def depth_mask(
    disparity: Disparity,
    image: Image,
    percentile: Percentile = 30.0,
    morph_kernel_size: int = 7,
    blur_size: int = 7,
) -> Alpha:
    """Return an alpha of what rises above its support by more than the cut, (H, W) float32 of the image's size.

    `percentile` is a point of the range of rises (0 at the backdrop, 100 at the nearest), so a larger one keeps less;
    "auto" puts it into the valley of their histogram. The kernel and blur sizes are pixels of the working size. The
    picture's margin is taken for backdrop. All zero where nothing stands out. Raises ValueError for arrays that
    do not fit each other or a percentile outside 0 to 100.
    """
    check_image(image)
    check_same_size(disparity, image)
    if percentile != "auto" and not 0 <= percentile <= 100:
        raise ValueError(f"a depth percentile lies between 0 and 100, not {percentile}")
    shape = working_shape(disparity.shape)
    small = shrink(disparity, shape)
    backdrop = fit_backdrop(small, _margin(shape))
    config = DepthCutConfig(percentile, morph_kernel_size, blur_size)
    cut = cut_by_depth(small, shrink(image, shape), backdrop, config)
    return enlarge(cut.alpha, disparity.shape)


def cut_by_depth(
    disparity: Disparity, image: Image, backdrop: Backdrop, config: DepthCutConfig, segmentation: Alpha | None = None
) -> DepthCut:
    """Return what rises above `backdrop` by more than the cut; arrays of one working size.

    `segmentation` tells "auto" where to look for the valley between the object and its surroundings.
    """
    rise = np.maximum(disparity - backdrop.surface, 0)
    low, high = robust_range(disparity)
    top = float(np.percentile(rise, 99))
    if top <= config.flat * (high - low) or high - low <= 1e-6 * max(abs(high), abs(low), 1e-12):
        return DepthCut(np.zeros(disparity.shape, np.float32), 100.0, True)
    share = rise / top
    percentile = _valley(share, segmentation) if config.percentile == "auto" else float(config.percentile)
    mask = _clean(share > percentile / 100, config.morph_kernel_size)
    return DepthCut(_soften(mask, image, config.blur_size), percentile, False)


def _margin(shape: tuple[int, ...]) -> Mask:
    edge = max(2, round(0.12 * min(shape)))
    outside = np.ones(shape, bool)
    outside[edge:-edge, edge:-edge] = False
    return outside


def _valley(share: NDArray[np.float32], segmentation: Alpha | None) -> float:
    """Return Otsu's cut of the rises (1979), near the segmentation's outline where there is one, between 10 and 70."""
    near = np.ones(share.shape, bool)
    if segmentation is not None and (segmentation > 0.5).any():
        width = max(5, round(0.06 * max(share.shape)))
        hard = (segmentation > 0.5).astype(np.uint8)
        near = cv2.morphologyEx(hard, cv2.MORPH_GRADIENT, np.ones((width, width), np.uint8)) > 0
    levels = np.clip(share[near] * 255, 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(levels.reshape(1, -1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(np.clip(100 * level / 255, 10, 70))


def _clean(mask: Mask, size: int) -> Mask:
    if size < 2:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size | 1, size | 1))
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0, bool)


def _soften(mask: Mask, image: Image, size: int) -> Alpha:
    if size < 2:
        return mask.astype(np.float32)
    soft = cv2.ximgproc.guidedFilter(image, mask.astype(np.float32), size, 1e-4 * 255**2)
    return np.asarray(np.clip(soft, 0, 1), np.float32)
