"""Pinched surfaces come back closed; sound ones come back untouched."""

import numpy as np
import trimesh

from backend.mesh.mend import is_closed, mend


def _arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return mesh.vertices.astype(np.float32), mesh.faces.astype(np.int64)


def test_a_closed_surface_comes_back_as_it_is() -> None:
    points, faces = _arrays(trimesh.creation.icosphere(2))
    mended_points, mended_faces = mend(points, faces)
    assert is_closed(faces, len(points))
    np.testing.assert_array_equal(mended_points, points)
    np.testing.assert_array_equal(mended_faces, faces)


def test_two_balls_that_share_an_edge_are_closed_again_and_keep_their_volume() -> None:
    points, faces = _arrays(trimesh.creation.icosphere(3))
    a, b = faces[100, :2]
    # The second ball is the first one's image in the plane through the edge's ends and square to the first.
    middle = (points[a] + points[b]) / 2
    normal = middle / np.linalg.norm(middle)
    twin = points - 2 * ((points - middle) @ normal)[:, None] * normal
    number = np.arange(len(points)) + len(points)
    number[a], number[b] = a, b
    both = np.concatenate([faces, number[faces[:, ::-1]]])
    points = np.concatenate([points, twin]).astype(np.float32)
    assert not is_closed(both, len(points))
    mended = trimesh.Trimesh(*mend(points, both), process=True)
    assert mended.is_watertight and mended.is_winding_consistent
    np.testing.assert_allclose(mended.volume, 2 * trimesh.creation.icosphere(3).volume, rtol=0.03)


def test_faces_without_area_and_pairs_that_are_each_others_back_are_left_out() -> None:
    points, faces = _arrays(trimesh.creation.icosphere(1))
    flap = np.array([[0, 1, 2], [0, 2, 1], [5, 5, 7]])
    _, mended = mend(points, np.concatenate([faces, flap]))
    np.testing.assert_array_equal(mended, faces)


def test_a_surface_with_a_hole_or_a_face_turned_over_is_not_closed() -> None:
    points, faces = _arrays(trimesh.creation.icosphere(1))
    assert not is_closed(faces[1:], len(points))
    turned = faces.copy()
    turned[3] = turned[3, ::-1]
    assert not is_closed(turned, len(points))
