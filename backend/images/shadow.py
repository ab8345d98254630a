"""An object's alpha in, the shadow that it would throw out: drawn, not computed from the scene."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from backend.images.arrays import Alpha, Image, check_alpha, check_image, check_same_size, visible_box
from backend.images.resize import scale_to_fit

ShadowKind = Literal["soft", "contact"]
SIDE_PX = 512  # of the copy in which shadows are blurred: they have no detail


@dataclass(frozen=True)
class ShadowConfig:
    """Lengths are shares of the object's longer side."""

    opacity: float = 0.35  # darkest, of black
    blur: float = 0.04  # standard deviation
    shift: tuple[float, float] = (0.03, 0.04)  # right and down: of a wall a little behind the object
    floor: float = 0.1  # how deep the object's outline lies on the floor
    contact_opacity: float = 0.55
    contact_blur: float = 0.02


def shadow_of(alpha: Alpha, kind: ShadowKind, config: ShadowConfig | None = None) -> Alpha:
    """Return how dark the ground is, (H, W) float32 in [0, 1]; zeros for an empty alpha.

    `soft` is the outline on a wall behind; `contact` lies on a floor at the object's lowest edge.
    """
    check_alpha(alpha)
    config = config or ShadowConfig()
    height, width = alpha.shape
    scale = scale_to_fit(alpha.shape, SIDE_PX)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), 0, 1)
    box = visible_box(small)
    if box is None:
        return np.zeros_like(alpha)
    longer = max(box[2] - box[0], box[3] - box[1])
    if kind == "soft":
        right, down = (share * longer for share in config.shift)
        move = np.array([[1, 0, right], [0, 1, down]], np.float64)
        opacity, blur = config.opacity, config.blur
    else:
        bottom, flat = float(box[3]), config.floor * longer / (box[3] - box[1])
        move = np.array([[1, 0, 0], [0, flat, bottom * (1 - flat) + config.floor * longer / 4]], np.float64)
        opacity, blur = config.contact_opacity, config.contact_blur
    # Room on all sides, or the blur would take the frame's last pixels for the world beyond it.
    room = int(np.ceil(4 * blur * longer + max(abs(move[0, 2]), config.floor * longer))) + 1
    move[:, 2] += room * (1 - move[[0, 1], [0, 1]])
    wide = cv2.copyMakeBorder(small, room, room, room, room, cv2.BORDER_CONSTANT, value=0)
    cast = cv2.warpAffine(wide, move, wide.shape[::-1], flags=cv2.INTER_LINEAR)
    cast = cv2.GaussianBlur(cast, (0, 0), max(0.3, blur * longer))[room:-room, room:-room]
    grown: Alpha = np.clip(opacity * cv2.resize(cast, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    return grown


def shaded(image: Image, shadow: Alpha) -> Image:
    """Return `image` ((H, W, 3) uint8) darkened toward black by `shadow`. Raises ValueError for two sizes."""
    check_image(image)
    check_same_size(image, shadow)
    out = np.empty_like(image)
    for top in range(0, len(image), 256):  # in strips: a whole photo in float32 is large
        rows = slice(top, top + 256)
        out[rows] = np.rint(image[rows] * (1 - shadow[rows, :, None]))
    return out
