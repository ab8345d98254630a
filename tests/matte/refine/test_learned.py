"""The learned refiner over a picture, with stand-ins for the network."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from backend.contract.trace import Trace
from backend.matte.refine.learned import LearnedConfig, refine_saliency
from backend.matte.refine.refine_matte import PRESETS, refine_matte

Floats = NDArray[np.float32]
WHOLE = LearnedConfig(weight=1.0, unsure=0.0)


def as_it_came(batch: Floats) -> Floats:
    return batch[:, 3]


def bright_is_object(batch: Floats) -> Floats:
    return (batch[:, :3].mean(axis=1) > 0.5).astype(np.float32)


def scene(height: int, width: int) -> tuple[NDArray[np.uint8], Floats]:
    """A bright disc before a dark ground, and its alpha."""
    alpha = np.zeros((height * 2, width * 2), np.uint8)
    cv2.circle(alpha, (width, height), round(0.7 * min(height, width)), 255, -1)
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    image = np.rint(40 + 160 * alpha)[..., None].repeat(3, axis=2).astype(np.uint8)
    return image, alpha.astype(np.float32)


@pytest.mark.parametrize("size", [(48, 64), (50, 67), (33, 17), (900, 1300), (1, 40)])
def test_where_the_network_changes_nothing_the_guess_keeps_its_values(size: tuple[int, int]) -> None:
    image, alpha = scene(*size)
    sides = []

    def network(batch: Floats) -> Floats:
        sides.extend(batch.shape[2:])
        return as_it_came(batch)

    assert np.array_equal(refine_saliency(image, alpha, network, WHOLE), alpha)
    assert all(side % 16 == 0 for side in sides)


def test_picture_and_guess_go_in_as_shares() -> None:
    image, alpha = scene(64, 64)
    batches = []

    def network(batch: Floats) -> Floats:
        batches.append(batch.copy())
        return as_it_came(batch)

    refine_saliency(image, alpha, network, WHOLE)
    assert np.allclose(batches[0][0, :3], image.transpose(2, 0, 1) / 255, atol=1e-6)
    assert np.array_equal(batches[0][0, 3], alpha)


def test_the_weight_mixes_both_answers() -> None:
    image, _ = scene(64, 64)
    guess = np.full((64, 64), 0.3, np.float32)
    disc = image[..., 0] > 127
    outcomes = [
        refine_saliency(image, guess, bright_is_object, LearnedConfig(weight=w))[disc].mean() for w in (0, 0.3, 1)
    ]
    assert outcomes[0] == pytest.approx(0.3) and outcomes[0] < outcomes[1] < outcomes[2]


@pytest.mark.parametrize("size", [(64, 96), (50, 67)])
def test_a_network_that_knows_no_left_and_right_answers_alike_with_and_without_the_mirror(
    size: tuple[int, int],
) -> None:
    image, alpha = scene(*size)
    looked = []

    def network(batch: Floats) -> Floats:
        looked.append(batch)
        return bright_is_object(batch)

    once, twice = (
        refine_saliency(image, alpha, network, LearnedConfig(weight=1.0, unsure=0.0, mirrored=mirrored))
        for mirrored in (False, True)
    )
    assert np.array_equal(once, twice) and len(looked) == 3
    width = size[1]
    assert np.array_equal(looked[2][..., : size[0], :width], looked[1][..., : size[0], width - 1 :: -1])


def test_of_two_looks_that_differ_the_mean_counts() -> None:
    image, alpha = scene(64, 64)
    guess = np.full_like(alpha, 0.5)

    def left_is_object(batch: Floats) -> Floats:
        answer = np.full_like(batch[:, 3], 0.1)
        answer[..., :32] = 0.9
        return answer

    config = LearnedConfig(weight=1.0, unsure=0.0, mirrored=True)
    assert np.allclose(refine_saliency(image, guess, left_is_object, config), 0.5)


def test_the_surer_the_guess_the_less_the_network_moves() -> None:
    image, alpha = scene(64, 64)
    config = LearnedConfig()
    moved = []
    for doubt in (0.0, 0.02, 0.1, 0.4):
        guess = doubt + (1 - 2 * doubt) * (alpha > 0.5).astype(np.float32)
        before = np.log((1 - doubt) / max(doubt, 0.002))
        after = refine_saliency(image, guess, lambda batch: np.full_like(batch[:, 3], 0.5), config)
        moved.append(1 - np.log(after[32, 32] / (1 - after[32, 32])) / before if doubt else 1 - after[32, 32])
    assert moved[0] == 0 and 0 < moved[1] < moved[2] < moved[3]


def test_a_guess_finer_than_the_working_copy_keeps_its_detail() -> None:
    image, alpha = scene(400, 400)
    alpha[::2, 200] = 0.5  # a comb that a smaller copy cannot show
    refined = refine_saliency(image, alpha, bright_is_object, LearnedConfig(side_px=100))
    assert np.abs(np.diff(refined[150:250, 200])).min() > 0.2


def test_an_empty_guess_asks_nothing_of_the_network() -> None:
    def never(batch: Floats) -> Floats:
        raise AssertionError

    image, alpha = scene(64, 64)
    assert not refine_saliency(image, alpha * 0, never, WHOLE).any()


def test_outside_the_objects_surroundings_nothing_changes() -> None:
    image, alpha = scene(300, 300)
    large, picture = np.zeros((1200, 1500), np.float32), np.full((1200, 1500, 3), 255, np.uint8)
    large[100:400, 200:500], picture[100:400, 200:500] = alpha, image
    refined = refine_saliency(picture, large, bright_is_object, WHOLE)
    assert not refined[700:].any() and not refined[:, 900:].any()


def test_the_report_says_what_found_the_outline() -> None:
    image, alpha = scene(64, 64)
    matte = refine_matte(image, alpha, PRESETS["balanced"], Trace(), as_it_came)
    assert matte.facts["refiner"] == "learned"
    assert refine_matte(image, alpha, PRESETS["fast"], Trace(), as_it_came).facts["refiner"] == "none"
