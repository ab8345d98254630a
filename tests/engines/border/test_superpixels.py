"""Patches cover the picture, keep colours apart and know their neighbours."""

import numpy as np

from backend.engines.border.superpixels import split_superpixels


def two_halves() -> np.ndarray:
    lab = np.full((60, 80, 3), (70.0, 0.0, 0.0), np.float32)
    lab[:, 40:] = (30.0, 20.0, 10.0)
    return lab


def test_areas_and_frame_lengths_add_up_to_the_picture() -> None:
    patches = split_superpixels(two_halves(), 50)
    assert patches.areas.sum() == 60 * 80
    assert patches.frame_lengths.sum() == 2 * 60 + 2 * 80
    assert patches.labels.max() + 1 == len(patches.areas)


def test_no_patch_mixes_two_plain_colours() -> None:
    patches = split_superpixels(two_halves(), 50)
    left = np.unique(patches.labels[:, :38])
    right = np.unique(patches.labels[:, 42:])
    assert not set(left) & set(right)
    np.testing.assert_allclose(patches.colors[left], [[70, 0, 0]] * len(left), atol=8)


def test_neighbours_are_those_that_touch() -> None:
    patches = split_superpixels(two_halves(), 50)
    a, b = int(patches.labels[10, 10]), int(patches.labels[50, 70])
    linked = {tuple(pair) for pair in patches.pairs.tolist()}
    across = {
        tuple(sorted(p)) for p in zip(patches.labels[:, 39].tolist(), patches.labels[:, 40].tolist(), strict=True)
    }
    assert (min(a, b), max(a, b)) not in linked
    assert {pair for pair in across if pair[0] != pair[1]} <= linked
    assert all(first < second for first, second in linked)
