"""The photo and the strokes of a brush in, the same change with its outline on the photo's edges out.

A hand shows which side of an edge it means, not where the edge runs. The middle of each stroke is final; its rim moves
to an edge nearby, and stays as drawn where there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from backend.contract.marks import Stroke
from backend.images.arrays import Alpha, Box, Image, Mask, Trimap, check_image, check_same_size
from backend.images.edge_preference import edge_strength
from backend.images.geometry import dilate, distance_to, outline
from backend.images.grabcut import GrabCutConfig, grabcut, learn_colors
from backend.images.view import View, box_around, make_view
from backend.matte.editing.brush import paint
from backend.matte.editing.redraw import redraw_region

MAX_PIECES = 256  # an outline in noise falls into thousands of pieces, none of them worth the time


@dataclass(frozen=True)
class SnapConfig:
    side_px: int = 512  # longer side of the working copy
    core: float = 0.4  # share of a stroke's radius inside which the stroke is final
    beyond: float = 0.5  # how far outside a stroke an edge is searched, as a share of its radius
    min_beyond_px: float = 5.0  # least distance outside a stroke at which an edge is searched, in working pixels
    rough_px: float = 12.0  # the same for an outline drawn around an area, which a hand draws less exactly
    gain: float = 1.2  # an outline moves to an edge only if that is this many times stronger
    min_gain: float = 0.5  # least difference to the edge's strength, in Lab units a pixel; less is noise
    context: float = 0.5  # margin around the strokes that teaches both sides' colours, as a share of their box


def snap_strokes(image: Image, painted: Alpha, touched: Mask, strokes: Sequence[Stroke]) -> Alpha:
    """Return `painted` with the outlines that the strokes drew moved onto the image's edges.

    `touched` is where the strokes reached. Nothing changes farther from it than half a stroke's radius (at least five
    working pixels), nor where there is no edge to move to. Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_same_size(image, painted)
    check_same_size(image, touched)
    config = SnapConfig()
    height, width = touched.shape
    frame = (0, 0, width, height)
    view = make_view(image, painted, box_around(touched, frame, config.context, 16), config.side_px)
    drawn = view.saliency >= 0.5
    core, reached = _scaled_strokes(strokes, view, config.core), _scaled_strokes(strokes, view, 1.0)
    radius = float(np.median([stroke.radius for stroke in strokes])) * view.scale
    lassos = [stroke for stroke in strokes if stroke.filled]
    band = max(config.min_beyond_px, config.beyond * radius, config.rough_px if lassos else 0)
    if lassos:  # an area is final in its middle, not along the line that was drawn around it
        lines = [_moved(stroke, view.box, view.scale, 1.0).model_copy(update={"radius": band}) for stroke in lassos]
        lines = [line.model_copy(update={"points": line.path, "filled": False}) for line in lines]
        core[paint(np.zeros(view.size, np.float32), lines)[1]] = 0.5
    region = distance_to(reached != 0.5) <= band
    trimap = np.where(drawn, 255, 0).astype(np.uint8)
    trimap[region] = 128
    trimap[core == 1], trimap[core == 0] = 255, 0
    decided = _cut(view, drawn, trimap, config)
    return redraw_region(image, painted, view, decided, region)


def _cut(view: View, drawn: Mask, trimap: Trimap, config: SnapConfig) -> Mask:
    """Return `drawn` with GrabCut's proposal in each piece whose outline then lies on a stronger edge."""
    how = GrabCutConfig()
    models = learn_colors(view.image, trimap == 255, trimap == 0, how)
    if models is None:
        return drawn
    proposal = grabcut(view.image, trimap, drawn, models, how)
    strength = edge_strength(view.image)
    old_line, new_line = outline(drawn), outline(proposal)
    count, labels = cv2.connectedComponents((proposal ^ drawn).view(np.uint8), connectivity=8)
    decided = drawn.copy()
    for label in range(1, min(count, MAX_PIECES)):
        piece = labels == label
        near = dilate(piece, 1)
        old, new = (strength[line & near] for line in (old_line, new_line))
        if len(new) and new.mean() > config.gain * (old.mean() if len(old) else 0) + config.min_gain:
            decided[piece] = proposal[piece]
    return decided


def _scaled_strokes(strokes: Sequence[Stroke], view: View, share: float) -> Alpha:
    """Return the strokes drawn with `share` of their radius on the working copy: 1 where they add, 0 where they
    remove, 0.5 elsewhere and at their rims."""
    smaller = [_moved(stroke, view.box, view.scale, share) for stroke in strokes]
    drawn, touched = paint(np.full(view.size, 0.5, np.float32), smaller)
    return np.where(touched, np.where(drawn > 0.6, 1, np.where(drawn < 0.4, 0, 0.5)), 0.5).astype(np.float32)


def _moved(stroke: Stroke, box: Box, scale: float, share: float) -> Stroke:
    points = [((x - box[0]) * scale, (y - box[1]) * scale) for x, y in stroke.path]
    radius = max(0.75, stroke.radius * scale * share)
    return Stroke.model_construct(points=points, radius=radius, hardness=1.0, mode=stroke.mode, filled=stroke.filled)
