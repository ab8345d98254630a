"""The figures of meshes whose figures are known."""

import numpy as np
import pytest
import trimesh

from backend.mesh.camera import HALF_HEIGHT
from backend.mesh.figures import measure, silhouette_iou
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh
from backend.mesh.placing import place


def mesh_of(shape):
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int64))


def framed(alpha):
    side = len(alpha)
    return Framed(np.zeros((side, side, 3), np.uint8), alpha, (0, 0, side, side), (0, 0), 1.0, (False,) * 4)


def ball_picture(radius, side=512):
    """Return the input camera's view of a ball at the origin: a disc with the tangent rays' radius."""
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1
    return (np.hypot(rows, columns) * HALF_HEIGHT < radius / np.sqrt(1.9**2 - radius**2)).astype(np.float32)


def test_a_ball():
    figures = measure(mesh_of(trimesh.creation.icosphere(4, 0.5)), framed(ball_picture(0.5)))
    assert figures.watertight and figures.winding_consistent and figures.components == 1
    assert (figures.vertices, figures.faces) == (2562, 5120)
    assert figures.volume == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.01)
    assert figures.flatness == pytest.approx(1, abs=0.02)
    assert figures.mean_thickness == pytest.approx(4 / 3 * 0.5, rel=0.05)
    assert figures.silhouette_iou > 0.99 and figures.advice == ()
    assert figures.ready and figures.grade == "A" and (figures.lost_parts, figures.loose_parts) == (0, 0)
    assert np.allclose(figures.bounds, [[-0.5] * 3, [0.5] * 3], atol=0.01)


def test_seams_do_not_count_as_openings():
    ball = trimesh.creation.icosphere(2, 0.5)
    apart = Mesh(
        ball.vertices[ball.faces].reshape(-1, 3).astype(np.float32), np.arange(len(ball.faces) * 3).reshape(-1, 3)
    )
    figures = measure(apart, framed(ball_picture(0.5)))
    assert figures.watertight and figures.vertices == len(ball.vertices) and figures.components == 1


def test_an_inside_out_ball_has_a_negative_volume():
    ball = trimesh.creation.icosphere(3, 0.5)
    figures = measure(
        Mesh(ball.vertices.astype(np.float32), ball.faces[:, ::-1].astype(np.int64)), framed(ball_picture(0.5))
    )
    assert figures.watertight and figures.volume < 0


def test_one_face_turned_round_is_seen():
    ball = mesh_of(trimesh.creation.icosphere(2, 0.5))
    ball.faces[7] = ball.faces[7][::-1]
    figures = measure(ball, framed(ball_picture(0.5)))
    assert figures.watertight and not figures.winding_consistent


def test_a_ball_with_a_piece_cut_off_is_open():
    ball = trimesh.creation.icosphere(4, 0.5)
    open_ball = Mesh(ball.vertices.astype(np.float32), ball.faces[ball.triangles_center[:, 1] < 0.3].astype(np.int64))
    figures = measure(open_ball, framed(ball_picture(0.5)))
    assert not figures.watertight and figures.volume is None
    assert any("cut open" in sentence for sentence in figures.advice)


def test_a_sheet_is_called_paper_thin():
    figures = measure(mesh_of(trimesh.creation.box((0.01, 0.8, 0.8))), framed(np.ones((64, 64), np.float32)))
    assert figures.flatness == pytest.approx(0.0125, rel=0.05)
    assert figures.mean_thickness == pytest.approx(0.01, rel=0.1)
    assert any("paper-thin" in sentence for sentence in figures.advice)


def test_flatness_does_not_depend_on_how_the_sheet_lies():
    sheet = trimesh.creation.box((0.04, 0.8, 0.6))
    sheet.apply_transform(trimesh.transformations.euler_matrix(0.4, 0.7, 0.2))
    assert measure(mesh_of(sheet), framed(np.ones((64, 64), np.float32))).flatness == pytest.approx(0.05, rel=0.1)


def test_parts_are_counted():
    ball = trimesh.creation.icosphere(2, 0.2)
    two = trimesh.util.concatenate([ball, ball.copy().apply_translation((0, 0.5, 0))])
    assert measure(mesh_of(two), framed(ball_picture(0.2))).components == 2


def test_the_advice_names_a_silhouette_that_differs():
    figures = measure(mesh_of(trimesh.creation.icosphere(3, 0.25)), framed(ball_picture(0.5)))
    assert figures.silhouette_iou == pytest.approx(0.235, abs=0.02)
    assert any("covers the mask" in sentence for sentence in figures.advice)


@pytest.mark.parametrize("side", [64, 700, 1500])
def test_the_overlap_hardly_depends_on_the_mattes_size(side):
    assert silhouette_iou(mesh_of(trimesh.creation.icosphere(5, 0.5)), ball_picture(0.5, side)) > 0.98


def test_the_overlap_tells_left_from_right_and_up_from_down():
    shape = mesh_of(trimesh.creation.icosphere(3, 0.15).apply_translation((0, 0.4, 0.25)))
    rows, columns = (np.mgrid[0:512, 0:512] + 0.5) / 512 * 2 - 1
    alpha = (np.hypot(columns * 1.9 * HALF_HEIGHT - 0.4, -rows * 1.9 * HALF_HEIGHT - 0.25) < 0.15).astype(np.float32)
    assert silhouette_iou(shape, alpha) > 0.95
    assert silhouette_iou(shape, alpha[:, ::-1].copy()) == 0 == silhouette_iou(shape, alpha[::-1].copy())


def test_a_mesh_without_faces_is_refused():
    with pytest.raises(ValueError):
        measure(Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int64)), framed(ball_picture(0.5)))


def test_a_place_that_the_mesh_lost_is_counted_a_rim_is_not():
    alpha = ball_picture(0.5)
    ball = mesh_of(trimesh.creation.icosphere(5, 0.495))  # a pixel or two smaller all around
    assert measure(ball, framed(alpha)).lost_parts == 0
    alpha[100:103, 20:130] = 1.0  # an antenna
    alpha[460:475, 460:475] = 1.0
    alpha[20, 20] = 1.0  # a speck of under 0.1 %
    figures = measure(ball, framed(alpha))
    assert figures.lost_parts == 2 and 0.002 < figures.lost_share < 0.01
    assert any("missing" in sentence for sentence in figures.advice)


def test_parts_beyond_those_of_the_matte_are_loose():
    small = trimesh.creation.icosphere(3, 0.1)
    two = mesh_of(trimesh.util.concatenate([trimesh.creation.icosphere(3, 0.3), small.apply_translation((0, 0.5, 0))]))
    alpha = ball_picture(0.3)
    assert measure(two, framed(alpha)).loose_parts == 1
    columns = (np.arange(512) + 0.5) / 512 * 2 - 1
    alpha[np.hypot(*np.meshgrid(columns * 1.9 * HALF_HEIGHT - 0.5, columns * 1.9 * HALF_HEIGHT)) < 0.1] = 1.0
    assert measure(two, framed(alpha)).loose_parts == 0


def test_specks_that_the_mesh_does_not_have_excuse_no_loose_pieces():
    behind = trimesh.creation.icosphere(2, 0.05).apply_translation((-0.8, 0, 0))  # where the camera does not see it
    two = mesh_of(trimesh.util.concatenate([trimesh.creation.icosphere(4, 0.5), behind]))
    alpha = ball_picture(0.5)
    alpha[5, 5] = 1.0
    figures = measure(two, framed(alpha))
    assert figures.loose_parts == 1 and not figures.ready


def test_what_the_mesh_has_beyond_the_matte_is_a_flaw_a_rim_is_not():
    alpha = ball_picture(0.5)
    assert measure(mesh_of(trimesh.creation.icosphere(5, 0.505)), framed(alpha)).ready
    spiked = mesh_of(trimesh.creation.icosphere(5, 0.5))
    spiked.vertices[spiked.vertices[:, 1] > 0.47, 1] += 0.35
    figures = measure(spiked, framed(alpha))
    assert not figures.ready and any("beyond the mask" in sentence for sentence in figures.advice)


def test_a_wall_that_the_camera_sees_from_its_edge_is_thin_all_the_same():
    """A block whose back half is squeezed to a fin along the camera's rays: they go a long way through it."""
    block = trimesh.creation.box((1.2, 0.6, 0.6)).subdivide().subdivide()
    finned = mesh_of(block)
    finned.vertices[finned.vertices[:, 0] < -0.1, 1] *= 0.005
    places = np.abs((np.arange(512) + 0.5) / 512 * 2 - 1) * HALF_HEIGHT * 1.3 < 0.3  # its front is 1.3 away
    alpha = np.outer(places, places).astype(np.float32)
    assert measure(mesh_of(block), framed(alpha)).ready
    figures = measure(finned, framed(alpha))
    assert figures.silhouette_iou > 0.98 and figures.components == 1
    assert not figures.ready and any("walls" in sentence for sentence in figures.advice)


def test_a_matte_in_doubt_makes_no_mesh_ready():
    figures = measure(mesh_of(trimesh.creation.icosphere(3, 0.5)), framed(ball_picture(0.5)), doubted=True)
    assert not figures.ready and "in doubt" in figures.verdict


def test_lengths_are_those_of_a_scaled_file():
    ball = mesh_of(trimesh.creation.icosphere(3, 0.5))
    plain, twice = (measure(ball, framed(ball_picture(0.5)), place(ball, scale=scale)) for scale in (1.0, 2.0))
    assert np.allclose(twice.bounds, 2 * np.array(plain.bounds))
    assert twice.volume == pytest.approx(8 * plain.volume)
    assert twice.mean_thickness == pytest.approx(2 * plain.mean_thickness)
    assert (twice.flatness, twice.silhouette_iou, twice.grade) == (plain.flatness, plain.silhouette_iou, plain.grade)


def test_what_is_guessed_is_said():
    figures = measure(mesh_of(trimesh.creation.icosphere(3, 0.5)), framed(ball_picture(0.5)), guessed="A guess.")
    assert figures.guessed == "A guess." == figures.advice[0] and not figures.ready
