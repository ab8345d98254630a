"""From a soft guess to the object's outline: the main pieces, cut out by GrabCut at the working size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, Saliency

_SEED = 1  # GrabCut starts its colour models by k-means++; a fixed seed makes equal pixels give equal masks

GROUND_BELOW = 0.12  # saliency below which a pixel is surely background
OBJECT_ABOVE = 0.5  # saliency above which a pixel is probably object
CORE_ABOVE = 0.8  # saliency above which a pixel is surely object, a few pixels inside its outline
CORE_DEPTH_PX = 3  # how far inside the outline the sure object begins
REACH = 0.06  # how far outside the guess the outline may lie, as a share of the picture's longer side
ROUNDS = 3  # GrabCut's iterations: more change nothing that shows
MIN_PIECE = 0.2  # weight below which a piece is another thing, as a share of the main piece's


def cut_object(image: Image, saliency: Saliency, shadow: Mask) -> Mask:
    """Return the mask of the main object of `image` at its own (working) size; empty where `saliency` finds none."""
    guess = keep_main_pieces((saliency > OBJECT_ABOVE) & ~shadow, MIN_PIECE)
    labels = _label(guess, saliency, shadow)
    sure = np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD))
    if sure.all() or not sure.any():
        return guess
    cv2.setRNGSeed(_SEED)
    calm = cv2.GaussianBlur(image, (0, 0), 0.7)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(calm, labels, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return keep_main_pieces(mask, MIN_PIECE)


def _label(guess: Mask, saliency: Saliency, shadow: Mask) -> NDArray[np.uint8]:
    """Return GrabCut's four labels."""
    cross = np.ones((3, 3), np.uint8)
    reach = max(4, round(REACH * max(guess.shape)))
    near = cv2.dilate(guess.astype(np.uint8), cross, iterations=reach) > 0
    core = (guess & (saliency > CORE_ABOVE)).astype(np.uint8)
    core = cv2.erode(core, cross, iterations=CORE_DEPTH_PX, borderType=cv2.BORDER_REPLICATE) > 0
    labels = np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[(saliency < GROUND_BELOW) | ~near | shadow] = cv2.GC_BGD
    labels[core & ~shadow] = cv2.GC_FGD
    return labels


def keep_main_pieces(mask: Mask, min_share: float) -> Mask:
    """Return `mask` without the pieces that weigh less than `min_share` of the heaviest.

    A piece weighs its area, less the nearer it lies to the frame.
    """
    count, labels, stats, centers = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    height, width = mask.shape
    offset = centers[1:] / (width, height) - 0.5
    weights = stats[1:, cv2.CC_STAT_AREA] * np.exp(-(offset**2).sum(axis=1) / (2 * 0.25**2))
    kept = 1 + np.flatnonzero(weights >= min_share * weights.max())
    return np.asarray(np.isin(labels, kept), dtype=np.bool_)
