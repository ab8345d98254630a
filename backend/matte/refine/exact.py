"""A saliency that is exact already in, the object's part of it out: nothing of its edge is touched."""

import numpy as np

from backend.contract.trace import Trace
from backend.images.arrays import Image, Saliency, check_image, check_same_size
from backend.images.geometry import distance_to
from backend.images.view import make_view, sample_map
from backend.matte.refine.components import DroppedPart, dropped_facts, keep_object, tell_dropped
from backend.matte.refine.refine_matte import OVERVIEW_SIDE_PX, Matte, MatteConfig


def keep_exact(image: Image, saliency: Saliency, config: MatteConfig, trace: Trace) -> Matte:
    """Return the matte that is `saliency` without the parts that do not belong to the object.

    Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_same_size(image, saliency)
    height, width = saliency.shape
    frame = (0, 0, width, height)
    with trace.stage("components"):
        dropped: tuple[DroppedPart, ...] = ()
        overview = make_view(image, saliency, frame, 2 * OVERVIEW_SIDE_PX)
        found = overview.saliency >= 0.25  # hair lines and small script are thin at this size
        if config.components is None or not found.any():
            kept, parts = found, int(found.any())
        else:
            kept, parts, dropped = keep_object(found, overview.saliency, config.components)
        tell_dropped(dropped, trace)
        alpha = saliency
        if dropped:
            nearer = (distance_to(kept) < distance_to(found & ~kept)).astype(np.float32)
            alpha = np.where(sample_map(nearer, frame, frame, saliency.shape) > 0.5, saliency, np.float32(0))
    trace.picture("components", kept)
    if not kept.any():
        trace.note("Nothing was found to cut out.")
        alpha = np.zeros_like(saliency)
    return Matte(alpha, alpha >= 0.5, dropped, {"parts_kept": parts, **dropped_facts(dropped)})
