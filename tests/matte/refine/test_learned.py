"""The learned refiner over a picture, with stand-ins for the network."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from backend.contract.trace import Trace
from backend.images.view import make_view
from backend.matte.refine.learned import LearnedConfig, finish_in_tiles, refine_whole
from backend.matte.refine.refine_matte import PRESETS, refine_matte

Floats = NDArray[np.float32]
CONFIG = LearnedConfig()


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


@pytest.mark.parametrize("size", [(48, 64), (50, 67), (33, 17)])
def test_a_working_copy_of_any_size_keeps_its_size(size: tuple[int, int]) -> None:
    image, alpha = scene(*size)
    view = make_view(image, alpha, (0, 0, size[1], size[0]), 1000)
    seen = []

    def network(batch: Floats) -> Floats:
        seen.append(batch.shape)
        return as_it_came(batch)

    assert np.array_equal(refine_whole(view, alpha, network), alpha)
    assert seen[0][2] % 16 == 0 and seen[0][3] % 16 == 0


def test_the_picture_and_the_coarse_alpha_go_in_as_shares() -> None:
    image, alpha = scene(32, 32)
    batches = []

    def network(batch: Floats) -> Floats:
        batches.append(batch)
        return as_it_came(batch)

    refine_whole(make_view(image, alpha, (0, 0, 32, 32), 1000), alpha, network)
    assert np.allclose(batches[0][0, :3], image.transpose(2, 0, 1) / 255, atol=1e-6)
    assert np.array_equal(batches[0][0, 3], alpha)


def test_tiles_leave_no_seam_where_the_network_changes_nothing() -> None:
    image, alpha = scene(900, 700)
    view = make_view(image, alpha, (0, 0, 700, 900), 300)
    finished = finish_in_tiles(image, view, view.saliency, as_it_came, CONFIG)
    expected = cv2.resize(view.saliency, (700, 900), interpolation=cv2.INTER_LINEAR)
    assert np.abs(finished - np.clip(expected, 0, 1)).max() < 1e-6


def test_the_edge_is_that_of_the_full_picture_and_sure_tiles_are_not_asked() -> None:
    image, alpha = scene(900, 900)
    view = make_view(image, alpha, (0, 0, 900, 900), 300)
    asked = []

    def network(batch: Floats) -> Floats:
        asked.append(len(batch))
        return bright_is_object(batch)

    finished = finish_in_tiles(image, view, view.saliency, network, CONFIG)
    assert np.array_equal(finished > 0.5, image.mean(axis=2) > 127.5)
    assert 0 < sum(asked) < 25


def test_a_long_edge_is_finished_at_a_smaller_scale() -> None:
    image, alpha = scene(900, 900)
    view = make_view(image, alpha, (0, 0, 900, 900), 200)
    looked = []

    def network(batch: Floats) -> Floats:
        looked.append(batch.shape[0] * batch.shape[2] * batch.shape[3])
        return as_it_came(batch)

    finished = finish_in_tiles(image, view, view.saliency, network, LearnedConfig(budget_px=600_000))
    assert finished.shape == (900, 900)
    assert sum(looked) <= 600_000


def test_parts_that_were_dropped_do_not_come_back() -> None:
    image = np.full((300, 400, 3), 200, np.uint8)
    saliency = np.zeros((300, 400), np.float32)
    saliency[60:240, 40:200] = 1
    saliency[140:144, 390:394] = 1
    trace = Trace()
    matte = refine_matte(image, saliency, PRESETS["balanced"], trace, bright_is_object)
    assert matte.dropped and not matte.alpha[120:160, 380:].any()
    assert matte.facts["refiner"] == "learned"


def test_outside_the_view_there_is_nothing() -> None:
    image, alpha = scene(300, 300)
    large = np.zeros((1200, 1500), np.float32)
    large[100:400, 200:500] = alpha
    picture = np.full((1200, 1500, 3), 255, np.uint8)
    picture[100:400, 200:500] = image
    matte = refine_matte(picture, large, PRESETS["balanced"], Trace(), bright_is_object)
    assert not matte.alpha[700:].any() and not matte.alpha[:, 900:].any()


def test_an_empty_saliency_asks_nothing_of_the_network() -> None:
    def never(batch: Floats) -> Floats:
        raise AssertionError

    image, alpha = scene(64, 64)
    assert not refine_matte(image, alpha * 0, PRESETS["balanced"], Trace(), never).alpha.any()
