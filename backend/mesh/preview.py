"""Software renderer: mesh -> pictures for jobs, batch thumbnails, the debug bundle and tests.

The camera is the input camera turned about the object; a soft light comes from above its left shoulder.
"""

from dataclasses import replace
from math import radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image
from backend.mesh.camera import DISTANCE, FOV_DEG, project
from backend.mesh.mesh import Mesh
from backend.mesh.raster import fragments
from backend.mesh.sampling import texture_colors
from backend.mesh.topology import vertex_normals

PAPER = (244, 243, 240)  # the background, a light warm grey
LIGHT = (0.62, -0.38, 0.68)  # toward the lamp, in the camera's own frame (x toward the camera)
AMBIENT, BRIGHT = 0.6, 1.08  # factors of the colour in full shade and full light; the photo brings its own shading
FIT_RADIUS = 0.97 * DISTANCE * sin(radians(FOV_DEG / 2.0))  # of a ball that the camera sees whole
CONTACT_VIEWS_DEG = ((0.0, 0.0), (45.0, 15.0), (90.0, 0.0), (180.0, 0.0))  # azimuth, elevation

TURNTABLE_PX, TURNTABLE_STEPS, TURNTABLE_ELEVATION_DEG = 288, 8, 12.0


def render_mesh(mesh: Mesh, azimuth_deg: float = 0.0, elevation_deg: float = 0.0, size: int = 512) -> Image:
    """Return the (size, size, 3) uint8 picture of the mesh, antialiased by two samples per side.

    Azimuth 0 is the input camera's view; it grows from +x toward +y, so that 90 shows the object's left side. Colours
    come from the texture, or else from the vertices, or else are a neutral clay. Raises ValueError for a size outside
    [1, 4096].
    """
    if not 1 <= size <= 4096:
        raise ValueError(f"size lies in [1, 4096], not {size}")
    fine = 2 * size
    turn = _turn(azimuth_deg, elevation_deg)
    across, down, depth = project(_turned(mesh.vertices, turn))
    faces = mesh.faces[(depth[mesh.faces] > 0.01).all(axis=1)]
    face, weights = _nearest(np.stack([across, down], axis=-1) * fine, depth, faces, fine)
    canvas = np.empty((fine * fine, 3), np.float32)
    canvas[:] = PAPER
    seen = np.flatnonzero(face >= 0)
    corners = faces[face[seen]]
    # Divided by the depths and normalised: linear on the surface, not on the picture.
    nearness = weights[seen] / depth[corners]
    mix = np.asarray(nearness / (nearness[:, 0] + nearness[:, 1] + nearness[:, 2])[:, None], np.float32)
    normals = _turned(mesh.normals if mesh.normals is not None else vertex_normals(mesh), turn)
    canvas[seen] = _albedo(mesh, corners, mix) * _shading(_mixed(normals, corners, mix))[:, None]
    picture = np.clip(canvas, 0.0, 255.0).reshape(fine, fine, 3)
    shown: Image = np.rint(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    return shown


def contact_sheet(mesh: Mesh, size: int = 384) -> Image:
    """Return the mesh from the front, from 45°, from the side and from behind, side by side: (size, 4 * size, 3).

    A mesh that would leave the picture when turned is drawn smaller in all four.
    """
    fitted = _fitted(mesh)
    return np.concatenate([render_mesh(fitted, *view, size) for view in CONTACT_VIEWS_DEG], axis=1)


def turntable(mesh: Mesh) -> list[Image]:
    """Return eight (288, 288, 3) pictures of a closed mesh: around it from the front in steps of 45°, slightly from
    above. Only faces toward the camera are drawn, which halves the time."""
    fitted = _fitted(mesh)
    fitted = replace(fitted, normals=mesh.normals if mesh.normals is not None else vertex_normals(fitted))
    corners = fitted.vertices[fitted.faces].astype(np.float64)
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    pictures = []
    for step in range(TURNTABLE_STEPS):
        azimuth_deg = 360.0 / TURNTABLE_STEPS * step
        camera = DISTANCE * _turn(azimuth_deg, TURNTABLE_ELEVATION_DEG)[0]
        toward = np.einsum("fk,fk->f", outward, camera - corners[:, 0]) > 0.0
        shown = replace(fitted, faces=fitted.faces[toward])
        pictures.append(render_mesh(shown, azimuth_deg, TURNTABLE_ELEVATION_DEG, TURNTABLE_PX))
    return pictures


def _fitted(mesh: Mesh) -> Mesh:
    """Return the mesh, scaled down if some turn would take it out of the picture."""
    reach = float(np.sqrt((mesh.vertices.astype(np.float64) ** 2).sum(axis=1)).max(initial=0.0))
    shrink = np.float32(min(1.0, FIT_RADIUS / max(reach, 1e-9)))
    return replace(mesh, vertices=mesh.vertices * shrink)


def _turn(azimuth_deg: float, elevation_deg: float) -> NDArray[np.float64]:
    """Return the matrix that turns the world so that the wanted camera coincides with the input camera."""
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    about_z = np.array([[np.cos(a), np.sin(a), 0.0], [-np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]])
    about_y = np.array([[np.cos(e), 0.0, np.sin(e)], [0.0, 1.0, 0.0], [-np.sin(e), 0.0, np.cos(e)]])
    turn: NDArray[np.float64] = about_y @ about_z
    return turn


def _turned(vectors: NDArray[np.floating], turn: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (N, 3) vectors after the turn; column by column, since a threaded product of width three is slower."""
    columns = [sum((row[k] * vectors[:, k] for k in range(3)), start=np.zeros(len(vectors))) for row in turn]
    return np.stack(columns, axis=-1).astype(np.float32)


def _nearest(
    corners: NDArray[np.float64], depth: NDArray[np.float64], faces: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest face (size²,) at each pixel, −1 for none, and the weights (size², 3) of its corners there."""
    seen = np.full(size * size, -1)
    weights = np.zeros((size * size, 3), np.float32)
    buffer = np.zeros(size * size)
    closeness = 1.0 / depth  # linear on the picture
    for part in fragments(corners, faces, size, size):
        w, of = part.weights, closeness[faces[part.face]]
        near = w[:, 0] * of[:, 0] + w[:, 1] * of[:, 1] + w[:, 2] * of[:, 2]
        np.maximum.at(buffer, part.pixel, near)
        first = np.flatnonzero(near == buffer[part.pixel])
        seen[part.pixel[first]], weights[part.pixel[first]] = part.face[first], w[first]
    return seen, weights


def _mixed(values: NDArray[np.floating], corners: NDArray[np.int64], mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean (K, C) of the corners' values (N, C), weighted by `mix`."""
    mixed = sum(values[corners[:, k]] * mix[:, k, None] for k in range(3))
    return np.asarray(mixed, np.float32)


def _albedo(mesh: Mesh, corners: NDArray[np.int64], mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the surface's own colour (K, 3), 0 to 255."""
    if mesh.texture is not None:
        return texture_colors(mesh.texture.image, _mixed(mesh.texture.uv, corners, mix))
    if mesh.colors is not None:
        return _mixed(mesh.colors, corners, mix) * np.float32(255.0)
    return np.full((len(corners), 3), 200.0, np.float32)


def _shading(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the light (K,) on surfaces with these normals, in the camera's frame."""
    length = np.sqrt(normals[:, 0] ** 2 + normals[:, 1] ** 2 + normals[:, 2] ** 2)
    lamp = np.array(LIGHT) / np.linalg.norm(LIGHT)
    facing = (normals[:, 0] * lamp[0] + normals[:, 1] * lamp[1] + normals[:, 2] * lamp[2]) / np.maximum(length, 1e-9)
    light = AMBIENT + (BRIGHT - AMBIENT) * np.clip(0.5 + 0.5 * facing, 0.0, 1.0)
    return np.asarray(light, np.float32)
