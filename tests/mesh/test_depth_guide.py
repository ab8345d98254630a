"""A surface whose true form is known, bent, and the disparity that tells so."""

import cv2
import numpy as np
import pytest
import trimesh

from backend.mesh.camera import lift, project
from backend.mesh.depth_guide import Bend, bend_to_depth
from backend.mesh.layers import depth_layers
from backend.mesh.mesh import Mesh

SIDE = 200


def snowman() -> Mesh:
    """Return an egg with a ball before one half of it: no mirror image of it is the same."""
    egg = trimesh.creation.icosphere(subdivisions=5)
    vertices = egg.vertices * (0.35, 0.45, 0.5)
    ball = np.exp(-(((egg.vertices - (0.8, 0.45, 0.4)) / 0.35) ** 2).sum(axis=1))
    vertices[:, 0] += 0.15 * ball
    return Mesh(vertices.astype(np.float32), np.asarray(egg.faces, np.int64))


def bent(mesh: Mesh) -> Mesh:
    """Return the mesh with a lean and a wave along the camera's rays."""
    across, down, _ = project(mesh.vertices)
    x = mesh.vertices[:, 0] + 0.35 * (across - 0.5) - 0.2 * (down - 0.5) + 0.02 * np.sin(9 * across)
    return Mesh(lift(across, down, x).astype(np.float32), mesh.faces)


def front(mesh: Mesh, side: int = SIDE) -> np.ndarray:
    return depth_layers(mesh, side)[0]


def seen_by_a_network(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return a disparity without a unit, soft at the rim, and the matte."""
    depth = front(mesh)
    disparity = cv2.GaussianBlur(np.where(np.isfinite(depth), 1 / depth, 0.3), (0, 0), 1.0)
    return (7.0 * disparity + 2.0).astype(np.float32), np.isfinite(depth).astype(np.float32)


def misfit(mesh: Mesh, truth: Mesh) -> float:
    """Return the mean distance of two fronts along the rays, after the best shift."""
    apart = front(mesh) - front(truth)
    apart = apart[np.isfinite(apart)]
    return float(np.abs(apart - np.median(apart)).mean())


def test_a_bent_mesh_comes_back_to_the_true_form() -> None:
    truth = snowman()
    wrong = bent(truth)
    guide = bend_to_depth(wrong, *seen_by_a_network(truth))
    assert guide.bend is not None and guide.why_not == ""
    mended = Mesh(guide.bend.apply(wrong.vertices), wrong.faces)
    assert misfit(mended, truth) < 0.3 * misfit(wrong, truth)
    whole = np.abs(mended.vertices - truth.vertices)[:, 0], np.abs(wrong.vertices - truth.vertices)[:, 0]
    assert np.ptp(whole[0]) < 0.5 * np.ptp(whole[1])  # the back, which nobody sees, is carried along
    assert guide.moved > 0.02


def test_a_mesh_that_agrees_is_left_alone() -> None:
    truth = snowman()
    guide = bend_to_depth(truth, *seen_by_a_network(truth))
    assert guide.bend is not None
    assert guide.moved < 0.005
    assert guide.agreement > 0.9


def test_each_point_stays_on_its_ray_and_can_go_back() -> None:
    truth = snowman()
    wrong = bent(truth)
    bend = bend_to_depth(wrong, *seen_by_a_network(truth)).bend
    assert bend is not None
    there = bend.apply(wrong.vertices)
    assert np.abs(np.stack(project(there)[:2]) - np.stack(project(wrong.vertices)[:2])).max() < 1e-6
    assert np.abs(there - wrong.vertices).max() > 0.05
    assert np.abs(bend.undo(there) - wrong.vertices).max() < 1e-5


def test_half_the_strength_goes_half_the_way() -> None:
    truth = snowman()
    wrong = bent(truth)
    whole, half = (bend_to_depth(wrong, *seen_by_a_network(truth), strength).bend for strength in (1.0, 0.5))
    assert whole is not None and half is not None
    assert np.allclose(whole.farther, 2 * half.farther, atol=1e-6)


def test_all_surfaces_on_a_ray_are_carried_alike() -> None:
    bend = Bend(np.full((8, 8), 0.1, np.float32))
    points = lift(np.full(3, 0.3), np.full(3, 0.6), np.array([0.5, 0.0, -0.5]))
    assert bend.apply(points)[:, 0] == pytest.approx([0.4, -0.1, -0.6])


def test_what_tells_nothing_or_the_contrary_bends_nothing() -> None:
    mesh = snowman()
    disparity, alpha = seen_by_a_network(mesh)
    spoiled = disparity.copy()
    spoiled[SIDE // 2, SIDE // 2] = np.nan
    noise = np.random.default_rng(0).random(alpha.shape, np.float32)
    for given, why in (
        (np.full_like(disparity, 3.0), "flat"),
        (spoiled, "finite"),
        (10.0 - disparity, "contradicts"),
        (noise, "contradicts"),
    ):
        guide = bend_to_depth(mesh, given, alpha)
        assert guide.bend is None
        assert why in guide.why_not
    assert "overlap" in bend_to_depth(mesh, disparity, np.zeros_like(alpha)).why_not


def test_a_step_that_would_stretch_the_front_is_not_followed() -> None:
    """The upper half of the object lies far behind the lower one, says the depth map."""
    mesh = snowman()
    disparity, alpha = seen_by_a_network(mesh)
    disparity[: SIDE // 2] -= 3.0
    guide = bend_to_depth(mesh, disparity, alpha)
    assert guide.bend is None


def test_wrong_arguments_are_refused() -> None:
    mesh = snowman()
    disparity, alpha = seen_by_a_network(mesh)
    with pytest.raises(ValueError, match="strength"):
        bend_to_depth(mesh, disparity, alpha, 0.0)
    with pytest.raises(ValueError):
        bend_to_depth(mesh, disparity[:-1], alpha)
