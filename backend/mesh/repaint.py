"""A finished mesh -> the same shape and colours with fewer faces, or with its colours kept in another way, without the
engine that made it."""

from dataclasses import replace
from typing import Literal

import numpy as np

from backend.mesh.decimate import PART_FACES, decimate
from backend.mesh.mesh import Mesh
from backend.mesh.sampling import texture_colors
from backend.mesh.surface_colors import surface_colors
from backend.mesh.texture import BakeConfig, bake_texture
from backend.mesh.topology import topology, weld


def repaint(mesh: Mesh, target_faces: int | None = None, texture: Literal["auto", "vertex", "baked"] = "auto") -> Mesh:
    """Return `mesh` with at most `target_faces` faces, and its colours as a texture or per vertex; auto: as they are.

    New faces, and a texture where there was none, are painted with the nearest colour of the old surface. A mesh that
    is as asked is returned as it is. Raises ValueError for fewer than 4 faces.
    """
    has_texture = mesh.texture is not None
    wants_texture = (
        has_texture if texture == "auto" else texture == "baked" and (has_texture or mesh.colors is not None)
    )
    heavy = target_faces is not None and len(mesh.faces) > target_faces
    if mesh.texture is not None and not wants_texture and not heavy:
        colors = texture_colors(mesh.texture.image, mesh.texture.uv) / np.float32(255)
        return replace(mesh, texture=None, colors=colors)
    if not heavy and wants_texture == has_texture:
        return mesh
    color_at = surface_colors(mesh)
    light = decimate(mesh, target_faces or len(mesh.faces), color_at).mesh
    if color_at is None or not wants_texture:
        return light
    longest = BakeConfig.size_px if mesh.texture is None else max(mesh.texture.image.shape)
    return bake_texture(light, color_at, BakeConfig(min(BakeConfig.size_px, longest)))


def parts_left_out(mesh: Mesh, light: Mesh) -> str | None:
    """Return a sentence about the loose parts of `mesh` for which its lighter form had no faces; None if it has all."""
    if len(light.faces) >= len(mesh.faces):
        return None
    before, after = (topology(weld(each)).components for each in (mesh, light))
    if after >= before:
        return None
    return (
        f"{before - after:,} of {before:,} loose parts were left out, the smallest first: there are too few faces "
        f"for all: target_faces={PART_FACES * before} keeps them."
    )
