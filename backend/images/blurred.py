"""A picture in, the same picture out of focus out. What an object hides in it is filled from around it first, so that
the object leaves no glow."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import MIN_VISIBLE, Alpha, Image, check_image, check_same_size
from backend.images.resize import rescale, resize_to

SIGMA_PX = 4.0  # of the working copy: a picture that is blurred more has no detail that a smaller copy lacks
Floats = NDArray[np.float32]


def blurred(image: Image, share: float, hidden: Alpha | None = None) -> Image:
    """Return `image` blurred by a standard deviation of `share` of its longer side, without what `hidden` covers.

    Raises ValueError for arrays of two sizes and a share that is not above 0.
    """
    check_image(image)
    if share <= 0:
        raise ValueError(f"a blur is above 0, not {share}")
    sigma = share * max(image.shape[:2])
    scale = min(1.0, SIGMA_PX / sigma)
    small: Floats = rescale(image, scale).astype(np.float32)
    if hidden is not None:
        check_same_size(image, hidden)
        # Grown: beside the matte's rim the photo still has the object's colours.
        covered = cv2.dilate(rescale(hidden, scale), np.ones((5, 5), np.uint8))
        small = _filled(small, (covered <= MIN_VISIBLE).astype(np.float32))
    small = np.asarray(cv2.GaussianBlur(small, (0, 0), sigma * scale, borderType=cv2.BORDER_REPLICATE), np.float32)
    return np.clip(np.rint(resize_to(small, image.shape[:2])), 0, 255).astype(np.uint8)


def _filled(colors: Floats, known: Floats) -> Floats:
    """Return (H, W, 3) `colors` as they are where `known` (H, W) is 1; elsewhere what is known nearby, from ever
    coarser copies (push-pull; Gortler et al., "The Lumigraph", SIGGRAPH 1996). All as they are where none is known."""
    if known.all() or not known.any():
        return colors
    shape = (known.shape[0] + 1) // 2, (known.shape[1] + 1) // 2
    cover = resize_to(known, shape)
    weighed = resize_to(colors * known[..., None], shape)
    coarse = np.divide(weighed, cover[..., None], out=np.zeros_like(weighed), where=cover[..., None] > 0)
    around = resize_to(_filled(coarse, (cover > 0).astype(np.float32)), known.shape)
    return np.asarray(colors * known[..., None] + around * (1 - known[..., None]), np.float32)
