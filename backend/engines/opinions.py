"""Two networks asked about one picture: the surer one is taken, and how far they differ is a figure of its own.

Networks err on different pictures, and one that errs is mostly unsure: on 189 real photos the surer of `u2net` and
`u2netp` has a mean IoU of 0.839 where `u2net` alone has 0.816 (docs/models.md).
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from backend.engines.first_guess import FirstGuess
from backend.images.arrays import Mask, Saliency
from backend.images.resize import fit_longest_side

MAYBE = 0.1  # saliency above which a pixel may be the object's: the plain background says nothing about sureness
INSIDE = 0.5
SURE = 0.9  # saliency from which a network is sure of a pixel
JUDGED_PX = 512  # longer side of the copies on which a mask is judged
WITHIN = 0.97  # share of what a network is sure of that a plain backdrop's outline has to enclose


@dataclass(frozen=True)
class Opinion:
    """A segmenter's name and its answer."""

    name: str
    guess: FirstGuess


def sureness(saliency: Saliency) -> float:
    """Return how decided the saliency is where the object may be, from 0 (no object) to 1 (all is 0 or 1)."""
    if not (saliency >= INSIDE).any():
        return 0.0
    return float(np.abs(2.0 * saliency[saliency > MAYBE] - 1.0).mean())


def disagreement(first: Saliency | Mask, second: Saliency | Mask) -> float:
    """Return 1 - IoU of the two masks at one half: 0 for equal ones, also where both are empty."""
    one, other = first >= INSIDE, second >= INSIDE
    either = np.count_nonzero(one | other)
    return 0.0 if either == 0 else 1.0 - np.count_nonzero(one & other) / either


def doubted(saliency: Saliency | Mask, *opinions: Saliency) -> float:
    """Return how much of the mask of `saliency`, at one half, the opinions leave in doubt, from 0 to 1.

    It is 1 - the IoU to expect of that mask if the object had each pixel with the chance that the opinions give it on
    average: sum of the chances inside, over the mask's area and the chances outside. An empty mask is all in doubt.
    """
    chance = np.mean([fit_longest_side(one, JUDGED_PX) for one in opinions], axis=0)
    mask = fit_longest_side(np.asarray(saliency, np.float32), JUDGED_PX) >= INSIDE
    area = np.count_nonzero(mask)
    return 1.0 - float(chance[mask].sum() / (area + chance[~mask].sum())) if area else 1.0


def surer(first: Opinion, second: Opinion, mirrored: FirstGuess) -> Opinion:
    """Return the surer of two opinions, the first where they are equally sure, with the figures of the comparison.

    `mirrored` is the second one's answer for the picture's mirror image: it counts for the doubt alone.
    """
    sure = {one.name: sureness(one.guess.saliency) for one in (first, second)}
    chosen = second if sure[second.name] > sure[first.name] else first
    looks = both_looks(second.guess, mirrored)
    facts = {
        **chosen.guess.facts,
        "opinions": f"{first.name} (sureness {sure[first.name]:.3f}), {second.name} ({sure[second.name]:.3f})",
        "disagreement": round(disagreement(first.guess.saliency, second.guess.saliency), 4),
        "doubted_share": round(doubted(chosen.guess.saliency, first.guess.saliency, looks), 4),
        "why": "the surer of two networks",
    }
    return Opinion(chosen.name, replace(chosen.guess, facts=facts))


def with_mirrored(guess: FirstGuess, mirrored: FirstGuess) -> FirstGuess:
    """Return the mean of a network's answers for a picture and for its mirror image, and how far they differ."""
    looks = both_looks(guess, mirrored)
    facts = {
        **guess.facts,
        "disagreement": round(disagreement(guess.saliency, mirrored.saliency[:, ::-1]), 4),
        "doubted_share": round(doubted(looks, looks), 4),
        "why": "the only network here, asked about the picture and its mirror image",
    }
    return replace(guess, saliency=looks, facts=facts)


def both_looks(guess: FirstGuess, mirrored: FirstGuess) -> Saliency:
    """Return the mean saliency of a network's answers for a picture and for its mirror image."""
    mean: Saliency = (guess.saliency + mirrored.saliency[:, ::-1]) / np.float32(2)
    return mean


def with_exact_outline(network: Opinion, plain: FirstGuess) -> Opinion:
    """Return the network's object with the outline that was read off a plain backdrop, where both mean one object.

    A network says what the object is, a plain backdrop where it ends: to the pixel, spokes and letters included. They
    mean one object where the outline encloses what the network is sure of, which may be a piece: the picture on a
    book's cover, one of two earrings. An outline that leaves a part of that out took it for a shadow.
    """
    one, other = network.guess.saliency >= INSIDE, plain.saliency >= INSIDE
    filled = _filled(other)
    apart = min(disagreement(one, other), disagreement(one, filled))
    sure = network.guess.saliency >= SURE
    area = np.count_nonzero(sure)
    facts = {**network.guess.facts, "backdrop_disagreement": round(apart, 4)}
    if plain.notes or area == 0 or np.count_nonzero(sure & filled) < WITHIN * area:
        return Opinion(network.name, replace(network.guess, facts=facts))
    doubt = min(doubted(one, network.guess.saliency) for one in (other, filled))
    facts = {**plain.facts, **facts, "doubted_share": round(doubt, 4), "outline": "border"}
    told = f"{network.name} found the object; its outline was read off the plain backdrop."
    remarks = (*network.guess.remarks, *plain.remarks, told)
    return Opinion(network.name, replace(plain, notes=network.guess.notes, facts=facts, remarks=remarks))


def _filled(mask: Mask) -> Mask:
    """Return `mask` with everything that it encloses."""
    outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED) > 0)
