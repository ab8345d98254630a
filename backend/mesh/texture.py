"""A mesh and the colour of every point of its surface in, the mesh with a picture laid over it out.

Vertex colours blur whatever is finer than a triangle; a picture keeps it on a mesh of few faces.
"""

from dataclasses import dataclass

import numpy as np
import xatlas
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from backend.mesh.mesh import ColorAt, Mesh, Texture
from backend.mesh.raster import fragments
from backend.mesh.topology import weld


@dataclass(frozen=True)
class BakeConfig:
    """How the surface is laid out on the picture."""

    size_px: int = 1024  # of the picture's sides, about: charts are packed as they come
    gap_px: int = 4  # between charts: they stay apart down to a quarter of the picture's size


def bake_texture(mesh: Mesh, color_at: ColorAt, config: BakeConfig | None = None) -> Mesh:
    """Return `mesh` with a texture whose every texel has the colour of its own place on the surface.

    The surface is cut into charts (xatlas); vertices on a cut appear once for each chart, so there are more vertices
    at the same places and the same faces. Vertex colours are dropped, normals too. Texels outside the charts have the
    colour of the nearest one inside, so filtering brings no seam in.

    Raises ValueError for a mesh without faces.
    """
    config = config or BakeConfig()
    if not len(mesh.faces):
        raise ValueError("a mesh without faces has no surface to paint")
    welded = weld(mesh)
    points, faces, uv, (height, width) = _unwrapped(welded.points, welded.faces, config)
    image = np.zeros((height * width, 3), np.uint8)
    painted = np.zeros(height * width, bool)
    for part in fragments(uv.astype(np.float64) * (width, height), faces, height, width):
        place = np.einsum("nk,nkd->nd", part.weights, points[faces[part.face]])
        image[part.pixel] = np.rint(np.clip(color_at(place.astype(np.float32)), 0.0, 1.0) * 255)
        painted[part.pixel] = True
    picture = _spread(image.reshape(height, width, 3), painted.reshape(height, width))
    return Mesh(points, faces, texture=Texture(uv, picture))


def _unwrapped(
    points: NDArray[np.float32], faces: NDArray[np.int64], config: BakeConfig
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], tuple[int, int]]:
    """Return points and faces cut along seams, uv (N, 2) in [0, 1] with v downward, and the picture's size."""
    atlas = xatlas.Atlas()
    atlas.add_mesh(points, faces.astype(np.uint32))
    pack = xatlas.PackOptions()
    pack.resolution, pack.padding, pack.bilinear = config.size_px, config.gap_px, True
    atlas.generate(xatlas.ChartOptions(), pack)
    source, cut_faces, uv = atlas.get_mesh(0)
    return points[source], cut_faces.astype(np.int64), uv.astype(np.float32), (atlas.height, atlas.width)


def _spread(image: NDArray[np.uint8], painted: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return `image` with every texel that is not painted in the colour of the nearest that is."""
    if not painted.any():
        return image
    row, column = distance_transform_edt(~painted, return_distances=False, return_indices=True)
    return np.ascontiguousarray(image[row, column])
