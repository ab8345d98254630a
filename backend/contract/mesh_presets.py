"""The one table of purposes of a mesh: the options that suit each, which the options that are given by name override.

A new preset is a row here; the options, OpenAPI, the command line and the page offer exactly its rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MeshPreset:
    """Options of a mesh's file for one purpose."""

    title: str  # how the page calls it
    options: Mapping[str, Any]  # values of fields of `MeshOptions`

    @property
    def height_m(self) -> float | None:
        """How high an object is in the file, in metres; None where the preset leaves it."""
        millimetres: float | None = self.options.get("height_mm")
        metres: float | None = self.options.get("height_m")
        return metres if millimetres is None else millimetres / 1000


MESH_PRESETS: dict[str, MeshPreset] = {
    # Its importer turns glTF's y up to Blender's z up.
    "blender": MeshPreset("Blender", {"format": "glb", "up": "y", "pivot": "foot", "height_m": 1.0}),
    # It reads OBJ by itself, and glTF with a package.
    "unity": MeshPreset(
        "Unity",
        {"format": "obj", "up": "y", "pivot": "foot", "height_m": 1.0,
         "target_faces": 10_000, "texture": "baked", "texture_px": 2048},
    ),
    "unreal": MeshPreset(
        "Unreal",
        {"format": "glb", "up": "y", "pivot": "foot", "height_m": 1.0,
         "target_faces": 20_000, "texture": "baked", "texture_px": 2048},
    ),
    "web": MeshPreset(
        "the web",
        {"format": "glb", "up": "y", "pivot": "centre", "target_faces": 5_000,
         "texture": "baked", "texture_px": 1024, "texture_quality": 85, "quantize": True},
    ),
    "print": MeshPreset(
        "3D print", {"format": "3mf", "up": "z", "pivot": "foot", "flat_foot": True, "height_mm": 100.0}
    ),
    # Quick Look stands an object on the floor in its true size.
    "ar": MeshPreset(
        "AR",
        {"format": "usdz", "up": "y", "pivot": "foot", "height_m": 0.3,
         "target_faces": 20_000, "texture": "baked", "texture_px": 1024},
    ),
}  # fmt: skip
