"""Surface that simplification left open or pinched -> the same surface, closed.

Simplification collapses a handle thinner than its edges to an edge with four faces. Such places are small: their faces
are cut out, and each hole gets a cap of its own.
"""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Faces = NDArray[np.int64]


def mend(points: Points, faces: Faces) -> tuple[Points, Faces]:
    """Return points (N, 3) and consistently wound faces (M, 3) in which every edge belongs to exactly two faces.

    The given surface has to be closed except for pinches: edges of more than two faces, half of which run along them in
    each direction. A surface without pinches is returned as it is.
    """
    faces = _without_pinches(_without_flaps(faces), len(points))
    start, end = _open_sides(faces, len(points))
    return _capped(points, faces, start, end) if len(start) else (points, faces)


def is_closed(faces: Faces, count: int) -> bool:
    """Return whether the faces over `count` vertices run along every edge once in each direction."""
    sides = np.sort(_sides(faces, count))  # sorted, because np.unique and np.isin take ten times longer
    return bool((sides[1:] != sides[:-1]).all()) and np.array_equal(np.sort(_turned(sides, count)), sides)


def _sides(faces: Faces, count: int) -> NDArray[np.int64]:
    """Return the directed edges of all faces, encoded as start · count + end (3 M,), face by face."""
    sides: NDArray[np.int64] = (faces * count + np.roll(faces, -1, axis=1)).reshape(-1)
    return sides


def _turned(sides: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the same edges in the other direction."""
    return sides % count * count + sides // count


def _without_flaps(faces: Faces) -> Faces:
    """Return the faces without degenerate ones and without pairs that are each other's back side."""
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    _, same, uses = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True, return_counts=True)
    once: NDArray[np.bool_] = uses[same.reshape(-1)] == 1
    return faces[once]


def _without_pinches(faces: Faces, count: int) -> Faces:
    """Return the faces without those around pinched edges, and without those around vertices where two holes touch."""
    while len(faces):
        sides = np.sort(_sides(faces, count))
        shared = sides[1:][sides[1:] == sides[:-1]]
        bad = np.concatenate([shared // count, shared % count])
        if not len(bad):
            start, _ = _open_sides(faces, count)
            bad, uses = np.unique(start, return_counts=True)
            bad = bad[uses > 1]
        if not len(bad):
            break
        faces = faces[~np.isin(faces, bad).any(axis=1)]
    return faces


def _open_sides(faces: Faces, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and end (K,) of the edges that no other face runs along in the other direction."""
    sides = np.sort(_sides(faces, count))
    turned = _turned(sides, count)
    at = np.minimum(np.searchsorted(sides, turned), max(0, len(sides) - 1))
    alone = sides[sides[at] != turned]
    return alone // count, alone % count


def _capped(points: Points, faces: Faces, start: NDArray[np.int64], end: NDArray[np.int64]) -> tuple[Points, Faces]:
    """Return the surface with every hole closed by a fan around a new vertex; a vertex lies on one hole at most."""
    follows = dict(zip(start.tolist(), end.tolist(), strict=True))
    middles: list[Points] = []
    caps: list[Faces] = []
    while follows:
        hole = [next(iter(follows))]
        while (after := follows.pop(hole[-1])) != hole[0]:
            hole.append(after)
        if len(hole) == 3:
            caps.append(np.array([hole[::-1]]))
            continue
        middle = np.full(len(hole), len(points) + len(middles))
        caps.append(np.stack([np.roll(hole, -1), np.array(hole), middle], axis=1))
        middles.append(points[hole].mean(axis=0, keepdims=True))
    return np.concatenate([points, *middles]).astype(np.float32), np.concatenate([faces, *caps])
