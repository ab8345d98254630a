import cv2
import numpy as np
import pytest

from backend.images.edge_preference import EdgePreferenceConfig, edge_strength, prefer_edges

CONFIG = EdgePreferenceConfig()


def disc(radius: int) -> np.ndarray:
    return cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), radius, 1, -1) > 0


def photo(radius: int = 50) -> np.ndarray:
    return np.where(disc(radius)[..., None], (200, 60, 40), (60, 90, 180)).astype(np.uint8)


def chosen(mask: np.ndarray, proposal: np.ndarray, image: np.ndarray) -> np.ndarray:
    return prefer_edges(mask, proposal, edge_strength(image), 8, 0.6, CONFIG)


def test_an_edge_is_strong_on_its_line_and_nothing_off_it():
    strength = edge_strength(photo())
    assert strength[100, 150] > 20 and strength[100, 100] < 1 and strength[5, 5] < 1


def test_a_proposal_on_the_edge_replaces_an_outline_off_it():
    assert np.array_equal(chosen(disc(56), disc(50), photo()), disc(50))


def test_an_outline_on_the_edge_is_never_given_up():
    assert np.array_equal(chosen(disc(50), disc(45), photo()), disc(50))


def test_a_like_coloured_ground_does_not_eat_the_object():
    flat = np.full((200, 200, 3), 128, np.uint8)
    assert np.array_equal(chosen(disc(50), disc(43), flat), disc(50))


def test_one_wrong_side_is_corrected_and_the_right_one_kept():
    half = np.arange(200)[None] >= 100
    mask = np.where(half, disc(56), disc(50))
    proposal = np.where(half, disc(50), disc(45))
    result = chosen(mask, proposal, photo())
    assert (result ^ disc(50)).sum() < 0.25 * (mask ^ disc(50)).sum()


def test_undisputed_pixels_never_change():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    result = chosen(disc(56), disc(50), noise)
    assert result[disc(50)].all() and not result[~disc(56)].any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 400)])
def test_the_smallest_pictures_pass(shape: tuple[int, int]):
    strength = edge_strength(np.zeros((*shape, 3), np.uint8))
    ones = np.ones(shape, bool)
    assert prefer_edges(ones, ~ones, strength, 8, 1.6, CONFIG).shape == shape


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="sizes differ"):
        prefer_edges(disc(50), disc(50)[1:], edge_strength(photo()), 8, 0.6, CONFIG)
