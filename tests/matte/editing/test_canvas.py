"""An object in a frame of another size: where it lies, how large it is, and what its rim keeps."""

import numpy as np
import pytest

from backend.images.arrays import visible_box
from backend.matte.editing.canvas import Placing, pasted, place_object


def scene(height: int = 60, width: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Return a red block of 20 × 30 with a half-covered rim, and black under the clear pixels as in a cutout's file."""
    alpha = np.zeros((height, width), np.float32)
    alpha[20:40, 30:60] = 0.5
    alpha[21:39, 31:59] = 1
    image = np.zeros((height, width, 3), np.uint8)
    image[alpha > 0] = (200, 30, 10)
    return image, alpha


def middle(alpha: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    return float(((rows + 0.5) * alpha).sum() / alpha.sum()), float(((columns + 0.5) * alpha).sum() / alpha.sum())


def test_without_a_wish_everything_stays_as_it_is() -> None:
    image, alpha = scene()
    placed, opacity = place_object(image, alpha, Placing())
    assert placed is image and opacity is alpha


def test_an_object_that_only_moves_keeps_its_pixels() -> None:
    image, alpha = scene()
    placed, opacity = place_object(image, alpha, Placing(shift=(0.1, -0.1)))
    assert np.array_equal(opacity, np.roll(alpha, (-6, 10), (0, 1)))
    assert np.array_equal(placed, np.roll(image, (-6, 10), (0, 1)))


def test_a_frame_holds_the_whole_picture_in_its_middle() -> None:
    image, alpha = scene()
    placed, opacity = place_object(image, alpha, Placing((200, 200)))
    assert placed.shape == (200, 200, 3) and opacity.shape == (200, 200)
    assert middle(opacity) == pytest.approx((100, 90), abs=0.6)  # the picture is drawn twice as large
    assert opacity.sum() == pytest.approx(4 * alpha.sum(), rel=0.02)


@pytest.mark.parametrize("size", [(200, 200), (90, 300), (500, 40)])
@pytest.mark.parametrize("margin", [0.0, 0.075, 0.4])
def test_a_margin_is_kept_on_all_sides_and_met_on_two(size: tuple[int, int], margin: float) -> None:
    placed, opacity = place_object(*scene(), Placing(size, margin))
    box = visible_box(np.where(opacity > 0.25, opacity, 0))  # enlarged, a rim of one pixel has several
    assert box is not None and placed.shape == (*size, 3)
    room = margin * min(size)
    sides = np.array([box[0], box[1], size[1] - box[2], size[0] - box[3]])
    assert (sides >= room - 2).all()
    assert np.sort(sides)[:2] == pytest.approx((room, room), abs=2.5)
    assert abs(sides[0] - sides[2]) <= 2 and abs(sides[1] - sides[3]) <= 2


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_it_is_scaled_around_its_middle_and_moved_by_shares_of_the_frame(scale: float) -> None:
    _, opacity = place_object(*scene(), Placing((120, 200), scale=scale, shift=(0.1, 0.05)))
    assert middle(opacity) == pytest.approx((60 + 6, 90 + 20), abs=1)
    assert opacity.sum() == pytest.approx(scale**2 * 4 * scene()[1].sum(), rel=0.05)


@pytest.mark.parametrize("scale", [0.4, 1.7, 3.0])
def test_the_rim_keeps_the_objects_colour(scale: float) -> None:
    placed, opacity = place_object(*scene(), Placing(scale=scale))
    assert ((opacity > 0.05) & (opacity < 0.95)).any()
    assert np.abs(placed[opacity > 0.05].astype(int) - (200, 30, 10)).max() <= 2


@pytest.mark.parametrize("shift", [(1, 0), (0, -1), (-1, 1), (0.45, 0.3)])
def test_what_leaves_the_frame_is_cut_there(shift: tuple[float, float]) -> None:
    whole = place_object(*scene(), Placing(scale=2))[1].sum()
    placed, opacity = place_object(*scene(), Placing(scale=2, shift=shift))
    assert placed.shape == (60, 100, 3) and opacity.shape == (60, 100)
    assert opacity.sum() < whole


def test_nothing_is_placed_as_nothing() -> None:
    placed, opacity = place_object(
        np.full((8, 9, 3), 7, np.uint8), np.zeros((8, 9), np.float32), Placing((20, 10), 0.1)
    )
    assert placed.shape == (20, 10, 3) and not placed.any() and not opacity.any()


def test_a_picture_is_pasted_where_it_fits_and_cut_where_it_does_not() -> None:
    image, alpha = np.full((4, 6, 3), 9, np.uint8), np.ones((4, 6), np.float32)
    _, opacity = pasted(image, alpha, (10, 10), (-1, 7))
    assert np.array_equal(np.argwhere(opacity), [[row, column] for row in range(3) for column in range(7, 10)])
    assert not pasted(image, alpha, (10, 10), (20, 0))[1].any()
