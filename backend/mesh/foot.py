"""A mesh that touches the ground in a point or a rim -> the same with a flat foot, on which a print stands.

What lies under the cut is pressed up into it, so the surface stays closed without a polygon to fill.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.mesh.mesh import Mesh, Texture
from backend.mesh.topology import vertex_normals

FOOT_SHARE = 0.01  # of the height that is pressed flat: a ball of 100 mm then stands on a disc of 20 mm
UP = 2  # the axis of the world frame
DOWN = np.array([0.0, 0.0, -1.0], np.float32)


def flat_foot(mesh: Mesh, share: float = FOOT_SHARE) -> Mesh:
    """Return a mesh of the world frame whose lowest `share` of its height is pressed flat; above, nothing changes.

    Faces are cut along the plane; those in the foot have vertices of their own, with normals that point down.
    """
    mesh = mesh if mesh.normals is not None else replace(mesh, normals=vertex_normals(mesh))
    used = mesh.vertices[np.unique(mesh.faces), UP]
    level = np.float32(used.min() + share * np.ptp(used))
    if not level > used.min():
        return mesh
    rows = _rows(mesh)
    cut, faces = _cut(rows, mesh.faces, level)
    rows = np.concatenate([rows, cut])
    under = np.asarray(rows[:, UP] <= level)
    rows[under, UP] = level
    foot = np.asarray(under[faces].all(axis=1))
    count = len(rows)
    copies = rows.copy()
    copies[:, 3:6] = DOWN
    wanted, kept_faces = np.unique(np.where(foot[:, None], faces + count, faces), return_inverse=True)
    return _mesh(np.concatenate([rows, copies])[wanted], kept_faces.reshape(-1, 3), mesh)


def _cut(
    rows: NDArray[np.float32], faces: NDArray[np.int64], level: np.float32
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the vertices on the edges that cross the level, and all faces, split along it."""
    under = np.asarray(rows[:, UP] < level)
    inside = under[faces].sum(axis=1)
    whole = faces[(inside == 0) | (inside == 3)]
    crossing = faces[(inside == 1) | (inside == 2)]
    if not len(crossing):
        return rows[:0], faces
    # Turned so that the corner that is alone on its side comes first.
    alone = under[crossing] == (under[crossing].sum(axis=1) == 1)[:, None]
    first = alone.argmax(axis=1)
    a, b, c = (crossing[np.arange(len(crossing)), (first + k) % 3] for k in range(3))
    ends = np.concatenate([np.stack([a, b], axis=-1), np.stack([a, c], axis=-1)])
    ends = np.where(under[ends[:, :1]], ends, ends[:, ::-1])  # from below, so that both faces of an edge agree
    edges, which = np.unique(ends, axis=0, return_inverse=True)
    low, high = rows[edges[:, 0]], rows[edges[:, 1]]
    way = ((level - low[:, UP]) / (high[:, UP] - low[:, UP]))[:, None]
    cut = (low + way * (high - low)).astype(np.float32)
    cut[:, UP] = level
    cut[:, 3:6] /= np.maximum(np.linalg.norm(cut[:, 3:6], axis=1, keepdims=True), 1e-9)
    on_ab, on_ac = (which.reshape(2, -1) + len(rows)).astype(np.int64)
    split = [np.stack(corners, axis=-1) for corners in ((a, on_ab, on_ac), (on_ab, b, c), (on_ab, c, on_ac))]
    return cut, np.concatenate([whole, *split])


def _rows(mesh: Mesh) -> NDArray[np.float32]:
    """Return all that vertices have, side by side: place, normal, colour, place on the texture."""
    uv = None if mesh.texture is None else mesh.texture.uv
    parts = [part for part in (mesh.vertices, mesh.normals, mesh.colors, uv) if part is not None]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _mesh(rows: NDArray[np.float32], faces: NDArray[np.int64], like: Mesh) -> Mesh:
    """Return the mesh of such rows, with what `like` has."""
    colors = None if like.colors is None else rows[:, 6:9]
    texture = None if like.texture is None else Texture(rows[:, -2:], like.texture.image)
    return Mesh(rows[:, :3], faces, colors, texture, rows[:, 3:6])
