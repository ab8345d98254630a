"""The relief is a closed solid that the input camera sees as the matte."""

import io

import cv2
import numpy as np
import pytest
import trimesh

from backend.contract.errors import NoSubjectError
from backend.contract.trace import Trace
from backend.mesh.camera import PICTURE_SIDE, lift, project
from backend.mesh.engine import MeshRequest
from backend.mesh.export import export_mesh
from backend.mesh.figures import measure, silhouette_iou
from backend.mesh.framing import frame_object
from backend.mesh.layers import MIN_THICKNESS
from backend.mesh.placing import place
from backend.mesh.relief import ReliefEngine, make_relief
from backend.mesh.topology import topology, weld

SIDE = 320
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE] + 0.5
X, Y = COLUMNS - SIDE / 2, ROWS - SIDE / 2
RADIUS = np.hypot(X, Y)
SCENES = {  # matte, cut sides, Euler number of the closed surface: 2 a ball, 0 a ring
    "ball": (RADIUS < 136, (False,) * 4, 2),
    "ring": ((RADIUS < 136) & (RADIUS > 70), (False,) * 4, 0),
    "two blobs": ((np.hypot(X + 80, Y) < 50) | (np.hypot(X - 70, Y - 20) < 30), (False,) * 4, 4),
    "thin cross": (((np.abs(X) < 3) | (np.abs(Y) < 3)) & (np.maximum(abs(X), abs(Y)) < 136), (False,) * 4, 2),
    "letter": ((np.abs(X) < 100) & (np.abs(Y) < 130) & ~((X > -40) & (np.abs(np.abs(Y) - 60) < 35)), (False,) * 4, 2),
    "bust": ((np.hypot(X, Y + 40) < 60) | ((np.abs(X) < 100) & (Y > 10) & (Y < 136)), (False, False, False, True), 2),
    "band": (np.abs(Y) < 50, (True, False, True, False), 2),
    "whole picture": (np.ones_like(X, bool), (True,) * 4, 2),
}


def photo(side=SIDE):
    return np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)


def corners(mesh):
    return (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))


@pytest.fixture(params=SCENES, scope="module")
def scene(request):
    matte, cut, euler = SCENES[request.param]
    alpha = matte.astype(np.float32)
    return alpha, make_relief(photo(), alpha, None, cut).mesh, euler


@pytest.fixture(params=["none", "slope", "noise"], scope="module")
def any_disparity(request):
    if request.param == "none":
        return None
    slope = (COLUMNS * 0.01 + 2).astype(np.float32)
    return slope if request.param == "slope" else np.random.default_rng(0).random((SIDE, SIDE), np.float32)


def test_it_is_a_closed_solid_with_the_mattes_holes_and_parts(scene):
    _, mesh, euler = scene
    welded = weld(mesh)
    hangs = topology(welded)
    assert hangs.closed and hangs.consistent
    edges = np.unique(np.sort(welded.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    assert len(welded.points) - len(edges) + len(welded.faces) == euler


def test_it_stays_in_the_box_that_an_object_may_have(scene):
    assert np.abs(scene[1].vertices).max() <= 0.87


def test_its_faces_are_few_outward_and_none_is_degenerate(scene):
    _, mesh, _ = scene
    a, b, c = corners(mesh)
    assert len(mesh.faces) <= 12_000
    assert (a * np.cross(b, c)).sum() > 0
    assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 1e-9


def test_the_input_camera_sees_the_matte(scene):
    alpha, mesh, _ = scene
    assert silhouette_iou(mesh, alpha) > 0.985


def test_it_keeps_its_promises_whatever_the_depth_says(any_disparity):
    alpha = SCENES["letter"][0].astype(np.float32)
    mesh = make_relief(photo(), alpha, any_disparity).mesh
    hangs = topology(weld(mesh))
    assert hangs.closed and hangs.consistent
    assert silhouette_iou(mesh, alpha) > 0.985
    assert np.abs(mesh.vertices).max() <= 0.87


def test_normals_are_unit_and_agree_with_the_faces(scene):
    _, mesh, _ = scene
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    a, b, c = corners(mesh)
    facing = (np.cross(b - a, c - a) * mesh.normals[mesh.faces].mean(axis=1)).sum(axis=1) > 0
    assert facing.mean() > 0.98


def test_a_disc_becomes_nearly_a_ball():
    mesh = make_relief(photo(), SCENES["ball"][0].astype(np.float32)).mesh
    radius = 136 / SIDE * PICTURE_SIDE
    depth = np.ptp(mesh.vertices[:, 0])
    assert 0.6 * 2 * radius < depth <= 2 * radius


def test_thick_parts_are_thick_and_thin_parts_thin():
    alpha = ((np.hypot(X + 60, Y) < 70) | ((np.abs(Y) < 10) & (X > 0) & (X < 136))).astype(np.float32)
    mesh = make_relief(photo(), alpha).mesh
    across, _, _ = project(mesh.vertices)
    body, arm = mesh.vertices[across < 0.45], mesh.vertices[across > 0.65]
    assert np.ptp(body[:, 0]) > 4 * np.ptp(arm[:, 0])
    assert np.ptp(arm[:, 0]) > 0.5 * 20 / SIDE * PICTURE_SIDE  # and round, not flat


def test_a_cut_side_ends_in_a_flat_wall_as_thick_as_the_object():
    alpha = (np.abs(Y) < 50).astype(np.float32)
    mesh = make_relief(photo(), alpha, None, (True, False, True, False)).mesh
    across, _, _ = project(mesh.vertices)
    wall = mesh.vertices[across > across.max() - 1e-6]
    middle = mesh.vertices[np.abs(across - 0.5) < 0.02]
    assert np.ptp(wall[:, 0]) > 0.95 * np.ptp(middle[:, 0])


def front_x(mesh, across, down):
    """The x of the front surface at a place in the picture, from the vertex nearest to it."""
    seen_across, seen_down, _ = project(mesh.vertices)
    front = np.flatnonzero(mesh.normals[:, 0] > 0.05)
    return mesh.vertices[front[np.hypot(seen_across[front] - across, seen_down[front] - down).argmin()], 0]


def test_the_front_follows_the_depth():
    alpha = (np.maximum(abs(X), abs(Y)) < 130).astype(np.float32)
    bump = np.exp(-((X - 50) ** 2 + (Y - 40) ** 2) / 800).astype(np.float32)
    mesh = make_relief(photo(), alpha, bump).mesh
    at_bump = front_x(mesh, 0.5 + 50 / SIDE, 0.5 + 40 / SIDE)
    for beside in ((-50, 40), (50, -40), (-50, -40)):
        assert at_bump > front_x(mesh, 0.5 + beside[0] / SIDE, 0.5 + beside[1] / SIDE) + 0.1


def test_a_slope_turns_the_solid():
    alpha = SCENES["ball"][0].astype(np.float32)
    mesh = make_relief(photo(), alpha, (0.02 * COLUMNS).astype(np.float32)).mesh
    right, left = mesh.vertices[mesh.vertices[:, 1] > 0.3], mesh.vertices[mesh.vertices[:, 1] < -0.3]
    assert right[:, 0].mean() > left[:, 0].mean() + 0.1


def test_flat_depth_is_ignored_with_a_note():
    framed = frame_object(photo(), SCENES["ring"][0].astype(np.float32))
    trace = Trace()
    built = ReliefEngine().build(framed, np.full(framed.alpha.shape, 3.0, np.float32), MeshRequest(), trace)
    assert not built.facts["depth_used"] and "flat" in trace.notes[0]
    plain = ReliefEngine().build(framed, None, MeshRequest(), Trace())
    assert (plain.mesh.vertices == built.mesh.vertices).all()


def test_vertex_colours_replace_the_texture_on_request():
    framed = frame_object(photo(), SCENES["ring"][0].astype(np.float32))
    textured = ReliefEngine().build(framed, None, MeshRequest(), Trace()).mesh
    plain = ReliefEngine().build(framed, None, MeshRequest(texture="vertex"), Trace()).mesh
    assert textured.texture is not None and plain.texture is None
    assert np.array_equal(plain.colors, textured.colors)


def test_options_that_a_relief_ignores_are_noted():
    framed, trace = frame_object(photo(), SCENES["ring"][0].astype(np.float32)), Trace()
    request = MeshRequest(resolution=128, isovalue=10.0, smooth=True, project_photo=True, depth_guide=1.0)
    ReliefEngine().build(framed, None, request, trace)
    assert [note.split("`")[1] for note in trace.notes] == [
        "resolution",
        "threshold",
        "smooth",
        "project_photo",
        "depth_guide",
    ]
    silent = Trace()
    ReliefEngine().build(framed, None, MeshRequest(target_faces=5000, texture="vertex"), silent)
    assert not silent.notes


@pytest.mark.parametrize("width", [0.004, 0.008])
def test_a_thin_antenna_is_in_the_mesh_and_has_a_thickness(width):
    alpha = np.zeros((1200, 1200), np.float32)
    alpha[500:1100, 100:1100] = 1.0
    alpha[100:500, 600 : 600 + round(1000 * width)] = 1.0
    framed = frame_object(photo(1200), alpha)
    for faces in (None, 500):
        mesh = make_relief(framed.image, framed.alpha, max_faces=faces).mesh
        assert measure(mesh, framed).lost_parts == 0
    mesh = make_relief(framed.image, framed.alpha).mesh
    _, down, _ = project(mesh.vertices)
    antenna = mesh.vertices[(down > 0.2) & (down < 0.3)]
    assert np.ptp(antenna[:, 0]) >= 0.9 * MIN_THICKNESS


def test_what_is_known_of_the_shape_is_told():
    alpha = SCENES["ball"][0].astype(np.float32)
    without, with_depth = make_relief(photo(), alpha), make_relief(photo(), alpha, (0.02 * COLUMNS).astype(np.float32))
    assert "depth and the back are guessed" in without.guessed
    assert "front follows the depth map" in with_depth.guessed


@pytest.mark.parametrize("target", [100, 500, 5000])
def test_it_never_has_more_faces_than_asked_and_keeps_its_parts_and_holes(scene, target):
    alpha, full, euler = scene
    mesh = make_relief(photo(), alpha, max_faces=target).mesh
    welded = weld(mesh)
    found = topology(welded)
    assert found.closed and found.consistent and len(mesh.faces) <= target
    assert found.components == topology(weld(full)).components
    edges = np.unique(np.sort(welded.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    assert len(welded.points) - len(edges) + len(welded.faces) == euler
    if target > 100:
        assert silhouette_iou(mesh, alpha) > 0.93


def test_thin_legs_and_small_parts_are_not_torn_off():
    legs = (np.abs(X % 40 - 20) < 2.5) & (np.abs(X) < 120) & (Y > 0) & (Y < 130)
    body = (np.abs(X) < 130) & (Y > -100) & (Y < 10)
    dots = (np.hypot(X - 30, Y + 130) < 4) | (np.hypot(X + 30, Y + 130) < 4)
    alpha = (legs | body | dots).astype(np.float32)
    mesh = make_relief(photo(), alpha, max_faces=500).mesh
    assert topology(weld(mesh)).components == 3 and silhouette_iou(mesh, alpha) > 0.93


def test_the_texture_of_a_light_mesh_has_a_closed_seam():
    mesh = make_relief(photo(), SCENES["ring"][0].astype(np.float32), max_faces=600).mesh
    welded = weld(mesh)
    assert len(welded.points) < len(mesh.vertices) and topology(welded).closed
    tiles = (mesh.texture.uv[mesh.faces][..., 0] > 0.66).sum(axis=1)  # the back's tile is half as wide as the front's
    assert np.isin(tiles, (0, 3)).all()  # no face spans both tiles


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_invalid_depth_is_ignored_or_bounded(value):
    disparity = np.where(RADIUS < 50, value, 1.0).astype(np.float32)
    built = make_relief(photo(), SCENES["ball"][0].astype(np.float32), disparity)
    assert built.facts["depth_used"] == np.isfinite(value)
    assert np.abs(built.mesh.vertices).max() <= 0.87 and topology(weld(built.mesh)).closed


def test_the_photo_is_on_the_front_unmirrored():
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, : SIDE // 2] = (255, 0, 0)  # left red, right green, as the viewer sees it
    image[:, SIDE // 2 :] = (0, 255, 0)
    mesh = make_relief(image, SCENES["ball"][0].astype(np.float32)).mesh
    front = mesh.normals[:, 0] > 0.5
    assert (mesh.colors[front & (mesh.vertices[:, 1] < -0.1)][:, 0] > 0.9).all()
    assert (mesh.colors[front & (mesh.vertices[:, 1] > 0.1)][:, 1] > 0.9).all()


def test_the_file_shows_the_photo_on_the_front():
    rng = np.random.default_rng(5)
    image = cv2.resize(rng.integers(0, 256, (24, 24, 3), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    alpha = SCENES["ball"][0].astype(np.float32)
    scene = trimesh.load(io.BytesIO(export_mesh(place(make_relief(image, alpha).mesh))), file_type="glb", force="mesh")
    texture = np.asarray(scene.visual.material.baseColorTexture)[..., :3]
    x0, y0 = (int(np.flatnonzero(alpha.any(axis))[0]) - 2 for axis in (0, 1))  # the front's tile begins at the box
    rows, columns = np.nonzero(RADIUS < 120)
    errors = np.abs(texture[rows - y0, columns - x0].astype(int) - image[rows, columns])
    assert np.percentile(errors, 99) <= 2


def test_more_faces_than_the_default_are_there_on_request():
    built = make_relief(photo(), SCENES["letter"][0].astype(np.float32), max_faces=100_000)
    assert 12_000 < len(built.mesh.faces) <= 100_000
    assert topology(weld(built.mesh)).closed


@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_a_pixel_or_a_few_make_a_solid(side):
    mesh = make_relief(photo(side), np.ones((side, side), np.float32)).mesh
    assert topology(weld(mesh)).closed and np.abs(mesh.vertices).max() <= 0.87


def test_noise_makes_a_solid_within_the_budget():
    alpha = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
    mesh = make_relief(photo(), alpha).mesh
    assert len(mesh.faces) <= 12_000 and topology(weld(mesh)).closed


def test_a_faint_object_is_still_one():
    alpha = 0.1 * SCENES["ball"][0].astype(np.float32)
    assert silhouette_iou(make_relief(photo(), alpha).mesh, alpha) > 0.97


def test_a_line_thinner_than_the_lattice_is_kept():
    alpha = np.zeros((2400, 2400), np.float32)
    alpha[1200, 200:2200] = 1.0
    assert topology(weld(make_relief(photo(2400), alpha).mesh)).closed


def test_a_photo_one_pixel_wide_and_very_long_makes_a_closed_solid():
    framed = frame_object(np.full((1, 10_000, 3), 90, np.uint8), np.ones((1, 10_000), np.float32))
    mesh = make_relief(framed.image, framed.alpha, None, framed.cut).mesh
    assert topology(weld(mesh)).closed


def test_the_same_picture_makes_the_same_mesh():
    alpha = SCENES["letter"][0].astype(np.float32)
    first, second = (make_relief(photo(), alpha).mesh for _ in range(2))
    assert (first.vertices == second.vertices).all() and (first.texture.image == second.texture.image).all()


def test_nothing_to_inflate_and_arrays_that_do_not_fit_are_refused():
    with pytest.raises(NoSubjectError):
        make_relief(photo(), np.zeros((SIDE, SIDE), np.float32))
    with pytest.raises(ValueError, match="square"):
        make_relief(photo()[:100], np.ones((100, SIDE), np.float32))
    with pytest.raises(ValueError, match="sizes differ"):
        make_relief(photo(), np.ones((SIDE, SIDE), np.float32), np.ones((10, 10), np.float32))


def test_lifting_and_projecting_undo_each_other():
    places = np.random.default_rng(2).random((50, 3)) - (0, 0, 0.5)
    across, down, depth = project(lift(places[:, 0], places[:, 1], places[:, 2]))
    assert np.allclose(across, places[:, 0]) and np.allclose(down, places[:, 1])
    assert np.allclose(depth, 1.9 - places[:, 2])
