"""A drawn shadow lies where the ground is, follows the outline, and is nothing where nothing is."""

import numpy as np
import pytest

from backend.images.shadow import ShadowConfig, shaded, shadow_of

KINDS = ["soft", "contact"]


def block(height: int = 200, width: int = 300) -> np.ndarray:
    alpha = np.zeros((height, width), np.float32)
    alpha[60:140, 100:180] = 1
    return alpha


def middle(shadow: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[: shadow.shape[0], : shadow.shape[1]]
    return float((rows * shadow).sum() / shadow.sum()), float((columns * shadow).sum() / shadow.sum())


def test_a_soft_shadow_is_the_outline_moved_down_and_to_the_right() -> None:
    config = ShadowConfig()
    row, column = middle(shadow_of(block(), "soft"))
    assert abs(row - (99.5 + config.shift[1] * 80)) < 1
    assert abs(column - (139.5 + config.shift[0] * 80)) < 1


def test_a_contact_shadow_lies_at_the_lowest_edge_and_is_flat() -> None:
    shadow = shadow_of(block(), "contact")
    row, column = middle(shadow)
    assert 130 < row < 145 and abs(column - 139.5) < 1
    rows = np.flatnonzero(shadow.max(1) > 0.05)
    assert rows[0] > 115 and rows[-1] < 155


@pytest.mark.parametrize("kind", KINDS)
def test_a_shadow_stays_in_its_range_and_ends(kind: str) -> None:
    shadow = shadow_of(block(), kind)
    assert shadow.shape == (200, 300) and shadow.dtype == np.float32
    assert shadow.min() >= 0 and 0.2 < shadow.max() <= 0.55 + 1e-6
    assert shadow[:20].max() < 1e-3 and shadow[:, -40:].max() < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_shadow_of_nothing_is_nothing(kind: str) -> None:
    assert not shadow_of(np.zeros((30, 40), np.float32), kind).any()


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_at_the_frame_and_a_large_one_have_a_shadow(kind: str) -> None:
    for alpha in (np.ones((50, 70), np.float32), np.pad(np.ones((1200, 900), np.float32), ((0, 0), (300, 0)))):
        assert shadow_of(alpha, kind).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_twice_as_large_has_the_same_shadow(kind: str) -> None:
    twice = np.kron(block(), np.ones((2, 2), np.float32))
    assert np.abs(shadow_of(twice, kind)[::2, ::2] - shadow_of(block(), kind)).mean() < 0.002


def test_the_ground_is_darkened_and_the_input_is_left_alone() -> None:
    ground, shadow = np.full((4, 5, 3), 200, np.uint8), np.full((4, 5), 0.25, np.float32)
    assert (shaded(ground, shadow) == 150).all()
    assert (ground == 200).all()
    assert (shaded(ground, 0 * shadow) == 200).all()
