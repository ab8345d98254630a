import numpy as np
import pytest

from backend.images.view import box_around, make_view, sample_map


def ramp(height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.arange(width, dtype=np.float32) / width, (height, width)).copy()


def test_a_small_box_is_looked_at_as_it_is():
    saliency = ramp(60, 80)
    view = make_view(np.zeros((60, 80, 3), np.uint8), saliency, (10, 5, 50, 45), 512)
    assert view.scale == 1 and np.array_equal(view.saliency, saliency[5:45, 10:50])


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (700, 900), (1, 1)])
def test_a_view_is_bounded_and_never_empty(shape: tuple[int, int]):
    view = make_view(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32), (0, 0, shape[1], shape[0]), 512)
    assert min(view.size) >= 1 and max(view.size) <= 512


def test_a_map_read_back_at_full_size_is_the_ramp_that_it_was_made_of():
    wide = ramp(400, 1600)
    view = make_view(np.zeros((400, 1600, 3), np.uint8), wide, (0, 0, 1600, 400), 200)
    tile = (300, 100, 500, 200)
    back = sample_map(view.saliency, view.box, tile, (100, 200))
    assert np.abs(back - wide[100:200, 300:500]).max() < 2e-3


def test_the_box_holds_the_mask_with_its_room_and_stays_in_the_frame():
    mask = np.zeros((50, 100), bool)
    mask[10:20, 30:50] = True
    assert box_around(mask, (0, 0, 200, 100), 0.0, 0) == (60, 20, 100, 40)
    assert box_around(mask, (0, 0, 200, 100), 0.5, 1) == (39, 0, 121, 61)
    assert box_around(np.zeros((50, 100), bool), (0, 0, 200, 100), 0.5, 1) == (0, 0, 200, 100)
