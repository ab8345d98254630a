"""The backdrop's own darker and lighter places: soft shadows and spots of light, told from objects by their edge.

Such a place has the backdrop's tint and is reached from it without crossing an edge as sharp as the object's. How sharp
an edge is shows by comparing its slope at two scales: a step is much steeper at the fine one, a penumbra is not.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Mask

Floats = NDArray[np.float32]
Light = tuple[Floats, Floats, Floats]  # as `_light` returns it

DIMMED = (0.25, 1.25)  # lightness of the place over the backdrop's; a contact shadow leaves a quarter
TINT = (9.0, 0.5)  # Lab: most that its tint differs from the backdrop's, and more for each unit of lightness lost: the
# object's own colour is thrown into its shadow
FINE, COARSE = 1.0, 4.0  # pixels at the working size
SHARP = 1.8  # slope at the fine over that at the coarse scale; a step has 3, a penumbra 4 px wide 1.4
SLOPE = (0.7, 0.6)  # Lab a pixel: a smaller slope is no edge, and how much of it for each unit of noise
GAPS = (1, 4, 12, 28)  # pixels: half the gaps closed in the outline, each where the one before lets too much in
DEEP = (0.45, 14.0)  # lightness of a place over the backdrop's and Lab of tint, beyond which it is a gap's or an object
GAP_PX = 15  # widest gap below an object
LEAST_END_PX = 60  # area of a sharp end, three pixels wide inside
CAST = (0.04, 0.4)  # of the object: area of what may be a shadow with a sharp end
CAST_LIGHT = 0.97  # lightness over the backdrop's, below which a place is darker
CAST_WIDTH = 0.05  # of the root of the object's area: narrower places are its blurred rim
CAST_RIM = 0.25  # least share of its outline that lies on the backdrop
CAST_SLOPE = 2.5  # Lab a pixel: greatest median slope inside; what is livelier has a texture of its own
MOST = 0.5  # of what stands out: a larger place is the object itself


def find_soft_places(lab: Floats, ground: Floats, things: Mask, noise: float) -> Mask:
    """Return the part of `things` that is backdrop in another light.

    `lab` and `ground` are (H, W, 3) float32 Lab, the picture and its backdrop.
    """
    nothing = np.zeros(things.shape, np.bool_)
    light = _light(lab, ground)
    tinted = _is_tinted(light, ground) & things
    if not tinted.any():
        return nothing
    fine, coarse = _slope(lab, FINE), _slope(lab, COARSE)
    steep = fine > SLOPE[0] + SLOPE[1] * noise
    ratio = fine / np.maximum(coarse, 1e-3)
    line = cv2.morphologyEx(things.view(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    edge = line & steep
    if not edge.any():
        return nothing
    # In a picture that is soft all over, the object's own edges say what sharp means.
    sharp = steep & (ratio > min(SHARP, 0.75 * float(np.percentile(ratio[edge], 75))))
    padded = cv2.copyMakeBorder(sharp.view(np.uint8), GAPS[-1], GAPS[-1], GAPS[-1], GAPS[-1], cv2.BORDER_CONSTANT)
    for radius in GAPS:
        side = (2 * radius + 1, 2 * radius + 1)
        barrier = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, side)) > 0
        places = _reached(tinted, things, barrier[GAPS[-1] : -GAPS[-1], GAPS[-1] : -GAPS[-1]])
        if np.count_nonzero(places) <= MOST * np.count_nonzero(things):
            return places & ~_own_parts(places, things, sharp, _is_deep(light), fine)
    return nothing


def cast_shadow_share(lab: Floats, ground: Floats, mask: Mask) -> float:
    """Return the share of the object in `mask` that may be a shadow although it ends sharply, 0 to 1.

    Such a part is the backdrop times one factor, without a texture, and lies beside something that is not.
    """
    area = np.count_nonzero(mask)
    if area == 0:
        return 0.0
    light = _light(lab, ground)
    dimmed = _is_tinted(light, ground) & mask & (light[1] < CAST_LIGHT)
    side = max(5, round(CAST_WIDTH * np.sqrt(area)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    places = cv2.morphologyEx(dimmed.view(np.uint8), cv2.MORPH_OPEN, disc)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(places, connectivity=8)
    beside, slope = _grown(~mask, 4), _slope(lab, FINE)
    found = 0
    for one in range(1, count):
        if stats[one, cv2.CC_STAT_AREA] < CAST[0] * area:
            continue
        place = labels == one
        rim = place & _grown(~place, 1)
        if beside[rim].mean() >= CAST_RIM and np.median(slope[place]) <= CAST_SLOPE:
            found += int(stats[one, cv2.CC_STAT_AREA])
    return found / area if found <= CAST[1] * area else 0.0


def _own_parts(places: Mask, things: Mask, sharp: Mask, deep: Mask, slope: Floats) -> Mask:
    """Return what of `places` belongs to the object.

    A shadow ends softly on the lit backdrop, an object sharply; a shadow is dark or coloured only in the narrow gap
    below an object. From where a part has such an end for long or is `deep` over a width, and from the lit backdrop,
    both are grown toward each other over the slope.
    """
    lit = ~things
    solid = cv2.morphologyEx((things & ~places).view(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    ends = _grown(sharp & _grown(lit, 3) & ~_grown(solid, 4), 3) & places
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ends.view(np.uint8), connectivity=8)
    long = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] >= LEAST_END_PX)
    wide = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (GAP_PX, GAP_PX))
    seeds = np.isin(labels, long[long > 0]) | (
        cv2.morphologyEx((deep & places).view(np.uint8), cv2.MORPH_OPEN, wide) > 0
    )
    if not seeds.any():
        return np.zeros_like(places)
    markers = np.zeros(places.shape, np.int32)
    markers[lit] = 1
    markers[things & ~places] = 3
    markers[seeds] = 2
    steps = np.clip(slope * 12, 0, 255).astype(np.uint8)
    cv2.watershed(np.dstack([steps] * 3), markers)
    return np.asarray(places & (markers == 2))


def _grown(mask: Mask, radius: int) -> Mask:
    side = 2 * radius + 1
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)) > 0)


def _reached(tinted: Mask, things: Mask, barrier: Mask) -> Mask:
    """Return the tinted pixels that are open to the backdrop, and the pixel or two that lie against the barrier."""
    passable = (~things | tinted) & ~barrier
    _, labels = cv2.connectedComponents(passable.view(np.uint8), connectivity=4)
    open_to = np.zeros(int(labels.max()) + 1, np.bool_)
    open_to[labels[~things & ~barrier]] = True
    open_to[0] = False
    places = open_to[labels] & tinted
    return np.asarray(tinted & (cv2.dilate(places.view(np.uint8), np.ones((3, 3), np.uint8)) > 0))


def _is_deep(light: Light) -> Mask:
    """Return where a shadow would be darker or more coloured than one is except right below an object."""
    _, ratio, tint = light
    return np.asarray((ratio < DEEP[0]) | (tint > DEEP[1]))


def _light(lab: Floats, ground: Floats) -> Light:
    """Return `lab` calmed, its lightness over that of the backdrop, and how far its tint is off in Lab."""
    calm = cv2.GaussianBlur(lab, (0, 0), 1.0)
    ratio = calm[..., 0] / np.maximum(ground[..., 0], 1.0)
    tint = np.linalg.norm(calm[..., 1:] - ground[..., 1:] * np.clip(ratio, 0, 1.25)[..., None], axis=2)
    return calm, ratio, tint


def _is_tinted(light: Light, ground: Floats) -> Mask:
    calm, ratio, tint = light
    allowed = TINT[0] + TINT[1] * np.maximum(ground[..., 0] - calm[..., 0], 0)
    return np.asarray((ratio > DIMMED[0]) & (ratio < DIMMED[1]) & (tint < allowed))


def _slope(lab: Floats, sigma: float) -> Floats:
    smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1)))
    return np.asarray(np.sqrt((across**2).sum(axis=2) + (down**2).sum(axis=2)))
