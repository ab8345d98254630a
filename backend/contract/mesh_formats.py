"""The file formats of a mesh and their media types; nothing heavy, for the routes name them too."""

from typing import Literal

Format = Literal["glb", "obj", "ply", "stl"]
MEDIA_TYPES: dict[Format, str] = {
    "glb": "model/gltf-binary",
    "obj": "model/obj",
    "ply": "application/octet-stream",  # PLY has no registered type
    "stl": "model/stl",
}
