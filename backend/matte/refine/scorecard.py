"""A finished alpha in, its figures, a grade from A to E and advice in words out."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from backend.contract.report import MAX_POINTS_IN_DOUBT, Scorecard, grade_of
from backend.images.arrays import Alpha, Mask, check_alpha
from backend.images.resize import rescale, scale_to_fit
from backend.matte.refine.evidence import Evidence, losses
from backend.matte.refine.holes import label_holes

SIDE_PX = 1024  # longer side of the copy that is measured, so that every photo costs the same
SIDES = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class ScorecardConfig:
    min_coverage: float = 0.05  # share of the picture below which the object loses points (MIN_OBJECT_COVERAGE)
    max_coverage: float = 0.95  # share of the picture above which the object loses points (MAX_OBJECT_COVERAGE)
    part_share: float = 0.01  # smallest part that is counted, as a share of the object's area
    hole_share: float = 0.002  # smallest hole that is counted, as a share of the object's area


def score_matte(
    alpha: Alpha,
    config: ScorecardConfig | None = None,
    doubts: tuple[str, ...] = (),
    evidence: Evidence | None = None,
) -> Scorecard:
    """Return the scorecard of `alpha`; an empty one gets the grade E. Raises ValueError for an array that is not an
    alpha.

    `evidence` is what is known of the first guess, None of a mask that was sent. `doubts` are the segmenter's own
    reasons to distrust its mask: they come first in the advice, and the grade is then C at best.
    """
    check_alpha(alpha)
    config = config or ScorecardConfig()
    scale = scale_to_fit(alpha.shape, SIDE_PX)
    small = np.clip(rescale(alpha, scale), 0, 1)
    mask = small >= 0.5
    if not mask.any():
        return _nothing(doubts)
    seen = small > 0.02
    confidence = np.abs(2 * small[seen] - 1)
    soft = (small > 0.05) & (small < 0.95)
    area = np.count_nonzero(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    offset = _offset(mask)
    figures: dict[str, Any] = {
        "confidence_mean": float(confidence.mean()),
        "confidence_deviation": float(confidence.std()),
        "coverage": area / mask.size,
        "box_efficiency": area / int(box),
        "edge_sharpness": _sharpness(alpha),
        "soft_edge_share": np.count_nonzero(soft) / np.count_nonzero(seen),
        "parts": _parts(mask, config.part_share * area),
        "holes": int(np.count_nonzero(label_holes(mask)[1] >= config.hole_share * area)),
        "touches": _touches(mask),
        "offset_px": (offset[0] / scale, offset[1] / scale),
        "offset_percent": 100 * float(np.hypot(*offset)) / (0.5 * float(np.hypot(*mask.shape))),
    }
    points, advice = _judge(figures, config, evidence)
    if doubts:
        points = min(points, MAX_POINTS_IN_DOUBT)
    rounded = {name: _rounded(value) for name, value in figures.items()}
    return Scorecard(
        found=True, grade=grade_of(points), points=points, doubted=bool(doubts), advice=(*doubts, *advice), **rounded
    )


def _judge(figures: dict[str, Any], config: ScorecardConfig, evidence: Evidence | None) -> tuple[int, tuple[str, ...]]:
    """Return the points left of 100, and a sentence for each loss."""
    points, advice = 100.0, []

    def take(loss: float, sentence: str) -> None:
        nonlocal points
        points -= loss
        advice.append(sentence)

    for loss, sentence in losses(evidence) if evidence else ():
        take(loss, sentence)
    for side in figures["touches"]:
        take(8, f"The object is cut by the {side} edge; a photo that shows all of it makes a better mesh.")
    if figures["coverage"] < config.min_coverage:
        take(20, f"The object covers {figures['coverage']:.1%} of the picture; move closer or crop.")
    if figures["coverage"] > config.max_coverage:
        take(40, f"The mask covers {figures['coverage']:.1%} of the picture; the background was probably not found.")
    if figures["parts"] > 1:
        many = "Two" if figures["parts"] == 2 else str(figures["parts"])
        take(min(3 * (figures["parts"] - 1), 9), f"{many} separate objects: pass a mask for one.")
    if figures["confidence_mean"] < 0.9:
        take(
            min(100 * (0.9 - figures["confidence_mean"]), 40), "Large areas are uncertain; a plainer background helps."
        )
    if figures["soft_edge_share"] > 0.25:
        take(10, "Much of the object is soft or see-through; a mesh will treat it as solid.")
    if figures["edge_sharpness"] < 0.3:
        take(10, "The edge is soft; a sharper photo gives a cleaner cut.")
    if figures["offset_percent"] > 50:
        take(5, "The object is far from the picture's centre; crop the photo around it.")
    return max(0, round(points)), tuple(advice)


def _nothing(doubts: tuple[str, ...]) -> Scorecard:
    advice = (*doubts, "Nothing was found to cut out; try a plainer background or send your own mask.")
    shares = (
        "confidence_mean",
        "confidence_deviation",
        "coverage",
        "box_efficiency",
        "edge_sharpness",
        "soft_edge_share",
    )
    return Scorecard(found=False, grade="E", points=0, doubted=bool(doubts), parts=0, holes=0, touches=(),
                     offset_px=(0.0, 0.0), offset_percent=0.0, advice=advice, **dict.fromkeys(shares, 0.0))  # fmt: skip


def _sharpness(alpha: Alpha) -> float:
    """Return 2 px over the mean width of the transitions, at most 1, measured at full size where the edge runs."""
    step = max(1, max(alpha.shape) // 4096)
    sample: Alpha = alpha[::step]  # every nth row: transitions are measured along these rows
    between = int(np.count_nonzero((sample > 0.05) & (sample < 0.95)))
    across = int(np.count_nonzero((sample[:, 1:] >= 0.5) != (sample[:, :-1] >= 0.5)))
    down = across if step > 1 else np.count_nonzero((sample[1:] >= 0.5) != (sample[:-1] >= 0.5))
    # A slanted line crosses more pixel sides than it is long: 4 / pi more, on average over all directions.
    length = (across + down) * np.pi / 4
    return float(min(1.0, 2.0 * length / max(between, 1))) if length else 1.0


def _parts(mask: Mask, min_area: float) -> int:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    return int(np.count_nonzero(stats[1:, cv2.CC_STAT_AREA] >= min_area))


def _touches(mask: Mask) -> tuple[str, ...]:
    """Return the sides of the frame that the object touches over more than 2 px and 1 % of the side."""
    lines = (mask[:, 0], mask[0], mask[:, -1], mask[-1])
    return tuple(
        side for side, line in zip(SIDES, lines, strict=True) if np.count_nonzero(line) > max(2, 0.01 * len(line))
    )


def _offset(mask: Mask) -> tuple[float, float]:
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    mass, across, down = (float(moments[name]) for name in ("m00", "m10", "m01"))
    return across / mass - (mask.shape[1] - 1) / 2, down / mass - (mask.shape[0] - 1) / 2


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return tuple(_rounded(each) for each in value) if isinstance(value, tuple) else value
