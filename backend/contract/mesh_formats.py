"""The one table of mesh file formats: the options, OpenAPI, the command line and the page offer exactly its rows.

A new format is a row here and a writer under the same name in `backend/mesh/export.py`.
"""

from dataclasses import dataclass
from typing import Literal

Up = Literal["y", "z"]
Unit = Literal["m", "mm"]


@dataclass(frozen=True)
class MeshFormat:
    """One format; its name in the table is also the file's extension, unless `ending` is another."""

    media_type: str
    about: str  # what a file holds: part of the option's description
    textured: bool = False  # a file holds the texture; the vertices along its seams then stay doubled
    unit: Unit = "m"  # what its numbers are read as, by definition or by custom
    up: Up = "y"  # the axis that programs take for up
    height_mm: float | None = None  # of an object whose size nobody has named; None: about 1.2 units across
    ending: str = ""


MESH_FORMATS: dict[str, MeshFormat] = {
    "glb": MeshFormat("model/gltf-binary", "the texture, or colours per vertex, and normals", textured=True),
    "obj": MeshFormat(
        "application/zip",
        "a zip of OBJ, MTL and the texture as PNG, or of an OBJ with colours per vertex",
        textured=True,
        ending="obj.zip",
    ),
    # PLY has no registered media type.
    "ply": MeshFormat("application/octet-stream", "colours per vertex and normals, binary"),
    "stl": MeshFormat("model/stl", "the shape alone, for printing", unit="mm"),
    # A slicer takes a millimetre for a millimetre, so an object of 1.2 would be lost on its bed.
    "3mf": MeshFormat("model/3mf", "colours per vertex, in mm, for printing", unit="mm", up="z", height_mm=100.0),
    "usdz": MeshFormat("model/vnd.usdz+zip", "the texture, for AR Quick Look", textured=True),
}


def ending_of(format: str) -> str:
    """Return the extension of a format's files, without the dot."""
    return MESH_FORMATS[format].ending or format
