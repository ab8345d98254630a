"""What of a mesh does not depend on how its vertices are stored: places welded, edges counted, parts, normals.

A texture's seam puts two vertices at one place; closedness is a property of the places.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from backend.mesh.mesh import Mesh


@dataclass(frozen=True)
class Welded:
    """The mesh over its distinct places; `source[i]` is a vertex at place i, `place[v]` the place of vertex v."""

    points: NDArray[np.float32]  # (P, 3)
    faces: NDArray[np.int64]  # (M', 3), without faces that a weld made degenerate
    source: NDArray[np.int64]
    place: NDArray[np.int64]


@dataclass(frozen=True)
class Topology:
    """`closed`: every edge belongs to exactly two faces. `consistent`: each pair runs along it in both directions."""

    closed: bool
    consistent: bool
    open_edges: int
    components: int


def weld(mesh: Mesh) -> Welded:
    """Return the mesh with vertices at exactly the same place made one."""
    _, source, place = np.unique(mesh.vertices, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    faces = place[mesh.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Welded(mesh.vertices[source], faces[whole], source, place)


def topology(welded: Welded) -> Topology:
    """Return how the welded mesh hangs together."""
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
    """Return unit normals (N, 3), the faces' averaged by area over each place."""
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
