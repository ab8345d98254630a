"""The measures: laws, slow forms, and the published implementation where it is installed."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.folders.datasets.measures import (
    LEVELS,
    boundary_f,
    e_curve,
    f_curve,
    foreground_kept,
    iou,
    mean_absolute_error,
    s_measure,
)


def scene(seed: int, height: int = 60, width: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """An alpha whose values are whole levels of 255, from 0 to 1, and a truth that it is near to."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((height, width), np.uint8)
    cv2.ellipse(truth, (int(rng.integers(20, 60)), int(rng.integers(20, 40))), (22, 14), 20, 0, 360, 255, -1)
    noise = cv2.GaussianBlur(rng.normal(0, 400, truth.shape), (0, 0), 4)
    soft = cv2.GaussianBlur(truth.astype(np.float64), (0, 0), 1 + seed % 4) + noise
    levels = np.rint(255 * (soft - soft.min()) / (soft.max() - soft.min()))
    return (levels / 255).astype(np.float32), truth > 0


MEASURES = {
    "iou": lambda found, truth: iou(found >= 0.5, truth),
    "max F": lambda found, truth: f_curve(found, truth).max(),
    "S": s_measure,
    "E": lambda found, truth: e_curve(found, truth)[1:].mean(),
    "boundary F": lambda found, truth: boundary_f(found >= 0.5, truth),
    "kept": lambda found, truth: foreground_kept(found, truth.astype(np.float32)),
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("seed", range(4))
def test_the_truth_itself_has_the_best_score(name: str, seed: int) -> None:
    truth = scene(seed)[1]
    assert MEASURES[name](truth.astype(np.float32), truth) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", ["iou", "max F", "S", "E", "boundary F"])
def test_a_shifted_mask_scores_the_less_the_further_it_is(name: str) -> None:
    truth = scene(1)[1]
    scores = [MEASURES[name](np.roll(truth, shift, axis=1).astype(np.float32), truth) for shift in (0, 3, 6, 12)]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[-1] + 0.1


@pytest.mark.parametrize("name", MEASURES)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_scores_lie_between_0_and_1_and_do_not_care_for_a_mirror(name: str, seed: int) -> None:
    found, truth = scene(seed)
    value = MEASURES[name](found, truth)
    assert 0 <= value <= 1.001
    if name != "S":  # its quarters are cut through the centre's own row and column, which then lie on one side
        mirrored = MEASURES[name](np.ascontiguousarray(found[:, ::-1]), np.ascontiguousarray(truth[:, ::-1]))
        assert mirrored == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_f_at_each_level_equals_cutting_there_and_counting(seed: int) -> None:
    found, truth = scene(seed)
    slow = []
    for level in range(LEVELS):
        cut = np.rint(found * 255) >= level
        right = np.count_nonzero(cut & truth)
        precision, recall = right / max(np.count_nonzero(cut), 1), right / np.count_nonzero(truth)
        slow.append(1.3 * precision * recall / (0.3 * precision + recall) if right else 0.0)
    assert np.allclose(f_curve(found, truth), slow)


@pytest.mark.parametrize("seed", range(3))
def test_e_at_each_level_equals_the_sum_over_all_pixels(seed: int) -> None:
    found, truth = scene(seed)
    slow = []
    for level in range(LEVELS):
        cut = (np.rint(found * 255) >= level).astype(np.float64)
        one, other = cut - cut.mean(), truth - truth.mean()
        aligned = 2 * one * other / (one**2 + other**2)
        slow.append(((1 + aligned) ** 2 / 4).sum() / (truth.size - 1))
    assert np.allclose(e_curve(found, truth), slow)


def test_a_picture_without_object_is_right_when_nothing_is_found() -> None:
    nothing, truth = np.zeros((9, 9), np.float32), np.zeros((9, 9), bool)
    something = nothing.copy()
    something[2:4] = 1
    assert iou(nothing > 0, truth) == s_measure(nothing, truth) == f_curve(nothing, truth).max() == 1
    assert s_measure(something, truth) < 1 and iou(something > 0, truth) == 0
    assert foreground_kept(nothing, truth.astype(np.float32)) == 1


def test_an_object_that_fills_the_picture_is_measured_too() -> None:
    truth = np.ones((8, 8), bool)
    assert s_measure(np.full((8, 8), 0.25, np.float32), truth) == 0.25
    assert e_curve(np.ones((8, 8), np.float32), truth)[200] == pytest.approx(1, abs=0.02)


def test_an_object_of_one_pixel_in_any_corner_has_a_score() -> None:
    for row, column in ((0, 0), (0, 6), (4, 0), (4, 6)):
        truth = np.zeros((5, 7), bool)
        truth[row, column] = True
        assert s_measure(truth.astype(np.float32), truth) == pytest.approx(1, abs=0.26)  # of one pixel, no spread
        assert np.isfinite(e_curve(truth.astype(np.float32), truth)).all()


def test_the_published_implementation_gives_the_same_figures() -> None:
    published = pytest.importorskip(
        "py_sod_metrics",
        reason="pysodmetrics is not installed; its wheels pin an older numpy (see docs/datasets.md)",
        exc_type=ImportError,
    )
    for seed in range(12):
        found, truth = scene(seed)
        sent = {"pred": np.rint(found * 255).astype(np.uint8), "gt": truth.astype(np.uint8) * 255}
        judges = published.Smeasure(), published.Emeasure(), published.Fmeasure(beta=0.3), published.MAE()
        for judge in judges:
            judge.step(**sent)
        structure, alignment, overlap, error = (judge.get_results() for judge in judges)
        assert s_measure(found, truth) == pytest.approx(structure["sm"], abs=1e-6)
        assert np.allclose(np.sort(e_curve(found, truth)), np.sort(alignment["em"]["curve"]), atol=1e-6)
        assert np.allclose(np.sort(f_curve(found, truth)), np.sort(overlap["fm"]["curve"]), atol=1e-6)
        assert mean_absolute_error(found, truth.astype(np.float32)) == pytest.approx(error["mae"], abs=1e-6)
