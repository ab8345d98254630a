import numpy as np
import pytest

from backend.matte.refine.threshold import ThresholdConfig, choose_level


def two_heaps(low: float, high: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    saliency = np.where(np.arange(10_000) % 4 == 0, high, low) + rng.normal(0, 0.02, 10_000)
    return np.clip(saliency, 0, 1).astype(np.float32).reshape(100, 100)


def test_two_clean_heaps_are_parted_at_one_half():
    assert choose_level(two_heaps(0.02, 0.98), ThresholdConfig()) == 0.5


def test_a_weak_guess_lowers_the_level_between_its_heaps():
    level = choose_level(two_heaps(0.1, 0.5), ThresholdConfig(lowest=0.2, highest=0.8))
    assert 0.15 < level < 0.45


def test_the_level_never_leaves_its_clamp():
    assert choose_level(two_heaps(0.02, 0.2), ThresholdConfig()) == 0.35
    assert choose_level(two_heaps(0.8, 0.98), ThresholdConfig()) == 0.65


def test_a_fixed_level_is_used_unchanged():
    assert choose_level(two_heaps(0.1, 0.5), ThresholdConfig(fixed=0.8)) == 0.8


@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_a_constant_guess_has_a_level(value: float):
    level = choose_level(np.full((3, 5), value, np.float32), ThresholdConfig())
    assert 0.35 <= level <= 0.65


def test_a_level_outside_the_range_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        ThresholdConfig(lowest=0.6, highest=0.4)
    with pytest.raises(ValueError, match="threshold"):
        ThresholdConfig(fixed=1.0)
