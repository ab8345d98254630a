"""A photo, one side of its mask and a place in, the part of the picture around that place out.

A flood from the place fills the part until it would have to cross an edge all around. Colour models of the part and of
its surroundings then settle the outline (GrabCut).
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
    levels: int = 192  # contours of the flood that are compared; their areas grow geometrically
    plain_step_cost: float = 0.1  # flood cost per pixel without an edge
    faint_edge: float = 5.0  # Lab units a pixel that add a flood cost of 1; the cost grows with their square
    unlike_cost: float = 8.0  # flood cost per pixel of a colour that only the other side of the mask has
    min_edge: float = 2.0  # Lab units a pixel; a contour with a lower mean does not lie on an edge
    falloff_ratio: float = 0.4  # stop at a contour once a later one's mean edge drops below this share of its own
    near_best: float = 0.6  # without such a drop: take the first contour with this share of the strongest mean edge
    small_outline_px: float = 8.0  # damps the mean edge of contours about this long: they are spots, not parts
    band_px: int = 5  # pixels on each side of the outline in which colours may move it


def region_under_click(
    image: Image, taken: Mask, place: Place, barred: Sequence[Place], max_px: int, config: ClickRegionConfig
) -> Mask:
    """Return the part around `place` that has edges of its own, outside `taken`, or an empty mask if there is none.

    The part holds no place of `barred` and about `max_px` pixels at most.
    """
    strength = edge_strength(image)
    likeness = _likeness(image, taken)
    window = tuple(slice(max(at - 2, 0), at + 3) for at in place)
    unlike = np.maximum(np.median(likeness[window][~taken[window]]) - 0.2 - likeness, 0)
    cost = config.plain_step_cost + (strength / config.faint_edge) ** 2 + config.unlike_cost * unlike
    cost = np.where(taken, np.inf, cost)
    distance = np.asarray(MCP_Geometric(cost, fully_connected=True).find_costs([place])[0], np.float64)
    free = np.isfinite(distance)
    limit = min([distance[other] for other in barred], default=np.inf)
    level = _strongest_level(distance, free & (distance < limit), strength, max_px, config)
    if level is None:
        # No edge anywhere: the part is a piece of its own, or else the whole rest of the picture.
        _, labels = cv2.connectedComponents((~taken).view(np.uint8), connectivity=8)
        largest = np.argmax(np.bincount(labels[~taken]))
        return free if labels[place] != largest and np.isinf(limit) else np.zeros_like(taken)
    part = free & (distance <= level)
    return _settle(image, taken, part, place, barred, config)


def _likeness(image: Image, taken: Mask) -> NDArray[np.float32]:
    """Return how likely each pixel's colour is in `taken` rather than outside, in [0, 1]."""
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
    """Return the distance at which the flood's contour, where it borders free pixels, lies on the strongest edges."""
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
    # Take the first contour on an edge with plain ground behind it. A stronger edge may follow farther out, for example
    # the frame of a picture within the picture.
    best = 0
    for place, mean in enumerate(means):
        if mean > means[best]:
            best = place
        elif means[best] >= config.min_edge and mean < config.falloff_ratio * means[best]:
            return float(levels[best])
    # Edges everywhere: take the first contour that is about as strong as any.
    best = int(np.argmax(means >= config.near_best * means.max()))
    while best + 1 < len(means) and means[best + 1] > means[best]:
        best += 1
    return float(levels[best])


def _settle(
    image: Image, taken: Mask, part: Mask, place: Place, barred: Sequence[Place], config: ClickRegionConfig
) -> Mask:
    """Return `part` with its outline between the colours of both sides, in one piece and without pinholes."""
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
