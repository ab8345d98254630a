"""What is known of a first guess besides its pixels: how far it is in doubt, what was moved, what was left out.

The costs were fitted to 210 real photos, the pairs and three networks, alone and in twos, and to 101 of the photos and
`border`; what was measured was chosen by how it did on sets and networks that it was not fitted to. What they are worth
is measured by `benchmarks/refinement.py --grades`.
"""

from dataclasses import dataclass

import numpy as np

from backend.images.arrays import Alpha, Saliency, check_same_size
from backend.images.resize import fit_longest_side

SIDE_PX = 512  # longer side of the copies that are compared
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


DOUBTED, MOVED = _Cost(28.0, 0.07, 0.05), _Cost(8.0, 0.01, 0.02)  # a network that has a second opinion beside it
UNSURE, MOVED_ALONE = _Cost(20.0, 0.05, 0.05), _Cost(16.0, 0.01, 0.02)  # a guess that nobody else was asked about
COLORS_DOUBTED = _Cost(40.0, 0.1, 0.05)  # a guess by colours that a network was asked beside


@dataclass(frozen=True)
class Evidence:
    """Figures of the first guess; shares of the object."""

    unsure: float  # how much of the mask the segmenter's own answer leaves in doubt (`opinions.doubted`)
    doubted: float | None = None  # how much of it all that were asked do, None where nobody else was
    left_out: float = 0.0  # parts that were found and dropped
    separation: float | None = None  # of a guess by colours: how far apart those of object and background are, 0 to 1
    see_through: float = 0.0  # of a plain backdrop's object: where its shades go on inside
    cast: float = 0.0  # of a plain backdrop's object: what may be its shadow
    enclosed: float = 0.0  # areas in the backdrop's colour inside the object that no network agrees about
    moved: float = 0.0  # 1 - IoU of a network's mask before and after the refinement


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
    by_color, alone = evidence.separation is not None, evidence.doubted is None
    if evidence.doubted is None:
        told = f"The segmenter was unsure about {evidence.unsure:.0%} of the object."
        found.append((UNSURE.of(evidence.unsure), told))
    else:
        told = f"Second opinions leave {evidence.doubted:.0%} of the object in doubt; compare mask and picture."
        found.append(((COLORS_DOUBTED if by_color else DOUBTED).of(evidence.doubted), told))
    if not by_color:
        told = f"The refinement moved the mask by {evidence.moved:.0%} of the object."
        found.append(((MOVED_ALONE if alone else MOVED).of(evidence.moved), told))
    if alone and evidence.separation is not None:
        found.append((MINGLED * (1 - evidence.separation), "The object's colours are also those of its background."))
    return sorted((one for one in found if one[0] >= LEAST_TOLD), reverse=True)
