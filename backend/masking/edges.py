"""Decisions made on a working copy in, the finished alpha at full size out.

Only tiles that an edge runs through are worked on. In them the guided filter (He et al. 2013) carries the decided mask
onto the image's edges; hard edges are steepened again, hair keeps the filter's softness, glass its own alpha.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.masking.arrays import Alpha, Box, Image, Mask, Saliency
from backend.masking.softness import Softness
from backend.masking.view import View, sample_map

TILE_PX = 256
PIXEL_EXACT = 0.5  # working pixels per photo pixel from which the decided outline is left where it is
JUST_OUT = np.float32(0.499)


@dataclass(frozen=True)
class EdgesConfig:
    radius_px: int = 2  # of the guided filter for hard edges, in working pixels; 0 leaves the decided mask as it is
    epsilon: float = 20.0  # squared 8-bit colour steps that count as noise, not as an edge
    strand: float = 0.12  # between two colours, so much at either end is noise
    ramp_px: float = 2.0  # a hard edge's transition, at most
    crisp: float = 0.62  # a first guess at least this steep is its own best edge (0.5: three pixels, 0.75: one)


@dataclass(frozen=True)
class Decisions:
    """What the stages before have settled, as maps of one view (h, w) at working size."""

    level: float
    mask: Mask
    belongs: Mask  # nearer to the object than to anything that was left out
    changed: Mask  # where `mask` is not what `saliency >= level` says
    see_through: Mask  # keeps the saliency as its alpha
    softness: Softness | None = None  # None: hard edges all around


def finish_edges(image: Image, saliency: Saliency, view: View, decisions: Decisions, config: EdgesConfig) -> Alpha:
    """Return the alpha of the whole picture: 0 outside the view, and in it the decided mask with finished edges."""
    alpha = np.zeros(saliency.shape, np.float32)
    maps = [
        np.asarray(each, np.float32)
        for each in (decisions.mask, decisions.belongs, decisions.changed, decisions.see_through)
    ]
    busy = _busy(view, decisions)
    radius = _radius(config, view.scale)
    reach = 2 * radius + 8
    for tile in _tiles(view.box):
        inner = (slice(tile[1], tile[3]), slice(tile[0], tile[2]))
        if not _touches(busy, view, tile):
            alpha[inner] = _at_center(decisions.mask, view, tile)
            continue
        x0, y0 = max(tile[0] - reach, view.box[0]), max(tile[1] - reach, view.box[1])
        wide = (x0, y0, min(tile[2] + reach, view.box[2]), min(tile[3] + reach, view.box[3]))
        window = (slice(wide[1], wide[3]), slice(wide[0], wide[2]))
        size = (wide[3] - wide[1], wide[2] - wide[0])
        mask, belongs, changed, see_through = (sample_map(each, view.box, wide, size) for each in maps)
        guess = np.where(belongs > 0.5, saliency[window], np.float32(0))
        solid = np.where(changed > 0.25, mask >= 0.5, guess >= decisions.level)
        finished = _hard_edges(image[window], solid, changed < 0.01, radius, config, view.scale)
        if decisions.softness is not None:
            finished = _strands(image[window], finished, decisions.softness, view.box, wide, config)
        crisp = (_crispness(guess, max(4, 2 * radius)) >= config.crisp) & (changed < 0.01)
        finished = np.where(crisp & _near_edge(solid, guess), guess, finished)
        kept = np.where(see_through > 0.5, guess, finished)
        alpha[inner] = kept[tile[1] - y0 : tile[3] - y0, tile[0] - x0 : tile[2] - x0]
    return alpha


def _hard_edges(image: Image, solid: Mask, as_guessed: Mask, radius: int, config: EdgesConfig, scale: float) -> Alpha:
    hard = solid.astype(np.float32)
    if solid.all() or not solid.any():
        return hard
    if radius > 0:
        hard = _steepen(_guided(image, hard, radius, config.epsilon), radius, config.ramp_px)
    if scale >= PIXEL_EXACT:
        exact = np.where(solid, np.maximum(hard, np.float32(0.5)), np.minimum(hard, JUST_OUT))
        hard = np.where(as_guessed, exact, hard)
    return hard


def _strands(image: Image, alpha: Alpha, softness: Softness, of: Box, at: Box, config: EdgesConfig) -> Alpha:
    """Return `alpha` with each pixel of hair as opaque as its colour lies between the background's and the hair's."""
    size = image.shape[:2]
    amount = sample_map(softness.amount, of, at, size)
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


def _guided(image: Image, start: Alpha, radius: int, epsilon: float) -> Alpha:
    # Large windows are solved on a thinned grid (He and Sun, "Fast Guided Filter", 2015): the coefficients are smooth.
    thinned = 1.0 if radius < 4 else 0.5 if radius < 8 else 0.25
    return np.asarray(cv2.ximgproc.guidedFilter(image, start, radius, epsilon, scale=thinned), np.float32)


def _steepen(alpha: Alpha, radius: int, ramp_px: float) -> Alpha:
    """Return `alpha` with its transitions at most about `ramp_px` wide; steeper ones are left alone.

    Where the image has no edge the filter leaves a ramp as wide as its window; there is no hair to keep in it.
    """
    square = np.ones((3, 3), np.uint8)
    slope = (cv2.dilate(alpha, square) - cv2.erode(alpha, square)) / 2  # per pixel
    slope = cv2.dilate(slope, np.ones((5, 5), np.uint8))
    gain = np.clip((1 / ramp_px) / np.maximum(slope, 1e-3), 1, 2 * radius + 1)
    return np.asarray(np.clip((alpha - 0.5) * gain + 0.5, 0, 1), np.float32)


def _crispness(guess: Saliency, radius: int) -> NDArray[np.float32]:
    """Return how steep the guess's own edges are around each pixel: the range over 3 x 3 pixels, weighted by itself;
    0 where the guess is flat."""
    square = np.ones((3, 3), np.uint8)
    span = cv2.dilate(guess, square) - cv2.erode(guess, square)
    size = (2 * radius + 1, 2 * radius + 1)
    total = cv2.blur(span, size)
    steep = np.divide(cv2.blur(span * span, size), total, out=np.zeros_like(total), where=total > 1e-4)
    return np.asarray(steep, np.float32)


def _near_edge(solid: Mask, guess: Saliency) -> Mask:
    # A crisp guess is taken at its edge only: faint specks of it off the object stay out.
    edge = cv2.dilate(solid.view(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return np.asarray(edge & (guess > 0))


def _busy(view: View, decisions: Decisions) -> Mask:
    """Return the working pixels whose photo pixels are not all alike."""
    mask = decisions.mask.view(np.uint8)
    square = np.ones((5, 5), np.uint8)
    edge = cv2.dilate(mask, square) != cv2.erode(mask, square, borderValue=255)
    undecided = (view.saliency > 0.02) & (view.saliency < 0.98)
    return np.asarray(edge | undecided | decisions.changed | decisions.see_through)


def _tiles(box: Box) -> Iterator[Box]:
    for y in range(box[1], box[3], TILE_PX):
        for x in range(box[0], box[2], TILE_PX):
            yield x, y, min(x + TILE_PX, box[2]), min(y + TILE_PX, box[3])


def _window(view: View, tile: Box) -> tuple[slice, slice]:
    height, width = view.size
    down, across = height / (view.box[3] - view.box[1]), width / (view.box[2] - view.box[0])
    rows = slice(int((tile[1] - view.box[1]) * down), int(np.ceil((tile[3] - view.box[1]) * down)) + 1)
    columns = slice(int((tile[0] - view.box[0]) * across), int(np.ceil((tile[2] - view.box[0]) * across)) + 1)
    return rows, columns


def _touches(busy: Mask, view: View, tile: Box) -> bool:
    return bool(busy[_window(view, tile)].any())


def _at_center(mask: Mask, view: View, tile: Box) -> bool:
    part = mask[_window(view, tile)]
    return bool(part[part.shape[0] // 2, part.shape[1] // 2])
