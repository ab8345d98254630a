import cv2
import numpy as np
import pytest

from backend.images.edge_preference import edge_strength
from backend.matte.refine.parts import PartsConfig, settle_parts

CONFIG = PartsConfig()
OBJECT, GROUND = (200, 60, 40), (90, 140, 190)


def disc(x: int, y: int, radius: int) -> np.ndarray:
    return cv2.circle(np.zeros((240, 240), np.uint8), (x, y), radius, 1, -1) > 0


def photo(truth: np.ndarray) -> np.ndarray:
    return np.where(truth[..., None], OBJECT, GROUND).astype(np.uint8)


def settled(image: np.ndarray, mask: np.ndarray, proposal: np.ndarray, searched: np.ndarray | None = None):
    everywhere = np.ones(mask.shape, bool) if searched is None else searched
    return settle_parts(image, mask, proposal, everywhere, edge_strength(image), 8, CONFIG)


def test_a_bite_that_the_image_does_not_show_is_given_back():
    truth = disc(120, 120, 70)
    bitten = truth & ~disc(185, 120, 30)
    result, counts = settled(photo(truth), bitten, truth)
    assert counts["parts_added"] == 1
    assert (result ^ truth).sum() < 0.02 * truth.sum()


def test_a_bite_that_the_image_shows_stays_bitten():
    bitten = disc(120, 120, 70) & ~disc(185, 120, 30)
    result, counts = settled(photo(bitten), bitten, disc(120, 120, 70))
    assert counts["parts_added"] == 0 and np.array_equal(result, bitten)


def test_a_neighbour_of_like_colour_behind_an_edge_is_not_added():
    truth, neighbour = disc(80, 120, 50), disc(165, 120, 30)
    image = photo(truth)
    image[neighbour & ~truth] = (225, 90, 60)
    _, counts = settled(image, truth, truth | neighbour)
    assert counts["parts_added"] == 0


def test_a_part_that_ends_only_where_the_search_ends_is_not_added():
    truth = disc(120, 120, 50)
    image = np.full((240, 240, 3), OBJECT, np.uint8)
    _, counts = settled(image, truth, disc(120, 120, 90), searched=disc(120, 120, 90))
    assert counts["parts_added"] == 0


def test_a_filled_ring_opens_again():
    ring = disc(120, 120, 80) & ~disc(120, 120, 40)
    result, counts = settled(photo(ring), disc(120, 120, 80), ring)
    assert counts["holes_opened"] == 1
    assert (result ^ ring).sum() < 0.02 * ring.sum()


def test_a_label_of_another_colour_than_the_ground_stays():
    image = photo(disc(120, 120, 80))
    image[disc(120, 120, 40)] = (240, 240, 235)
    proposal = disc(120, 120, 80) & ~disc(120, 120, 40)
    assert settled(image, disc(120, 120, 80), proposal)[1]["holes_opened"] == 0


def test_a_speck_is_neither_added_nor_opened():
    truth = disc(120, 120, 80)
    result, _ = settled(photo(truth), truth, truth ^ disc(120, 120, 2) ^ disc(30, 30, 2))
    assert np.array_equal(result, truth)


def test_sizes_that_differ_are_refused():
    truth = disc(120, 120, 80)
    with pytest.raises(ValueError, match="sizes differ"):
        settle_parts(photo(truth), truth, truth[1:], truth, edge_strength(photo(truth)), 8, CONFIG)


def test_a_line_drawing_is_not_emptied_of_its_paper():
    """Every field of it has the ground's colour, so that this colour says nothing about what is open."""
    mask = disc(120, 120, 80)
    image = np.full((240, 240, 3), GROUND, np.uint8)
    cv2.circle(image, (120, 120), 80, (30, 20, 20), 3)
    for x in (80, 120, 160):
        cv2.line(image, (x, 40), (x, 200), (30, 20, 20), 3)
    fields = disc(120, 120, 76) & (image == GROUND).all(axis=2)
    fields[:, :120] = False  # the proposal takes half of the fields for ground
    result, counts = settled(image, mask, mask & ~fields)
    assert counts["holes_opened"] == 0 and np.array_equal(result, mask)


def test_a_shadow_with_a_partly_sharp_edge_is_not_added():
    """Beside a striped object, whose own stripes are edges: a dark patch whose end fades out on one side."""
    truth = disc(90, 120, 55)
    shadow = np.zeros_like(truth)
    shadow[90:150, 130:190] = True
    shadow &= ~truth
    image = photo(truth)
    image[truth & (np.indices(truth.shape)[0] // 6 % 2 == 0)] = (150, 90, 80)
    fade = np.clip((105 - np.indices(truth.shape)[0]) / 15.0, 0, 1)[..., None]
    dark = np.array((160, 75, 60)) * (1 - fade) + np.array(GROUND) * fade
    image = np.where(shadow[..., None], dark, image).astype(np.uint8)
    assert settled(image, truth, truth | shadow)[1]["parts_added"] == 0
