"""The learned refiner: a segmenter's saliency and the picture in, a finer saliency out.

It is asked on a working copy around the object. What it answers is mixed with what the segmenter said, as log odds: on
real photos the mix beats both (docs/matte.md), and the surer the segmenter, the less there is to mend. What changes is
carried up to the picture's size, so that a guess which is finer than the working copy keeps its detail. Where the
picture is larger, a second pass may go along the outline that the first has found, on a finer copy, tile by tile.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Saliency
from backend.images.geometry import distance_to, outline, tiles
from backend.images.resize import rescale, scale_to_fit
from backend.images.view import View, box_around, make_view, sample_map

Refine = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (N, 4, H, W) to (N, H, W); sides are multiples of 16
STRIDE = 16
SURE = 0.002  # a saliency within this of 0 or 1 counts as this far from it
MAYBE = 0.1  # saliency from which a pixel may be the object's
OVERVIEW_PX = 256
LEAST_CHANGE = 1e-3  # log odds
STRIP_PX = 1 << 20  # pixels at full size in work at a time
TILE_PX, TILE_MARGIN_PX = 608, 48  # of the second pass: what a tile decides, and what it sees around that
REACH_PX = 6  # of the first copy: so far from the outline the second pass changes all it wants, at twice that nothing


@dataclass(frozen=True)
class LearnedConfig:
    side_px: int = 704  # longer side of the working copy
    weight: float = 0.5  # of the refiner's answer beside that of an unsure segmenter
    calm: float = 0.01  # unsure share of the object up to which the segmenter's answer stays
    unsure: float = 0.3  # unsure share of the object from which the refiner has its whole weight
    room: float = 0.25  # room around the object, as a share of its longer side
    finer_side_px: int = 0  # longer side of the second pass's copy; 0: no second pass


def refine_saliency(image: Image, saliency: Saliency, refine: Refine, config: LearnedConfig) -> Saliency:
    """Return `saliency` as the learned refiner would have it, (H, W) float32 in [0, 1]; without an object, as it is."""
    frame = (0, 0, saliency.shape[1], saliency.shape[0])
    seen = rescale(saliency, scale_to_fit(saliency.shape, OVERVIEW_PX)) > MAYBE
    if not seen.any():
        return saliency
    box = box_around(seen, frame, config.room, STRIDE)
    view = make_view(image, saliency, box, config.side_px)
    weight = _weight(view.saliency, config)
    if weight == 0:
        return saliency
    refined = saliency.copy()
    _apply(weight * (_answer(view.image, view.saliency, refine) - _log_odds(view.saliency)), view, refined)
    if config.finer_side_px and view.scale < 1:
        finer = make_view(image, refined, box, config.finer_side_px)
        _apply(_along_the_outline(finer, refine, config, REACH_PX * finer.scale / view.scale), finer, refined)
    return refined


def _apply(change: NDArray[np.float32], view: View, saliency: Saliency) -> None:
    """Add `change`, log odds at the size of the view, to `saliency`, in place."""
    x0, y0, x1, y1 = view.box
    rows = max(1, STRIP_PX // (x1 - x0))
    for top in range(y0, y1, rows):
        strip = (x0, top, x1, min(top + rows, y1))
        window = saliency[strip[1] : strip[3], x0:x1]
        here = (
            change[top - y0 : strip[3] - y0] if view.scale == 1 else sample_map(change, view.box, strip, window.shape)
        )
        moved = np.abs(here) > LEAST_CHANGE  # elsewhere the guess keeps its exact values
        window[moved] = _share(_log_odds(window[moved]) + here[moved])


def _along_the_outline(view: View, refine: Refine, config: LearnedConfig, reach_px: float) -> NDArray[np.float32]:
    """Return the change of log odds within twice `reach_px` of the view's outline, 0 elsewhere.

    A part that the first pass has settled stays: at twice the scale the refiner has less around it to go by.
    """
    line = outline(view.saliency >= 0.5)
    near = np.asarray(np.clip(2 - distance_to(line) / reach_px, 0, 1), np.float32)
    change = near * np.float32(_weight(view.saliency, config))
    height, width = view.size
    for x0, y0, x1, y1 in tiles((0, 0, width, height), TILE_PX):
        here = change[y0:y1, x0:x1]
        if not here.any():
            continue
        left, top = max(0, x0 - TILE_MARGIN_PX), max(0, y0 - TILE_MARGIN_PX)
        seen = np.s_[top : y1 + TILE_MARGIN_PX, left : x1 + TILE_MARGIN_PX]
        answer = _answer(view.image[seen], view.saliency[seen], refine)[y0 - top : y1 - top, x0 - left : x1 - left]
        here *= answer - _log_odds(view.saliency[y0:y1, x0:x1])
    return change


def _weight(saliency: Saliency, config: LearnedConfig) -> float:
    """Return the refiner's weight: the log of the doubt on both sides of one half, over the object's area, decides."""
    mask = saliency >= 0.5
    doubt = float(np.where(mask, 1 - saliency, saliency).sum() / max(np.count_nonzero(mask), 1))
    if doubt >= config.unsure:
        return config.weight
    above = float(np.log(max(doubt / config.calm, 1)))
    return config.weight * above / float(np.log(config.unsure / config.calm))


def _answer(image: Image, saliency: Saliency, refine: Refine) -> NDArray[np.float32]:
    """Return the log odds that the refiner gives each pixel."""
    height, width = saliency.shape
    stacked = np.concatenate([image.astype(np.float32) / np.float32(255), saliency[..., None]], axis=2)
    padded = cv2.copyMakeBorder(stacked, 0, -height % STRIDE, 0, -width % STRIDE, cv2.BORDER_REPLICATE)
    return _log_odds(refine(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))[0])[:height, :width]


def _log_odds(values: NDArray[np.float32]) -> NDArray[np.float32]:
    sure = np.clip(values, SURE, 1 - SURE)
    return np.asarray(np.log(sure / (1 - sure)), np.float32)


def _share(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)
