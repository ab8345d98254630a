"""The renderer covers the right pixels, shows the nearest surface in its colour, and from the right side."""

import numpy as np
import pytest
import trimesh

from backend.mesh.camera import HALF_HEIGHT
from backend.mesh.mesh import Mesh, Texture
from backend.mesh.preview import PAPER, contact_sheet, render_mesh
from backend.mesh.raster import fragments


def coloured_cube():
    """A cube whose sides have the colours of their outward axes: +x red, +y green, +z blue, the others black."""
    box = trimesh.creation.box((0.5, 0.5, 0.5))
    vertices = box.triangles.reshape(-1, 3).astype(np.float32)
    colors = np.repeat(np.maximum(np.rint(box.face_normals), 0), 3, axis=0).astype(np.float32)
    normals = np.repeat(box.face_normals, 3, axis=0).astype(np.float32)
    return Mesh(vertices, np.arange(len(vertices)).reshape(-1, 3), colors, None, normals)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "axis"), [(0, 0, 0), (90, 0, 1), (0, 89, 2)], ids=["front", "from +y", "above"]
)
def test_each_view_shows_its_own_side(azimuth, elevation, axis):
    middle = render_mesh(coloured_cube(), azimuth, elevation, 65)[32, 32].astype(int)
    assert middle.argmax() == axis and middle[axis] > 120 and np.delete(middle, axis).max() < 20


def test_from_behind_the_cube_is_black():
    assert render_mesh(coloured_cube(), 180, 0, 65)[32, 32].max() < 20


def test_the_front_view_is_the_input_cameras():
    ball = trimesh.creation.icosphere(4, 0.1).apply_translation((0.3, 0.3, 0.2))
    picture = render_mesh(Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int64)), size=256)
    rows, columns = np.nonzero((picture != PAPER).any(axis=2))
    scale = 128 / HALF_HEIGHT / 1.6
    assert columns.mean() + 0.5 == pytest.approx(128 + 0.3 * scale, abs=1)
    assert rows.mean() + 0.5 == pytest.approx(128 - 0.2 * scale, abs=1)


def test_the_near_part_hides_the_far_one():
    near, far = (trimesh.creation.box((0.01, size, size)) for size in (0.2, 0.8))
    near.apply_translation((0.4, 0, 0))
    both = trimesh.util.concatenate([near, far])
    colors = np.zeros((len(both.vertices), 3), np.float32)
    colors[: len(near.vertices), 0] = 1
    colors[len(near.vertices) :, 2] = 1
    mesh = Mesh(both.vertices.astype(np.float32), both.faces.astype(np.int64), colors)
    for order in (mesh.faces, mesh.faces[::-1]):
        picture = render_mesh(Mesh(mesh.vertices, order.copy(), colors), size=64)
        assert picture[32, 32].argmax() == 0 and picture[32, 14].argmax() == 2


def test_a_texture_is_laid_on_in_perspective():
    # A square that leans away: its texture's middle lies on its diagonals' crossing, above the picture's middle.
    corners = np.array([[0.6, -0.5, -0.4], [0.6, 0.5, -0.4], [-1.2, 0.5, 0.4], [-1.2, -0.5, 0.4]], np.float32)
    checks = np.zeros((2, 2, 3), np.uint8)
    checks[0, :, 0], checks[1, :, 1] = 255, 255  # red above, green below
    fine = np.repeat(np.repeat(checks, 64, axis=0), 64, axis=1)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    mesh = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]), None, Texture(uv, fine))
    column = render_mesh(mesh, size=256)[:, 128].astype(int)
    boundary = np.flatnonzero((column[:-1, 0] > column[:-1, 1] + 50) & (column[1:, 1] > column[1:, 0] + 50))
    middle = corners.mean(axis=0)
    assert boundary.mean() + 1 == pytest.approx(128 - 128 * middle[2] / HALF_HEIGHT / (1.9 - middle[0]), abs=1.5)


def test_a_contact_sheet_has_four_views():
    sheet = contact_sheet(coloured_cube(), 64)
    assert sheet.shape == (64, 256, 3) and sheet.dtype == np.uint8
    assert len({sheet[:, k * 64 : k * 64 + 64].tobytes() for k in range(4)}) == 4


def test_a_contact_sheet_cuts_nothing_off():
    large = Mesh(coloured_cube().vertices * np.float32(2.2), coloured_cube().faces)
    sheet = contact_sheet(large, 64).reshape(64, 4, 64, 3)
    for border in (sheet[0], sheet[-1], sheet[:, :, 0], sheet[:, :, -1]):
        assert (border == PAPER).all()


def test_what_is_behind_the_camera_and_nothing_at_all_leave_paper():
    far = Mesh(coloured_cube().vertices + np.float32([5, 0, 0]), coloured_cube().faces)
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))
    for mesh in (far, empty):
        assert (render_mesh(mesh, size=16) == PAPER).all()


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ValueError):
        render_mesh(coloured_cube(), size=0)


def covered(corners, faces, height=40, width=50):
    counts = np.zeros(height * width, int)
    for part in fragments(np.asarray(corners, float), np.asarray(faces), height, width):
        assert np.allclose(part.weights.sum(axis=1), 1) and part.weights.min() > -1e-6
        counts += np.bincount(part.pixel, minlength=height * width)
    return counts.reshape(height, width)


def test_a_triangle_covers_the_pixels_whose_centres_it_holds():
    corners = np.array([[3.2, 4.1], [44.7, 11.3], [17.9, 36.6]])
    y, x = np.mgrid[0:40, 0:50] + 0.5
    sides = [
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) > 0
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
    ]
    for order in ([0, 1, 2], [2, 1, 0]):
        assert (covered(corners, [order]) == np.logical_and.reduce(sides)).all()


def test_neighbours_leave_no_gap_and_the_picture_ends_at_its_frame():
    angles = np.linspace(0, 2 * np.pi, 18)[:-1] + 0.123
    corners = np.concatenate([[[25.3, 20.2]], np.stack([25.3 + 90 * np.cos(angles), 20.2 + 90 * np.sin(angles)], -1)])
    fan = [[0, k, k % 17 + 1] for k in range(1, 18)]
    assert (covered(corners, fan) >= 1).all()


def test_slivers_and_points_cover_nothing_or_little():
    assert covered([[5.1, 5.1], [5.2, 5.2], [5.3, 5.3]], [[0, 1, 2], [0, 0, 0]]).sum() == 0
