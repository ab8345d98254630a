"""A finished mesh -> the colour at any place near its surface, to paint a lighter mesh of the same shape with."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.images.resize import fit_longest_side
from backend.mesh.mesh import ColorAt, Mesh
from backend.mesh.raster import fragments

MAX_TEXTURE_PX = 1024  # longer side of the texture that is looked up; the texture that is baked has as many pixels


def surface_colors(mesh: Mesh) -> ColorAt | None:
    """Return the function of the nearest colour on the surface of `mesh`: a texel's or a vertex's; None without any."""
    if mesh.texture is not None:
        points, colors = _texels(mesh)
    elif mesh.colors is not None:
        points, colors = mesh.vertices, mesh.colors
    else:
        return None
    tree = cKDTree(points)

    def color_at(places: NDArray[np.float32]) -> NDArray[np.float32]:
        nearest: NDArray[np.float32] = colors[tree.query(places)[1]].astype(np.float32)
        return nearest

    return color_at


def _texels(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return place and colour of each texel that a face shows, and of each vertex."""
    assert mesh.texture is not None
    image = fit_longest_side(mesh.texture.image, MAX_TEXTURE_PX)
    height, width = image.shape[:2]
    across, down = mesh.texture.uv.T
    column, row = (
        np.clip(place, 0, size - 1).astype(int) for place, size in ((across * width, width), (down * height, height))
    )
    points, pixels = [mesh.vertices], [row * width + column]
    for part in fragments(mesh.texture.uv.astype(np.float64) * (width, height), mesh.faces, height, width):
        corners = mesh.vertices[mesh.faces[part.face]]
        points.append(np.einsum("nk,nkd->nd", part.weights.astype(np.float32), corners))
        pixels.append(part.pixel)
    return np.concatenate(points), image.reshape(-1, 3)[np.concatenate(pixels)] / np.float32(255.0)
