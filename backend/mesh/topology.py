"""Welding, closedness, connected parts and normals: the properties of a mesh that its vertex order does not change.

Along a texture's seam two vertices share one place; closedness is a property of the places.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_matrix
from scipy.sparse.csgraph import connected_components

from backend.mesh.mesh import Mesh


@dataclass(frozen=True)
class Welded:
    """A mesh over its distinct places."""

    points: NDArray[np.float32]  # (P, 3)
    faces: NDArray[np.int64]  # (M', 3), without those that welding made degenerate
    source: NDArray[np.int64]  # (P,) one vertex at each place
    place: NDArray[np.int64]  # (N,) the place of each vertex


@dataclass(frozen=True)
class Topology:
    """The connectivity of a welded mesh."""

    closed: bool  # every edge belongs to exactly two faces
    consistent: bool  # closed, and the two faces of an edge run along it in opposite directions
    open_edges: int  # edges of a single face
    components: int  # connected parts


def weld(mesh: Mesh) -> Welded:
    """Return the mesh with vertices at exactly the same place merged."""
    _, source, place = np.unique(mesh.vertices, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    faces = place[mesh.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Welded(mesh.vertices[source], faces[whole], source, place)


def topology(welded: Welded) -> Topology:
    """Return how the faces of the welded mesh are connected."""
    count = len(welded.points)
    directed = welded.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    forward = directed[:, 0] < directed[:, 1]
    keys = directed.min(axis=1) * count + directed.max(axis=1)
    _, edge = np.unique(keys, return_inverse=True)
    uses, ahead = np.bincount(edge), np.bincount(edge, weights=forward)
    used = np.unique(welded.faces)
    graph = csr_matrix((np.ones(len(directed), bool), (directed[:, 0], directed[:, 1])), shape=(count, count))
    parts = connected_components(graph, directed=False)[1][used]
    closed = len(uses) > 0 and bool((uses == 2).all())
    return Topology(closed, closed and bool((ahead == 1).all()), int((uses == 1).sum()), len(np.unique(parts)))


def creased(mesh: Mesh, angle_deg: float = 55.0) -> Mesh:
    """Return the shape of `mesh` with normals that are smooth except across edges bent by more than `angle_deg`.

    A vertex on such an edge is stored once for each side. Normals are weighted by area; texture and colours are
    dropped.
    """
    welded = weld(mesh)
    faces, count = welded.faces, len(welded.points)
    a, b, c = (welded.points[faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    unit = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    corner = np.arange(faces.size).reshape(-1, 3)
    start, end = faces, np.roll(faces, -1, axis=1)
    key = (np.minimum(start, end) * count + np.maximum(start, end)).reshape(-1)
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, other = order[first], order[first + 1]  # sides of two faces along the same edge
    bend = (unit[one // 3] * unit[other // 3]).sum(axis=1)
    smooth = bend > np.cos(np.radians(angle_deg))
    one, other = one[smooth], other[smooth]
    after = np.roll(corner, -1, axis=1).reshape(-1)
    turned = start.reshape(-1)[one] != start.reshape(-1)[other]  # neighbours run along their edge in opposite ways
    links = np.stack(
        [
            np.concatenate([one, after[one]]),
            np.concatenate([np.where(turned, after[other], other), np.where(turned, other, after[other])]),
        ]
    )
    graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(faces.size,) * 2)
    number, group = connected_components(graph, directed=False)
    weight = np.repeat(across, 3, axis=0)
    sums = np.stack([np.bincount(group, weight[:, k], number) for k in range(3)], axis=-1)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    normals = np.where(length > 0.0, sums / np.where(length > 0.0, length, 1.0), (0.0, 0.0, 1.0))
    place = np.zeros(number, np.int64)
    place[group] = faces.reshape(-1)
    return Mesh(welded.points[place], group.reshape(-1, 3).astype(np.int64), normals=normals.astype(np.float32))


def vertex_normals(mesh: Mesh) -> NDArray[np.float32]:
    """Return unit normals (N, 3): at each place the mean of its faces' normals, weighted by area."""
    welded = weld(mesh)
    a, b, c = (welded.points[welded.faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    count = len(welded.points)
    sums = np.zeros((count, 3))
    for k in range(3):
        for axis in range(3):
            sums[:, axis] += np.bincount(welded.faces[:, k], weights=across[:, axis], minlength=count)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    unit = np.where(length > 0.0, sums / np.where(length > 0.0, length, 1.0), (0.0, 0.0, 1.0))
    return unit[welded.place].astype(np.float32)
