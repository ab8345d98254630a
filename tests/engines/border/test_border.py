"""The embedded segmenter on scenes whose object is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.engines.border.border import BorderSegmenter

SEGMENTER = BorderSegmenter()


def iou(saliency: np.ndarray, truth: np.ndarray) -> float:
    found = saliency > 0.5
    return float((found & truth).sum() / (found | truth).sum())


def lay(mask: np.ndarray, ground: np.ndarray, color: tuple[int, int, int] = (40, 90, 160)) -> np.ndarray:
    grain = np.random.default_rng(1).standard_normal(ground.shape) * 2
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)[..., None]
    return np.clip(ground * (1 - soft) + np.array(color) * soft + grain, 0, 255).astype(np.uint8)


def plain(color: tuple[int, int, int] = (225, 222, 218)) -> np.ndarray:
    return np.full((300, 400, 3), color, np.float64)


def disc(x: float = 200, y: float = 150, radius: float = 80) -> np.ndarray:
    rows, columns = np.mgrid[0:300, 0:400]
    return np.hypot(rows - y, columns - x) < radius


def chair() -> np.ndarray:
    mask = np.zeros((300, 400), dtype=bool)
    mask[60:150, 140:260] = True
    for x in (145, 190, 245):
        mask[150:250, x : x + 6] = True
    return mask


def table() -> np.ndarray:
    ground = plain((215, 200, 190))
    ground[170:] = (150, 120, 95)
    return cv2.GaussianBlur(ground, (0, 0), 1.5)


def test_the_saliency_has_the_pictures_size_and_range() -> None:
    guess = SEGMENTER.predict(lay(disc(), plain()))
    assert guess.saliency.shape == (300, 400)
    assert guess.saliency.dtype == np.float32
    assert 0 <= guess.saliency.min() <= guess.saliency.max() <= 1
    assert guess.notes == ()
    assert guess.facts["background_uniform"] is True


def test_a_disc_on_plain_ground_is_found_to_the_pixel() -> None:
    assert iou(SEGMENTER.predict(lay(disc(), plain())).saliency, disc()) > 0.97


def test_a_disc_before_wall_and_table_is_found() -> None:
    assert iou(SEGMENTER.predict(lay(disc(), table())).saliency, disc()) > 0.95


def test_a_pale_object_on_pale_ground_is_found() -> None:
    picture = lay(disc(), plain((250, 250, 250)), (232, 232, 234))
    assert iou(SEGMENTER.predict(picture).saliency, disc()) > 0.95


def test_a_rings_hole_stays_open() -> None:
    ring = disc() & ~disc(radius=40)
    assert iou(SEGMENTER.predict(lay(ring, plain())).saliency, ring) > 0.93


def test_thin_legs_stay() -> None:
    saliency = SEGMENTER.predict(lay(chair(), plain())).saliency
    assert (saliency[160:240] > 0.5)[chair()[160:240]].mean() > 0.9


def test_a_soft_drop_shadow_stays_out() -> None:
    shade = cv2.GaussianBlur(disc(235, 190, 75).astype(np.float64), (0, 0), 14)[..., None]
    assert iou(SEGMENTER.predict(lay(disc(), plain() * (1 - 0.3 * shade))).saliency, disc()) > 0.93


def test_an_object_cut_off_by_the_frame_is_kept_whole() -> None:
    bust = disc(200, 260, 110)
    assert iou(SEGMENTER.predict(lay(bust, plain())).saliency, bust) > 0.93


def test_two_objects_of_like_size_are_both_kept() -> None:
    pair = disc(130, 150, 55) | disc(270, 150, 50)
    assert iou(SEGMENTER.predict(lay(pair, plain())).saliency, pair) > 0.95


def test_letterbox_bars_are_background() -> None:
    framed = np.zeros((420, 400, 3), np.uint8)
    framed[60:360] = lay(disc(), table())
    saliency = SEGMENTER.predict(framed).saliency
    assert saliency[:60].max() == 0
    assert saliency[360:].max() == 0
    assert iou(saliency[60:360], disc()) > 0.95


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_empty_and_says_so(level: int) -> None:
    guess = SEGMENTER.predict(np.full((200, 300, 3), level, np.uint8))
    assert guess.saliency.max() == 0
    assert "empty" in guess.notes[0]


def test_grain_and_vignette_on_a_blank_wall_are_not_an_object() -> None:
    rows, columns = np.mgrid[0:300, 0:400]
    vignette = 1 - 0.4 * ((rows / 300 - 0.5) ** 2 + (columns / 400 - 0.5) ** 2)
    grain = np.random.default_rng(2).standard_normal((300, 400, 3)) * 4
    picture = np.clip(plain() * vignette[..., None] + grain, 0, 255).astype(np.uint8)
    assert (SEGMENTER.predict(picture).saliency > 0.5).mean() < 0.005


def test_clutter_is_admitted() -> None:
    rng = np.random.default_rng(4)
    blocks = rng.integers(0, 256, (12, 16, 3)).astype(np.uint8)
    guess = SEGMENTER.predict(cv2.resize(blocks, (400, 300), interpolation=cv2.INTER_NEAREST))
    assert guess.notes


def test_a_picture_seen_in_a_mirror_gives_nearly_the_mirrored_answer() -> None:
    picture = lay(chair(), table())
    seen = SEGMENTER.predict(picture).saliency > 0.5
    mirrored = SEGMENTER.predict(np.ascontiguousarray(picture[:, ::-1])).saliency[:, ::-1] > 0.5
    assert (seen & mirrored).sum() / (seen | mirrored).sum() > 0.95


def test_the_answer_does_not_depend_on_what_was_asked_before() -> None:
    picture = lay(disc(), table())
    cv2.setRNGSeed(77)
    first = SEGMENTER.predict(picture).saliency
    SEGMENTER.predict(lay(chair(), plain()))
    cv2.setRNGSeed(5)
    np.testing.assert_array_equal(SEGMENTER.predict(picture).saliency, first)


def test_the_picture_is_left_as_it_was_and_may_be_read_only() -> None:
    picture = lay(disc(), plain())
    before = picture.copy()
    picture.setflags(write=False)
    SEGMENTER.predict(picture)
    np.testing.assert_array_equal(picture, before)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.one_of(st.integers(1, 70), st.integers(200, 400)),
    width=st.integers(1, 70),
    noise=st.sampled_from([0, 3, 255]),
    seed=st.integers(0, 99),
)
def test_any_size_and_content_gives_a_saliency(height: int, width: int, noise: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, noise + 1, (height, width, 3)).astype(np.uint8)
    saliency = SEGMENTER.predict(picture).saliency
    assert saliency.shape == (height, width)
    assert np.isfinite(saliency).all()
    assert 0 <= saliency.min() <= saliency.max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (10000, 1), (1, 10000)])
def test_a_sliver_is_refused_kindly(size: tuple[int, int]) -> None:
    guess = SEGMENTER.predict(np.zeros((*size, 3), np.uint8))
    assert guess.saliency.shape == size
    assert "too small" in guess.notes[0]


@pytest.mark.parametrize("bad", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)])
def test_anything_but_an_image_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="an image is"):
        SEGMENTER.predict(bad)


def test_the_reference_pairs_score_at_least_087(shared: Path) -> None:
    scores = []
    for path in sorted((shared / "photos" / "pairs" / "image").glob("*.png")):
        picture = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        truth = cv2.imread(str(path.parent.parent / "mask" / path.name), cv2.IMREAD_GRAYSCALE) > 127
        scores.append(iou(SEGMENTER.predict(picture).saliency, truth))
    assert len(scores) == 7
    assert np.mean(scores) >= 0.87
