"""Where segmentation and depth disagree, who is right, region by region.

Input: the working-size picture, alpha and layers. Output: the regions to add and to take away, with a sentence for each
verdict. Depth is believed only where it is clear: a region must be thick, its jump in depth sharp, and its colours must
not speak against the verdict, because a network's disparity loses thin parts and cannot tell two things that touch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Disparity, Image, Mask
from backend.matte.fusion.layers import Layers


@dataclass(frozen=True)
class SettlementConfig:
    """Lengths are shares of the longer side, areas shares of the segmentation's own area, jumps of the contrast."""

    margin: float = 0.006  # disparity's outlines are that inexact
    min_area: float = 0.008
    min_added: float = 0.02  # smaller ones are mostly the disparity's own crooked outline
    max_added: float = 0.60
    max_removed: float = 0.80
    added_unlike: float = 0.03  # an addition in colours the object has not may be this large
    behind: float = 0.22  # jump from which a standing thing is behind the object
    same_depth: float = 0.40  # difference up to which an addition is at the object's depth
    keep_like: float = 0.70  # share of the object's own colours from which a region is not taken away
    well_behind: float = 0.50  # jump from which that is not asked of a region that does not touch the object's layer


@dataclass(frozen=True)
class Settlement:
    """What depth changes. `undecided` is the wide soft part of the segmentation, in which depth decides."""

    added: Mask
    removed: Mask
    undecided: Mask
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """What both sides bring forward."""

    hard: Mask
    undecided: Mask
    solid: Mask
    likeness: Alpha
    layers: Layers
    margin: int
    config: SettlementConfig

    def share(self, region: Mask) -> float:
        return float(region.sum()) / max(float(self.hard.sum()), 1.0)

    @property
    def height(self) -> Disparity:
        return self.layers.own_disparity - self.layers.backdrop.surface


def settle(image: Image, alpha: Alpha, layers: Layers, config: SettlementConfig | None = None) -> Settlement:
    """Return which regions depth adds to the object and takes from it; all arrays of the working size."""
    config = config or SettlementConfig()
    margin = max(2, round(config.margin * max(alpha.shape)))
    hard = alpha > 0.5
    solid = solid_layer(layers)
    likeness = _likeness(image, solid & hard, ~hard & ~layers.standing)
    case = _Case(hard, _wide_band(alpha, margin), solid, likeness, layers, margin, config)
    removed, because_removed = _removals(case)
    added, because_added = _additions(case)
    reasons = [*because_removed, *because_added]
    if case.share(case.undecided) > config.min_area:
        reasons.append(f"Depth decided in the unsure part of the segmentation: {_percent(case.share(case.undecided))}.")
    return Settlement(added, removed, case.undecided, tuple(reasons))


def solid_layer(layers: Layers) -> Mask:
    """Return the object's layer cut at half its rise: that is where a blurred step had its edge."""
    height = layers.own_disparity - layers.backdrop.surface
    return np.asarray(layers.own & (layers.rise > 0.5 * height), bool)


def _removals(case: _Case) -> tuple[Mask, list[str]]:
    layers, config = case.layers, case.config
    keep_out = _grown(case.solid, case.margin) | _skirt(case.solid, layers, case.margin)
    on_backdrop = (layers.rise < np.maximum(layers.tolerance, 0.4 * case.height)) & ~keep_out
    behind = layers.standing & ~layers.own & (case.height - layers.rise > config.behind * layers.contrast)
    against = (on_backdrop | behind) & ~case.solid
    removed, reasons = against & case.undecided, []
    for region in _regions(against & case.hard & ~case.undecided, case, config.min_area):
        size = _percent(case.share(region))
        if case.likeness[region].mean() > config.keep_like and not _stands_apart(region, case):
            reasons.append(f"Kept {size} that depth puts behind the object, because it has its colours.")
        elif case.share(region) > config.max_removed:
            reasons.append(f"Kept {size} that depth puts behind the object: too much to take away.")
        else:
            removed |= region
            what = "something that stands behind the object" if behind[region].mean() > 0.5 else "background"
            reasons.append(f"Took away {size}: {what}, by its depth.")
    return removed, reasons


def _stands_apart(region: Mask, case: _Case) -> bool:
    """Whether a region is so far behind, and so clear of the object's solid layer, that its colours prove nothing."""
    jump = float((case.height - case.layers.rise)[region].mean())
    # The region was opened and kept a margin off the layer: what touches it is at most some margins away.
    near = _grown(region, 4 * case.margin) & case.solid
    return jump > case.config.well_behind * case.layers.contrast and not near.any()


def _additions(case: _Case) -> tuple[Mask, list[str]]:
    layers, config = case.layers, case.config
    level = np.abs(case.height - layers.rise) < config.same_depth * np.maximum(case.height, layers.contrast)
    speaks_for = case.solid & level
    added, reasons = speaks_for & case.undecided, []
    for region in _regions(speaks_for & ~case.hard & ~case.undecided, case, config.min_added):
        size = _percent(case.share(region))
        if _touches_frame(region) and not _touches_frame(case.hard):
            reasons.append(f"Left out {size} at the object's depth, because it runs out of the picture.")
        elif case.share(region) > config.max_added:
            reasons.append(f"Left out {size} at the object's depth: too much to be a missing part.")
        elif case.likeness[region].mean() < 0.5 and case.share(region) > config.added_unlike:
            reasons.append(f"Left out {size} at the object's depth, because its colours are others.")
        else:
            added |= region
            reasons.append(f"Added {size} at the object's depth that hangs together with it.")
    return added, reasons


def _percent(share: float) -> str:
    return f"{100 * share:.1f} % of the object's area"


def _wide_band(alpha: Alpha, margin: int) -> Mask:
    """Return where the alpha is unsure over more than an edge's width; an ordinary soft edge is left to itself."""
    unsure = ((alpha > 0.06) & (alpha < 0.94)).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6 * margin + 1, 6 * margin + 1))
    return np.asarray(cv2.morphologyEx(unsure, cv2.MORPH_OPEN, kernel) > 0, bool)


def _regions(candidates: Mask, case: _Case, min_share: float) -> list[Mask]:
    """Return the connected regions that survive an opening by the margin and are not small."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (case.margin + 1, case.margin + 1))
    opened = cv2.morphologyEx(candidates.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    least = max(min_share * float(case.hard.sum()), 12)
    return [np.asarray(labels == i, bool) for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= least]


def _grown(mask: Mask, radius: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0, bool)


def _skirt(solid: Mask, layers: Layers, margin: int) -> Mask:
    """Return the rows below the object in which its own foot is still too low above the support to be told from it."""
    if not solid.any() or min(solid.shape) < 2:
        return solid
    rows = np.flatnonzero(solid.any(1))
    slope = np.gradient(layers.backdrop.surface, axis=0)[_grown(solid, 2 * margin)]
    per_row = max(float(np.median(np.abs(slope))), 1e-9)
    drop = int(np.clip(2 * layers.tolerance / per_row, margin, 0.10 * (rows[-1] - rows[0] + 1) + margin))
    kernel = np.zeros((2 * drop + 1, 3), np.uint8)
    kernel[: drop + 1] = 1  # dilation looks at what lies above a pixel
    return np.asarray(cv2.dilate(solid.astype(np.uint8), kernel) > 0, bool)


def _touches_frame(mask: Mask) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _likeness(image: Image, own: Mask, other: Mask) -> Alpha:
    """Return 1 where a pixel's colour is an ordinary one of the object and rarer around it, else 0 (bins of Lab)."""
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
