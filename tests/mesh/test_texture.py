"""A baked picture shows every point of the surface its own colour, on both sides of a seam."""

import cv2
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from backend.mesh.mesh import Mesh
from backend.mesh.texture import BakeConfig, bake_texture

CONFIG = BakeConfig(size_px=384, gap_px=4)


def paint(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return (0.5 + 0.4 * np.sin(np.float32(6.0) * points + np.array([0, 1, 2], np.float32))).astype(np.float32)


def solid() -> Mesh:
    """Return a body with an arm: a shape without symmetry."""
    body = trimesh.creation.icosphere(3, radius=0.5)
    arm = trimesh.creation.cylinder(0.1, 0.6, sections=24).subdivide()
    arm.apply_translation([0.6, 0.2, 0.5])
    both = trimesh.util.concatenate([body, arm])
    return Mesh(both.vertices.astype(np.float32), both.faces.astype(np.int64))


def looked_up(mesh: Mesh, weights: NDArray[np.float64], shrink: int = 1) -> NDArray[np.float64]:
    """Return what a viewer shows at the point with these corner weights of every face, filtering bilinearly."""
    assert mesh.texture is not None
    height, width = mesh.texture.image.shape[:2]
    picture = cv2.resize(mesh.texture.image, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    at = np.einsum("k,nkd->nd", weights, mesh.texture.uv[mesh.faces].astype(np.float64))
    place = (at * [width // shrink, height // shrink] - 0.5).astype(np.float32)
    return cv2.remap(picture, place[:, :1], place[:, 1:], cv2.INTER_LINEAR)[:, 0] / 255.0


@pytest.mark.parametrize("weights", [(1 / 3, 1 / 3, 1 / 3), (0.98, 0.01, 0.01), (0.01, 0.98, 0.01), (0.0, 0.5, 0.5)])
def test_every_point_shows_the_colour_of_its_place_up_to_the_seams(weights: tuple[float, float, float]) -> None:
    mesh = bake_texture(solid(), paint, CONFIG)
    place = np.einsum("k,nkd->nd", np.array(weights), mesh.vertices[mesh.faces])
    error = np.abs(looked_up(mesh, np.array(weights)) - paint(place.astype(np.float32)))
    assert error.max() < 0.06 and error.mean() < 0.006


def test_a_mipmap_shows_no_foreign_colour_at_a_seam() -> None:
    mesh = bake_texture(solid(), paint, CONFIG)
    corner = np.array([0.9, 0.05, 0.05])
    place = np.einsum("k,nkd->nd", corner, mesh.vertices[mesh.faces])
    assert np.abs(looked_up(mesh, corner, shrink=2) - paint(place.astype(np.float32))).max() < 0.12


def test_the_shape_stays_faces_and_places_and_closedness() -> None:
    plain = solid()
    mesh = bake_texture(plain, paint, CONFIG)
    assert mesh.texture is not None and mesh.colors is None and len(mesh.faces) == len(plain.faces)
    assert mesh.texture.uv.min() >= 0.0 and mesh.texture.uv.max() <= 1.0
    assert mesh.texture.image.dtype == np.uint8 and max(mesh.texture.image.shape) < 1.5 * CONFIG.size_px
    welded = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
    assert welded.is_watertight and welded.is_winding_consistent
    before = trimesh.Trimesh(plain.vertices, plain.faces, process=False)
    assert welded.volume == pytest.approx(before.volume, rel=1e-5)
    np.testing.assert_array_equal(np.unique(mesh.vertices, axis=0), np.unique(plain.vertices, axis=0))


def slivers(kind: str) -> Mesh:
    """Return what marching cubes make of a surface that grazes lattice points: some faces have next to no area
    (`crystal`), others are narrower than a texel (`egg`)."""
    x, y, z = np.mgrid[-1:1:25j, -1:1:25j, -1:1:25j]
    if kind == "crystal":
        field = np.abs(x) + np.abs(y) + np.maximum(np.abs(z), 0.25) - 0.75 - 1e-4 * (1 + x)
    else:
        egg = np.sqrt((x / 0.75) ** 2 + (y / 0.5) ** 2 + (z / 0.83) ** 2) - 1
        field = np.sign(egg) * np.abs(egg) ** 1.5 + 1e-5
    vertices, faces, _, _ = marching_cubes(field, 0.0, spacing=(1 / 12,) * 3)
    return Mesh(vertices.astype(np.float32) - 1, faces.astype(np.int64))


@pytest.mark.parametrize("kind", ["crystal", "egg"])
def test_slivers_too_have_the_colours_of_their_place(kind: str) -> None:
    plain = slivers(kind)
    mesh = bake_texture(plain, paint, CONFIG)
    for weights in ((1 / 3, 1 / 3, 1 / 3), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)):
        place = np.einsum("k,nkd->nd", weights, mesh.vertices[mesh.faces])
        shown = looked_up(mesh, np.array(weights))
        assert np.abs(shown - paint(place.astype(np.float32))).max() < 0.15


def test_no_place_of_the_picture_is_left_unpainted() -> None:
    mesh = bake_texture(solid(), lambda points: np.ones((len(points), 3), np.float32), CONFIG)
    assert mesh.texture is not None and (mesh.texture.image == 255).all()


def test_no_two_faces_share_a_texel_so_none_shows_anothers_colour() -> None:
    mesh = bake_texture(solid(), paint, CONFIG)
    assert mesh.texture is not None
    corners = mesh.texture.uv[mesh.faces].astype(np.float64)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2
    assert 0.3 < area < 1.0


def test_a_mesh_without_faces_is_refused() -> None:
    with pytest.raises(ValueError, match="without faces"):
        bake_texture(Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int64)), paint)
