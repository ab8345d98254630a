"""A side of a mask, the photo and one place in, the part of the picture around that place out.

The part is what a flood from the place fills before it has to cross an edge all around; colour models of the part and
of what lies beside it then settle its outline (GrabCut).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.graph import MCP_Geometric

from backend.images.arrays import Image, Mask
from backend.images.edge_preference import edge_strength
from backend.images.geometry import EdgeStrength, dilate, disc, erode
from backend.images.grabcut import GrabCutConfig, grabcut, learn_colors

Place = tuple[int, int]  # row, column


@dataclass(frozen=True)
class ClickRegionConfig:
    levels: int = 192  # of the flood, each some percent larger than the one before
    flat: float = 0.1  # what a step through a plain area costs the flood,
    faint_edge: float = 5.0  # against 1 for one across an edge of so many Lab units a pixel; it grows as their square
    unlike: float = 8.0  # and this for one into colours that only the other side has
    min_edge: float = 2.0  # Lab units a pixel, mean along a part's outline: less is no edge
    behind: float = 0.4  # of an outline's edge: what the flood's outline falls to behind it, when it is a part's own
    about: float = 0.6
    small_outline_px: float = 8.0  # outlines about this long are doubted: a spot, not a part
    band_px: int = 5  # in which colours may move the outline


def region_under_click(
    image: Image, taken: Mask, place: Place, barred: Sequence[Place], max_px: int, config: ClickRegionConfig
) -> Mask:
    """Return the part around `place` that has edges of its own, outside of `taken`, without any place of `barred` and
    about `max_px` large at most; an empty mask when there is none."""
    strength = edge_strength(image)
    likeness = _likeness(image, taken)
    window = tuple(slice(max(at - 2, 0), at + 3) for at in place)
    unlike = np.maximum(np.median(likeness[window][~taken[window]]) - 0.2 - likeness, 0)
    cost = config.flat + (strength / config.faint_edge) ** 2 + config.unlike * unlike
    cost = np.where(taken, np.inf, cost)
    distance = np.asarray(MCP_Geometric(cost, fully_connected=True).find_costs([place])[0], np.float64)
    free = np.isfinite(distance)
    limit = min([distance[other] for other in barred], default=np.inf)
    level = _strongest_level(distance, free & (distance < limit), strength, max_px, config)
    if level is None:
        # Plain all over: it is a piece of its own, or else the rest of the picture.
        _, labels = cv2.connectedComponents((~taken).view(np.uint8), connectivity=8)
        largest = np.argmax(np.bincount(labels[~taken]))
        return free if labels[place] != largest and np.isinf(limit) else np.zeros_like(taken)
    part = free & (distance <= level)
    return _settle(image, taken, part, place, barred, config)


def _likeness(image: Image, taken: Mask) -> NDArray[np.float32]:
    """Return how much rather each pixel's colour is found in `taken` than outside of it, in [0, 1]."""
    bins = image.astype(np.int32) >> 4
    index = (bins[..., 0] * 16 + bins[..., 1]) * 16 + bins[..., 2]
    shares = []
    for side in (taken, ~taken):
        counts = np.bincount(index[side], minlength=16**3).reshape(16, 16, 16) / max(int(np.count_nonzero(side)), 1)
        shares.append(gaussian_filter(counts, 0.7).ravel())
    rather = shares[0] / np.maximum(shares[0] + shares[1], 1e-9)
    return np.asarray(cv2.GaussianBlur(rather[index].astype(np.float32), (0, 0), 1.5))


def _strongest_level(
    distance: NDArray[np.float64], free: Mask, strength: EdgeStrength, max_px: int, config: ClickRegionConfig
) -> float | None:
    """Return up to which distance the flood's outline, where it borders on free pixels, lies on the strongest edges."""
    nearest_first = np.sort(distance[free])
    max_px = max(1, min(max_px, len(nearest_first)))
    areas = np.geomspace(min(8, max_px), max_px, config.levels)
    levels = np.unique(nearest_first[areas.astype(int) - 1])
    totals, counts = np.zeros((2, len(levels) + 1))
    for first, second in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        both = free[first] & free[second]
        ends = np.sort(np.stack([distance[first][both], distance[second][both]]), axis=0)
        edge = np.maximum(strength[first], strength[second])[both]
        # A pair is on the outline of every level from its nearer pixel's up to just below its farther one's.
        low, high = np.searchsorted(levels, ends)
        for sums, weights in ((totals, edge), (counts, np.ones_like(edge))):
            sums += np.bincount(low, weights, len(sums)) - np.bincount(high, weights, len(sums))
    totals, counts = np.cumsum(totals)[: len(levels)], np.cumsum(counts)[: len(levels)]
    means = totals / (counts + config.small_outline_px)
    if means.max() < config.min_edge:
        return None
    # The first outline with an edge behind which the flood runs on over plain ground: there may be stronger ones yet
    # beyond it, the frame of a picture in the picture for one.
    best = 0
    for place, mean in enumerate(means):
        if mean > means[best]:
            best = place
        elif means[best] >= config.min_edge and mean < config.behind * means[best]:
            return float(levels[best])
    # Edges everywhere: the first outline that is about as strong as any.
    best = int(np.argmax(means >= config.about * means.max()))
    while best + 1 < len(means) and means[best + 1] > means[best]:
        best += 1
    return float(levels[best])


def _settle(
    image: Image, taken: Mask, part: Mask, place: Place, barred: Sequence[Place], config: ClickRegionConfig
) -> Mask:
    """Return `part` with its outline where the colours of the two sides part, in one piece and without pinholes."""
    how = GrabCutConfig()
    sure, clear = erode(part, config.band_px) & ~taken, ~dilate(part, config.band_px) & ~taken
    inside = sure if sure.sum() > 200 else part
    models = learn_colors(image, inside, clear, how)
    if models is not None:
        trimap = np.full(part.shape, 128, np.uint8)
        trimap[taken | sure], trimap[clear] = 255, 0
        for other in barred:
            trimap[other] = 0
        trimap[place] = 255
        part = grabcut(image, trimap, part | taken, models, how) & ~taken
    _, labels = cv2.connectedComponents(part.view(np.uint8), connectivity=8)
    part = labels == labels[place] if part[place] else np.zeros_like(part)
    return np.asarray(cv2.morphologyEx(part.view(np.uint8), cv2.MORPH_CLOSE, disc(1), borderValue=0) > 0) & ~taken
