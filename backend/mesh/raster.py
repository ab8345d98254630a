"""Rasterizer: triangles on a picture -> the pixels whose centres they cover, in NumPy, without OpenGL.

Triangles are cut into rows and rows into pixels, so the work grows with the covered pixels and not with bounding boxes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK_PIXELS = 2_000_000  # pixels at a time: 100 MB of working memory
CHUNK_ROWS = 1_000_000  # rows of triangles at a time


@dataclass(frozen=True)
class Fragments:
    """The covered pixels of some triangles, one row per triangle and pixel."""

    face: NDArray[np.int64]  # (K,) index of the triangle
    pixel: NDArray[np.int64]  # (K,) row * width + column
    weights: NDArray[np.float64]  # (K, 3) of the triangle's corners at the pixel's centre; they sum to 1


def fragments(corners: NDArray[np.float64], faces: NDArray[np.int64], height: int, width: int) -> Iterator[Fragments]:
    """Yield the pixels that `faces` (M, 3) over `corners` (N, 2) cover, in the order of the faces.

    Corners are column, row in pixels; the centre of the first pixel is (0.5, 0.5). Both windings are drawn; a triangle
    without a pixel centre yields nothing.
    """
    triangles = corners[faces]  # (M, 3, 2)
    top = np.clip(np.ceil(triangles[..., 1].min(axis=1) - 0.5), 0, height).astype(np.int64)
    end = np.clip(np.floor(triangles[..., 1].max(axis=1) - 0.5) + 1, 0, height).astype(np.int64)
    rows = np.maximum(end - top, 0)
    start = 0
    while start < len(faces):
        stop = start + max(1, int(np.searchsorted(np.cumsum(rows[start:]), CHUNK_ROWS, side="right")))
        face = np.repeat(np.arange(start, stop), rows[start:stop])
        row = top[face] + _counted(rows[start:stop])
        first, last = _span(triangles[face], row + 0.5, width)
        yield from _pixels(triangles, face, row, first, np.maximum(last - first, 0), width)
        start = stop


def _counted(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, …, n − 1 for each n of `lengths`, concatenated."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _span(
    triangles: NDArray[np.float64], y: NDArray[np.float64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first column (K,) whose centre lies in each triangle at height `y`, and the column after the last."""
    low, high = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for k in range(3):
        (x0, y0), (x1, y1) = triangles[:, k].T, triangles[:, (k + 1) % 3].T
        crosses = (y >= np.minimum(y0, y1)) & (y <= np.maximum(y0, y1)) & (y0 != y1)
        x = x0 + (y - y0) * (x1 - x0) / np.where(y0 == y1, 1.0, y1 - y0)
        low, high = np.where(crosses, np.minimum(low, x), low), np.where(crosses, np.maximum(high, x), high)
    empty = low > high
    first = np.ceil(np.clip(np.where(empty, 0.0, low) - 0.5, 0, width)).astype(np.int64)
    after = np.floor(np.clip(np.where(empty, -1.0, high) + 0.5, 0, width)).astype(np.int64)
    return first, after


def _pixels(
    triangles: NDArray[np.float64],
    face: NDArray[np.int64],
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
    width: int,
) -> Iterator[Fragments]:
    start = 0
    while start < len(face):
        stop = start + max(1, int(np.searchsorted(np.cumsum(counts[start:]), CHUNK_PIXELS, side="right")))
        which = np.repeat(np.arange(start, stop), counts[start:stop])
        column = first[which] + _counted(counts[start:stop])
        owner = face[which]
        yield Fragments(owner, row[which] * width + column, _weights(triangles, owner, column + 0.5, row[which] + 0.5))
        start = stop


def _weights(
    triangles: NDArray[np.float64], face: NDArray[np.int64], x: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.float64]:
    a, b, c = (triangles[:, k] for k in range(3))
    twice = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    inverse = 1.0 / np.where(twice == 0.0, np.inf, twice)
    px, py = x - a[face, 0], y - a[face, 1]
    second = (px * (c - a)[face, 1] - py * (c - a)[face, 0]) * inverse[face]
    third = (py * (b - a)[face, 0] - px * (b - a)[face, 1]) * inverse[face]
    return np.stack([1.0 - second - third, second, third], axis=-1)
