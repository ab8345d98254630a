"""Several views give one closed solid that keeps what each of them says."""

import numpy as np
import pytest

from backend.contract.errors import NoSubjectError
from backend.mesh.figures import silhouette_iou
from backend.mesh.framing import Framed, frame_object
from backend.mesh.several_views import Seen, mesh_of_views
from backend.mesh.topology import topology, weld

SIDE = 200
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE] + 0.5
X, Y = COLUMNS - SIDE / 2, ROWS - SIDE / 2
RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)


def framed(matte: np.ndarray, color: tuple[int, int, int]) -> Framed:
    return frame_object(np.full((SIDE, SIDE, 3), color, np.uint8), matte.astype(np.float32))


def seen(matte: np.ndarray, azimuth: float, thick: float = 0.5, color: tuple[int, int, int] = RED) -> Seen:
    half = np.full((64, 64), thick / 2, np.float32)
    return Seen(framed(matte, color), half, -half, azimuth)


def bar(wide: float, tall: float = 80) -> np.ndarray:
    return (np.abs(X) < wide) & (np.abs(Y) < tall)


def size(mesh) -> np.ndarray:
    return np.ptp(mesh.vertices.astype(float), axis=0)


@pytest.mark.parametrize("azimuths", [(0,), (0, 180), (0, 90), (0, 90, 180, 270)])
def test_it_is_closed_and_the_first_camera_sees_its_matte(azimuths: tuple[float, ...]) -> None:
    views = [seen(np.hypot(X, Y) < 80, azimuth) for azimuth in azimuths]
    mesh = mesh_of_views(views)
    hangs = topology(weld(mesh))
    assert hangs.closed and hangs.consistent
    assert silhouette_iou(mesh, views[0].framed.alpha) > 0.93
    assert np.abs(mesh.vertices).max() <= 0.87


def test_a_side_view_gives_the_depth_that_the_front_cannot_show() -> None:
    alone = size(mesh_of_views([seen(bar(40), 0)]))
    thin, deep = (size(mesh_of_views([seen(bar(40), 0), seen(bar(wide), 90)])) for wide in (15, 70))
    assert thin[0] < 0.6 * alone[0] < alone[0] < deep[0]
    assert thin[2] == pytest.approx(deep[2], rel=0.2)  # what is near looks larger


def test_the_order_of_further_views_makes_no_shape() -> None:
    front, side, back = seen(bar(40), 0), seen(bar(20), 90), seen(bar(40), 180)
    one, other = (size(mesh_of_views(views)) for views in ([front, side, back], [front, back, side]))
    assert one == pytest.approx(other, rel=0.08)


def test_each_side_has_the_colour_of_the_photo_that_saw_it() -> None:
    views = [seen(bar(40), 0, color=RED), seen(bar(40), 90, color=GREEN), seen(bar(40), 180, color=BLUE)]
    mesh = mesh_of_views(views, 100_000, textured=False)
    assert mesh.colors is not None and mesh.texture is None
    for axis, sign, color in ((0, 1, RED), (1, 1, GREEN), (0, -1, BLUE)):
        middle = (np.abs(mesh.vertices[:, 2]) < 0.3) & (np.abs(mesh.vertices[:, 1 - axis]) < 0.1)
        ahead = np.where(middle, sign * mesh.vertices[:, axis], -1)
        there = ahead > 0.97 * ahead.max()
        assert np.median(mesh.colors[there], axis=0) * 255 == pytest.approx(color, abs=12)


def test_a_picture_of_another_size_is_scaled_to_the_object() -> None:
    small = seen((np.abs(X) < 20) & (np.abs(Y) < 40), 90)
    usual = seen(bar(40), 90)
    assert size(mesh_of_views([seen(bar(40), 0), small])) == pytest.approx(
        size(mesh_of_views([seen(bar(40), 0), usual])), rel=0.05
    )


def test_the_faces_stay_below_what_is_asked() -> None:
    assert len(mesh_of_views([seen(bar(40), 0), seen(bar(30), 90)], 300).faces) <= 300


def test_no_view_and_an_empty_matte_are_refused() -> None:
    with pytest.raises(ValueError, match="one view"):
        mesh_of_views([])
    empty = Framed(
        np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((SIDE, SIDE), np.float32), (0, 0, 1, 1), (0, 0), 1.0, (False,) * 4
    )
    with pytest.raises(NoSubjectError):
        mesh_of_views([seen(bar(40), 0), Seen(empty, *np.zeros((2, 8, 8), np.float32), 90)])
