"""A front and a back depth over a matte -> a closed, textured mesh; every engine that predicts two layers ends here.

Both layers are graphs over the picture along the camera's rays and share the triangles of the matte, so the input
camera sees exactly the matte and its holes, whatever the depths. Where the layers do not meet in the contour, a wall
joins them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from backend.images.arrays import Alpha, Image, Mask, check_alpha, check_image, check_same_size
from backend.images.resize import fit_longest_side
from backend.mesh.camera import DISTANCE, PICTURE_SIDE, lift, project
from backend.mesh.decimate import simplified
from backend.mesh.framing import object_box
from backend.mesh.mesh import Mesh, Texture
from backend.mesh.photo_texture import Atlas, make_atlas
from backend.mesh.planar import PlanarMesh, triangulate
from backend.mesh.projection import seen_surface
from backend.mesh.raster import fragments
from backend.mesh.sampling import texture_colors
from backend.mesh.silhouette import Lattice, lattice_of
from backend.mesh.topology import creased, weld

Depth = NDArray[np.float32]  # (m, m) over the framed picture: world units in front of the camera, along its axis
Vectors = NDArray[np.float64]  # (N, 3)
MAX_NODES = 512  # lattice nodes per side; TripoSR's own picture size
DEFAULT_FACES = 12_000  # the silhouette then overlaps with the full lattice's to 0.998
MIN_THICKNESS = 0.012  # world units, about a hundredth of an object: what a printer or an eye can still make out
SNAP = 0.03  # world units: layers that come so near in the contour meet there, without a wall


@dataclass(frozen=True)
class Layers:
    """Two layers over the planar mesh of a matte; `front >= back` at each of its P points, more at inner ones."""

    lattice: Lattice  # the matte
    planar: PlanarMesh  # triangles of the matte, shared by both layers
    front: NDArray[np.float64]  # (P,) x of the front, world units
    back: NDArray[np.float64]  # (P,) x of the back; the same as the front's where the layers meet

    def points(self) -> tuple[Vectors, Vectors]:
        """Return the world points (P, 3) of the front and of the back."""
        across, down = (self.lattice.over_picture(self.planar.points[:, axis]) for axis in (1, 0))
        return lift(across, down, self.front), lift(across, down, self.back)


def mesh_of_layers(
    image: Image,
    alpha: Alpha,
    front: Depth,
    back: Depth,
    back_image: Image | None = None,
    max_faces: int | None = None,
) -> Mesh:
    """Return the closed, textured mesh of a framed (n, n, 3) picture with its alpha (n, n) and two depth maps.

    `front` and `back` (m, m) span the same square at any resolution: the distance along the camera's axis (1.9 in the
    object's middle) to the first and to the last surface. Only what lies on the object and is finite is used, and it is
    extended over the rest of the matte. The back is kept at least 0.012 behind the front. `back_image` (k, k, 3) shows
    the colours of the back in the same square, as the camera would see them through the object; None: the guess that
    `make_atlas` makes. The mesh has at most `max_faces` faces; None: 12,000.
    Raises NoSubjectError for an alpha of zeros, ValueError for arrays that do not fit together and for depths that are
    not finite anywhere on the object.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    if alpha.shape[0] != alpha.shape[1] or front.shape != back.shape or front.shape != (len(front),) * 2:
        raise ValueError(f"a framed picture and its layers are square, not {alpha.shape}, {front.shape}, {back.shape}")
    object_box(alpha)  # raises NoSubjectError for an empty one
    matte = fit_longest_side(alpha, 2 * MAX_NODES)
    return finish(close_layers(_layers_of(front, back, matte)), image, alpha, back_image, max_faces)


def depth_layers(mesh: Mesh, side: int) -> tuple[Depth, Depth]:
    """Return the depths (side, side) of the first and of the last surface of `mesh` that the input camera's rays meet,
    NaN beside it."""
    across, down, depth = project(mesh.vertices)
    near, far = np.full(side * side, np.inf), np.full(side * side, -np.inf)
    for part in fragments(np.stack([across, down], axis=-1) * side, mesh.faces, side, side):
        # 1 / depth is linear on the picture.
        met = 1.0 / (part.weights / depth[mesh.faces[part.face]]).sum(axis=1)
        np.minimum.at(near, part.pixel, met)
        np.maximum.at(far, part.pixel, met)
    layers = (np.where(np.isfinite(plane), plane, np.nan).astype(np.float32) for plane in (near, far))
    front, back = (plane.reshape(side, side) for plane in layers)
    return front, back


def close_layers(layers: Layers) -> Mesh:
    """Return the closed mesh of two layers, without normals and colours."""
    planar = layers.planar
    count = len(planar.points)
    vertices = np.concatenate(layers.points()).astype(np.float32)
    faces = np.concatenate([planar.triangles[:, ::-1], planar.triangles + count, _walls(layers)])
    return Mesh(vertices, faces)


def finish(
    mesh: Mesh, image: Image, alpha: Alpha, back_image: Image | None = None, max_faces: int | None = None
) -> Mesh:
    """Return a mesh of layers with at most `max_faces` faces (None: 12,000), normals and its photo as the texture."""
    welded = weld(mesh)
    solid = creased(Mesh(*simplified(welded.points, welded.faces, max_faces or DEFAULT_FACES)))
    _, facing = seen_surface(solid)
    return dress(solid, make_atlas(image, alpha, back_image, facing))


def dress(mesh: Mesh, atlas: Atlas) -> Mesh:
    """Return a mesh with normals in its atlas: faces toward the camera show the photo, the others the back.

    A vertex that faces of both kinds use is stored once for each: the texture has a seam there.
    """
    across, down, _ = project(mesh.vertices)
    a, b, c = (np.stack([across, -down], axis=-1)[mesh.faces[:, k]] for k in range(3))
    (bx, by), (cx, cy) = (b - a).T, (c - a).T
    behind = bx * cy - by * cx < 1e-9  # of the picture; walls run along the rays and count as back
    used, faces = np.unique(mesh.faces + len(mesh.vertices) * behind[:, None], return_inverse=True)
    is_back, vertex = np.divmod(used, len(mesh.vertices))
    places = across[vertex], down[vertex]
    uv = np.where(is_back[:, None] > 0, atlas.uv(*places, back=True), atlas.uv(*places, back=False))
    normals = None if mesh.normals is None else mesh.normals[vertex]
    return Mesh(mesh.vertices[vertex], faces.reshape(-1, 3), _colors(atlas, uv), Texture(uv, atlas.image), normals)


def _layers_of(front: Depth, back: Depth, alpha: Alpha) -> Layers:
    """Return the layers of two depth maps on the matte's lattice."""
    lattice = lattice_of(alpha, MAX_NODES)
    planar = triangulate(lattice.field, lattice.level)
    matte = cv2.resize(alpha, front.shape[::-1], interpolation=cv2.INTER_AREA)
    finite = np.isfinite(front) & np.isfinite(back)
    sure = finite & (matte > 0.5 * float(matte.max()))
    sure = sure if sure.any() else finite & (matte > 0.0)
    if not sure.any():
        raise ValueError("the layers have no finite depth on the object")
    near, far = (np.where(sure, depth, 0.0).astype(np.float64) for depth in (front, back))
    # A map's pixel centres lie between those of a finer lattice: sampled in shares of the picture.
    places = [lattice.over_picture(planar.points[:, axis]) * len(front) - 0.5 for axis in (0, 1)]
    middle = DISTANCE - map_coordinates(_extended((near + far) / 2.0, sure), places, order=1, mode="nearest")
    # The square of a round object's thickness is linear at its rim, where the thickness itself is infinitely steep.
    squared = _extended(np.square(np.maximum((far - near) / 2.0, 0.0)), sure)
    half = np.sqrt(np.maximum(map_coordinates(squared, places, order=1, mode="nearest"), 0.0))
    # A part too thin for the maps to show, such as an antenna, would be as deep as what it stands before.
    beyond = map_coordinates(distance_transform_edt(~sure), places, order=1, mode="nearest")
    unseen = np.clip((beyond - 1.5) / 1.5, 0.0, 1.0)
    half += unseen * (np.minimum(half, PICTURE_SIDE / len(front) / 2.0) - half)
    half = np.maximum(half, MIN_THICKNESS / 2.0)
    on_contour = np.arange(len(planar.points)) >= planar.inner
    half[on_contour & (half < SNAP / 2.0)] = 0.0
    return Layers(lattice, planar, middle + half, middle - half)


def _extended(plane: NDArray[np.float64], sure: Mask) -> NDArray[np.float64]:
    """Return the plane with its values at the sure pixels continued over the others: linearly for two pixels, then
    by the nearest."""
    distance, nearest = distance_transform_edt(~sure, return_indices=True)
    here = np.indices(plane.shape)
    mirrored = np.clip(2 * nearest - here, 0, len(plane) - 1)
    edge, inner = plane[tuple(nearest)], plane[tuple(mirrored)]
    linear = (distance <= 2.0) & sure[tuple(mirrored)]
    continued: NDArray[np.float64] = np.where(linear, 2.0 * edge - inner, edge)
    return continued


def _walls(layers: Layers) -> NDArray[np.int64]:
    """Return the faces, over the front's and then the back's points, between the layers in the contour."""
    apart = layers.front > layers.back
    start, end = layers.planar.rim().T
    behind = len(apart)
    lower = np.stack([start, end, end + behind], axis=-1)[apart[end]]
    upper = np.stack([start, end + behind, start + behind], axis=-1)[apart[start]]
    return np.concatenate([lower, upper])


def _colors(atlas: Atlas, uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the atlas's colours at (N, 2), averaged over about the distance between vertices."""
    return texture_colors(fit_longest_side(atlas.image, 640), uv) / np.float32(255.0)
