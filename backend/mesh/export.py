"""Mesh in a file's frame -> the bytes of a file in one of the formats of `backend.contract.mesh_formats`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import trimesh

from backend.contract.mesh_formats import MESH_FORMATS
from backend.mesh.glb import GlbStyle, glb_bytes
from backend.mesh.mesh import Mesh
from backend.mesh.obj import obj_bytes
from backend.mesh.placing import Placed
from backend.mesh.reread import check_reads_back
from backend.mesh.sampling import texture_colors
from backend.mesh.three_mf import three_mf_bytes
from backend.mesh.topology import weld
from backend.mesh.usdz import usdz_bytes

Writer = Callable[
    ..., bytes
]  # gets a mesh in the file's frame, with normals; those of GLB and USDZ also what `export_mesh` gives them


def export_mesh(placed: Placed, format: str = "glb", check: bool = False, style: GlbStyle | None = None) -> bytes:
    """Return the mesh as a file of a format in `MESH_FORMATS`; the same mesh gives the same bytes.

    A textured format stores the mesh with the vertices that its texture's seams double; the others store one vertex per
    place, so that programs that do not weld find the mesh closed. `check` reads the file back, unless it is quantised;
    `style` is for GLB, its `texture_quality` also for USDZ.
    Raises ValueError for an unknown format; RuntimeError when a checked file does not hold the mesh.
    """
    if format not in MESH_FORMATS:
        raise ValueError(f"format is one of {', '.join(MESH_FORMATS)}, not {format!r}")
    style = style or GlbStyle()
    stored = placed.mesh
    if not MESH_FORMATS[format].textured:
        stored = _one_vertex_per_place(_colored(stored))
    if format == "glb":
        data = glb_bytes(stored, style, _extras(placed))
    elif format == "usdz":
        data = usdz_bytes(stored, placed.up, style.texture_quality)
    else:
        data = WRITERS[format](stored)
    if check and not (format == "glb" and style.quantized):
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
    "obj": obj_bytes,
    "ply": _trimesh_writer("ply", vertex_normal=True),
    "stl": _trimesh_writer("stl"),
    "3mf": three_mf_bytes,
    "usdz": usdz_bytes,
}


def _extras(placed: Placed) -> dict[str, str]:
    """Return what a GLB cannot say otherwise: an up axis that is not glTF's, and that its metres are meant."""
    return ({} if placed.up == "y" else {"up": placed.up}) | ({"unit": "m"} if placed.sized else {})


def _colored(mesh: Mesh) -> Mesh:
    """Return the mesh with colours per vertex where it has a texture alone."""
    if mesh.texture is None or mesh.colors is not None:
        return mesh
    return replace(mesh, colors=texture_colors(mesh.texture.image, mesh.texture.uv) / np.float32(255.0))


def _one_vertex_per_place(mesh: Mesh) -> Mesh:
    """Return the welded mesh with the mean normal of each place."""
    welded = weld(mesh)
    count = len(welded.points)
    assert mesh.normals is not None  # a placed mesh has them
    sums = np.stack([np.bincount(welded.place, mesh.normals[:, k], count) for k in range(3)], axis=-1)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    normals = np.where(length > 1e-6, sums / np.maximum(length, 1e-6), mesh.normals[welded.source])
    colors = None if mesh.colors is None else mesh.colors[welded.source]
    return Mesh(welded.points, welded.faces, colors, None, normals.astype(np.float32))
