"""The one table of mesh file formats: the options, OpenAPI, the command line and the page offer exactly its rows.

A new format is a row here and a writer under the same name in `backend/mesh/export.py`.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MeshFormat:
    """One format; its name in the table is also the file's extension."""

    media_type: str
    about: str  # what a file holds: part of the option's description
    textured: bool = False  # a file holds the texture; the vertices along its seams then stay doubled
    unit: Literal["m", "mm"] = "m"  # what its numbers are read as, by definition or by custom


MESH_FORMATS: dict[str, MeshFormat] = {
    "glb": MeshFormat("model/gltf-binary", "the texture, or colours per vertex, and normals", textured=True),
    "obj": MeshFormat("model/obj", "colours per vertex and normals, as text"),
    # PLY has no registered media type.
    "ply": MeshFormat("application/octet-stream", "colours per vertex and normals, binary"),
    "stl": MeshFormat("model/stl", "the shape alone, for printing", unit="mm"),
}
