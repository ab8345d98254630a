"""The learned refiner over a picture, with stand-ins for the network."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from backend.contract.trace import Trace
from backend.matte.refine import learned
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


FINER = LearnedConfig(weight=1.0, unsure=0.0, side_px=100, finer_side_px=200)


def asked(image: NDArray[np.uint8], guess: Floats, config: LearnedConfig) -> tuple[Floats, list[tuple[int, ...]]]:
    """Return the refined guess and the sizes that the network was shown."""
    sizes = []

    def network(batch: Floats) -> Floats:
        sizes.append(batch.shape[2:])
        return bright_is_object(batch)

    return refine_saliency(image, guess, network, config), sizes


def test_a_second_pass_finds_the_outline_of_a_large_picture_more_closely() -> None:
    image, alpha = scene(400, 400)
    guess = cv2.GaussianBlur(alpha, (0, 0), 12)
    (once, _), (twice, sizes) = asked(image, guess, replace(FINER, finer_side_px=0)), asked(image, guess, FINER)
    wrong = [np.count_nonzero((refined >= 0.5) != (alpha >= 0.5)) for refined in (once, twice)]
    assert wrong[1] < wrong[0] and len(sizes) == 2


def test_a_picture_that_the_first_pass_saw_whole_gets_no_second() -> None:
    image, alpha = scene(96, 96)
    assert len(asked(image, alpha, FINER)[1]) == 1


def test_away_from_the_outline_the_second_pass_changes_nothing() -> None:
    image, alpha = scene(400, 400)
    image[190:210, 190:210] = 0  # a dark spot in the middle of the disc

    def fine_sees_the_spot(batch: Floats) -> Floats:
        return bright_is_object(batch) if max(batch.shape[2:]) > 112 else batch[:, 3]

    refined = refine_saliency(image, alpha, fine_sees_the_spot, FINER)
    assert np.array_equal(refined[150:250, 150:250], alpha[150:250, 150:250])


def test_the_second_pass_sees_its_outline_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha = scene(400, 400)
    guess = cv2.GaussianBlur(alpha, (0, 0), 12)
    whole, _ = asked(image, guess, FINER)
    monkeypatch.setattr(learned, "TILE_PX", 40)
    monkeypatch.setattr(learned, "TILE_MARGIN_PX", 8)
    tiled, sizes = asked(image, guess, FINER)
    assert np.array_equal(whole, tiled)
    assert max(max(size) for size in sizes[1:]) <= 64 and len(sizes) < 1 + 25  # tiles without an outline are left out


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
