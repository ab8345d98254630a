"""Photo projection: a mesh and its photo -> the photo's colours wherever the camera saw the surface.

A network's colours are softer than the photo's, which replace them where the surface faces the input camera; they blend
into the network's toward grazing angles and the matte's rim, and are not used where another part hides the surface.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Mask
from backend.images.resize import resize_to
from backend.mesh.camera import project
from backend.mesh.framing import Framed
from backend.mesh.mesh import ColorAt, Mesh
from backend.mesh.raster import fragments
from backend.mesh.sampling import sample
from backend.mesh.topology import vertex_normals

DEPTH_PX = 768  # side of the depth map that finds hidden surfaces
HIDDEN = 0.008  # world units behind the nearest surface from which a point is hidden; a pixel of a steep side's depth
SQUARE, GRAZING = 0.55, 0.2  # cosines between normal and ray: from the first on only the photo, up to the second none
DISAGREE = 0.03  # as a share of the side: within it of a place where mesh and matte differ the photo fades out
RIM = 0.01  # band at the matte's edge, as a share of the side, where the photo may show its background


def photo_colors(mesh: Mesh, framed: Framed, color_at: ColorAt) -> ColorAt:
    """Return a function from (N, 3) world points on the surface of `mesh` to (N, 3) RGB in [0, 1].

    `color_at` gives the colours where the photo does not show the surface.
    """
    depth, facing = seen_surface(mesh)
    agree = _agreement(depth > 0.0, framed.alpha)
    side = len(framed.alpha)
    rim = cv2.erode(framed.alpha, np.ones((3, 3), np.uint8), iterations=max(1, round(RIM * side)), borderValue=0)

    def colors(points: NDArray[np.float32]) -> NDArray[np.float32]:
        own = color_at(points)
        across, down, distance = project(points)
        place = np.stack([across, down], axis=-1).astype(np.float32)
        near = _sample(depth, place)
        sure = _sample(rim, place) * _ramp(_sample(facing, place), GRAZING, SQUARE)
        sure *= (distance < near + HIDDEN) * _sample(agree, place)
        photo = _sample(framed.image, place).astype(np.float32) / np.float32(255)
        mixed: NDArray[np.float32] = own + (photo - own) * sure[:, None].astype(np.float32)
        return mixed

    return colors


def _agreement(seen: Mask, alpha: Alpha) -> NDArray[np.float32]:
    """Return 0 where the mesh and the matte differ by more than a rim, rising to 1 away from there."""
    differs = seen != (resize_to(alpha, (len(seen), len(seen))) >= 0.5)
    broad = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
    if not broad.any():
        return np.ones(seen.shape, np.float32)
    away = cv2.distanceTransform(1 - broad, cv2.DIST_L2, 5) / np.float32(DISAGREE * len(seen))
    agreement: NDArray[np.float32] = np.clip(away, 0.0, 1.0).astype(np.float32)
    return agreement


def seen_surface(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return for each of 768² pixels of the input camera the depth of the nearest surface and its cosine to the ray; 0
    where there is none."""
    across, down, depth = project(mesh.vertices)
    toward = np.stack([np.full(len(depth), 1.9), np.zeros(len(depth)), np.zeros(len(depth))], axis=-1) - mesh.vertices
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    cosine = np.einsum("nd,nd->n", vertex_normals(mesh) if mesh.normals is None else mesh.normals, toward)
    nearest = np.zeros(DEPTH_PX * DEPTH_PX)  # 1 / depth, which is linear on the picture
    facing = np.zeros(DEPTH_PX * DEPTH_PX, np.float32)
    corners = np.stack([across, down], axis=-1) * DEPTH_PX
    for part in fragments(corners, mesh.faces, DEPTH_PX, DEPTH_PX):
        of = mesh.faces[part.face]
        closeness = (part.weights / depth[of]).sum(axis=1)
        np.maximum.at(nearest, part.pixel, closeness)
        first = closeness == nearest[part.pixel]
        facing[part.pixel[first]] = (part.weights * cosine[of]).sum(axis=1)[first]
    with np.errstate(divide="ignore"):
        far = np.where(nearest > 0, 1 / nearest, 0)
    return far.reshape(DEPTH_PX, DEPTH_PX).astype(np.float32), facing.reshape(DEPTH_PX, DEPTH_PX)


def _sample(picture: NDArray[np.generic], place: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples of a square picture at places (K, 2), `across` and `down` in [0, 1]."""
    return sample(picture, place * np.float32(len(picture)) - np.float32(0.5))


def _ramp(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Return 0 below `low`, 1 above `high`, and a smooth step between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    smooth: NDArray[np.float32] = t * t * (3 - 2 * t)
    return smooth
