"""Mesh -> the same shape with at most a given number of faces (quadric error metric, Garland and Heckbert 1997).

Quadrics know distances, not what hangs together: a leg collapses to a sheet and is torn off. So the cheapest collapses
come first, each loose part gets its own share of the faces, and a part that comes apart is done again in small steps.
"""

from dataclasses import dataclass

import fast_simplification
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from backend.mesh.mend import Faces, Points, is_closed, mend
from backend.mesh.mesh import ColorAt, Mesh
from backend.mesh.topology import weld

MIN_FACES = 4  # a tetrahedron
PART_FACES = 8  # least share of a loose part, an octahedron
# How fast the library's bound on the error of a collapse rises (its own 7 tears thin parts), and the share of the faces
# that a pass leaves (0: it goes straight to the target). In this order, until a part stays in one piece.
TRIES = ((3, 0.0), (2, 0.0), (3, 0.75))
MANY_PARTS = 8  # more than so many parts get the first try only: a scatter of specks would take a minute
IMPATIENT = 15  # from here on what is left above the target stays


@dataclass(frozen=True)
class Decimated:
    """A lighter mesh, the number of faces that was asked for and the number that it has."""

    mesh: Mesh
    asked: int
    got: int


def decimate(mesh: Mesh, target_faces: int, color_at: ColorAt | None) -> Decimated:
    """Return `mesh` with at most `target_faces` faces and vertex colours from `color_at`, if any.

    A closed mesh stays closed: handles too small for the new faces are cut or filled. A mesh that is light enough is
    returned as it is. The texture is dropped: bake it afterwards.

    Raises ValueError for fewer than 4 faces.
    """
    if target_faces < MIN_FACES:
        raise ValueError(f"a closed mesh has at least {MIN_FACES} faces, not {target_faces}")
    if len(mesh.faces) <= target_faces:
        return Decimated(mesh, target_faces, len(mesh.faces))
    welded = weld(mesh)
    points, faces = simplified(welded.points, welded.faces, target_faces)
    used, faces = np.unique(faces, return_inverse=True)
    points, faces = points[used], faces.reshape(-1, 3)
    lighter = Mesh(points, faces, colors=None if color_at is None else color_at(points))
    return Decimated(lighter, target_faces, len(lighter.faces))


def simplified(points: Points, faces: Faces, target_faces: int) -> tuple[Points, Faces]:
    """Return points and at most `target_faces` faces of the same shape; points may be left unused.

    Parts that hang together share the faces by their own number. When there are more parts than shares of 8 faces, the
    smallest are left out. Closed parts stay closed.
    """
    if len(faces) <= target_faces:
        return points, faces
    part = _parts(points, faces)[faces[:, 0]]
    order = np.argsort(part, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(part[order])) + 1)
    parts = sorted(parts, key=len, reverse=True)[: max(1, target_faces // PART_FACES)]
    total, rest = sum(map(len, parts)), max(0, target_faces - PART_FACES * len(parts))
    tries = TRIES if len(parts) <= MANY_PARTS else TRIES[:1]
    found_points, found_faces, offset = [], [], 0
    for rows in parts:
        share = max(MIN_FACES, PART_FACES + rest * len(rows) // total)
        used, own = np.unique(faces[rows], return_inverse=True)
        lighter, light_faces = _one_part(points[used], own.reshape(-1, 3), share, tries)
        found_points.append(lighter)
        found_faces.append(light_faces + offset)
        offset += len(lighter)
    return np.concatenate(found_points), np.concatenate(found_faces)


def _one_part(
    points: Points, faces: Faces, target_faces: int, tries: tuple[tuple[int, float], ...]
) -> tuple[Points, Faces]:
    """Return the lighter part: the try that leaves the fewest pieces."""
    if len(faces) <= target_faces:
        return points, faces
    closed = is_closed(faces, len(points))
    found, best = [], (points, faces)
    for patience, left in tries:
        found.append(_passes(points, faces, target_faces, closed, patience, left))
        best = min(found, key=lambda one: (max(target_faces, len(one[1])), len(np.unique(_parts(*one)[one[1]]))))
        if len(best[1]) <= target_faces and len(np.unique(_parts(*best)[best[1]])) == 1:
            break
    small = closed and target_faces < 4 * PART_FACES
    return _tetrahedron(points) if small and len(best[1]) > target_faces else best


def _tetrahedron(points: Points) -> tuple[Points, Faces]:
    """Return the last resort for a part that has to be this small: its far ends, spanned to a solid."""
    centre = points.mean(axis=0)
    along, across, up = np.linalg.svd(points - centre, full_matrices=False)[2]
    reach = [np.abs((points - centre) @ axis).max() for axis in (along, across, up)]
    a, b, c = (axis * max(length, 1e-4) for axis, length in zip((along, across, up), reach, strict=True))
    corners = (centre + np.stack([a + c, -a + c, b - c, -b - c])).astype(np.float32)
    faces = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0], [3, 2, 1]])
    edges = corners[1:] - corners[0]
    return corners, faces if np.linalg.det(edges.astype(np.float64)) < 0 else faces[:, ::-1]


def _passes(
    points: Points, faces: Faces, target_faces: int, closed: bool, patience: int, left: float
) -> tuple[Points, Faces]:
    while len(faces) > target_faces and patience <= IMPATIENT:
        before = len(faces)
        found = fast_simplification.simplify(
            points, faces.astype(np.int32), target_count=max(target_faces, int(left * before)), agg=patience
        )
        lighter, light_faces = found[0].astype(np.float32), found[1].astype(np.int64)
        if closed:
            lighter, light_faces = mend(lighter, light_faces)
        if not len(light_faces):
            break  # collapsed to nothing: what was there before is nearer to what was asked
        points, faces = lighter, light_faces
        patience += 3 * (len(faces) > 0.97 * before)
    return points, faces


def _parts(points: Points, faces: Faces) -> NDArray[np.int64]:
    """Return the number (N,) of the connected part of each point."""
    start, end = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    graph = coo_array((np.ones(len(start), bool), (start, end)), shape=(len(points),) * 2)
    found: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return found
