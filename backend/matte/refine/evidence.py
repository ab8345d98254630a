"""What is known of a first guess besides its pixels: how unsure it was, what a second opinion said, what was moved.

The costs were fitted by logistic regression (IoU below 0.7 or not) to 210 real photos and three networks, each set and
network judged by what the others taught, and to 105 of them and `border`: some 15 points to a unit of log odds, fewer
for colours alone. What they are worth is measured by `benchmarks/refinement.py --grades`.
"""

from dataclasses import dataclass

import numpy as np

from backend.images.arrays import Alpha, Saliency, check_same_size
from backend.images.resize import fit_longest_side

SIDE_PX = 512  # longer side of the copy on which the saliency is judged
LEFT_OUT, MOST_LEFT_OUT = 60.0, 30.0  # points for each object's area left out, and at most
LEAST_TOLD = 1.0  # a loss of fewer points is none
GLASS = 16.0  # points where the backdrop shows through a part of the object: no A
CAST = 16.0  # points where a part of the object may be its cast shadow: no A
ENCLOSED, MOST_ENCLOSED = 160.0, 20.0  # points for each object's area that colours leave open or printed, and at most
MINGLED = 45.0  # points where object and background have the same colours


@dataclass(frozen=True)
class _Cost:
    """Points for each e-fold of a figure above what a good answer has anyway; below `floor` the figure is noise."""

    points: float
    calm: float
    floor: float

    def of(self, figure: float) -> float:
        return self.points * float(np.log((figure + self.floor) / (self.calm + self.floor)))


DISPUTED, MOVED = _Cost(20.0, 0.045, 0.03), _Cost(10.0, 0.01, 0.02)  # a network that has a second opinion beside it
UNSURE, MOVED_ALONE = _Cost(15.0, 0.012, 0.01), _Cost(16.0, 0.01, 0.02)  # a network that nobody else was asked beside
COLORS_DISPUTED = _Cost(34.0, 0.08, 0.03)  # a guess by colours that a network was asked beside
COLORS_UNSURE = _Cost(14.0, 0.01, 0.01)  # a guess by colours alone


@dataclass(frozen=True)
class Evidence:
    """Figures of the first guess; shares of the object's area."""

    unsure: float  # the saliency outside the mask, summed
    disagreement: float | None = None  # 1 - IoU with a second opinion, None where nobody else was asked
    left_out: float = 0.0  # parts that were found and dropped
    separation: float | None = None  # of a guess by colours: how far apart those of object and background are, 0 to 1
    see_through: float = 0.0  # of a plain backdrop's object: where its shades go on inside
    cast: float = 0.0  # of a plain backdrop's object: what may be its shadow
    enclosed: float = 0.0  # areas in the backdrop's colour inside the object that no network agrees about
    moved: float = 0.0  # 1 - IoU of a network's mask before and after the refinement


def unsureness(saliency: Saliency) -> float:
    """Return the saliency outside the mask (below one half), summed, over the mask's area; 0 for an empty mask."""
    small = np.clip(fit_longest_side(saliency, SIDE_PX), 0, 1)
    mask = small >= 0.5
    area = np.count_nonzero(mask)
    return float(small[~mask].sum() / area) if area else 0.0


def moved_share(saliency: Saliency, alpha: Alpha) -> float:
    """Return how far the refinement has moved the mask of `saliency`: 1 - IoU of the two, 0 where both are empty.

    Raises ValueError for arrays of two sizes.
    """
    check_same_size(saliency, alpha)
    before, after = (np.clip(fit_longest_side(one, SIDE_PX), 0, 1) >= 0.5 for one in (saliency, alpha))
    either = np.count_nonzero(before | after)
    return 1 - np.count_nonzero(before & after) / either if either else 0.0


def losses(evidence: Evidence) -> list[tuple[float, str]]:
    """Return the points that the evidence costs, each with its sentence, the largest first."""
    told_unsure = f"The segmenter was unsure about an area of {evidence.unsure:.0%} of the object."
    told_left_out = f"Parts of {evidence.left_out:.0%} of the object's size were left out; instances=all keeps them."
    found = [(min(LEFT_OUT * evidence.left_out, MOST_LEFT_OUT), told_left_out)]
    if evidence.see_through:
        found.append((GLASS, f"{evidence.see_through:.0%} of the object may be glass; it was kept opaque."))
    if evidence.cast:
        found.append(
            (CAST, f"{evidence.cast:.0%} of the object may be its cast shadow; softer light shows the outline.")
        )
    told = f"Areas in the backdrop's colour inside the object ({evidence.enclosed:.0%} of it) may be open or printed."
    found.append((min(ENCLOSED * evidence.enclosed, MOST_ENCLOSED), f"{told} holes=fill or holes=keep decides."))
    by_color, alone = evidence.separation is not None, evidence.disagreement is None
    if evidence.disagreement is not None:
        told = f"A second opinion differs in {evidence.disagreement:.0%} of the object."
        found.append(((COLORS_DISPUTED if by_color else DISPUTED).of(evidence.disagreement), told))
    if alone:
        found.append(((COLORS_UNSURE if by_color else UNSURE).of(evidence.unsure), told_unsure))
    if not by_color:
        told = f"The refinement moved the mask by {evidence.moved:.0%} of the object; compare it with the picture."
        found.append(((MOVED_ALONE if alone else MOVED).of(evidence.moved), told))
    if alone and evidence.separation is not None:
        found.append((MINGLED * (1 - evidence.separation), "The object's colours are also those of its background."))
    return sorted((one for one in found if one[0] >= LEAST_TOLD), reverse=True)
