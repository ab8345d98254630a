"""A mask from depth alone: whatever rises above its support by more than a cut."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Disparity, Image, Mask, check_image, check_same_size
from backend.images.geometry import disc, opened
from backend.images.guided_filter import guided_filter
from backend.images.resize import WORKING_SIDE_PX, enlarge_alpha, fit_longest_side
from backend.matte.fusion.support_plane import Backdrop, fit_backdrop, robust_range

Percentile = float | Literal["auto"]


@dataclass(frozen=True)
class DepthCutConfig:
    """Lengths are pixels of the working size."""

    percentile: Percentile = 30.0  # where to cut in the range of rises, from the far end; a larger one keeps less
    morph_kernel_size: int = 7  # width of the disc that opens and closes the cut; below 2 it is left as it is
    blur_size: int = 7  # radius of the guided filter that softens the outline; below 2 the alpha is 0 or 1
    flat: float = 0.06  # rises that span less than this share of the disparity's range mean that nothing stands out


@dataclass(frozen=True)
class DepthCut:
    """All that rises above the cut."""

    alpha: Alpha
    percentile: float  # the one asked for, or the one that "auto" found
    flat: bool  # nothing stands out, the alpha is 0


def depth_mask(
    disparity: Disparity,
    image: Image,
    percentile: Percentile = 30.0,
    morph_kernel_size: int = 7,
    blur_size: int = 7,
) -> Alpha:
    """Return an alpha of everything that rises above its support by more than the cut, (H, W) float32.

    `percentile` is a point in the range of rises (0 at the backdrop, 100 at the nearest), so a larger one keeps less;
    "auto" puts it into the valley of their histogram. The kernel and blur sizes are pixels of the working size. The
    picture's margin counts as backdrop. The alpha is 0 where nothing stands out. Raises ValueError for arrays of two
    sizes or a percentile outside 0 to 100.
    """
    check_image(image)
    check_same_size(disparity, image)
    if percentile != "auto" and not 0 <= percentile <= 100:
        raise ValueError(f"a depth percentile lies between 0 and 100, not {percentile}")
    small = fit_longest_side(disparity, WORKING_SIDE_PX)
    backdrop = fit_backdrop(small, _margin(small.shape))
    config = DepthCutConfig(percentile, morph_kernel_size, blur_size)
    cut = cut_by_depth(small, fit_longest_side(image, WORKING_SIDE_PX), backdrop, config)
    return enlarge_alpha(cut.alpha, disparity.shape)


def cut_by_depth(
    disparity: Disparity, image: Image, backdrop: Backdrop, config: DepthCutConfig, segmentation: Alpha | None = None
) -> DepthCut:
    """Return everything that rises above `backdrop` by more than the cut; arrays of one working size.

    With a `segmentation`, "auto" searches the valley of the histogram near its outline only.
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
    without_specks = opened(mask, size // 2).view(np.uint8)
    return np.asarray(cv2.morphologyEx(without_specks, cv2.MORPH_CLOSE, disc(size // 2)) > 0, bool)


def _soften(mask: Mask, image: Image, size: int) -> Alpha:
    if size < 2:
        return mask.astype(np.float32)
    return np.clip(guided_filter(image, mask.astype(np.float32), size, 1e-4 * 255**2), 0, 1)
