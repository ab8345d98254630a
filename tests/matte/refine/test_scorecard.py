import json

import cv2
import numpy as np
import pytest

from backend.matte.refine.scorecard import score_matte


def disc(x: int = 200, y: int = 150, radius: int = 80, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    return cv2.circle(np.zeros(shape, np.float32), (x, y), radius, 1.0, -1)


def test_a_clean_centred_disc_gets_an_a_and_no_advice():
    card = score_matte(disc())
    assert card.grade == "A" and card.advice == () and card.parts == 1 and card.holes == 0 and card.touches == ()
    assert card.coverage == pytest.approx(np.pi * 80**2 / 120_000, rel=0.02)
    assert card.box_efficiency == pytest.approx(np.pi / 4, rel=0.02)
    assert card.offset_percent < 1 and card.edge_sharpness == 1.0 and card.confidence_mean == 1.0


def test_an_object_cut_by_the_left_edge_gets_advice():
    card = score_matte(disc(x=20))
    assert card.touches == ("left",)
    assert any("left edge" in sentence for sentence in card.advice)


def test_two_objects_get_the_advice_to_pass_a_mask():
    card = score_matte(np.maximum(disc(100, 150, 60), disc(300, 150, 60)))
    assert card.parts == 2 and "Two separate objects: pass a mask for one." in card.advice


def test_a_ring_has_one_hole():
    assert score_matte(disc() - disc(radius=30)).holes == 1


def test_the_offset_is_in_the_photos_own_pixels():
    card = score_matte(disc(2600, 1500, 400, (3000, 4000)))
    assert card.offset_px == pytest.approx((600.5, 0.5), abs=2)
    assert card.offset_percent == pytest.approx(100 * 600 / 2500, abs=0.5)


def test_blur_lowers_the_sharpness_and_raises_the_soft_share():
    shares = []
    sharpness = []
    for sigma in (1, 3, 9):
        card = score_matte(cv2.GaussianBlur(disc(), (0, 0), sigma))
        shares.append(card.soft_edge_share)
        sharpness.append(card.edge_sharpness)
    assert shares == sorted(shares) and sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 2 * sharpness[2]


def test_coverage_outside_the_limits_is_a_warning_not_an_error():
    assert any("move closer" in sentence for sentence in score_matte(disc(radius=10)).advice)
    assert any("background" in sentence for sentence in score_matte(np.ones((50, 50), np.float32)).advice)


def test_an_empty_matte_is_graded_e():
    card = score_matte(np.zeros((40, 40), np.float32))
    assert not card.found and card.grade == "E" and len(card.advice) == 1


def test_an_uncertain_matte_is_graded_worse():
    assert score_matte(disc() * np.float32(0.65)).points < score_matte(disc()).points - 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (5000, 3)])
def test_any_size_is_scored_and_fits_into_a_report(shape: tuple[int, int]):
    for value in (0.0, 0.4, 1.0):
        card = score_matte(np.full(shape, value, np.float32))
        assert 0 <= card.points <= 100
        assert json.loads(json.dumps(card.model_dump()))["grade"] == card.grade


def test_a_segmenters_doubts_lead_the_advice_and_allow_no_more_than_a_c():
    card = score_matte(disc(), doubts=("The background is cluttered.",))
    assert card.grade == "C" and card.advice == ("The background is cluttered.",) and card.doubted
    assert not score_matte(disc()).doubted
    worse = score_matte(np.ones((50, 50), np.float32), doubts=("The background is cluttered.",))
    assert worse.points == score_matte(np.ones((50, 50), np.float32)).points
    assert score_matte(np.zeros((9, 9), np.float32), doubts=("Nothing stands out.",)).advice[0] == "Nothing stands out."
