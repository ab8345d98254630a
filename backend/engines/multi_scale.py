"""A network asked at three scales, and the median of its answers.

A network recognises things best at one size; what it sees at only one of three scales is usually a mistake.
"""

import cv2
import numpy as np

from backend.engines.first_guess import FirstGuess, Segmenter
from backend.images.arrays import Image, Saliency, check_image
from backend.images.resize import fit_longest_side

FARTHER, NEARER = 0.8, 1.2  # size of the picture's content in the network's input, beside 1.0
VIEW_PX = 2048  # longer side of the copy that the two further views are taken from: twice the largest network input


def predict_at_scales(segmenter: Segmenter, image: Image) -> FirstGuess:
    """Return the median over the scales 0.8, 1.0 and 1.2 of the segmenter's saliency, at the image's own size.

    A network's input has one size, so the picture is scaled inside it: smaller with its edge drawn out around it,
    larger with its rim cut off; in that rim, which the near view does not see, the plain view's word stands. Notes
    and facts are the plain view's. Raises ValueError unless `image` is (H, W, 3) uint8, and what `predict` raises.
    """
    check_image(image)
    plain = segmenter.predict(image)
    height, width = image.shape[:2]
    view = fit_longest_side(image, VIEW_PX)
    rows, columns = view.shape[:2]
    y, x = round(rows * (1 / FARTHER - 1) / 2), round(columns * (1 / FARTHER - 1) / 2)
    framed = np.asarray(cv2.copyMakeBorder(view, y, y, x, x, cv2.BORDER_REPLICATE), np.uint8)
    farther = _to_size(segmenter.predict(framed).saliency[y : y + rows, x : x + columns], height, width)
    nearer = plain.saliency.copy()
    top, left = round(height * (1 - 1 / NEARER) / 2), round(width * (1 - 1 / NEARER) / 2)
    inner = nearer[top : height - top, left : width - left]
    y, x = round(rows * (1 - 1 / NEARER) / 2), round(columns * (1 - 1 / NEARER) / 2)
    seen = np.ascontiguousarray(view[y : rows - y, x : columns - x])
    inner[:] = _to_size(segmenter.predict(seen).saliency, *inner.shape)
    facts = {**plain.facts, "scales": "0.8, 1.0, 1.2"}
    return FirstGuess(_median(plain.saliency, farther, nearer), plain.notes, facts, plain.remarks)


def _to_size(saliency: Saliency, height: int, width: int) -> Saliency:
    if saliency.shape == (height, width):
        return saliency
    resized: Saliency = np.clip(cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    return resized


def _median(first: Saliency, second: Saliency, third: Saliency) -> Saliency:
    """Return the median of three, without the stack and the sort that np.median would make of 50 megapixels."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.maximum(low, np.minimum(high, third))
