"""Mesh -> the bytes of a file in one of the formats of `backend.contract.mesh_formats`.

Only this module turns the world frame (x toward the viewer, z up) into a file's frame: y up and the front toward +z, as
glTF defines it and OBJ, PLY and STL follow here; or z up and the front toward −y, Blender's own frame.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import trimesh
from numpy.typing import NDArray

from backend.contract.mesh_formats import MESH_FORMATS
from backend.mesh.glb import glb_bytes
from backend.mesh.mesh import Mesh
from backend.mesh.reread import check_reads_back
from backend.mesh.topology import Welded, vertex_normals, weld

Up = Literal["y", "z"]
Writer = Callable[..., bytes]  # gets a mesh in the file's frame, with normals; that of GLB also `unlit`
TURNS: dict[str, NDArray[np.float32]] = {
    "y": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32),  # (x, y, z) -> (y, z, x)
    "z": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], np.float32),  # (x, y, z) -> (y, −x, z)
}


def export_mesh(mesh: Mesh, format: str = "glb", up: Up = "y", check: bool = False, unlit: bool = False) -> bytes:
    """Return the mesh as a file of a format in `MESH_FORMATS`; the same mesh gives the same bytes.

    A textured format stores the mesh with the vertices that its texture's seams double; the others store one vertex per
    place, so that programs that do not weld find the mesh closed. `check` reads the file back; `unlit` is for GLB only.
    Raises ValueError for an unknown format or frame, for a mesh without faces and for coordinates that are not finite;
    RuntimeError when a checked file does not hold the mesh.
    """
    if format not in MESH_FORMATS or up not in TURNS:
        raise ValueError(f"format is one of {', '.join(MESH_FORMATS)} and up is y or z, not {format!r} and {up!r}")
    if len(mesh.faces) == 0 or not np.isfinite(mesh.vertices).all():
        raise ValueError("a mesh to export needs faces and finite vertices")
    stored = turn_mesh(mesh, up)
    if not MESH_FORMATS[format].textured:
        stored = _one_vertex_per_place(stored, weld(stored))
    data = WRITERS[format](stored, unlit=True) if unlit and format == "glb" else WRITERS[format](stored)
    if check:
        check_reads_back(data, format, stored)
    return data


def _trimesh_writer(format: str, **options: Any) -> Writer:
    """Return the writer of a format that trimesh exports; `options` are its exporter's."""

    def write(mesh: Mesh) -> bytes:
        colors = None if mesh.colors is None else np.rint(np.clip(mesh.colors, 0.0, 1.0) * 255.0).astype(np.uint8)
        solid = trimesh.Trimesh(
            mesh.vertices, mesh.faces, vertex_normals=mesh.normals, vertex_colors=colors, process=False
        )
        data: str | bytes = solid.export(file_type=format, **options)
        return data.encode("ascii") if isinstance(data, str) else data

    return write


WRITERS: dict[str, Writer] = {
    "glb": glb_bytes,
    "obj": _trimesh_writer("obj", include_normals=True, digits=7, header="Mattemesh"),
    "ply": _trimesh_writer("ply", vertex_normal=True),
    "stl": _trimesh_writer("stl"),
}


def turn_mesh(mesh: Mesh, up: Up) -> Mesh:
    """Return the mesh, with normals, in a file's frame: a rotation, so faces keep their winding."""
    turn = TURNS[up]
    normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh)
    # Columns are picked, not multiplied: exact, and 0 never becomes −0.0.
    vertices, turned_normals = (_picked(rows, turn) for rows in (mesh.vertices, normals))
    return Mesh(vertices, mesh.faces, mesh.colors, mesh.texture, turned_normals)


def _picked(rows: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.float32]:
    source = np.abs(turn).argmax(axis=1)
    picked: NDArray[np.float32] = rows[:, source] * turn[np.arange(3), source] + np.float32(0.0)
    return picked


def _one_vertex_per_place(mesh: Mesh, welded: Welded) -> Mesh:
    """Return the welded mesh with the mean normal of each place."""
    count = len(welded.points)
    assert mesh.normals is not None  # turn_mesh gives them
    sums = np.stack([np.bincount(welded.place, mesh.normals[:, k], count) for k in range(3)], axis=-1)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    normals = np.where(length > 1e-6, sums / np.maximum(length, 1e-6), mesh.normals[welded.source])
    colors = None if mesh.colors is None else mesh.colors[welded.source]
    return Mesh(welded.points, welded.faces, colors, None, normals.astype(np.float32))
