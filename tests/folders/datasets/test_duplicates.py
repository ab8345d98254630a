"""Groups of alike pictures: the fast comparison against a slow one, and what counts as alike."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.folders.datasets import duplicates
from backend.folders.datasets.duplicates import identical_groups, near_groups
from backend.folders.datasets.look import Look, describe_look
from backend.folders.datasets.thresholds import Thresholds
from tests.helpers.drawn import toy


def groups_of(looks: list[Look]) -> list[list[int]]:
    hashes = np.array([look.shape_hash for look in looks], np.uint64)
    signatures = np.array([np.frombuffer(look.signature, np.uint8) for look in looks])
    return near_groups(hashes, signatures, Thresholds.duplicate_bits, Thresholds.duplicate_match)


def again_as_jpeg(image: np.ndarray, quality: int = 50) -> np.ndarray:
    target = io.BytesIO()
    Image.fromarray(image).save(target, "JPEG", quality=quality)
    return np.asarray(Image.open(target))


def test_a_picture_is_like_itself_smaller_compressed_brighter_or_cropped_a_little() -> None:
    image = toy(640, 480)[0]
    variants = [
        image,
        again_as_jpeg(image),
        cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA),
        np.clip(image * 0.85, 0, 255).astype(np.uint8),
        np.ascontiguousarray(image[6:-6, 8:-8]),
    ]
    assert groups_of([describe_look(each, None) for each in variants]) == [[0, 1, 2, 3, 4]]


def test_a_thing_in_another_colour_or_mirrored_is_another_picture() -> None:
    image = toy(640, 480)[0]
    blue = np.where(toy(640, 480)[1][..., None], image[..., ::-1], image)
    assert groups_of([describe_look(each, None) for each in (image, blue, np.ascontiguousarray(image[:, ::-1]))]) == []


@pytest.mark.parametrize("block", [7, 1024])
def test_the_blocks_find_what_comparing_each_with_each_finds(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", block)
    rng = np.random.default_rng(1)
    centers = rng.integers(0, 2**63, 12, dtype=np.uint64)
    hashes = centers[rng.integers(0, 12, 60)] ^ (np.uint64(1) << rng.integers(0, 64, 60, dtype=np.uint64))
    signatures = np.tile(rng.integers(0, 256, 12, dtype=np.uint8), (60, 1))
    linked = [[int(a ^ b).bit_count() <= 2 for b in hashes.tolist()] for a in hashes.tolist()]
    slow = {tuple(index for index in range(60) if linked[one][index]) for one in range(60)}
    assert {tuple(group) for group in near_groups(hashes, signatures, 2, 0.9)} == {g for g in slow if len(g) > 1}


def test_the_first_and_the_last_of_five_thousand_are_found_alike() -> None:
    rng = np.random.default_rng(2)
    hashes, signature = rng.integers(0, 2**63, 5000, dtype=np.uint64), rng.integers(0, 256, 192, dtype=np.uint8)
    hashes[-1] = hashes[0] ^ np.uint64(0b1011)
    assert near_groups(hashes, np.tile(signature, (5000, 1)), 8, 0.97) == [[0, 4999]]


def test_equal_digests_make_groups_in_the_order_of_the_files() -> None:
    assert identical_groups(["a", "b", "a", 3, "b", "a"]) == [[0, 2, 5], [1, 4]]


def test_nothing_is_alike_in_nothing() -> None:
    assert near_groups(np.array([], np.uint64), np.zeros((0, 192), np.uint8), 8, 0.97) == []
