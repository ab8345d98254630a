"""A working-size disparity and alpha in, the picture's layers of depth out: backdrop, the object, other things.

The object's layer is whatever a path reaches from the certain part of the segmentation without a jump in depth.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from skimage.graph import MCP_Geometric

from backend.images.arrays import Alpha, Disparity, Mask
from backend.matte.fusion.support_plane import Backdrop, fit_backdrop, robust_range


@dataclass(frozen=True)
class LayerConfig:
    """The contrast is how far, in disparity, the object stands in front of its backdrop."""

    certain: float = 0.9  # alpha above which a pixel is certainly object; below 1 − certain it is certainly not
    standing: float = 0.035  # share of the disparity's range up to which a rise counts as lying on the backdrop
    slack: float = 0.01  # change per pixel, as a share of the contrast, that costs a path nothing: receding surfaces
    reach: float = 0.35  # sum of steeper changes, as a share of the contrast, up to which a path stays on the object
    same_level: float = 0.12  # difference of mean disparity, as a share of the contrast, between pieces of one object
    min_contrast: float = 0.08  # share of the disparity's range; with less the object is flat or lies on its support
    noise_factor: float = 5.0  # the contrast must be this many times the backdrop's noise


@dataclass(frozen=True)
class Layers:
    """The picture in layers; all maps are (H, W) of the working size."""

    rise: Disparity  # disparity above the backdrop
    standing: Mask  # rises above the backdrop
    core: Mask  # certainly object, and standing without a jump inside
    own: Mask  # reached from the core without a jump in depth
    own_disparity: Disparity  # the object's disparity, carried to every pixel from the nearest one of its layer
    backdrop: Backdrop
    contrast: float  # median rise of the core, in disparity; 0 when there is no core
    span: float  # robust range of the disparity
    tolerance: float  # rise up to which a pixel lies on the backdrop


def find_layers(disparity: Disparity, alpha: Alpha) -> Layers:
    """Return the layers of `disparity` around the certain part of `alpha` (both of the working size)."""
    config = LayerConfig()
    low, high = robust_range(disparity)
    span = high - low
    around = cv2.dilate((alpha > 1 - config.certain).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    backdrop = fit_backdrop(disparity, ~around)
    rise = (disparity - backdrop.surface).astype(np.float32)
    tolerance = max(config.standing * span, 2 * backdrop.noise)
    standing = rise > tolerance
    steep = _steepness(disparity)
    core = _core(alpha, standing, disparity, rise, steep, config)
    contrast = float(np.median(rise[core])) if core.any() else 0.0
    own = _reach(core, standing, steep / max(contrast, 1e-12), config) if contrast > 0 else core
    return Layers(
        rise, standing, core, own, _carried(disparity, own & (alpha > 0.5)), backdrop, contrast, span, tolerance
    )


def is_clear(layers: Layers) -> bool:
    """Return whether the object stands out in depth enough to judge the segmentation by it."""
    config = LayerConfig()
    least = max(config.min_contrast * layers.span, config.noise_factor * layers.backdrop.noise)
    return layers.contrast > least


def _steepness(disparity: Disparity) -> Disparity:
    smooth = cv2.GaussianBlur(disparity, (0, 0), 0.8)
    across = cv2.Scharr(smooth, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(smooth, cv2.CV_32F, 0, 1, scale=1 / 32)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _core(
    alpha: Alpha, standing: Mask, disparity: Disparity, rise: Disparity, steep: Disparity, config: LayerConfig
) -> Mask:
    """Return the largest piece of the certain object that stands without a jump inside; nearer pieces weigh more."""
    sure = (alpha > min(config.certain, 0.8 * float(alpha.max()))) & standing
    if not sure.any():
        return sure
    scale = float(np.median(rise[sure]))
    smooth = sure & (steep < 0.03 * scale)  # a third of the contrast, blurred over some 10 pixels, is a jump
    count, labels = cv2.connectedComponents(smooth.astype(np.uint8), connectivity=4)
    if count < 2:
        return sure
    weight = np.bincount(labels.ravel(), (rise * smooth).ravel().clip(0), count)
    weight[0] = 0
    main = labels == int(weight.argmax())
    # Something in front may cut the object in two: pieces at the same depth belong together.
    level = np.bincount(labels.ravel(), disparity.ravel(), count) / np.maximum(np.bincount(labels.ravel()), 1)
    contrast = float(np.median(rise[main]))
    together = np.abs(level - level[int(weight.argmax())]) < config.same_level * contrast
    together[0] = False
    return np.asarray(together[labels], bool)


def _reach(core: Mask, standing: Mask, steep: Disparity, config: LayerConfig) -> Mask:
    """Return the pixels that a path from the core reaches over standing ground without a jump in disparity."""
    cost = np.where(standing, np.where(steep > config.slack, steep, 1e-5), -1.0)  # negative: closed to paths
    distance, _ = MCP_Geometric(cost).find_costs(np.argwhere(core))
    return np.asarray(distance < config.reach, bool)


def _carried(disparity: Disparity, own: Mask) -> Disparity:
    """Return at every pixel the disparity of the nearest pixel of `own`, smoothed over the object."""
    if not own.any():
        return disparity
    weight = cv2.GaussianBlur(own.astype(np.float32), (0, 0), 4) + 1e-6
    smooth = cv2.GaussianBlur(np.where(own, disparity, 0).astype(np.float32), (0, 0), 4) / weight
    _, labels = cv2.distanceTransformWithLabels((~own).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(int(labels.max()) + 1, np.float32)
    source[labels[own]] = smooth[own]
    return np.asarray(source[labels], np.float32)
