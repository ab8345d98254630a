"""Tier 3: segmentation and depth in, one alpha and its reasons in words out.

All decisions are made at a bounded working size and only the corrections reach full size. So the time hardly depends on
the picture's size, and the soft edges of the segmentation stay as they are where nothing changes.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.contract.options import Strategy
from backend.images.arrays import Alpha, Disparity, Image, check_alpha, check_image, check_same_size
from backend.images.resize import WORKING_SIDE_PX, enlarge_alpha, fit_longest_side
from backend.matte.fusion.correction import apply_correction, snap_by_watershed
from backend.matte.fusion.depth_cut import DepthCut, DepthCutConfig, Percentile, cut_by_depth
from backend.matte.fusion.layers import Layers, find_layers, is_clear
from backend.matte.fusion.settlement import Settlement, settle

PLAIN = ("intersection", "union")
STRATEGIES: tuple[Strategy, ...] = ("depth_guided", "intersection", "union", "segmentation", "auto")
UNCHANGED = "The segmentation is used unchanged."


@dataclass(frozen=True)
class FusionConfig:
    depth_percentile: Percentile = 35.0  # the depth cut of `intersection` and `union`, from the far end
    min_iou: float = 0.15  # below this overlap segmentation and depth show different things


@dataclass(frozen=True)
class Fused:
    """The fused alpha at the picture's size, and what the report says about it."""

    alpha: Alpha
    strategy_used: Strategy
    reasons: tuple[str, ...]
    agreement: dict[str, float] = field(default_factory=dict)  # figures of `measure_agreement`
    disagreement: NDArray[np.float32] | None = None  # (h, w) of the working size: −1 only segmentation, +1 only depth


def fuse_depth(
    alpha: Alpha,
    disparity: Disparity | None,
    image: Image,
    config: FusionConfig | None = None,
    strategy: Strategy = "auto",
) -> Fused:
    """Return `alpha` corrected by `disparity`, both (H, W) float32 of the image's size, and the reasons.

    `intersection` is the minimum of the alpha and the depth cut's, `union` the maximum. Where depth is absent or flat,
    and for the other strategies also where it is unclear, the alpha comes back unchanged, `strategy_used` is
    "segmentation" and a reason says so. Raises ValueError for an unknown strategy or arrays of two sizes.
    """
    config = config or FusionConfig()
    check_alpha(alpha)
    check_image(image)
    check_same_size(alpha, image)
    if strategy not in STRATEGIES:
        raise ValueError(f"a strategy is one of {', '.join(STRATEGIES)}, not {strategy}")
    if strategy == "segmentation":
        return _segmentation_only(alpha, "Depth was not asked for.")
    if disparity is None:
        return _segmentation_only(alpha, "There is no depth map.")
    check_same_size(disparity, image)
    if not np.isfinite(disparity).all():
        return _segmentation_only(alpha, "The depth map has values that are not finite.")
    if float(alpha.max()) < 0.5 and strategy not in PLAIN:
        return _segmentation_only(alpha, "The segmentation is certain of nothing, so depth has no object to correct.")
    return _fuse(alpha, disparity, image, config, strategy)


def _segmentation_only(alpha: Alpha, reason: str) -> Fused:
    return Fused(alpha.copy(), "segmentation", (f"{reason} {UNCHANGED}",))


def _fuse(alpha: Alpha, disparity: Disparity, image: Image, config: FusionConfig, strategy: Strategy) -> Fused:
    small_alpha, small_disparity = (fit_longest_side(each, WORKING_SIDE_PX) for each in (alpha, disparity))
    small_image = fit_longest_side(image, WORKING_SIDE_PX)
    layers = find_layers(small_disparity, small_alpha)
    cut = cut_by_depth(
        small_disparity, small_image, layers.backdrop, DepthCutConfig(config.depth_percentile), small_alpha
    )
    agreement = measure_agreement(small_alpha, cut.alpha, layers)
    disagreement = (cut.alpha - small_alpha).astype(np.float32)
    why_not = _why_flat(layers, cut)
    if why_not is None and strategy not in PLAIN:
        why_not = _why_unclear(layers, agreement, config)
    if why_not is not None:
        return Fused(alpha.copy(), "segmentation", (f"{why_not} {UNCHANGED}",), agreement, disagreement)
    if strategy in PLAIN:
        enlarged = enlarge_alpha(cut.alpha, alpha.shape)
        fused = np.minimum(alpha, enlarged) if strategy == "intersection" else np.maximum(alpha, enlarged)
        return Fused(fused, strategy, (f"The depth cut lies at {cut.percentile:.0f} %.",), agreement, disagreement)
    settlement = settle(small_image, small_alpha, layers)
    reasons = settlement.reasons or ("Segmentation and depth agree, so nothing was changed.",)
    if strategy == "auto":
        reasons = (_why_guided(agreement), *reasons)
    fused = _apply(alpha, image, small_alpha, small_image, layers, settlement)
    return Fused(fused, "depth_guided", reasons, agreement, disagreement)


def _why_flat(layers: Layers, cut: DepthCut) -> str | None:
    """Return why the depth map shows nothing, or None."""
    if layers.span <= 0:
        return "The depth map is flat."
    return "Nothing in the picture stands out in depth." if cut.flat else None


def _why_unclear(layers: Layers, agreement: dict[str, float], config: FusionConfig) -> str | None:
    """Return why depth cannot judge this segmentation, or None."""
    if not is_clear(layers):
        return "The object does not stand out in depth: it is flat, or lies on its support."
    if agreement["iou"] < config.min_iou and not (layers.own & layers.core).any():
        return "Depth and segmentation show different things."
    return None


def _why_guided(agreement: dict[str, float]) -> str:
    return (
        f"Depth is clear: the object stands out by {agreement['contrast']:.2f} of the depth range "
        f"(noise {agreement['noise']:.3f}), and the IoU of both is {agreement['iou']:.2f}."
    )


def _apply(
    alpha: Alpha, image: Image, small_alpha: Alpha, small_image: Image, layers: Layers, settlement: Settlement
) -> Alpha:
    hard = small_alpha > 0.5
    wanted = (hard | settlement.added) & ~settlement.removed
    changed = settlement.added | settlement.removed | settlement.undecided
    radius = max(3, round(0.010 * max(small_alpha.shape)))
    snapped = snap_by_watershed(small_image, wanted, changed, radius)
    touched = (snapped != hard) | settlement.undecided
    return apply_correction(alpha, image, small_image, snapped, touched)


def measure_agreement(alpha: Alpha, depth_alpha: Alpha, layers: Layers) -> dict[str, float]:
    """Return `iou`, `area_ratio` (segmentation over depth), `separation`, `contrast` and `noise`.

    `separation` is the step in disparity at the segmentation's outline over the spread of both sides, 0 where there is
    no outline. `contrast` and `noise` are shares of the disparity's range.
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
