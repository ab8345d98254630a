"""The border's colour, from 80 samples."""

import numpy as np
import pytest

from backend.contract.report import BorderReport
from backend.matte.documents.looks_like_ink import border_report
from backend.matte.documents.perimeter import measure_perimeter


def test_eighty_samples_are_taken_twenty_a_side() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[:6] = 200
    around = measure_perimeter(image)
    assert around.samples.shape == (80, 3)
    assert (around.samples[:20] == 200).all()  # the upper side's
    assert 20 <= (around.samples.mean(axis=1) > 100).sum() <= 24  # and the upper ends of two others


def test_a_plain_border_is_uniform_with_any_picture_inside() -> None:
    image = np.full((120, 160, 3), (200, 180, 90), np.uint8)
    image[20:100, 20:140] = np.random.default_rng(0).integers(0, 256, (80, 120, 3))
    assert border_report(image, 25) == BorderReport(uniform=True, ink=False, color="#c8b45a", deviation=0.0)


def test_a_border_of_two_colours_is_not_uniform() -> None:
    image = np.full((120, 160, 3), 230, np.uint8)
    image[60:] = 60
    around = measure_perimeter(image)
    assert around.deviation > 100
    assert not border_report(image, 25).uniform


def test_the_deviation_grows_with_the_contrast_and_noise_hardly_counts() -> None:
    rng = np.random.default_rng(0)
    plain = np.full((300, 300, 3), 128.0)
    noisy = np.clip(plain + rng.normal(0, 10, plain.shape), 0, 255).astype(np.uint8)
    assert measure_perimeter(noisy).deviation < 6
    deviations = []
    for step in (10, 30, 90):
        halves = plain.copy()
        halves[:, 150:] += step
        deviations.append(measure_perimeter(halves.astype(np.uint8)).deviation)
    assert deviations == sorted(deviations)
    assert deviations[0] > 4


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 4)])
def test_the_smallest_picture_has_a_border(size: tuple[int, int]) -> None:
    around = measure_perimeter(np.full((*size, 3), 7, np.uint8))
    assert around.color == (7, 7, 7)
    assert around.deviation == 0
