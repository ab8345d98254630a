"""What is known of a first guess besides its pixels: how unsure it was, what a second opinion said, what was left out.

The costs were fitted by logistic regression to 210 real photos and three networks (IoU below 0.7 or not), 15 points to
a unit of log odds; `benchmarks/refinement.py --grades` measures what they are worth.
"""

from dataclasses import dataclass

import numpy as np

from backend.images.arrays import Saliency
from backend.images.resize import fit_longest_side

SIDE_PX = 512  # longer side of the copy on which the saliency is judged
POINTS = 15.0  # of a unit of log odds
DISPUTED = 0.81  # log odds for each e-fold of the disagreement
UNSURE, UNSURE_ALONE = 1.42, 2.17  # log odds for each e-fold of the unsureness: beside a second opinion, and without
CALM, CALM_ALONE, AGREED = 0.009, 0.005, 0.012  # what a good answer has anyway and costs nothing
FLOOR, DISPUTE_FLOOR = 0.01, 0.03  # below these the figures are noise
LEFT_OUT, MOST_LEFT_OUT = 60.0, 30.0  # points for each object's area left out, and at most
LEAST_TOLD = 1.0  # a loss of fewer points is none


@dataclass(frozen=True)
class Evidence:
    """Figures of the first guess; shares of the object's area."""

    unsure: float  # the saliency outside the mask, summed
    disagreement: float | None = None  # 1 - IoU with a second opinion, None where nobody else was asked
    left_out: float = 0.0  # parts that were found and dropped


def unsureness(saliency: Saliency) -> float:
    """Return the saliency outside the mask (below one half), summed, over the mask's area; 0 for an empty mask."""
    small = np.clip(fit_longest_side(saliency, SIDE_PX), 0, 1)
    mask = small >= 0.5
    area = np.count_nonzero(mask)
    return float(small[~mask].sum() / area) if area else 0.0


def losses(evidence: Evidence) -> list[tuple[float, str]]:
    """Return the points that the evidence costs, each with its sentence, the largest first."""
    alone = evidence.disagreement is None
    weight, calm = (UNSURE_ALONE, CALM_ALONE) if alone else (UNSURE, CALM)
    found = [
        (
            POINTS * weight * float(np.log((evidence.unsure + FLOOR) / (calm + FLOOR))),
            f"The segmenter was unsure about an area of {evidence.unsure:.0%} of the object.",
        ),
        (
            min(LEFT_OUT * evidence.left_out, MOST_LEFT_OUT),
            f"Parts of {evidence.left_out:.0%} of the object's size were left out; instances=all keeps them.",
        ),
    ]
    if evidence.disagreement is not None:
        ratio = (evidence.disagreement + DISPUTE_FLOOR) / (AGREED + DISPUTE_FLOOR)
        found.append(
            (
                POINTS * DISPUTED * float(np.log(ratio)),
                f"A second opinion differs in {evidence.disagreement:.0%} of the object.",
            )
        )
    return sorted((one for one in found if one[0] >= LEAST_TOLD), reverse=True)
