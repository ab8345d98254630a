"""Texture baking: a mesh and a function of surface colours -> the mesh with a texture.

Vertex colours blur whatever is finer than a triangle; a texture keeps it on a mesh of few faces.
"""

from dataclasses import dataclass

import numpy as np
import xatlas
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from backend.mesh.mesh import ColorAt, Mesh, Texture
from backend.mesh.raster import Fragments, fragments
from backend.mesh.topology import weld

SCALE = np.float32(1000.0)  # xatlas leaves faces under 1e-7 square units out of its charts: slivers at the origin


@dataclass(frozen=True)
class BakeConfig:
    """The layout of the surface on the picture."""

    size_px: int = 1024  # approximate side of the picture: the packing of the charts decides
    gap_px: int = 4  # distance between charts; at 4 they stay apart in mipmaps down to a quarter of the size


def bake_texture(mesh: Mesh, color_at: ColorAt, config: BakeConfig | None = None) -> Mesh:
    """Return `mesh` with a texture in which each texel has the colour of its own place on the surface.

    xatlas cuts the surface into charts; a vertex on a cut is stored once per chart, so the result has more vertices at
    the same places, and the same faces. Vertex colours and normals are dropped. A texel outside the charts has the
    colour of the nearest one inside, so that filtering shows no seam.

    Raises ValueError for a mesh without faces.
    """
    config = config or BakeConfig()
    if not len(mesh.faces):
        raise ValueError("a mesh without faces has no surface to paint")
    welded = weld(mesh)
    points, faces, uv, (height, width) = _unwrapped(welded.points, welded.faces, config)
    image = np.zeros((height * width, 3), np.uint8)
    painted = np.zeros(height * width, bool)
    corners = uv.astype(np.float64) * (width, height)

    def paint(part: Fragments) -> None:
        place = np.einsum("nk,nkd->nd", part.weights, points[faces[part.face]])
        image[part.pixel] = np.rint(np.clip(color_at(place.astype(np.float32)), 0.0, 1.0) * 255)
        painted[part.pixel] = True

    for part in fragments(corners, faces, height, width):
        paint(part)
    paint(_beside_slivers(corners, faces, painted.reshape(height, width)))
    picture = _spread(image.reshape(height, width, 3), painted.reshape(height, width))
    return Mesh(points, faces, texture=Texture(uv, picture))


def _unwrapped(
    points: NDArray[np.float32], faces: NDArray[np.int64], config: BakeConfig
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32], tuple[int, int]]:
    """Return points and faces cut along the seams, uv (N, 2) in [0, 1] with v downward, and the picture's size."""
    atlas = xatlas.Atlas()
    atlas.add_mesh(points * SCALE, faces.astype(np.uint32))
    pack = xatlas.PackOptions()
    pack.resolution, pack.padding, pack.bilinear = config.size_px, config.gap_px, True
    atlas.generate(xatlas.ChartOptions(), pack)
    source, cut_faces, uv = atlas.get_mesh(0)
    return points[source], cut_faces.astype(np.int64), uv.astype(np.float32), (atlas.height, atlas.width)


def _beside_slivers(corners: NDArray[np.float64], faces: NDArray[np.int64], painted: NDArray[np.bool_]) -> Fragments:
    """Return the unpainted texels that a viewer blends into faces narrower than a texel, each with the nearest place
    on the edge of such a face: a chart of slivers may hold no texel's centre, and its neighbours have other colours."""
    height, width = painted.shape
    triangles = corners[faces]  # (M, 3, 2)
    sides = np.roll(triangles, -1, axis=1) - triangles
    longest = np.linalg.norm(sides, axis=2).max(axis=1)
    twice = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    thin = np.flatnonzero(twice < longest)
    steps = np.ceil(2.0 * longest[thin]).astype(np.int64) + 1  # a place each half texel
    face = np.repeat(thin, steps)
    ends = np.cumsum(steps)
    along = (np.arange(len(face)) - np.repeat(ends - steps, steps)) / np.repeat(np.maximum(steps - 1, 1), steps)
    weights = np.zeros((3, len(face), 3))
    for side in range(3):
        weights[side, :, side], weights[side, :, (side + 1) % 3] = 1.0 - along, along
    face, shares = np.tile(face, 3), weights.reshape(-1, 3)
    at = np.einsum("nk,nkd->nd", shares, triangles[face]) - 0.5
    texels = np.floor(at).astype(np.int64)[:, None] + [[0, 0], [1, 0], [0, 1], [1, 1]]  # (N, 4, 2) column and row
    texels = np.clip(texels, 0, (width - 1, height - 1))
    far = np.abs(texels - at[:, None]).sum(axis=2).reshape(-1)
    pixel = (texels[..., 1] * width + texels[..., 0]).reshape(-1)
    order = np.lexsort((far, pixel))
    order = order[~painted.reshape(-1)[pixel[order]]]
    pixel, first = np.unique(pixel[order], return_index=True)
    place = order[first] // 4
    return Fragments(face[place], pixel, shares[place])


def _spread(image: NDArray[np.uint8], painted: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return `image` with each unpainted texel in the colour of the nearest painted one."""
    if not painted.any():
        return image
    row, column = distance_transform_edt(~painted, return_distances=False, return_indices=True)
    return np.ascontiguousarray(image[row, column])
