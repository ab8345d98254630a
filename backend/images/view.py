"""A large photo in, a bounded working copy of the part that matters out, and the way back.

Deciding then costs the same for every photo; only the edge is finished at full size.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Box, Image, Mask, Saliency
from backend.images.resize import rescale, scale_to_fit


@dataclass(frozen=True)
class View:
    """A scaled copy of `image[y0:y1, x0:x1]`; `scale` is working pixels per photo pixel, at most 1."""

    box: Box
    scale: float
    image: Image
    saliency: Saliency

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the working copy."""
        return self.saliency.shape[0], self.saliency.shape[1]


def make_view(image: Image, saliency: Saliency, box: Box, longest_side_px: int) -> View:
    """Return the view of `box`, its longer side at most `longest_side_px`, averaged down."""
    x0, y0, x1, y1 = box
    scale = scale_to_fit((y1 - y0, x1 - x0), longest_side_px)
    part, guess = (np.ascontiguousarray(rescale(array[y0:y1, x0:x1], scale)) for array in (image, saliency))
    return View(box, scale, part, guess if scale == 1 else np.clip(guess, 0, 1))


def box_around(mask: Mask, frame: Box, margin: float, margin_px: int) -> Box:
    """Return the box of `mask` (a map of `frame`, at any scale) in the frame's pixels, wider on each side by `margin`
    of its longer side and `margin_px`, cut at the frame. The whole frame when `mask` is empty."""
    x0, y0, x1, y1 = frame
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return frame
    across, down = (x1 - x0) / mask.shape[1], (y1 - y0) / mask.shape[0]
    left, right = columns[0] * across, (columns[-1] + 1) * across
    top, bottom = rows[0] * down, (rows[-1] + 1) * down
    room = margin * max(right - left, bottom - top) + margin_px
    return (
        max(x0, int(x0 + left - room)),
        max(y0, int(y0 + top - room)),
        min(x1, int(np.ceil(x0 + right + room))),
        min(y1, int(np.ceil(y0 + bottom + room))),
    )


def sample_map(values: NDArray[np.float32], of: Box, at: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return `values`, a map of box `of` at any scale, read bilinearly over box `at` at `size` (height, width).

    Beyond `of` its nearest value goes on. Positions are rounded to 1/32 of a pixel of `values`.
    """
    across, down = values.shape[1] / (of[2] - of[0]), values.shape[0] / (of[3] - of[1])
    step_x, step_y = (at[2] - at[0]) / size[1] * across, (at[3] - at[1]) / size[0] * down
    start_x = (at[0] - of[0]) * across + step_x / 2 - 0.5
    start_y = (at[1] - of[1]) * down + step_y / 2 - 0.5
    way_back = np.array([[step_x, 0, start_x], [0, step_y, start_y]], np.float64)
    return np.asarray(
        cv2.warpAffine(
            values, way_back, (size[1], size[0]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )  # fmt: skip
