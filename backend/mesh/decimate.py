"""A mesh and a number of faces in, the same shape with about that many out (quadric error, Garland and Heckbert)."""

from dataclasses import dataclass

import fast_simplification
import numpy as np

from backend.mesh.mend import is_closed, mend
from backend.mesh.mesh import ColorAt, Mesh
from backend.mesh.topology import weld

FEWEST_FACES = 4  # a tetrahedron


@dataclass(frozen=True)
class Decimated:
    """The lighter mesh, the number of faces asked for and the number it has."""

    mesh: Mesh
    asked: int
    got: int


def decimate(mesh: Mesh, target_faces: int, color_at: ColorAt) -> Decimated:
    """Return `mesh` with at most about `target_faces` faces, its vertex colours taken anew from `color_at`.

    A closed mesh stays closed: handles too small for the new faces are cut or filled, so a few faces more or fewer than
    asked for may come back. A mesh that is light enough comes back as it is. A texture does not survive: bake after.

    Raises ValueError for fewer than 4 faces.
    """
    if target_faces < FEWEST_FACES:
        raise ValueError(f"a closed mesh has at least {FEWEST_FACES} faces, not {target_faces}")
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
