"""Tier 3: segmentation and depth made one, and why in words.

All decisions are made at a bounded working size; only the corrections are carried up, so that the time hardly depends
on the picture's and the soft edges of the segmentation stay as they are where nothing changes.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.contract.options import Strategy
from backend.images.arrays import Alpha, Disparity, Image, check_alpha, check_image, check_same_size
from backend.images.resize import enlarge, shrink, working_shape
from backend.matte.fusion.agreement import measure_agreement
from backend.matte.fusion.correction import apply_correction, snap_by_watershed
from backend.matte.fusion.depth_cut import DepthCut, DepthCutConfig, Percentile, cut_by_depth
from backend.matte.fusion.layers import Layers, find_layers, is_clear
from backend.matte.fusion.settlement import Settlement, settle

PLAIN = ("intersection", "union")
STRATEGIES: tuple[Strategy, ...] = ("depth_guided", "intersection", "union", "segmentation", "auto")


@dataclass(frozen=True)
class FusionConfig:
    """`depth_percentile` is the cut of `intersection` and `union`."""

    depth_percentile: Percentile = 35.0
    min_iou: float = 0.15  # below it segmentation and depth speak of different things


@dataclass(frozen=True)
class Fused:
    """The fused alpha at the picture's size, and everything the report says about it."""

    alpha: Alpha
    strategy_used: Strategy
    reasons: tuple[str, ...]
    agreement: dict[str, float] = field(default_factory=dict)
    disagreement: NDArray[np.float32] | None = None  # (h, w) of the working size: −1 only segmentation, +1 only depth


def fuse_depth(
    alpha: Alpha,
    disparity: Disparity | None,
    image: Image,
    config: FusionConfig | None = None,
    strategy: Strategy = "auto",
) -> Fused:
    """Return `alpha` corrected by `disparity`, both (H, W) float32 of the image's size, and why.

    `intersection` is the minimum of the alpha and the depth cut's, `union` the maximum. Where depth is absent or flat,
    and for the other strategies also where it is unclear, the alpha comes back unchanged, `strategy_used` is
    "segmentation" and the reason says so. Raises ValueError for an unknown strategy or arrays that do not fit.
    """
    config = config or FusionConfig()
    check_alpha(alpha)
    check_image(image)
    check_same_size(alpha, image)
    if strategy not in STRATEGIES:
        raise ValueError(f"a strategy is one of {', '.join(STRATEGIES)}, not {strategy}")
    if strategy == "segmentation":
        return _aside(alpha, "The segmentation is used alone, as asked.")
    if disparity is None:
        return _aside(alpha, "There is no depth: the segmentation is used alone.")
    check_same_size(disparity, image)
    if not np.isfinite(disparity).all():
        return _aside(alpha, "The depth map has values that are not finite: the segmentation is used alone.")
    if float(alpha.max()) < 0.5 and strategy not in PLAIN:
        return _aside(alpha, "The segmentation is sure of nothing: there is no object for depth to correct.")
    return _fuse(alpha, disparity, image, config, strategy)


def _aside(alpha: Alpha, reason: str) -> Fused:
    return Fused(alpha.copy(), "segmentation", (reason,))


def _fuse(alpha: Alpha, disparity: Disparity, image: Image, config: FusionConfig, strategy: Strategy) -> Fused:
    shape = working_shape(alpha.shape)
    small_alpha, small_disparity, small_image = shrink(alpha, shape), shrink(disparity, shape), shrink(image, shape)
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
        return Fused(alpha.copy(), "segmentation", (why_not,), agreement, disagreement)
    if strategy in PLAIN:
        enlarged = enlarge(cut.alpha, alpha.shape)
        fused = np.minimum(alpha, enlarged) if strategy == "intersection" else np.maximum(alpha, enlarged)
        return Fused(fused, strategy, (f"The depth cut lies at {cut.percentile:.0f} %.",), agreement, disagreement)
    settlement = settle(small_image, small_alpha, layers)
    reasons = settlement.reasons or ("Segmentation and depth agree: there is nothing to settle.",)
    if strategy == "auto":
        reasons = (_why_guided(agreement), *reasons)
    fused = _apply(alpha, image, small_alpha, small_image, layers, settlement)
    return Fused(fused, "depth_guided", reasons, agreement, disagreement)


def _why_flat(layers: Layers, cut: DepthCut) -> str | None:
    """Return why there is no depth to speak of, or None."""
    if layers.span <= 0:
        return "The depth map is flat: the segmentation is used alone."
    return "Nothing in the picture stands out in depth: segmentation alone." if cut.flat else None


def _why_unclear(layers: Layers, agreement: dict[str, float], config: FusionConfig) -> str | None:
    """Return why depth cannot judge this segmentation, or None."""
    if not is_clear(layers):
        return "The object does not stand out in depth (it is flat, or lies on its support): segmentation alone."
    if agreement["iou"] < config.min_iou and not (layers.own & layers.core).any():
        return "Depth and segmentation speak of different things: the segmentation is used alone."
    return None


def _why_guided(agreement: dict[str, float]) -> str:
    return (
        f"Depth is clear: the object stands out by {agreement['contrast']:.2f} of the depth range "
        f"(noise {agreement['noise']:.3f}), and both agree to IoU {agreement['iou']:.2f}."
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
