"""Photo and matte -> the object centred in a square, like TripoSR's training pictures.

A mesh engine knows neither the object's place nor its size. Framing fixes both: the object fills a given share of the
picture, and the picture is what a camera 1.9 away sees with a field of view of 40°.
"""

from dataclasses import dataclass
from math import floor, hypot
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from backend.contract.errors import NoSubjectError
from backend.images.arrays import Alpha, Box, Image, check_alpha, check_image, check_same_size, visible_box
from backend.images.resize import rescale

STRIP_ROWS = 256  # composited at a time
T = TypeVar("T", bound=np.generic)

# A strip of 50 Mpx would be padded to 371 Mpx, and no engine uses more than 2,048 px of the object.
MAX_SIDE_PX = 4096


@dataclass(frozen=True)
class Framed:
    """The object in its square, and the way back to the photo.

    Framed pixel (row, column) shows the photo at `box[1] + (row - corner[0]) / scale`,
    `box[0] + (column - corner[1]) / scale`; `scale` is 1 unless the square would have been over 4,096 px.
    """

    image: Image  # (n, n, 3); black outside the box
    alpha: Alpha  # (n, n); 0 outside the box
    box: Box  # the object in the photo
    corner: tuple[int, int]  # row and column of the box's first pixel in the square
    scale: float  # framed pixels per photo pixel
    cut: tuple[bool, bool, bool, bool]  # left, top, right, bottom: the object touches the photo's frame there

    def place(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a float32 (H, W) map of the same photo, such as a disparity, in the same square; 0 outside the box.

        Raises ValueError when `plane` does not hold the box.
        """
        x0, y0, x1, y1 = self.box
        if plane.ndim != 2 or plane.shape[0] < y1 or plane.shape[1] < x1:
            raise ValueError(f"a {plane.shape} map does not hold the box {self.box}")
        return _pad(rescale(plane[y0:y1, x0:x1], self.scale), self.corner, len(self.alpha))


def frame_object(image: Image, alpha: Alpha, foreground_ratio: float = 0.85, smart: bool = False) -> Framed:
    """Return the object centred in a square, at the photo's resolution; it fills `foreground_ratio` of the side.

    The box of alpha > 0 (in 8 bits) is kept whole, padded to a square of its longer side s and then to
    n = ⌊s / ratio⌋; the padding before is ⌊(s − h) / 2⌋, then ⌊(n − s) / 2⌋. With `smart`, padding follows the shape:
    a long object fills more of the square, by at most half of the margin, and the centre of mass moves toward the
    middle until a side is left with half of its margin.
    Raises NoSubjectError when no alpha is above 0, ValueError for arrays of two sizes or a ratio outside [0.05, 1].
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    if not 0.05 <= foreground_ratio <= 1.0:
        raise ValueError(f"foreground_ratio lies in [0.05, 1], not {foreground_ratio}")
    box = object_box(alpha)
    x0, y0, x1, y1 = box
    scale = min(1.0, MAX_SIDE_PX * foreground_ratio / max(x1 - x0, y1 - y0))
    crop, matte = rescale(image[y0:y1, x0:x1], scale), rescale(alpha[y0:y1, x0:x1], scale)
    height, width = matte.shape
    square = max(height, width)
    side = floor(square / (_ratio_by_shape(foreground_ratio, height, width) if smart else foreground_ratio))
    margin = (side - square) // 2
    corner = margin + (square - height) // 2, margin + (square - width) // 2
    if smart:
        corner = _corner_by_mass(matte, side, margin // 2)
    cut = x0 == 0, y0 == 0, x1 == alpha.shape[1], y1 == alpha.shape[0]
    return Framed(_pad(crop, corner, side), _pad(matte, corner, side), box, corner, scale, cut)


def _ratio_by_shape(ratio: float, height: int, width: int) -> float:
    """Return the ratio at which the box's diagonal is as long as that of a square box at `ratio`, within bounds."""
    long, short = max(height, width), min(height, width)
    return min(ratio * 2**0.5 / hypot(1.0, short / long), (1.0 + ratio) / 2)


def _corner_by_mass(matte: Alpha, side: int, min_margin: int) -> tuple[int, int]:
    """Return the corner that puts the centre of mass in the middle, or as near as `min_margin` px around allow."""
    corner = []
    for length, weight in zip(matte.shape, (matte.sum(1), matte.sum(0)), strict=True):
        center = float(weight @ np.arange(length)) / float(weight.sum()) + 0.5
        corner.append(int(np.clip(round(side / 2 - center), min_margin, side - length - min_margin)))
    return corner[0], corner[1]


def object_box(alpha: Alpha) -> Box:
    """Return the smallest box of all pixels with alpha > 0 (in 8 bits). Raises NoSubjectError without such pixels."""
    box = visible_box(alpha)
    if box is None:
        raise NoSubjectError("The matte is empty: no object was found in the picture.")
    return box


def on_grey(framed: Framed, size: int = 512) -> NDArray[np.float32]:
    """Return the (size, size, 3) float32 picture in [0, 1] that TripoSR gets: rgb·alpha + 0.5·(1 − alpha).

    It is composited before it is resized (bilinear, antialiased), so that colours under alpha 0 never bleed in.
    """
    if size < 1:
        raise ValueError(f"size is at least 1, not {size}")
    channels = []
    flat = PillowImage.new("F", framed.alpha.shape[::-1])
    for channel in range(3):  # one at a time, in strips: a 49 Mpx float picture is 196 MB a channel
        for top in range(0, flat.height, STRIP_ROWS):
            rows = slice(top, top + STRIP_ROWS)
            alpha = framed.alpha[rows]
            strip = framed.image[rows, :, channel] * (alpha / 255.0) + 0.5 * (1.0 - alpha)
            flat.paste(PillowImage.fromarray(strip.astype(np.float32)), (0, top))
        resized = flat.resize((size, size), PillowImage.Resampling.BILINEAR)
        channels.append(np.asarray(resized))
    grey: NDArray[np.float32] = np.clip(np.stack(channels, axis=-1), 0.0, 1.0)
    return grey


def _pad(plane: NDArray[T], corner: tuple[int, int], side: int) -> NDArray[T]:
    padded = np.zeros((side, side, *plane.shape[2:]), plane.dtype)
    padded[corner[0] : corner[0] + plane.shape[0], corner[1] : corner[1] + plane.shape[1]] = plane
    return padded
