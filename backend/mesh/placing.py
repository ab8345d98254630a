"""A mesh in the world frame -> the same in a file's frame: which axis is up, where the origin is, how high it is.

Only this module turns the world frame (x toward the viewer, z up) into a file's: y up and the front toward +z, as glTF
defines it and the other formats follow here; or z up and the front toward −y, Blender's own frame.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.contract.mesh_formats import Unit, Up
from backend.mesh.mesh import Mesh
from backend.mesh.topology import vertex_normals

Pivot = Literal["own", "foot", "centre"]
TURNS: dict[Up, NDArray[np.float32]] = {
    "y": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32),  # (x, y, z) -> (y, z, x)
    "z": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], np.float32),  # (x, y, z) -> (y, −x, z)
}
HEIGHT_AXIS = 2  # of the world frame


@dataclass(frozen=True)
class Placed:
    """A mesh with normals in a file's frame."""

    mesh: Mesh
    up: Up
    scale: float  # the file's units in one world unit
    sized: bool = False  # a height was asked for: the numbers are lengths in `unit`
    unit: Unit = "m"


def place(mesh: Mesh, up: Up = "y", pivot: Pivot = "own", height: float | None = None, scale: float = 1.0) -> Placed:
    """Return a mesh of the world frame in a file's frame.

    `height` is what the object measures along the up axis, in the file's units; None: `scale` times as much as in the
    world. `pivot` moves the origin under the middle of the object's box (`foot`), into its middle (`centre`), or leaves
    it. Raises ValueError for a mesh without faces, for coordinates that are not finite, for an unknown frame, and for
    a height that is asked of something flat.
    """
    if up not in TURNS or pivot not in ("own", "foot", "centre"):
        raise ValueError(f"up is y or z and pivot is own, foot or centre, not {up!r} and {pivot!r}")
    if len(mesh.faces) == 0 or not np.isfinite(mesh.vertices).all():
        raise ValueError("a mesh for a file needs faces and finite vertices")
    used = mesh.vertices[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    if height is not None:
        extent = float(high[HEIGHT_AXIS] - low[HEIGHT_AXIS])
        if not extent > 0.0:
            raise ValueError("an object without height cannot be made higher")
        scale = height / extent
    vertices = mesh.vertices
    if pivot != "own":
        origin = (low + high) / 2
        if pivot == "foot":
            origin[HEIGHT_AXIS] = low[HEIGHT_AXIS]
        vertices = vertices - origin
    if scale != 1.0:
        vertices = vertices * np.float32(scale)
    return Placed(_turned(replace(mesh, vertices=vertices), up), up, scale)


def to_world(mesh: Mesh, up: Up) -> Mesh:
    """Return a mesh in a file's frame in the world's: the counterpart of `place`."""
    back = TURNS[up].T
    normals = None if mesh.normals is None else _picked(mesh.normals, back)
    return replace(mesh, vertices=_picked(mesh.vertices, back), normals=normals)


def _turned(mesh: Mesh, up: Up) -> Mesh:
    """Return the mesh, with normals, in a file's frame: a rotation, so faces keep their winding."""
    normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh)
    # Columns are picked, not multiplied: exact, and 0 never becomes −0.0.
    vertices, turned_normals = (_picked(rows, TURNS[up]) for rows in (mesh.vertices, normals))
    return replace(mesh, vertices=vertices, normals=turned_normals)


def _picked(rows: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.float32]:
    source = np.abs(turn).argmax(axis=1)
    picked: NDArray[np.float32] = rows[:, source] * turn[np.arange(3), source] + np.float32(0.0)
    return picked
