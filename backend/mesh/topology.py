"""Welding, closedness, connected parts and normals: the properties of a mesh that its vertex order does not change.

Along a texture's seam two vertices share one place; closedness is a property of the places.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
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
