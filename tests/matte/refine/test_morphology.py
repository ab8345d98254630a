import numpy as np
import pytest

from backend.matte.refine.morphology import MorphologyConfig, clean_mask, kernel_radius


def square() -> np.ndarray:
    mask = np.zeros((200, 200), bool)
    mask[50:150, 50:150] = True
    return mask


def half_sure(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, 0.6, 0.49).astype(np.float32)


def test_a_speck_goes_and_the_object_stays():
    mask = square()
    mask[10, 10] = True
    cleaned = clean_mask(mask, half_sure(mask), MorphologyConfig())
    assert np.array_equal(cleaned, square())


def test_a_speck_that_the_network_is_sure_of_stays():
    mask = square()
    mask[10, 10] = True
    assert clean_mask(mask, mask.astype(np.float32), MorphologyConfig())[10, 10]


def test_a_thin_part_that_the_network_was_sure_of_somewhere_stays_whole():
    mask = square()
    mask[10, 20:180] = mask[190, 20:180] = True
    saliency = half_sure(mask)
    saliency[10, 100] = 0.9
    cleaned = clean_mask(mask, saliency, MorphologyConfig(kernel_size=9))
    assert cleaned[10, 20:180].all() and not cleaned[190].any()


def test_a_thin_leg_of_the_object_keeps_its_length():
    mask = square()
    mask[150:190, 100] = True
    cleaned = clean_mask(mask, half_sure(mask), MorphologyConfig(kernel_size=9))
    assert cleaned[150:190, 100].all()


def test_a_crack_closes_unless_the_network_calls_it_background():
    mask = square()
    mask[50:150, 100] = False
    assert clean_mask(mask, half_sure(mask), MorphologyConfig(kernel_size=20))[60:140, 100].all()
    assert not clean_mask(mask, mask.astype(np.float32), MorphologyConfig(kernel_size=20))[60:140, 100].any()


def test_the_gap_between_the_object_and_the_frame_is_left_open():
    mask = np.zeros((200, 200), bool)
    mask[50:150, 2:150] = True
    cleaned = clean_mask(mask, np.full(mask.shape, 0.6, np.float32), MorphologyConfig(kernel_size=30))
    assert not cleaned[60:140, 0].any()


def test_the_kernel_grows_with_the_picture_and_may_be_turned_off():
    assert kernel_radius(MorphologyConfig(kernel_size=5), 4096) == 4 * kernel_radius(MorphologyConfig(5), 1024) + 2
    assert kernel_radius(MorphologyConfig(kernel_size=0), 4096) == 0
    mask = np.eye(9, dtype=bool)
    assert np.array_equal(clean_mask(mask, half_sure(mask), MorphologyConfig(kernel_size=0)), mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 2)])
def test_any_size_passes(shape: tuple[int, int]):
    for value in (False, True):
        mask = np.full(shape, value)
        assert np.array_equal(clean_mask(mask, mask.astype(np.float32), MorphologyConfig()), mask)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="sizes differ"):
        clean_mask(square(), np.zeros((3, 3), np.float32), MorphologyConfig())
