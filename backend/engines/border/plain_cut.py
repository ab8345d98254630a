"""The object on a plain backdrop, and its alpha read from each edge pixel's colour between object and backdrop."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.engines.border.backdrop import find_things, fit_backdrop, measure_departure
from backend.engines.border.glass import see_through_share
from backend.engines.border.soft_edges import cast_shadow_share, find_soft_places
from backend.images.arrays import Image, Mask, Saliency

Floats = NDArray[np.float32]

CORE = 0.75  # departure over the largest within 2 px, from which a pixel shows the object's own colour
BAND_PX = 2.0  # of the working copy: how far on each side of the outline a pixel may show both
MIX = (0.08, 0.92)  # readings below and above are noise: JPEG ripples, grain
HOPELESS = 0.97  # of the picture: what covers more is no object but a wrong backdrop
_STRIP_PX = 1 << 20  # pixels of the picture in work at a time


@dataclass(frozen=True)
class PlainCut:
    """The object at the working size, with what is needed to read its alpha at any other."""

    mask: Mask
    front: NDArray[np.uint8]  # (h, w, 3) RGB: the object's colour near each pixel
    back: NDArray[np.uint8]  # (h, w, 3) RGB: what lies behind it, shadows included
    departure: float  # mean Lab distance of object and backdrop
    glass: float  # share of the object in which the backdrop's shades go on
    shadow_share: float  # soft shadows and spots of light that were left out, as a share of the object
    noise: float  # Lab: deviation of the backdrop from a smooth one
    share: float  # of the frame that the backdrop has
    cast: float = 0.0  # share of the object that may be a shadow with a sharp end


def cut_plain(small: Image) -> PlainCut | None:
    """Return what stands on the plain backdrop of `small`, the working copy; None without one."""
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    backdrop = fit_backdrop(lab)
    if backdrop is None:
        return None
    departure = measure_departure(lab, backdrop)
    none = np.zeros(departure.shape, np.bool_)
    things = find_things(departure, backdrop, none)
    places = find_soft_places(lab, backdrop.color, things, backdrop.noise)
    mask = find_things(departure, backdrop, places)
    if not mask.any() or mask.mean() > HOPELESS:
        return None
    front, back = _colors(small, mask, departure)
    area = np.count_nonzero(mask)
    apart = departure[mask]
    return PlainCut(
        mask, front, back, float(apart.mean()), see_through_share(lab, backdrop.color, mask),
        float(np.count_nonzero(places)) / area, backdrop.noise, backdrop.share,
        cast_shadow_share(lab, backdrop.color, mask),
    )  # fmt: skip


def _colors(small: Image, mask: Mask, departure: Floats) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the object's and the backdrop's colour around each pixel of the outline."""
    pixels = small.astype(np.float32)
    strongest = cv2.dilate(departure, np.ones((5, 5), np.uint8))
    core = (mask & (departure >= CORE * strongest)).astype(np.float32)
    clear = cv2.erode((~mask).view(np.uint8), np.ones((5, 5), np.uint8), borderValue=1).astype(np.float32)
    front, back = (np.rint(_spread(pixels, *side)) for side in ((core, 1.5), (clear, 3.0)))
    return front.astype(np.uint8), back.astype(np.uint8)


def _spread(pixels: Floats, where: Floats, sigma: float) -> Floats:
    """Return the mean colour of the pixels in `where` around each pixel, reaching farther where there is none near."""
    color = np.full_like(pixels, 0) + pixels[where > 0].mean(axis=0) if where.any() else np.zeros_like(pixels)
    known = np.zeros(where.shape, np.bool_)
    for reach in (sigma, 3 * sigma):
        weight = cv2.GaussianBlur(where, (0, 0), reach)
        mean = cv2.GaussianBlur(pixels * where[..., None], (0, 0), reach) / np.maximum(weight, 1e-6)[..., None]
        fresh = ~known & (weight > 0.02)
        color[fresh], known[fresh] = mean[fresh], True
    return color


def read_alpha(cut: PlainCut, image: Image) -> Saliency:
    """Return the alpha of `image`, of which the cut's working copy is a reduced one: 0 and 1 off the outline."""
    height, width = image.shape[:2]
    field = cut.mask.view(np.uint8)
    inside = cv2.distanceTransform(cv2.copyMakeBorder(field, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform(1 - cv2.copyMakeBorder(field, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 3)
    signed = (inside - outside)[1:-1, 1:-1]  # positive on the object, in working pixels
    maps = np.dstack([signed, cut.front, cut.back]).astype(np.float32)
    out = np.empty((height, width), np.float32)
    rows = max(1, _STRIP_PX // width)
    for top in range(0, height, rows):
        strip = image[top : top + rows]
        here = _stretch_rows(maps, top, len(strip), height, width)
        depth, front, back = here[..., 0], here[..., 1:4], here[..., 4:7]
        way = front - back
        along = np.einsum("ijk,ijk->ij", strip - back, way) / np.maximum(np.einsum("ijk,ijk->ij", way, way), 1)
        along = np.clip((along - MIX[0]) / (MIX[1] - MIX[0]), 0, 1)
        out[top : top + rows] = np.where(depth > BAND_PX, 1, np.where(depth < -BAND_PX, 0, along))
    return out


def _stretch_rows(maps: Floats, top: int, count: int, height: int, width: int) -> Floats:
    """Return rows `top` to `top + count` of `maps` stretched to `height` × `width`, pixel centres aligned."""
    if maps.shape[:2] == (height, width):
        return maps[top : top + count]
    y = np.clip((np.arange(top, top + count) + 0.5) * (len(maps) / height) - 0.5, 0, len(maps) - 1)
    above = np.floor(y).astype(np.intp)
    share = (y - above).astype(np.float32)[:, None, None]
    mixed = maps[above] * (1 - share) + maps[np.minimum(above + 1, len(maps) - 1)] * share
    parts = [cv2.resize(part, (width, count)) for part in (mixed[..., :3], mixed[..., 3:7])]
    return np.concatenate(parts, axis=2).astype(np.float32)
