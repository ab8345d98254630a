"""An alpha and strokes of a round brush in, the painted alpha out.

A stroke is the sweep of one disc along its line. Its coverage depends only on the distance to the line: close points
make no beads, and a stroke that crosses itself is not darker there. Only tiles that a stroke reaches are worked on, and
in each only the pieces of its line that can be nearest.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from skimage.measure import approximate_polygon

from backend.contract.errors import InvalidParameterError
from backend.contract.marks import Stroke
from backend.images.arrays import Alpha, Box, Mask, check_alpha
from backend.images.geometry import tiles

TILE_PX = 64
STRAIGHT_PX = 0.01  # points this near to the line through their neighbours are dropped
# Cost of painting, in distances of one pixel to one piece of a line (3 ns each).
PIXEL_COST = 3  # one distance, its coverage and the blend
TILE_COST = 4_000  # deciding whether a stroke reaches a tile
PIECE_COST = 6  # and for each piece of its line
CROSSING_COST = 15  # a row that the outline of a filled stroke crosses
MAX_COST = 600_000_000  # about two seconds: the largest picture three times, or a fine brush through 8,000 points
Floats = NDArray[np.float32]


def paint(alpha: Alpha, strokes: Iterable[Stroke]) -> tuple[Alpha, Mask]:
    """Return `alpha` with the strokes painted over it in order, and a mask of the pixels that any of them reaches.

    All other values stay bit-equal. Raises InvalidParameterError when painting costs more than MAX_COST: before it
    begins where the strokes' areas already say so.
    """
    check_alpha(alpha)
    strokes = list(strokes)
    cost = _Cost(sum(_area_cost(stroke, *alpha.shape) for stroke in strokes))
    painted, touched = alpha.copy(), np.zeros(alpha.shape, np.bool_)
    for stroke in strokes:
        for window, coverage in _swept(stroke, stroke_box(stroke, *alpha.shape), cost):
            under = painted[window]
            over = under + coverage * (1 - under) if stroke.mode == "add" else under * (1 - coverage)
            painted[window] = np.minimum(over, 1)
            touched[window] |= coverage > 0
    return painted, touched


class _Cost:
    """The cost of all strokes together. Raises InvalidParameterError as soon as it exceeds MAX_COST."""

    def __init__(self, cost: int) -> None:
        self._cost = 0
        self.add(cost)

    def add(self, cost: int) -> None:
        self._cost += cost
        if self._cost > MAX_COST:
            raise InvalidParameterError(
                "The strokes take too long to paint; send fewer, smaller or simpler ones.",
                parameter="strokes",
                limit=MAX_COST,
                actual=self._cost,
            )


def _area_cost(stroke: Stroke, height: int, width: int) -> int:
    """Return the cost of `stroke` if each of its pixels is near to one piece of its line only."""
    x0, y0, x1, y1 = stroke_box(stroke, height, width)
    box_px = max(0, x1 - x0) * max(0, y1 - y0)
    path, radius = np.array(stroke.path), stroke.radius + 1
    length = float(np.hypot(*np.diff(path, axis=0).T).sum())
    painted_px = min(box_px, np.pi * radius**2 + 2 * radius * length)
    if stroke.filled:
        rows_crossed = np.abs(np.diff(np.clip(path[:, 1], y0, y1))).sum()
        painted_px = 2 * box_px + CROSSING_COST / PIXEL_COST * rows_crossed
    return int(PIXEL_COST * painted_px + (TILE_COST + PIECE_COST * len(path)) * box_px / TILE_PX**2)


def stroke_box(stroke: Stroke, height: int, width: int) -> Box:
    """Return the box of the pixels that `stroke` can reach in a picture of that size; empty when it stays outside."""
    path = np.array(stroke.path)
    low, high = path.min(axis=0) - stroke.radius - 1, path.max(axis=0) + stroke.radius + 1
    x0, y0 = (int(max(0, np.floor(value))) for value in low)
    x1, y1 = (int(min(side, np.ceil(value))) for value, side in zip(high, (width, height), strict=True))
    return x0, y0, x1, y1


def coverage_at(distance: Floats, radius: float, hardness: float) -> Floats:
    """Return the brush's coverage in [0, 1] at a `distance` in pixels from its line: 1 inside, falling smoothly to 0.

    The fall takes (1 − hardness) of the radius, at least one pixel for an antialiased rim.
    """
    rim = radius + 0.5 * hardness
    fall = np.clip((rim - distance) / max(1.0, (1 - hardness) * radius), 0, 1)
    return np.asarray(fall * fall * (3 - 2 * fall), np.float32)


def _swept(stroke: Stroke, box: Box, cost: _Cost) -> Iterator[tuple[tuple[slice, slice], Floats | np.float32]]:
    """Yield the windows that `stroke` reaches and its coverage there."""
    starts, ways = _pieces(stroke)
    solid = stroke.radius - 0.5 if stroke.hardness == 1 else -1.0  # up to here the coverage is 1
    inside = _enclosed(stroke, box) if stroke.filled and box[0] < box[2] and box[1] < box[3] else None
    for x, y, right, bottom in tiles(box, TILE_PX):
        center = np.array([[(x + right) / 2, (y + bottom) / 2]], np.float32)
        reach = float(np.hypot(right - x, bottom - y)) / 2
        away = _distances(center, starts, ways)[0]
        nearest = float(away.min())
        window = (slice(y, bottom), slice(x, right))
        within = None if inside is None else inside[y - box[1] : bottom - box[1], x - box[0] : right - box[0]]
        if nearest - reach > stroke.radius + 1:
            if within is not None and within.any():  # all of it: no line comes near
                yield window, np.float32(1)
            continue
        if nearest + reach < solid:
            yield window, np.float32(1)
            continue
        near = away <= nearest + 2 * reach  # no other piece can be the nearest to any pixel of the tile
        cost.add((right - x) * (bottom - y) * (int(np.count_nonzero(near)) - 1))
        distance = _distance_over(window, starts[near], ways[near])
        coverage = coverage_at(distance, stroke.radius, stroke.hardness)
        yield window, coverage if within is None else np.where(within, np.float32(1), coverage)


def _enclosed(stroke: Stroke, box: Box) -> Mask:
    """Return which pixels of `box` have their centre inside the closed line, which may cross itself (nonzero rule)."""
    x0, y0, x1, y1 = box
    path = np.array(stroke.path)
    (ax, ay), (bx, by) = path[:-1].T, path[1:].T
    # Each piece crosses the rows whose middle lies between its ends, downward or upward.
    first, last = (np.ceil(np.clip(edge(ay, by), y0, y1) - 0.5).astype(int) for edge in (np.minimum, np.maximum))
    counts = np.maximum(last - first, 0)
    piece = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts) + first[piece]
    x = ax[piece] + (rows + 0.5 - ay[piece]) / (by - ay)[piece] * (bx - ax)[piece]
    columns = np.clip(np.ceil(x - 0.5), x0, x1).astype(int)
    turns = np.zeros((y1 - y0, x1 - x0 + 1), np.int16)  # at a crossing; their sum from the left is how often it winds
    np.add.at(turns, (rows - y0, columns - x0), np.sign(by - ay)[piece].astype(np.int16))
    return np.asarray(np.cumsum(turns, axis=1, dtype=np.int16)[:, :-1] != 0)


def _pieces(stroke: Stroke) -> tuple[Floats, Floats]:
    """Return the start of each straight piece of the line and the vector to its end; a dab is a piece of length 0."""
    path = approximate_polygon(np.array(stroke.path), STRAIGHT_PX).astype(np.float32)
    return (path[:-1], np.diff(path, axis=0)) if len(path) > 1 else (path, np.zeros_like(path))


def _distances(places: Floats, starts: Floats, ways: Floats) -> Floats:
    """Return the (places, pieces) distances from places (P, 2) to the pieces (S, 2)."""
    apart = places[:, None] - starts[None]
    lengths = np.maximum((ways * ways).sum(axis=1), 1e-12)
    along = np.clip((apart * ways).sum(axis=2) / lengths, 0, 1)
    return np.asarray(np.linalg.norm(apart - along[..., None] * ways, axis=2), np.float32)


def _distance_over(window: tuple[slice, slice], starts: Floats, ways: Floats) -> Floats:
    """Return the distance of each pixel's centre in `window` to the nearest piece."""
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) + np.float32(0.5) for part in window)
    nearest = np.full((len(rows), len(columns)), np.inf, np.float32)
    for (x, y), (across, down) in zip(starts, ways, strict=True):
        right, below = columns[None] - x, rows[:, None] - y
        along = np.clip((right * across + below * down) / max(across * across + down * down, np.float32(1e-12)), 0, 1)
        np.minimum(nearest, (right - along * across) ** 2 + (below - along * down) ** 2, out=nearest)
    return np.asarray(np.sqrt(nearest), np.float32)
