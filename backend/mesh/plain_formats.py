"""Mesh -> OBJ, PLY and STL: one shape, its vertex colours where the format has a place for them, no second file."""

import numpy as np
from numpy.typing import NDArray

from backend.mesh.mesh import Mesh


def obj_bytes(mesh: Mesh) -> bytes:
    """Return a Wavefront OBJ: `v x y z r g b` (sRGB, as Blender and MeshLab read them), `vn`, and faces `i//i`."""
    columns = mesh.vertices if mesh.colors is None else np.concatenate([mesh.vertices, mesh.colors], axis=1)
    form = "v %.7g %.7g %.7g" if mesh.colors is None else "v %.7g %.7g %.7g %.4f %.4f %.4f"
    lines = ["# Mattemesh", "o object", _lines(form, columns)]
    corner = "%d"
    indices = mesh.faces + 1
    if mesh.normals is not None:
        lines.append(_lines("vn %.4f %.4f %.4f", mesh.normals))
        corner, indices = "%d//%d", np.repeat(indices, 2, axis=1)
    lines.append(_lines("f " + " ".join([corner] * 3), indices))
    return ("\n".join(lines) + "\n").encode("ascii")


def _lines(form: str, rows: NDArray[np.generic]) -> str:
    # One format over all rows at once: a loop of Python over 60,000 faces takes five times as long.
    return "\n".join([form] * len(rows)) % tuple(rows.ravel().tolist())


def ply_bytes(mesh: Mesh) -> bytes:
    """Return a binary little-endian PLY: positions, normals, and 8-bit sRGB colours."""
    fields: list[tuple[str, str]] = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    columns: list[NDArray[np.generic]] = list(mesh.vertices.T)
    if mesh.normals is not None:
        fields += [("nx", "<f4"), ("ny", "<f4"), ("nz", "<f4")]
        columns += list(mesh.normals.T)
    if mesh.colors is not None:
        fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
        columns += list(np.rint(np.clip(mesh.colors, 0.0, 1.0) * 255.0).astype(np.uint8).T)
    vertices = np.empty(len(mesh.vertices), np.dtype(fields))
    for (name, _), column in zip(fields, columns, strict=True):
        vertices[name] = column
    faces = np.empty(len(mesh.faces), np.dtype([("count", "u1"), ("corners", "<i4", 3)]))
    faces["count"], faces["corners"] = 3, mesh.faces
    kinds = {"<f4": "float", "u1": "uchar"}
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment Mattemesh",
        f"element vertex {len(vertices)}",
        *(f"property {kinds[kind]} {name}" for name, kind in fields),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    return ("\n".join(header) + "\n").encode("ascii") + vertices.tobytes() + faces.tobytes()


def stl_bytes(mesh: Mesh) -> bytes:
    """Return a binary STL: each face with its own normal."""
    corners = mesh.vertices[mesh.faces].astype(np.float32)
    wide = corners.astype(np.float64)
    normals = np.cross(wide[:, 1] - wide[:, 0], wide[:, 2] - wide[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets = np.zeros(len(corners), record)
    facets["normal"], facets["corners"] = normals, corners
    # A header that begins with "solid" would be taken for the text form.
    return b"Mattemesh".ljust(80, b"\0") + np.array(len(facets), "<u4").tobytes() + facets.tobytes()
