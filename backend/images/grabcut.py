"""A trimap and the image in, a mask out (GrabCut, Rother et al. 2004).

Colour models of the certain parts decide the unknown ones, with smooth outlines that prefer the image's edges.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, Trimap, check_image, check_same_size

MIN_SAMPLES = 20  # fewer pixels make no colour model


@dataclass(frozen=True)
class GrabCutConfig:
    samples: int = 6000  # pixels that a colour model is learnt from; more change the result by less than the seed does
    rounds: int = 1  # how often the models are learnt again from the last cut, and the cut repeated


@dataclass(frozen=True)
class ColorModels:
    """Two mixtures of five Gaussians in RGB, as cv2.grabCut keeps them."""

    background: NDArray[np.float64]  # (1, 65)
    foreground: NDArray[np.float64]  # (1, 65)


def learn_colors(image: Image, foreground: Mask, background: Mask, config: GrabCutConfig) -> ColorModels | None:
    """Return the models of the colours under both masks, or None when either holds fewer than 20 pixels."""
    check_image(image)
    sides = [_draw(image[side], config.samples) for side in (foreground, background)]
    if min(len(side) for side in sides) < MIN_SAMPLES:
        return None
    labels = np.concatenate([np.full(len(sides[0]), cv2.GC_FGD), np.full(len(sides[1]), cv2.GC_BGD)])
    models = ColorModels(np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(0)  # k-means draws from OpenCV's one global generator
    # Zero rounds in this mode learn both models and cut nothing; the samples stand in for a picture one row high.
    cv2.grabCut(
        np.concatenate(sides)[None], labels[None].astype(np.uint8), None,
        models.background, models.foreground, 0, cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    return models


def grabcut(image: Image, trimap: Trimap, guess: Mask, models: ColorModels, config: GrabCutConfig) -> Mask:
    """Return the mask that models and edges give the trimap's unknown part; the certain parts stay as they are."""
    check_same_size(image, trimap)
    check_same_size(image, guess)
    labels = np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[trimap == 255] = cv2.GC_FGD
    labels[trimap == 0] = cv2.GC_BGD
    both = np.isin([cv2.GC_FGD, cv2.GC_BGD], labels).all()
    if (trimap == 128).any() and min(labels.shape) > 1 and both:
        cv2.grabCut(image, labels, None, models.background.copy(), models.foreground.copy(), config.rounds, cv2.GC_EVAL)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))


def _draw(pixels: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    if len(pixels) <= most:
        return pixels
    return pixels[np.random.default_rng(0).choice(len(pixels), most, replace=False)]
