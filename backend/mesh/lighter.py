"""A finished mesh -> the same shape and colours with fewer faces, without the engine that made it."""

from backend.mesh.decimate import decimate
from backend.mesh.mesh import Mesh
from backend.mesh.surface_colors import surface_colors
from backend.mesh.texture import BakeConfig, bake_texture


def lighter(mesh: Mesh, target_faces: int) -> Mesh:
    """Return `mesh` with at most `target_faces` faces; colours and texture are painted anew from the old surface.

    A mesh that is light enough is returned as it is. Raises ValueError for fewer than 4 faces.
    """
    if len(mesh.faces) <= target_faces:
        return mesh
    color_at = surface_colors(mesh)
    light = decimate(mesh, target_faces, color_at).mesh
    if mesh.texture is None or color_at is None:
        return light
    return bake_texture(light, color_at, BakeConfig(min(BakeConfig.size_px, max(mesh.texture.image.shape))))
