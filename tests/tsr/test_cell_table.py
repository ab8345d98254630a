"""Every cell's triangles, and every pair of neighbours."""

import numpy as np
import pytest

from tsr.cell_table import CORNERS, EDGES, cell_triangles, triangle_table

MIDDLES = np.array([CORNERS[corner] for corner, _ in EDGES]) + 0.5 * np.eye(3)[[axis for _, axis in EDGES]]


def _rim(signs: int) -> list[tuple[int, int]]:
    """The directed sides that only one triangle of the cell has."""
    sides = [pair for a, b, c in cell_triangles(signs) for pair in ((a, b), (b, c), (c, a))]
    assert len(sides) == len(set(sides))
    return [(a, b) for a, b in sides if (b, a) not in sides]


def test_a_cell_has_a_vertex_on_each_edge_that_changes_sign_and_its_rim_lies_in_its_faces() -> None:
    for signs in range(256):
        crossed = {e for e, (corner, axis) in enumerate(EDGES) if (signs >> corner ^ signs >> (corner | 1 << axis)) & 1}
        assert {edge for triangle in cell_triangles(signs) for edge in triangle} == crossed
        for a, b in _rim(signs):
            assert ((MIDDLES[a] == MIDDLES[b]) & np.isin(MIDDLES[a], (0, 1))).any()


@pytest.mark.parametrize("axis", range(3))
def test_any_two_neighbours_draw_the_same_lines_on_their_shared_face_in_opposite_ways(axis: int) -> None:
    def on_face(number: int, side: int) -> set[tuple[tuple[float, ...], tuple[float, ...]]]:
        lines = [(MIDDLES[a], MIDDLES[b]) for a, b in _rim(number)]
        flat = [(np.delete(a, axis), np.delete(b, axis)) for a, b in lines if a[axis] == side and b[axis] == side]
        return {(tuple(a), tuple(b)) for a, b in flat}

    face = [corner for corner in range(8) if CORNERS[corner][axis] == 0]
    for signs in range(256):
        neighbour = sum(1 << corner for corner in face if signs >> (corner | 1 << axis) & 1)
        rest = [corner | 1 << axis for corner in face]
        for other in (neighbour, neighbour + sum(1 << corner for corner in rest)):
            assert on_face(signs, 1) == {(b, a) for a, b in on_face(other, 0)}


def test_one_inside_corner_gives_one_triangle_that_faces_away_from_it() -> None:
    ((a, b, c),) = cell_triangles(1)
    normal = np.cross(MIDDLES[b] - MIDDLES[a], MIDDLES[c] - MIDDLES[a])
    assert (normal > 0).all()


def test_inside_corners_across_a_diagonal_of_a_face_are_joined() -> None:
    assert len(cell_triangles(0b0110)) == 4  # one sheet around both; apart it would be two triangles
    assert len(cell_triangles(0b0110 ^ 0xFF)) == 2


def test_the_table_holds_the_triangles_of_all_cells_in_order() -> None:
    first, edges = triangle_table()
    assert first.shape == (257,) and edges.shape == (first[-1], 3)
    assert [tuple(row) for row in edges[first[77] : first[78]].tolist()] == cell_triangles(77)
