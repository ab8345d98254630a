"""The box of the picture inside its letterbox bars: bars of one flat colour at the edge do not belong to the scene.

A bar must end in one straight step along nearly its whole length; a plain studio background is flat too, but nothing
ends there, and cutting it off would push the object against the frame. Bars lie on opposite sides: a margin that goes
round a corner is the backdrop of a book, a screen or a poster, or a frame.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Box, Image, check_image

FLATNESS = 12  # 8-bit levels by which a bar's samples may differ from its colour: JPEG ripples about its end
STEP = 10  # 8-bit levels by which the first row of the picture leaves the bar's colour
STEP_SHARE = 0.8  # of that row's samples must do so; dark corners of a picture may match a black bar
MAX_BAR = 0.45  # longest bar, as a share of the side: what is left is still a picture
DARK = 30  # 8-bit levels up to which a grainy bar is one: a lighter grain is a photographed backdrop's
GRAIN = 1.0  # 8-bit levels: deviation within a drawn bar
ROUND = 0.98  # of the picture's side between two bars that has their colour: a margin around what is on it
RETURNS = 0.3  # of what lies between the bars has their colour: they are the backdrop of a long thing
MARGIN = 0.004  # of the side cut off with a bar: the blur and the JPEG ripples between bar and picture


def find_content_box(image: Image) -> Box:
    """Return the box of `image` without its letterbox bars: the whole picture when it has none."""
    check_image(image)
    height, width = image.shape[:2]
    whole = (0, 0, width, height)
    y0, y1 = _trim(_squeeze(image))
    x0, x1 = _trim(_squeeze(image[y0:y1].transpose(1, 0, 2)))
    if (y0, y1) != (0, height) and (x0, x1) != (0, width):
        return whole
    if _goes_round(image, (x0, y0, x1, y1)):
        return whole
    bars = (image[:y0], image[y1:], image[:, :x0], image[:, x1:])
    return (x0, y0, x1, y1) if all(_is_drawn(bar) for bar in bars if bar.size) else whole


def _goes_round(image: Image, box: Box) -> bool:
    """Return whether the bars' colour goes on along a whole side of the picture between them: it is a backdrop's."""
    x0, y0, x1, y1 = box
    if (x0, x1) != (0, image.shape[1]):
        bar, ends = image[:, :x0] if x0 else image[:, x1:], (image[0, x0:x1], image[-1, x0:x1])
    elif (y0, y1) != (0, image.shape[0]):
        bar, ends = image[:y0] if y0 else image[y1:], (image[y0:y1, 0], image[y0:y1, -1])
    else:
        return False
    color = np.median(bar, axis=(0, 1))
    return any(bool((np.abs(end - color).max(axis=1) <= FLATNESS).mean() > ROUND) for end in ends)


def _is_drawn(bar: NDArray[np.uint8]) -> bool:
    if np.median(bar) <= DARK:
        return True
    return bool(np.percentile(np.abs(bar - np.median(bar, axis=(0, 1))), 90) <= GRAIN)


def _squeeze(rows: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return `rows` averaged to at most 64 samples a row: grain and JPEG ripples in a bar average out."""
    samples = min(64, rows.shape[1])
    edges = np.linspace(0, rows.shape[1], samples + 1).astype(int)
    if rows.shape[1] <= 8 * samples:
        narrow = [rows[:, left:right].mean(axis=1) for left, right in pairwise(edges)]
    else:  # eight pixels of each stretch are enough of a large picture
        narrow = [rows[:, left : left + 8].mean(axis=1) for left in edges[:-1]]
    return np.stack(narrow, axis=1).astype(np.int16)


def _trim(rows: NDArray[np.int16]) -> tuple[int, int]:
    """Return the half-open range of rows between the bars at the two ends; all of them where the bars would meet."""
    first, end = _bar_length(rows), len(rows) - _bar_length(rows[::-1])
    return (first, end) if first < end else (0, len(rows))


def _bar_length(rows: NDArray[np.int16]) -> int:
    """Return how many rows from the first on belong to a bar, the cut-off margin included; 0 when there is none."""
    limit = int(len(rows) * MAX_BAR)
    if limit < 2:
        return 0
    color = np.median(rows[0], axis=0)
    apart = np.abs(rows[: limit + 1] - color).max(axis=2)  # (rows, samples)
    broken = np.flatnonzero((apart > FLATNESS).mean(axis=1) > 0.02)
    if len(broken) == 0 or broken[0] < 2:
        return 0
    # A resized picture blends into its bar over a pixel or two: the step is judged just behind the blend.
    margin = 1 + round(len(rows) * MARGIN)
    inside = apart[broken[0] : broken[0] + margin + 1].max(axis=0)
    if (inside > STEP).mean() < STEP_SHARE:
        return 0
    rest = np.abs(rows[broken[0] + margin : len(rows) - broken[0] - margin] - color).max(axis=2)
    if rest.size and (rest <= FLATNESS).mean() > RETURNS:
        return 0
    return int(broken[0]) + margin
