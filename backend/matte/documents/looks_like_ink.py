"""An image in, the report on its border out, and whether what stands inside looks like ink on plain paper.

The page asks "is this a signature?" by it: a vase before a white wall has a border of one colour as well.
"""

import cv2
import numpy as np

from backend.contract.report import BorderReport
from backend.images.arrays import Image, check_image
from backend.images.resize import fit_longest_side
from backend.matte.documents.perimeter import measure_perimeter

SIDE_PX = 512  # longer side of the copy that is looked at
MIN_PAPER = 150.0  # 8-bit grey; darker paper is none
MIN_CONTRAST = 60.0  # distance of ink from the paper's colour, 8-bit RGB
INK_SHARES = (0.0005, 0.2)  # of the picture
MAX_STROKE = 0.035  # width of nearly all strokes, as a share of the longer side
MIN_ALIKE = 0.985  # one pen: length of the mean direction from the paper's colour to the ink's; 1: all the same


def border_report(image: Image, max_deviation: float) -> BorderReport:
    """Return the part of the report; up to `max_deviation` (8-bit RGB) the border counts as uniform."""
    border = measure_perimeter(image)
    uniform = border.deviation <= max_deviation
    return BorderReport(
        uniform=uniform,
        ink=uniform and looks_like_ink(image),
        color="#" + "".join(f"{round(channel):02x}" for channel in border.color),
        deviation=round(border.deviation, 1),
    )


def looks_like_ink(image: Image) -> bool:
    """Return whether dark thin strokes of one ink are all that stands on the light paper."""
    check_image(image)
    small = fit_longest_side(image, SIDE_PX).astype(np.float32)
    paper = np.array(measure_perimeter(image).color, np.float32)
    if float(paper.mean()) < MIN_PAPER:
        return False
    away = paper - small
    contrast = np.linalg.norm(away, axis=2)
    ink = (contrast > MIN_CONTRAST) & (away.sum(axis=2) > 0)
    if not INK_SHARES[0] <= float(ink.mean()) <= INK_SHARES[1]:
        return False
    inside = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 3)[ink]
    if 2 * float(np.percentile(inside, 99)) > MAX_STROKE * max(ink.shape):
        return False
    core = ink & (contrast >= 0.7 * np.percentile(contrast[ink], 90))
    directions = away[core] / contrast[core][:, None]
    return bool(np.linalg.norm(directions.mean(axis=0)) >= MIN_ALIKE)
