"""The triangles of one cell of marching cubes, worked out from its corner signs.

On every face of the cell the surface leaves segments with the inside on their right; the segments of the six faces
chain up to closed loops, and each loop is cut into triangles. Where the inside corners of a face lie across a diagonal,
the surface joins them. Both cells at a face see the same corners, so they agree and the surface closes; and joining is
what the bilinear surface on that face does for a density that rises exponentially (Nielson and Hamann 1991).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# Corner c of a cell stands at (c & 1, c >> 1 & 1, c >> 2 & 1); an edge is its lower corner and the axis it runs along.
CORNERS = tuple((c & 1, c >> 1 & 1, c >> 2 & 1) for c in range(8))
EDGES = tuple((corner, axis) for axis in range(3) for corner in range(8) if not corner >> axis & 1)
Triangle = tuple[int, int, int]  # edge numbers, counter-clockwise seen from the outside


def _face(axis: int, side: int) -> tuple[int, int, int, int]:
    u, v, base = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3, side << axis
    around = (base, base + u, base + u + v, base + v)
    return around if side else (base, base + v, base + u + v, base + u)


_FACES = tuple(_face(axis, side) for axis in range(3) for side in range(2))  # counter-clockwise seen from outside
_EDGE_OF = {frozenset((corner, corner | 1 << axis)): edge for edge, (corner, axis) in enumerate(EDGES)}
_FACES_OF = tuple(frozenset(f for f, face in enumerate(_FACES) if {c, c | 1 << axis} <= {*face}) for c, axis in EDGES)
_MIDDLES = np.array([CORNERS[corner] for corner, _ in EDGES]) + 0.5 * np.eye(3)[[axis for _, axis in EDGES]]


@cache
def triangle_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the triangles of all 256 cells: `first` (257,), and `edges` (T, 3) with cell s at first[s]:first[s + 1].

    Bit c of the cell's number s is set where corner c is inside.
    """
    cells = [cell_triangles(signs) for signs in range(256)]
    first = np.cumsum([0, *map(len, cells)], dtype=np.int64)
    return first, np.array([triangle for cell in cells for triangle in cell], np.int64)


def cell_triangles(signs: int) -> list[Triangle]:
    """Return the triangles of the cell whose inside corners are the set bits of `signs`.

    A triangle's side lies in a face of the cell only where the cell on the other side has it too.
    """
    follows: dict[int, int] = {}
    for face in _FACES:
        follows.update(_segments(face, signs))
    triangles = []
    while follows:
        loop = [next(iter(follows))]
        while (edge := follows.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        triangles += _cut(loop)
    return triangles


def _segments(face: tuple[int, int, int, int], signs: int) -> dict[int, int]:
    """Return {edge: next edge} on one face: around each run of outside corners, from its end back to its beginning."""
    inside = [bool(signs >> corner & 1) for corner in face]
    segments = {}
    for start in range(4):
        if inside[start - 1] and not inside[start]:
            end = start
            while not inside[(end + 1) % 4]:
                end += 1
            segments[_rim_edge(face, end)] = _rim_edge(face, start - 1)
    return segments


def _rim_edge(face: tuple[int, int, int, int], place: int) -> int:
    return _EDGE_OF[frozenset((face[place % 4], face[(place + 1) % 4]))]


def _cut(loop: list[int]) -> list[Triangle]:
    """Cut a loop into triangles with the shortest diagonals, none of them in a face of the cell.

    A diagonal in a face could be drawn by the neighbour too, and that edge would have four triangles.
    """

    def cost(a: int, b: int) -> float:
        if b - a in (1, len(loop) - 1):
            return 0.0
        in_face = not _FACES_OF[loop[a]].isdisjoint(_FACES_OF[loop[b]])
        return float("inf") if in_face else float(np.linalg.norm(_MIDDLES[loop[a]] - _MIDDLES[loop[b]]))

    def best(a: int, b: int) -> tuple[float, list[Triangle]]:
        if b - a == 1:
            return 0.0, []
        choices = []
        for c in range(a + 1, b):
            (left, before), (right, after) = best(a, c), best(c, b)
            choices.append((left + right + cost(a, c) + cost(c, b), [(loop[a], loop[c], loop[b]), *before, *after]))
        return min(choices)

    return best(0, len(loop) - 1)[1]
