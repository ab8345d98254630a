"""From a soft guess to the object's outline: the main pieces, cut out by GrabCut at the working size."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, Saliency

_SEED = 1  # GrabCut starts its colour models by k-means++; a fixed seed makes equal pixels give equal masks


@dataclass(frozen=True)
class CutConfig:
    """Saliency levels in [0, 1]; lengths as shares of the longer side."""

    ground_below: float = 0.12  # surely background
    object_above: float = 0.5  # probably object
    core_above: float = 0.8  # surely object, a few pixels inside
    core_depth_px: int = 3
    reach: float = 0.06  # how far outside the guess the outline may lie
    rounds: int = 3  # GrabCut's iterations: more change nothing that shows
    least_piece: float = 0.2  # of the main piece's weight: smaller pieces are other things


def cut_object(image: Image, saliency: Saliency, shadow: Mask, config: CutConfig | None = None) -> Mask:
    """Return the mask of the main object of `image` at its own (working) size; empty where `saliency` finds none."""
    config = config or CutConfig()
    guess = keep_main_pieces((saliency > config.object_above) & ~shadow, config.least_piece)
    labels = _label(guess, saliency, shadow, config)
    sure = np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD))
    if sure.all() or not sure.any():
        return guess
    cv2.setRNGSeed(_SEED)
    calm = cv2.GaussianBlur(image, (0, 0), 0.7)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(calm, labels, None, *models, config.rounds, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return keep_main_pieces(mask, config.least_piece)


def _label(guess: Mask, saliency: Saliency, shadow: Mask, config: CutConfig) -> NDArray[np.uint8]:
    """Return GrabCut's four labels."""
    cross = np.ones((3, 3), np.uint8)
    reach = max(4, round(config.reach * max(guess.shape)))
    near = cv2.dilate(guess.astype(np.uint8), cross, iterations=reach) > 0
    core = (guess & (saliency > config.core_above)).astype(np.uint8)
    core = cv2.erode(core, cross, iterations=config.core_depth_px, borderType=cv2.BORDER_REPLICATE) > 0
    labels = np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[(saliency < config.ground_below) | ~near | shadow] = cv2.GC_BGD
    labels[core & ~shadow] = cv2.GC_FGD
    return labels


def keep_main_pieces(mask: Mask, least: float) -> Mask:
    """Return `mask` without the pieces that weigh less than `least` of the heaviest: area, less toward the frame."""
    count, labels, stats, centers = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    height, width = mask.shape
    offset = centers[1:] / (width, height) - 0.5
    weights = stats[1:, cv2.CC_STAT_AREA] * np.exp(-(offset**2).sum(axis=1) / (2 * 0.25**2))
    kept = 1 + np.flatnonzero(weights >= least * weights.max())
    return np.asarray(np.isin(labels, kept), dtype=np.bool_)
