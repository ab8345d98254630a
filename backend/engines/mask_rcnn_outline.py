"""A saliency made of coarse cells and the picture in, the saliency with its outline on the picture's edges out.

Tier 1 looks for the edge a few pixels from where a network drew it. A cell of Mask R-CNN over a large object is wider
than that, so the same step (GrabCut, taken only along the stretches where it agrees better with the picture's edges)
is made here first, on a small copy and with a band as wide as a cell.
"""

import cv2
import numpy as np

from backend.images.arrays import Image, Saliency
from backend.images.edge_preference import EdgePreferenceConfig, edge_strength, prefer_edges
from backend.images.grabcut import GrabCutConfig, grabcut, learn_colors
from backend.images.trimap import make_trimap
from backend.images.view import box_around, make_view

WORKING_SIDE_PX = 320  # longer side of the working copy; the two bands below are in its pixels
ROOM = 0.25  # margin around the object, of its longer side: where its background's colours are learnt
MIN_BAND_PX = 4  # a narrower band is left to tier 1, which finds a finer outline itself
MAX_BAND_PX = 16  # widest band that is searched, whatever the size of a cell
GRABCUT = GrabCutConfig(samples=3000)
# A coarse outline is trusted nowhere: its cells cut corners and fill notches even where most of it lies right.
EDGE_PREFERENCE = EdgePreferenceConfig(trusted_share=2.0)


def settle_outline(image: Image, saliency: Saliency, cell_px: float) -> tuple[Saliency, float]:
    """Return the saliency with its outline moved where the picture's edges speak for it, and the share of the object
    that has changed sides. `cell_px` is the side of a cell in pixels of `image`."""
    height, width = saliency.shape
    box = box_around(saliency >= 0.5, (0, 0, width, height), ROOM, 12)
    view = make_view(image, saliency, box, WORKING_SIDE_PX)
    mask = view.saliency >= 0.5
    band = min(MAX_BAND_PX, round(cell_px * view.scale))
    if band < MIN_BAND_PX:
        return saliency, 0.0
    trimap = make_trimap(mask, band)
    models = learn_colors(view.image, trimap == 255, trimap == 0, GRABCUT)
    if models is None:
        return saliency, 0.0
    proposal = grabcut(view.image, trimap, mask, models, GRABCUT)
    strength = edge_strength(view.image)
    settled = prefer_edges(mask, proposal, strength, band, 1.0, EDGE_PREFERENCE)
    # A second look at short stretches: over long ones the corners that a cell cuts and the notches it fills are lost.
    settled = prefer_edges(settled, proposal, strength, MIN_BAND_PX, 1.0, EDGE_PREFERENCE)
    if not (settled ^ mask).any():
        return saliency, 0.0
    change = _softened(settled) - view.saliency
    change[cv2.dilate((settled ^ mask).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0] = 0
    x0, y0, x1, y1 = box
    moved = saliency.copy()
    moved[y0:y1, x0:x1] += cv2.resize(change, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return np.clip(moved, 0, 1), round(float((settled ^ mask).sum() / max(1, mask.sum())), 4)


def _softened(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Saliency:
    """Return the mask with an edge two pixels wide."""
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0), np.float32)
