"""The working-size picture, alpha and layers in, the regions to add and to remove out, with a sentence for each.

Depth decides only where it is clear: a region must be thick, its jump in depth sharp, and its colours must not
contradict the verdict. A network's disparity loses thin parts and merges things that touch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Disparity, Image, Mask
from backend.images.geometry import dilate, opened
from backend.matte.fusion.layers import Layers


@dataclass(frozen=True)
class SettlementConfig:
    """Areas are shares of the segmentation's own area, jumps in depth shares of the object's contrast."""

    margin: float = 0.006  # how inexact a disparity's outlines are, as a share of the longer side
    min_area: float = 0.008  # smallest region that is removed, and smallest unsure part that a reason names
    min_added: float = 0.02  # smallest region that is added; smaller ones are mostly a crooked outline of the disparity
    max_added: float = 0.60  # largest region that is added
    max_removed: float = 0.80  # largest region that is removed
    added_unlike: float = 0.03  # largest region that is added although the object does not have its colours
    behind: float = 0.22  # jump from which a standing thing is behind the object
    same_depth: float = 0.40  # difference up to which an addition is at the object's depth
    keep_like: float = 0.70  # a region with more than this share of the object's colours is kept
    well_behind: float = 0.50  # jump from which a region clear of the object's layer is removed whatever its colours


@dataclass(frozen=True)
class Settlement:
    """The changes that depth makes, as maps of the working size."""

    added: Mask
    removed: Mask
    undecided: Mask  # the wide soft part of the segmentation, in which depth decides
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """The evidence that every region is judged by, as maps of the working size."""

    hard: Mask  # alpha above 0.5
    undecided: Mask
    solid: Mask  # the object's layer
    likeness: Alpha  # 1 where the colour is the object's
    layers: Layers
    margin: int
    config: SettlementConfig

    def share(self, region: Mask) -> float:
        return float(region.sum()) / max(float(self.hard.sum()), 1.0)

    @property
    def height(self) -> Disparity:
        return self.layers.own_disparity - self.layers.backdrop.surface


def settle(image: Image, alpha: Alpha, layers: Layers) -> Settlement:
    """Return the regions that depth adds to the object and removes from it; all arrays of the working size."""
    config = SettlementConfig()
    margin = max(2, round(config.margin * max(alpha.shape)))
    hard = alpha > 0.5
    solid = _solid_layer(layers)
    likeness = _likeness(image, solid & hard, ~hard & ~layers.standing)
    case = _Case(hard, _wide_band(alpha, margin), solid, likeness, layers, margin, config)
    removed, because_removed = _removals(case)
    added, because_added = _additions(case)
    reasons = [*because_removed, *because_added]
    if case.share(case.undecided) > config.min_area:
        reasons.append(f"Depth decided where the segmentation is unsure: {_percent(case.share(case.undecided))}.")
    return Settlement(added, removed, case.undecided, tuple(reasons))


def _solid_layer(layers: Layers) -> Mask:
    """Return the object's layer cut at half its rise, where the edge of a blurred step lies."""
    height = layers.own_disparity - layers.backdrop.surface
    return np.asarray(layers.own & (layers.rise > 0.5 * height), bool)


def _removals(case: _Case) -> tuple[Mask, list[str]]:
    layers, config = case.layers, case.config
    keep_out = dilate(case.solid, case.margin) | _skirt(case.solid, layers, case.margin)
    on_backdrop = (layers.rise < np.maximum(layers.tolerance, 0.4 * case.height)) & ~keep_out
    behind = layers.standing & ~layers.own & (case.height - layers.rise > config.behind * layers.contrast)
    against = (on_backdrop | behind) & ~case.solid
    removed, reasons = against & case.undecided, []
    for region in _regions(against & case.hard & ~case.undecided, case, config.min_area):
        size = _percent(case.share(region))
        if case.likeness[region].mean() > config.keep_like and not _stands_apart(region, case):
            reasons.append(f"Kept {size} although it lies behind the object, because it has the object's colours.")
        elif case.share(region) > config.max_removed:
            reasons.append(f"Kept {size} although it lies behind the object, because it is too much to remove.")
        else:
            removed |= region
            what = "something behind the object" if behind[region].mean() > 0.5 else "background"
            reasons.append(f"Removed {size}: by its depth it is {what}.")
    return removed, reasons


def _stands_apart(region: Mask, case: _Case) -> bool:
    """Return whether a region is too far behind and too clear of the object's layer for its colours to matter."""
    jump = float((case.height - case.layers.rise)[region].mean())
    # The region was opened and kept a margin off the layer: what touches it is at most some margins away.
    near = dilate(region, 4 * case.margin) & case.solid
    return jump > case.config.well_behind * case.layers.contrast and not near.any()


def _additions(case: _Case) -> tuple[Mask, list[str]]:
    layers, config = case.layers, case.config
    level = np.abs(case.height - layers.rise) < config.same_depth * np.maximum(case.height, layers.contrast)
    speaks_for = case.solid & level
    added, reasons = speaks_for & case.undecided, []
    for region in _regions(speaks_for & ~case.hard & ~case.undecided, case, config.min_added):
        size = _percent(case.share(region))
        if _touches_frame(region) and not _touches_frame(case.hard):
            reasons.append(f"Did not add {size} at the object's depth, because it runs out of the picture.")
        elif case.share(region) > config.max_added:
            reasons.append(f"Did not add {size} at the object's depth, because it is too much for a missing part.")
        elif case.likeness[region].mean() < 0.5 and case.share(region) > config.added_unlike:
            reasons.append(f"Did not add {size} at the object's depth, because its colours differ.")
        else:
            added |= region
            reasons.append(f"Added {size} that touches the object at its depth.")
    return added, reasons


def _percent(share: float) -> str:
    return f"{100 * share:.1f} % of the object's area"


def _wide_band(alpha: Alpha, margin: int) -> Mask:
    """Return where the alpha is unsure over more than the width of an ordinary soft edge."""
    return opened((alpha > 0.06) & (alpha < 0.94), 3 * margin)


def _regions(candidates: Mask, case: _Case, min_share: float) -> list[Mask]:
    """Return the connected regions that survive an opening by the margin and are not small."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (case.margin + 1, case.margin + 1))
    thick = cv2.morphologyEx(candidates.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(thick)
    least = max(min_share * float(case.hard.sum()), 12)
    return [np.asarray(labels == i, bool) for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]


def _skirt(solid: Mask, layers: Layers, margin: int) -> Mask:
    """Return the rows below the object in which its foot rises too little above the support to be distinguished."""
    if not solid.any() or min(solid.shape) < 2:
        return solid
    rows = np.flatnonzero(solid.any(1))
    slope = np.gradient(layers.backdrop.surface, axis=0)[dilate(solid, 2 * margin)]
    per_row = max(float(np.median(np.abs(slope))), 1e-9)
    drop = int(np.clip(2 * layers.tolerance / per_row, margin, 0.10 * (rows[-1] - rows[0] + 1) + margin))
    kernel = np.zeros((2 * drop + 1, 3), np.uint8)
    kernel[: drop + 1] = 1  # dilation looks at what lies above a pixel
    return np.asarray(cv2.dilate(solid.astype(np.uint8), kernel) > 0, bool)


def _touches_frame(mask: Mask) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _likeness(image: Image, own: Mask, other: Mask) -> Alpha:
    """Return 1 where a pixel's colour is common in the object and rarer around it, else 0 (bins of Lab)."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)

    def density(mask: Mask) -> NDArray[np.float32]:
        table = cv2.calcHist([lab], [0, 1, 2], mask.astype(np.uint8), [16, 32, 32], [0, 256, 0, 256, 0, 256])
        for axis in range(3):
            table = 0.5 * table + 0.25 * (np.roll(table, 1, axis) + np.roll(table, -1, axis))
        return np.asarray(table / max(float(table.sum()), 1.0), np.float32)

    here, there = density(own), density(other)
    index = (lab[..., 0] >> 4, lab[..., 1] >> 3, lab[..., 2] >> 3)
    ordinary = float(np.percentile(here[index][own], 10)) if own.any() else np.inf
    return np.asarray((here[index] >= ordinary) & (here[index] > there[index]), np.float32)
