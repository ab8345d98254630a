"""Framing keeps the whole object, centres it, and gives TripoSR the picture it was trained on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter, minimum_filter

from backend.contract.errors import NoSubjectError
from backend.contract.settings import REPOSITORY
from backend.mesh import framing
from backend.mesh.framing import frame_object, object_box, on_grey

GOLDEN = REPOSITORY / "tests" / "golden"


def soft_ellipse():
    """The picture and alpha (an 8-bit one) that the golden framing was made from: a tilted ellipse with a soft edge."""
    rows, columns = np.mgrid[0:220, 0:300].astype(np.float64)
    across = 0.9 * (columns - 190) + 0.3 * (rows - 100)
    along = 0.8 * (rows - 100) - 0.25 * (columns - 190)
    alpha = np.clip(20 * (1 - np.hypot(across / 70, along / 45)), 0, 1)
    ramps = columns / 299, rows / 219, 0.5 + 0.5 * np.sin(columns / 9)
    image = np.stack([np.where(alpha > 0, ramp, 0.0) for ramp in ramps], axis=-1)
    return np.rint(image * 255).astype(np.uint8), (np.rint(alpha * 255) / 255).astype(np.float32)


def scene(height, width, box, value=1.0):
    image = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.float32)
    alpha[box[1] : box[3], box[0] : box[2]] = value
    return image, alpha


def test_the_picture_for_triposr_agrees_with_the_published_one():
    golden = np.load(GOLDEN / "framing.npz")["model_input_512"].astype(np.float32)
    ours = on_grey(frame_object(*soft_ellipse()), 512)
    assert ours.shape == (512, 512, 3) and ours.dtype == np.float32
    assert np.abs(ours - golden).mean() < 0.01
    low, high = (pick(ours, size=(7, 7, 1)) for pick in (minimum_filter, maximum_filter))
    assert (golden >= low - 2 / 255).all() and (golden <= high + 2 / 255).all()


def test_the_last_row_and_column_are_kept():
    image, alpha = scene(40, 60, (10, 5, 31, 26))
    framed = frame_object(image, alpha)
    assert framed.alpha.sum() == alpha.sum()
    assert framed.box == (10, 5, 31, 26)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.5, 0.85, 1.0]))
def test_the_padding_is_the_one_the_training_pictures_had(height, width, ratio):
    image, alpha = scene(64, 64, (3, 2, 3 + width, 2 + height))
    framed = frame_object(image, alpha, ratio)
    square = max(height, width)
    side = int(square / ratio)
    top = (side - square) // 2 + (square - height) // 2
    left = (side - square) // 2 + (square - width) // 2
    assert framed.alpha.shape == (side, side) and framed.corner == (top, left)
    inside = framed.alpha[top : top + height, left : left + width]
    assert (inside == 1).all() and framed.alpha.sum() == inside.sum()
    assert (framed.image[top : top + height, left : left + width] == image[2 : 2 + height, 3 : 3 + width]).all()


def test_a_second_map_of_the_photo_lands_on_the_same_pixels():
    image, alpha = scene(50, 80, (20, 10, 41, 33))
    framed = frame_object(image, alpha)
    assert (framed.place(image[..., 1].astype(np.float32)) == framed.image[..., 1]).all()
    with pytest.raises(ValueError, match="does not hold the box"):
        framed.place(np.zeros((20, 20), np.float32))


def test_sides_where_the_object_runs_into_the_photos_frame_are_named():
    assert frame_object(*scene(40, 40, (0, 5, 20, 40))).cut == (True, False, False, True)
    assert frame_object(*scene(40, 40, (5, 5, 20, 20))).cut == (False, False, False, False)


def test_a_haze_that_a_png_would_store_as_zero_does_not_widen_the_box():
    _, alpha = scene(40, 40, (10, 10, 20, 20))
    assert object_box(np.maximum(alpha, np.float32(0.001))) == (10, 10, 20, 20)
    assert object_box(np.maximum(alpha, np.float32(0.004))) == (0, 0, 40, 40)


def test_an_empty_matte_has_no_subject():
    image, alpha = scene(10, 10, (0, 0, 0, 0))
    with pytest.raises(NoSubjectError):
        frame_object(image, alpha)


def test_one_pixel_is_an_object():
    framed = frame_object(*scene(9, 9, (4, 4, 5, 5)))
    assert framed.alpha.shape == (1, 1) and framed.alpha[0, 0] == 1


def test_a_strip_is_shrunk_rather_than_padded_to_gigabytes(monkeypatch):
    monkeypatch.setattr(framing, "MAX_SIDE_PX", 200)
    image, alpha = scene(6, 1000, (0, 0, 1000, 6))
    framed = frame_object(image, alpha)
    assert len(framed.alpha) <= 200 and framed.scale == pytest.approx(0.17)
    assert framed.place(alpha).shape == framed.alpha.shape
    assert framed.alpha.sum() == pytest.approx(170, abs=1)


def test_colours_under_transparency_do_not_show_on_grey():
    image, alpha = scene(60, 60, (20, 20, 40, 40))
    loud = image.copy()
    loud[alpha == 0] = (255, 0, 255)
    assert (on_grey(frame_object(image, alpha), 64) == on_grey(frame_object(loud, alpha), 64)).all()


@pytest.mark.parametrize(
    ("image", "alpha", "ratio"),
    [
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 5), np.float32), 0.85),
        (np.zeros((4, 4, 3), np.float32), np.ones((4, 4), np.float32), 0.85),
        (np.zeros((4, 4, 3), np.uint8), np.full((4, 4), np.nan, np.float32), 0.85),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32), 0.0),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32), 1.5),
    ],
)
def test_arrays_that_are_not_a_photo_and_its_matte_are_refused(image, alpha, ratio):
    with pytest.raises(ValueError):
        frame_object(image, alpha, ratio)


def mass_center(alpha):
    rows, columns = np.indices(alpha.shape) + 0.5
    return np.array([(rows * alpha).sum(), (columns * alpha).sum()]) / alpha.sum()


def test_smart_padding_leaves_a_square_object_as_published():
    image, alpha = scene(60, 60, (10, 12, 44, 46))
    plain, smart = frame_object(image, alpha), frame_object(image, alpha, smart=True)
    assert plain.corner == smart.corner
    assert (plain.alpha == smart.alpha).all() and (plain.image == smart.image).all()


def test_smart_padding_brings_the_centre_of_mass_nearer_to_the_middle_and_keeps_a_margin():
    image, alpha = scene(120, 120, (10, 10, 110, 110))
    alpha[10:90, 30:110] = 0  # an L: heavy at the bottom left
    plain, smart = frame_object(image, alpha), frame_object(image, alpha, smart=True)
    off = [np.abs(mass_center(framed.alpha) - len(framed.alpha) / 2) for framed in (plain, smart)]
    assert (off[1] < off[0] - 2).all()
    assert smart.alpha.sum() == plain.alpha.sum()
    x0, y0, x1, y1 = object_box(smart.alpha)
    assert min(x0, y0, len(smart.alpha) - x1, len(smart.alpha) - y1) >= (len(smart.alpha) - 100) // 4
    assert (smart.place(alpha) == smart.alpha).all()


def test_smart_padding_lets_a_long_object_fill_more():
    image, alpha = scene(200, 200, (20, 90, 180, 110))
    plain, smart = frame_object(image, alpha), frame_object(image, alpha, smart=True)
    assert 160 / len(plain.alpha) == pytest.approx(0.85, abs=0.01)
    assert 160 / len(smart.alpha) == pytest.approx(0.925, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.5, 0.85, 1.0]))
def test_smart_padding_keeps_every_object_whole(height, width, ratio):
    image, alpha = scene(64, 64, (3, 2, 3 + width, 2 + height))
    framed = frame_object(image, alpha, ratio, smart=True)
    assert framed.alpha.sum() == alpha.sum()
