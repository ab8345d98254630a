"""A mask decided on a working copy in, the full-size alpha redrawn in one region out."""

import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, Mask
from backend.images.geometry import dilate, distance_to
from backend.images.view import View, sample_map
from backend.matte.refine.edges import Decisions, EdgesConfig, finish_edges

RAMP_PX = 2.0  # working pixels inside the region over which the new alpha passes into the old one


def redraw_region(image: Image, alpha: Alpha, view: View, decided: Mask, region: Mask) -> Alpha:
    """Return `alpha` with the decided mask in `region` (both maps of `view`) and its edges finished as by tier 1.

    Outside the region, and outside the view, every value stays bit-equal.
    """
    changed = dilate(decided ^ (view.saliency >= 0.5), 2)
    everywhere = np.ones_like(decided)
    finished = finish_edges(
        image, alpha, view, Decisions(0.5, decided, everywhere, changed, ~everywhere), EdgesConfig()
    )
    x0, y0, x1, y1 = view.box
    window = (slice(y0, y1), slice(x0, x1))
    weight = sample_map(_ramp(region), view.box, view.box, (y1 - y0, x1 - x0))
    result = alpha.copy()
    mixed = alpha[window] + weight * (finished[window] - alpha[window])
    result[window] = np.where(weight > 0, np.clip(mixed, 0, 1), alpha[window])
    return result


def _ramp(region: Mask) -> NDArray[np.float32]:
    """Return a weight that is 0 outside `region` and rises to 1 inside along its boundary."""
    return np.asarray(np.clip((distance_to(~region) - 1) / RAMP_PX, 0, 1), np.float32)
