import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.images.trimap import TrimapConfig, make_trimap, make_wide_trimap


def disc(radius: int = 40) -> np.ndarray:
    return cv2.circle(np.zeros((160, 160), np.uint8), (80, 80), radius, 1, -1) > 0


@given(st.integers(1, 15))
def test_growing_the_band_never_shrinks_the_unknown_region(band: int):
    narrow, wide = make_trimap(disc(), band) == 128, make_trimap(disc(), band + 1) == 128
    assert (wide | narrow).sum() == wide.sum() > narrow.sum()


def test_the_band_is_as_wide_as_asked_on_both_sides():
    row = make_trimap(disc(40), 8)[80]
    assert row[80] == 255 and row[0] == 0
    assert np.flatnonzero(row == 128)[[0, -1]].tolist() == [32, 128]


def test_an_object_cut_by_the_frame_is_sure_up_to_the_frame():
    mask = np.zeros((60, 60), bool)
    mask[20:, :] = True
    assert (make_trimap(mask, 5)[-1] == 255).all()


def test_beside_a_stretch_without_an_edge_the_outside_is_in_doubt_and_elsewhere_not():
    strength = np.full((160, 160), 20, np.float32)
    strength[:, 100:] = 0  # the image shows no edge on the right
    wide = make_wide_trimap(disc(), strength, TrimapConfig())
    assert wide[80, 126] == 128 and wide[80, 30] == 0
    assert wide[80, 80] == 128  # and the inside may open


def test_with_edges_all_around_nothing_outside_is_in_doubt():
    wide = make_wide_trimap(disc(), np.full((160, 160), 20, np.float32), TrimapConfig())
    assert (wide[~disc()] == 0).all()


@pytest.mark.parametrize("value", [False, True])
def test_empty_and_full_masks_pass(value: bool):
    mask = np.full((1, 7), value)
    assert make_trimap(mask, 3).shape == (1, 7)
    assert make_wide_trimap(mask, np.zeros((1, 7), np.float32), TrimapConfig()).shape == (1, 7)
