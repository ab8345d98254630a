"""Mesh -> the same shape with about a given number of faces (quadric error metric, Garland and Heckbert 1997)."""

from dataclasses import dataclass

import fast_simplification
import numpy as np

from backend.mesh.mend import is_closed, mend
from backend.mesh.mesh import ColorAt, Mesh
from backend.mesh.topology import weld

MIN_FACES = 4  # a tetrahedron


@dataclass(frozen=True)
class Decimated:
    """A lighter mesh, the number of faces that was asked for and the number that it has."""

    mesh: Mesh
    asked: int
    got: int


def decimate(mesh: Mesh, target_faces: int, color_at: ColorAt) -> Decimated:
    """Return `mesh` with at most about `target_faces` faces and vertex colours from `color_at`.

    A closed mesh stays closed: handles too small for the new faces are cut or filled, so the number of faces may be off
    by a few. A mesh that is light enough is returned as it is. The texture is dropped: bake it afterwards.

    Raises ValueError for fewer than 4 faces.
    """
    if target_faces < MIN_FACES:
        raise ValueError(f"a closed mesh has at least {MIN_FACES} faces, not {target_faces}")
    if len(mesh.faces) <= target_faces:
        return Decimated(mesh, target_faces, len(mesh.faces))
    welded = weld(mesh)
    points, faces = fast_simplification.simplify(
        welded.points, welded.faces.astype(np.int32), target_count=target_faces
    )
    points, faces = points.astype(np.float32), faces.astype(np.int64)
    if is_closed(welded.faces, len(welded.points)):
        points, faces = mend(points, faces)
    used, faces = np.unique(faces, return_inverse=True)
    lighter = Mesh(points[used], faces.reshape(-1, 3), colors=color_at(points[used]))
    return Decimated(lighter, target_faces, len(lighter.faces))
