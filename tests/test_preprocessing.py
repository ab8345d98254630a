"""Tier 1 as a whole, on drawn scenes whose alpha is known."""

import cv2
import numpy as np
import pytest

from backend.contract.trace import Trace
from backend.matte.refine.scorecard import score_matte
from backend.preprocessing import CLASSIC, PRESETS, enhanced_background_removal, refine_matte

BALANCED = CLASSIC["balanced"]
CONFIGS = {**{f"classic {name}": config for name, config in CLASSIC.items()}, **PRESETS}


def drawn(shape: str = "mug", size: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A painted object on a graded ground, and its exact alpha."""
    fine = np.zeros((size * 4, size * 4), np.uint8)
    unit = size * 4 / 100
    at = lambda *values: tuple(round(value * unit) for value in values)  # noqa: E731
    if shape == "mug":
        cv2.ellipse(fine, at(64, 50), at(15, 16), 0, 0, 360, 255, at(5)[0])
        cv2.rectangle(fine, at(25, 25), at(60, 78), 255, -1)
    elif shape == "ring":
        cv2.circle(fine, at(50, 50), at(27)[0], 255, at(12)[0])
    else:
        cv2.ellipse(fine, at(50, 50), at(30, 22), 25, 0, 360, 255, -1)
    alpha = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    slope = np.linspace(0, 1, size)[:, None, None]
    ground = np.array([205, 215, 220]) * (1 - slope) + np.array([150, 165, 190]) * slope
    paint = np.where((np.arange(size) // 20 % 2)[None, :, None] == 1, [190, 60, 40], [160, 40, 60])
    noise = np.random.default_rng(5).normal(0, 2, (size, size, 1))
    image = alpha[..., None] * paint + (1 - alpha[..., None]) * ground + noise
    return np.clip(image, 0, 255).astype(np.uint8), alpha


def through_grid(alpha: np.ndarray) -> np.ndarray:
    coarse = cv2.resize(alpha, (120, 120), interpolation=cv2.INTER_AREA)
    return np.clip(cv2.resize(coarse, alpha.shape[::-1]), 0, 1).astype(np.float32)


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def refined(image: np.ndarray, saliency: np.ndarray, preset: str = "classic balanced") -> np.ndarray:
    return refine_matte(image, saliency, CONFIGS[preset], Trace()).alpha


@pytest.mark.parametrize("preset", CONFIGS)
@pytest.mark.parametrize("shape", ["mug", "ring", "egg"])
def test_the_truth_is_left_alone(preset: str, shape: str):
    image, alpha = drawn(shape)
    assert iou(refined(image, alpha, preset) >= 0.5, alpha >= 0.5) > 0.997


@pytest.mark.parametrize("shape", ["mug", "ring", "egg"])
def test_a_border_five_pixels_too_wide_is_taken_back(shape: str):
    image, alpha = drawn(shape)
    wide = through_grid(cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (11, 11))))
    assert iou(wide >= 0.5, alpha >= 0.5) < 0.9
    assert iou(refined(image, wide) >= 0.5, alpha >= 0.5) > 0.95


def test_a_missing_part_is_given_back():
    image, alpha = drawn("egg")
    bitten = through_grid(cv2.circle(alpha.copy(), (225, 170), 30, 0.0, -1))
    assert iou(refined(image, bitten) >= 0.5, alpha >= 0.5) > 0.97 > iou(bitten >= 0.5, alpha >= 0.5)


def test_a_stray_blob_is_dropped_and_noted():
    image, alpha = drawn("egg")
    spoiled = through_grid(cv2.circle(alpha.copy(), (35, 35), 8, 1.0, -1))
    trace = Trace()
    matte = refine_matte(image, spoiled, BALANCED, trace)
    assert iou(matte.mask, alpha >= 0.5) > 0.98 and len(matte.dropped) == 1
    assert any("Left out a part" in note for note in trace.notes)


def test_a_filled_ring_opens_again():
    image, alpha = drawn("ring")
    filled = through_grid(cv2.circle(alpha.copy(), (150, 150), 81, 1.0, -1))
    assert iou(refined(image, filled) >= 0.5, alpha >= 0.5) > 0.95


def test_an_object_like_its_ground_is_not_eaten():
    _, alpha = drawn("egg")
    flat = np.full((300, 300, 3), 140, np.uint8)
    assert iou(refined(flat, through_grid(alpha)) >= 0.5, alpha >= 0.5) > 0.98


def test_glass_keeps_its_alpha():
    image, _ = drawn("egg")
    glass = np.zeros((300, 300), np.float32)
    glass[60:240, 80:220] = 1.0
    glass[75:225, 95:205] = 0.6
    assert np.allclose(refined(image, glass)[90:210, 110:190], 0.6, atol=1e-6)


def test_every_stage_is_timed_and_shown_in_order():
    image, alpha = drawn()
    shown = []
    trace = Trace(lambda name, picture: shown.append(name))
    refine_matte(image, through_grid(alpha), BALANCED, trace)
    assert [stage.name for stage in trace.stages] == ["threshold", "components", "morphology", "grabcut", "edges"]
    names = [name for name in shown if name != "softness"]
    assert names == ["threshold", "components", "morphology", "trimap", "grabcut", "parts", "alpha"]


def test_fast_leaves_grabcut_out():
    trace = Trace()
    refine_matte(*drawn(), PRESETS["fast"], trace)
    assert "grabcut" not in [stage.name for stage in trace.stages]


def test_the_same_input_gives_the_same_alpha_and_stays_untouched():
    image, alpha = drawn()
    saliency = through_grid(alpha)
    before = image.copy(), saliency.copy()
    first = refined(image, saliency)
    cv2.setRNGSeed(99)
    assert np.array_equal(refined(image, saliency), first)
    assert np.array_equal(image, before[0]) and np.array_equal(saliency, before[1])


@pytest.mark.parametrize("preset", CONFIGS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (2, 3), (17, 5), (900, 4)])
def test_any_size_and_any_guess_pass(preset: str, shape: tuple[int, int]):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    for saliency in (np.zeros(shape), np.ones(shape), np.full(shape, 0.5), rng.random(shape)):
        alpha = refined(image, saliency.astype(np.float32), preset)
        assert alpha.shape == shape and alpha.dtype == np.float32
        assert alpha.min() >= 0 and alpha.max() <= 1


def test_noise_everywhere_leaves_a_matte_in_its_range_that_is_advised_against():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (400, 500, 3), dtype=np.uint8)
    refined = refine_matte(image, rng.random((400, 500), np.float32), BALANCED, Trace())
    assert refined.alpha.shape == (400, 500)
    assert refined.alpha.min() >= 0 and refined.alpha.max() <= 1
    assert score_matte(refined.alpha).advice


def test_nothing_gives_an_empty_matte_and_a_note_and_everything_a_full_one():
    image, _ = drawn()
    trace = Trace()
    assert not refine_matte(image, np.zeros((300, 300), np.float32), BALANCED, trace).alpha.any()
    assert "Nothing was found to cut out." in trace.notes
    assert (refined(image, np.ones((300, 300), np.float32)) == 1).all()


def test_a_large_photo_keeps_its_edge_at_full_size():
    image, alpha = drawn("egg", 1600)
    result = refined(image, through_grid(alpha))
    assert iou(result >= 0.5, alpha >= 0.5) > 0.993
    between = np.count_nonzero((result > 0.05) & (result < 0.95))
    assert between < 0.3 * np.count_nonzero((through_grid(alpha) > 0.05) & (through_grid(alpha) < 0.95))


def test_the_one_call_form_obeys_its_switches():
    image, alpha = drawn("egg")
    spoiled = through_grid(cv2.circle(alpha.copy(), (35, 35), 8, 1.0, -1))
    assert enhanced_background_removal(image, saliency=spoiled)[35, 35] == 0
    assert enhanced_background_removal(image, remove_small_components=False, saliency=spoiled)[35, 35] == 1
    wide = through_grid(cv2.dilate(alpha, np.ones((11, 11), np.uint8)))
    cut, uncut = (enhanced_background_removal(image, use_grabcut=use, saliency=wide) for use in (True, False))
    assert iou(cut >= 0.5, alpha >= 0.5) > iou(uncut >= 0.5, alpha >= 0.5) + 0.05


def test_wrong_arrays_are_refused():
    image, alpha = drawn()
    for wrong in (alpha[1:], alpha.astype(np.float64), alpha + 1):
        with pytest.raises(ValueError):
            refine_matte(image, wrong, BALANCED, Trace())
    with pytest.raises(ValueError):
        refine_matte(image[..., 0], alpha, BALANCED, Trace())


def test_presets_differ_in_what_they_cost():
    for presets in (PRESETS, CLASSIC):
        assert presets["fast"].grabcut is None and presets["fast"].learned is None
        assert presets["best"] != presets["balanced"] != presets["fast"]


def test_the_one_call_form_takes_exactly_the_published_arguments_by_position():
    image, alpha = drawn("egg")
    assert iou(enhanced_background_removal(image, True, True, 5, 5) >= 0.5, alpha >= 0.5) > 0.95
    assert enhanced_background_removal(image, False, False, 0, 0, saliency=alpha).shape == alpha.shape
    with pytest.raises(TypeError):
        enhanced_background_removal(image, True, True, 5, 5, alpha)
    for sizes in ((-1, 5), (5, -1)):
        with pytest.raises(ValueError):
            enhanced_background_removal(image, True, True, *sizes)
