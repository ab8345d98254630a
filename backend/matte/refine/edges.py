"""Decisions made on a working copy in, the finished alpha at full size out.

Only tiles with an edge in them are worked on. There the guided filter (He et al. 2013) moves the decided mask onto the
image's edges. Hard edges are steepened again, hair keeps the filter's softness, glass keeps the saliency as its alpha.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Box, Image, Mask, Saliency
from backend.images.geometry import tiles
from backend.images.guided_filter import guided_filter
from backend.images.view import View, sample_map
from backend.matte.refine.softness import Softness

TILE_PX = 256
PIXEL_EXACT = 0.5  # working pixels per photo pixel from which the decided outline is not moved
MIXED_STEP = 60  # 8-bit colour steps between the two sides of an edge that make a mix of them readable
MIXED_OFF = 0.015  # squared distance of a mix from the line between both colours, over the line's squared length
JUST_OUT = np.float32(0.499)  # largest alpha of a pixel that was decided to be background


@dataclass(frozen=True)
class EdgesConfig:
    radius_px: int = 2  # radius of the guided filter in working pixels; 0 leaves the decided mask as it is
    epsilon: float = 20.0  # squared 8-bit colour steps that are noise, not an edge
    strand: float = 0.12  # hair's opacity below this, and above 1 less this, is noise and becomes 0 or 1
    strand_sure: tuple[float, float] = (0.1, 0.25)  # distance of the guess from one half up to which the colour counts
    # whole, and from which it does not
    mixed_reach_px: int = 3  # how far from a half-covered pixel the two colours that it mixes are searched
    ramp_px: float = 2.0  # greatest width of a hard edge's transition
    crisp: float = 0.62  # steepness from which a first guess keeps its own edge (0.5: three pixels wide, 0.75: one)


@dataclass(frozen=True)
class Decisions:
    """The results of the earlier stages, as (h, w) maps of one view at working size."""

    level: float  # saliency from which a pixel counts as object
    mask: Mask
    belongs: Mask  # nearer to the object than to anything that was dropped
    changed: Mask  # where `mask` differs from `saliency >= level`
    see_through: Mask  # keeps the saliency as its alpha
    softness: Softness | None = None  # None: all edges are hard


def finish_edges(image: Image, saliency: Saliency, view: View, decisions: Decisions, config: EdgesConfig) -> Alpha:
    """Return the alpha of the whole picture: the decided mask with finished edges in the view, 0 outside it."""
    alpha = np.zeros(saliency.shape, np.float32)
    busy = _busy(view, decisions)
    reach = 2 * _radius(config, view.scale) + 8
    for tile in tiles(view.box, TILE_PX):
        inner = (slice(tile[1], tile[3]), slice(tile[0], tile[2]))
        if not _touches(busy, view, tile):
            alpha[inner] = _at_center(decisions.mask, view, tile)
            continue
        x0, y0 = max(tile[0] - reach, view.box[0]), max(tile[1] - reach, view.box[1])
        wide = (x0, y0, min(tile[2] + reach, view.box[2]), min(tile[3] + reach, view.box[3]))
        finished = _finish_tile(image, saliency, wide, view, decisions, config)
        alpha[inner] = finished[tile[1] - y0 : tile[3] - y0, tile[0] - x0 : tile[2] - x0]
    return alpha


def _finish_tile(
    image: Image, saliency: Saliency, tile: Box, view: View, decisions: Decisions, config: EdgesConfig
) -> Alpha:
    window = (slice(tile[1], tile[3]), slice(tile[0], tile[2]))
    guess, radius = saliency[window], _radius(config, view.scale)
    if not _all_true(decisions.belongs, view, tile):
        guess = np.where(_carried(decisions.belongs, view, tile) > 0.5, guess, np.float32(0))
    solid, as_guessed = guess >= decisions.level, np.ones_like(guess, bool)
    if _touches(decisions.changed, view, tile):
        changed = _carried(decisions.changed, view, tile)
        solid = np.where(changed > 0.25, _carried(decisions.mask, view, tile) >= 0.5, solid)
        as_guessed = changed < 0.01
    finished = _hard_edges(image[window], solid, as_guessed, radius, config, view.scale)
    if decisions.softness is not None:
        finished = _strands(image[window], finished, guess, decisions.softness, view.box, tile, config)
    if solid.any():
        crisp = _is_crisp(guess, max(4, 2 * radius), config.crisp)
        if crisp is not None:
            finished = np.where(crisp & as_guessed & _near_edge(solid, guess), guess, finished)
    if _touches(decisions.see_through, view, tile):
        finished = np.where(_carried(decisions.see_through, view, tile) > 0.5, guess, finished)
    return finished


def _carried(values: Mask, view: View, tile: Box) -> NDArray[np.float32]:
    return sample_map(values.astype(np.float32), view.box, tile, (tile[3] - tile[1], tile[2] - tile[0]))


def _hard_edges(image: Image, solid: Mask, as_guessed: Mask, radius: int, config: EdgesConfig, scale: float) -> Alpha:
    hard = solid.astype(np.float32)
    if solid.all() or not solid.any():
        return hard
    if radius > 0:
        grid = 1.0 if radius < 4 else 0.5 if radius < 8 else 0.25  # a large window's coefficients are smooth
        hard = _steepen(guided_filter(image, hard, radius, config.epsilon, grid), radius, config.ramp_px)
    if scale >= PIXEL_EXACT:
        hard = _mixed(image, hard, config)
        exact = np.where(solid, np.maximum(hard, np.float32(0.5)), np.minimum(hard, JUST_OUT))
        hard = np.where(as_guessed, exact, hard)
    return hard


def _mixed(image: Image, alpha: Alpha, config: EdgesConfig) -> Alpha:
    """Return `alpha` with the opacity of each half-covered pixel read from its colour between those of both sides.

    Only where the sides differ and the colour lies on the line between them; elsewhere the alpha stays.
    """
    size = (2 * config.mixed_reach_px + 1,) * 2
    inside, outside = (side.astype(np.float32) for side in (alpha >= 0.98, alpha <= 0.02))
    near_inside, near_outside = (cv2.blur(side, size) for side in (inside, outside))
    front = cv2.blur(image * inside[..., None], size) / np.maximum(near_inside, 1e-4)[..., None]
    back = cv2.blur(image * outside[..., None], size) / np.maximum(near_outside, 1e-4)[..., None]
    way, here = front - back, image - back
    length = np.einsum("ijk,ijk->ij", way, way)
    along = np.einsum("ijk,ijk->ij", here, way) / np.maximum(length, 1)
    off = here - along[..., None] * way
    plain = (length > MIXED_STEP**2) & (np.einsum("ijk,ijk->ij", off, off) < MIXED_OFF * length)
    between = (alpha > 0.02) & (alpha < 0.98) & (near_inside > 0) & (near_outside > 0)
    return np.where(between & plain, np.clip(along, 0, 1), alpha).astype(np.float32)


def _strands(
    image: Image, alpha: Alpha, guess: Saliency, softness: Softness, of: Box, at: Box, config: EdgesConfig
) -> Alpha:
    """Return `alpha` with the opacity of hair read from each pixel's colour between background and hair.

    The surer the guess, the less the colour counts: rigging, a bridge's struts and ripples look like hair.
    """
    size = image.shape[:2]
    first, last = config.strand_sure
    unsure = np.clip((last - np.abs(guess - np.float32(0.5))) / (last - first), 0, 1)
    amount = sample_map(softness.amount, of, at, size) * unsure
    if amount.max() < 0.01:
        return alpha
    back = sample_map(softness.back, of, at, size)
    way = sample_map(softness.front, of, at, size) - back
    along = np.einsum("ijk,ijk->ij", image - back, way) / np.maximum(np.einsum("ijk,ijk->ij", way, way), 1)
    opacity = np.clip((along - config.strand) / (1 - 2 * config.strand), 0, 1)
    return np.asarray(alpha + amount * (opacity - alpha), np.float32)


def _radius(config: EdgesConfig, scale: float) -> int:
    """Return the filter's radius at full size; one less than that of a working pixel's footprint at small scales."""
    return 0 if config.radius_px == 0 else max(1, round(config.radius_px / scale) - 1)


def _steepen(alpha: Alpha, radius: int, ramp_px: float) -> Alpha:
    """Return `alpha` with its transitions at most about `ramp_px` wide; steeper ones stay.

    Where the image has no edge the filter leaves a ramp as wide as its window, which is not hair.
    """
    square = np.ones((3, 3), np.uint8)
    slope = (cv2.dilate(alpha, square) - cv2.erode(alpha, square)) / 2  # per pixel
    slope = cv2.dilate(slope, np.ones((5, 5), np.uint8))
    gain = np.clip((1 / ramp_px) / np.maximum(slope, 1e-3), 1, 2 * radius + 1)
    return np.asarray(np.clip((alpha - 0.5) * gain + 0.5, 0, 1), np.float32)


def _is_crisp(guess: Saliency, radius: int, least: float) -> Mask | None:
    """Return where the guess's own edges are at least as steep as `least`, or None if they are so nowhere.

    Steepness is the range over 3 × 3 pixels, weighted by itself around each pixel.
    """
    square = np.ones((3, 3), np.uint8)
    span = cv2.dilate(guess, square) - cv2.erode(guess, square)
    if span.max() < least:
        return None
    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.blur(span * span, size) >= np.maximum(least * cv2.blur(span, size), 1e-4))


def _near_edge(solid: Mask, guess: Saliency) -> Mask:
    # Keep a crisp guess at the object's edge only, without its faint specks elsewhere.
    edge = cv2.dilate(solid.view(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return np.asarray(edge & (guess > 0))


def _busy(view: View, decisions: Decisions) -> Mask:
    """Return the working pixels whose photo pixels may differ from each other."""
    mask = decisions.mask.view(np.uint8)
    square = np.ones((5, 5), np.uint8)
    edge = cv2.dilate(mask, square) != cv2.erode(mask, square, borderValue=255)
    undecided = (view.saliency > 0.02) & (view.saliency < 0.98)
    return np.asarray(edge | undecided | decisions.changed | decisions.see_through)


def _window(view: View, tile: Box) -> tuple[slice, slice]:
    """Return the working pixels under `tile` and one more on each side, as far as a bilinear read reaches."""
    height, width = view.size
    down, across = height / (view.box[3] - view.box[1]), width / (view.box[2] - view.box[0])
    rows = slice(max(int((tile[1] - view.box[1]) * down) - 1, 0), int(np.ceil((tile[3] - view.box[1]) * down)) + 1)
    columns = slice(
        max(int((tile[0] - view.box[0]) * across) - 1, 0), int(np.ceil((tile[2] - view.box[0]) * across)) + 1
    )
    return rows, columns


def _touches(busy: Mask, view: View, tile: Box) -> bool:
    return bool(busy[_window(view, tile)].any())


def _all_true(mask: Mask, view: View, tile: Box) -> bool:
    return bool(mask[_window(view, tile)].all())


def _at_center(mask: Mask, view: View, tile: Box) -> bool:
    part = mask[_window(view, tile)]
    return bool(part[part.shape[0] // 2, part.shape[1] // 2])
