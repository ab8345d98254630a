"""A plain backdrop is taken away to the pixel, whatever stands on it: drawn scenes whose answer is known."""

import cv2
import numpy as np
import pytest

from backend.engines.border.border import BorderSegmenter

SEGMENTER = BorderSegmenter()
PALE = (245, 245, 246)


def scene(
    mask: np.ndarray,
    color: tuple[int, int, int] = (60, 70, 150),
    ground: tuple[int, int, int] = PALE,
    noise: float = 1.0,
) -> np.ndarray:
    """An object of one colour on a backdrop of another with an even fall of light, its edge half a pixel soft."""
    height = len(mask)
    fall = np.linspace(1.0, 0.96, height)[:, None, None]
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)[..., None]
    drawn = np.array(ground) * fall * (1 - soft) + np.array(color) * soft
    return np.clip(drawn + noise * np.random.default_rng(5).standard_normal(drawn.shape), 0, 255).astype(np.uint8)


def rectangle(shape: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def iou(picture: np.ndarray, truth: np.ndarray) -> float:
    found = SEGMENTER.predict(picture).saliency >= 0.5
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("margin", [8, 14, 25])
@pytest.mark.parametrize("color", [(120, 20, 35), (15, 15, 18), (205, 200, 190)])
def test_a_book_with_narrow_margins_is_the_object_and_no_framed_photo(margin: int, color: tuple[int, int, int]) -> None:
    book = rectangle((500, 360), margin, margin, 360 - margin, 500 - margin)
    picture = scene(book, color)
    picture[200:260, 150:210] = (230, 190, 60)  # an emblem on its cover
    assert iou(picture, book) > 0.99


def test_a_bar_from_side_to_side_is_the_object() -> None:
    bar = rectangle((300, 400), 0, 110, 400, 190)
    assert iou(scene(bar), bar) > 0.98


@pytest.mark.parametrize("share", [0.4, 0.75])
def test_a_body_cut_by_the_lower_frame_is_solid_down_to_it(share: float) -> None:
    body = cv2.ellipse(np.zeros((420, 360), np.uint8), (180, 420), (int(180 * share), 260), 0, 0, 360, 1, -1) > 0
    saliency = SEGMENTER.predict(scene(body, (40, 50, 110))).saliency
    assert saliency[-5:][cv2.erode(body.astype(np.uint8), np.ones((7, 7)))[-5:] > 0].min() == 1


def test_a_pale_garment_keeps_more_than_its_print() -> None:
    shirt = rectangle((400, 400), 110, 90, 290, 340)
    picture = scene(shirt, (228, 228, 229), (255, 255, 255), noise=0.4)
    picture[150:200, 170:230] = (190, 30, 50)
    assert iou(picture, shirt) > 0.98


def test_a_pencil_of_thirty_to_one_is_found() -> None:
    pencil = rectangle((70, 2100), 60, 25, 2040, 47)
    assert iou(scene(pencil, (210, 160, 40)), pencil) > 0.95


def test_a_dark_shadow_with_a_wide_penumbra_is_backdrop() -> None:
    box = rectangle((400, 480), 170, 110, 310, 290)
    shade = cv2.GaussianBlur(rectangle((400, 480), 150, 270, 350, 320).astype(np.float32), (0, 0), 7)[..., None]
    shaded = np.clip(np.full((400, 480, 3), PALE) * (1 - 0.5 * shade), 0, 255)
    picture = np.where(box[..., None], (170, 50, 40), shaded).astype(np.uint8)
    guess = SEGMENTER.predict(picture)
    assert iou(picture, box) > 0.97
    assert guess.facts["shadow_share"] > 0


def test_a_foot_in_the_shadows_colours_stays_where_it_melts_into_the_shadow() -> None:
    body, foot = rectangle((400, 480), 180, 60, 300, 240), rectangle((400, 480), 180, 240, 300, 310)
    shade = cv2.GaussianBlur(rectangle((400, 480), 260, 275, 420, 320).astype(np.float32), (0, 0), 9)[..., None]
    ground, dark = np.array((205, 214, 222)), np.array((74, 77, 82))
    near = np.clip(1 - np.abs(np.arange(480) - 300) / 12, 0, 1)[None, :, None]
    shaded = ground * (1 - shade) + shade * (near * dark + (1 - near) * 0.65 * ground)
    picture = np.where(body[..., None], (170, 50, 40), np.where(foot[..., None], dark, shaded)).astype(np.float32)
    assert iou(cv2.GaussianBlur(picture, (0, 0), 0.6).astype(np.uint8), body | foot) > 0.93


def test_every_piece_is_given_on_however_small_or_far() -> None:
    pieces = [rectangle((300, 900), x, 120, x + side, 120 + side) for x, side in ((40, 60), (400, 60), (820, 14))]
    saliency = SEGMENTER.predict(scene(np.any(pieces, axis=0))).saliency
    assert all(saliency[piece].mean() > 0.9 for piece in pieces)


def test_two_pixels_outside_the_outline_nothing_is_left_of_the_object() -> None:
    disc = cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 80, 1, -1) > 0
    saliency = SEGMENTER.predict(scene(disc, (20, 20, 25), (255, 255, 255), noise=0)).saliency
    outside = cv2.dilate(disc.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0
    assert saliency[outside].max() == 0


def test_a_faint_object_is_doubted() -> None:
    disc = cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 80, 1, -1) > 0
    assert "do not trust" in SEGMENTER.predict(scene(disc, (231, 231, 231), (250, 250, 250), noise=0.3)).notes[0]


def test_a_scene_is_not_taken_for_a_plain_backdrop() -> None:
    rng = np.random.default_rng(3)
    blocks = cv2.resize(rng.integers(0, 256, (8, 10, 3)).astype(np.uint8), (400, 300), interpolation=cv2.INTER_CUBIC)
    assert not SEGMENTER.predict(blocks).exact


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (90, 160, 220)])
def test_each_pixel_of_a_small_hard_drawing_is_object_or_not(ground: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(4)
    half = np.indices((24, 12)).sum(axis=0) > 11
    sprite = np.hstack([half, half[:, ::-1]])
    sprite[[0, -1]] = sprite[:, [0, -1]] = False
    colors = np.array([(190, 50, 60), (60, 40, 90), (240, 200, 80)])[rng.integers(0, 3, sprite.shape)]
    saliency = SEGMENTER.predict(np.where(sprite[..., None], colors, ground).astype(np.uint8)).saliency
    np.testing.assert_array_equal(saliency >= 0.5, sprite)
