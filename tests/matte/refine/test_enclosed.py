"""Areas in the backdrop's colour: openings stay open, prints stay closed, and the policy is obeyed."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from backend.matte.refine.enclosed import open_enclosed, settle_enclosed
from backend.matte.refine.holes import HolesConfig

Canvas = np.ndarray


def ring(outer: int, inner: int) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        cv2.circle(canvas, (200, 200), outer, 255, -1)
        cv2.circle(canvas, (200, 200), inner, 0, -1)

    return draw


def mug(handle_px: int) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        cv2.rectangle(canvas, (60, 90), (230, 320), 255, -1)
        cv2.ellipse(canvas, (230, 200), (70, 80), 0, -90, 90, 255, handle_px)

    return draw


def wheel(canvas: Canvas) -> None:
    cv2.circle(canvas, (200, 200), 160, 255, 30)
    for turn in np.linspace(0, 2 * np.pi, 14, endpoint=False):
        end = (int(200 + 160 * np.cos(turn)), int(200 + 160 * np.sin(turn)))
        cv2.line(canvas, (200, 200), end, 255, 3)


def picture_frame(canvas: Canvas) -> None:
    cv2.rectangle(canvas, (40, 60), (360, 340), 255, -1)
    cv2.rectangle(canvas, (75, 95), (325, 305), 0, -1)


def ladder(canvas: Canvas) -> None:
    for x in (120, 258):
        cv2.rectangle(canvas, (x, 20), (x + 22, 380), 255, -1)
    for y in range(50, 370, 60):
        cv2.rectangle(canvas, (120, y), (280, y + 11), 255, -1)


def chair(canvas: Canvas) -> None:
    for x in (70, 300):
        cv2.rectangle(canvas, (x, 30), (x + 26, 380), 255, -1)
    for x in (130, 190, 250):
        cv2.rectangle(canvas, (x, 60), (x + 14, 240), 255, -1)
    for y, thick in ((30, 40), (235, 50)):
        cv2.rectangle(canvas, (70, y), (326, y + thick), 255, -1)


def shallow_frame(canvas: Canvas) -> None:
    cv2.rectangle(canvas, (30, 30), (370, 370), 255, -1)
    cv2.rectangle(canvas, (82, 82), (318, 318), 0, -1)


def house(canvas: Canvas) -> None:
    cv2.fillPoly(canvas, [np.array([(30, 170), (200, 30), (370, 170)])], 255)
    cv2.rectangle(canvas, (60, 170), (340, 370), 255, -1)
    for x in (90, 250):
        for across in (0, 32):
            for down in (0, 36):
                cv2.rectangle(canvas, (x + across, 200 + down), (x + across + 27, 200 + down + 31), 0, -1)


def bus(canvas: Canvas) -> None:
    cv2.rectangle(canvas, (20, 110), (380, 270), 255, -1)
    for x in range(40, 340, 54):
        cv2.rectangle(canvas, (x, 132), (x + 42, 182), 0, -1)
    for x in (100, 300):
        cv2.circle(canvas, (x, 270), 30, 255, -1)


def dice(canvas: Canvas) -> None:
    cv2.rectangle(canvas, (100, 110), (300, 290), 255, -1)
    for x, y in ((150, 155), (200, 200), (250, 245), (150, 245), (250, 155)):
        cv2.circle(canvas, (x, y), 18, 0, -1)


def bottle(canvas: Canvas) -> None:
    cv2.rectangle(canvas, (150, 20), (230, 140), 255, -1)
    cv2.rectangle(canvas, (120, 120), (260, 390), 255, -1)
    cv2.rectangle(canvas, (128, 200), (252, 330), 0, -1)
    for x in (135, 172, 209):
        cv2.putText(canvas, "A", (x, 285), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 5)


def clock(canvas: Canvas) -> None:
    cv2.circle(canvas, (200, 200), 160, 255, -1)
    cv2.circle(canvas, (200, 200), 138, 0, -1)
    for turn in np.arange(12) * np.pi / 6:
        cv2.circle(canvas, (int(200 + 115 * np.cos(turn)), int(200 + 115 * np.sin(turn))), 7, 255, -1)
    cv2.line(canvas, (200, 200), (200, 120), 255, 8)


def cage(canvas: Canvas) -> None:
    cv2.rectangle(canvas, (50, 50), (350, 350), 255, 18)
    for x in range(100, 350, 45):
        cv2.line(canvas, (x, 50), (x, 350), 255, 7)
    cv2.circle(canvas, (215, 290), 24, 255, -1)


def ring_with_a_ball(canvas: Canvas) -> None:
    cv2.circle(canvas, (200, 200), 150, 255, 28)
    cv2.circle(canvas, (210, 220), 50, 255, -1)


def necklace(canvas: Canvas) -> None:
    cv2.ellipse(canvas, (200, 170), (150, 140), 0, 0, 360, 255, 4)
    cv2.circle(canvas, (200, 345), 40, 255, -1)
    for x in (120, 280):
        cv2.circle(canvas, (x, 170), 9, 255, -1)


def chain(canvas: Canvas) -> None:
    for x in range(30, 380, 28):
        cv2.circle(canvas, (x, 200), 12, 255, 6)


def panda(canvas: Canvas) -> None:
    """A pale belly that fills most of a dark body."""
    cv2.ellipse(canvas, (200, 260), (90, 110), 0, 0, 360, 255, -1)
    cv2.circle(canvas, (200, 110), 75, 255, -1)
    cv2.ellipse(canvas, (200, 275), (52, 62), 0, 0, 360, 0, -1)


def drawn_face(canvas: Canvas) -> None:
    cv2.circle(canvas, (200, 200), 150, 255, 5)
    for x in (150, 250):
        cv2.circle(canvas, (x, 170), 14, 255, -1)
    cv2.line(canvas, (150, 260), (250, 260), 255, 5)


def carton(label: tuple[int, int, int, int]) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        cv2.rectangle(canvas, (60, 40), (340, 360), 255, -1)
        cv2.rectangle(canvas, label[:2], label[2:], 0, -1)
        cv2.putText(canvas, "TEA", (100, 130), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 0, 12)

    return draw


def face(canvas: Canvas) -> None:
    cv2.ellipse(canvas, (200, 200), (130, 170), 0, 0, 360, 255, -1)
    for x in (155, 245):
        cv2.ellipse(canvas, (x, 150), (22, 32), 0, 0, 360, 0, -1)
        cv2.circle(canvas, (x, 150), 11, 255, -1)
    cv2.ellipse(canvas, (200, 240), (70, 60), 0, 0, 180, 0, -1)


def drawn(draw: Callable[[Canvas], None]) -> np.ndarray:
    canvas = np.zeros((400, 400), np.uint8)
    draw(canvas)
    return (canvas > 0).astype(np.float32)


@pytest.mark.parametrize(
    "draw",
    [
        ring(150, 70), ring(150, 130), ring(150, 45), mug(16), mug(28), wheel,
        picture_frame, shallow_frame, ladder, chair, cage, ring_with_a_ball, drawn_face, necklace, chain,
    ],
)  # fmt: skip
def test_openings_stay_open(draw: Callable[[Canvas], None]) -> None:
    saliency = drawn(draw)
    settled, found = settle_enclosed(saliency, HolesConfig())
    np.testing.assert_array_equal(settled, saliency)
    assert found.closed == 0 and found.opened >= 1


@pytest.mark.parametrize(
    "draw", [carton((90, 230, 310, 320)), carton((80, 170, 320, 340)), face, house, bus, bottle, clock, dice, panda]
)
def test_prints_stay_in_the_object(draw: Callable[[Canvas], None]) -> None:
    saliency = drawn(draw)
    contours, _ = cv2.findContours((saliency > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = cv2.drawContours(np.zeros((400, 400), np.uint8), contours, -1, 1, -1) > 0
    settled, found = settle_enclosed(saliency, HolesConfig())
    np.testing.assert_array_equal(settled >= 0.5, whole)
    assert found.opened == 0
    assert found.closed_share == pytest.approx(1 - (saliency > 0).sum() / whole.sum(), abs=1e-6)


@pytest.mark.parametrize("draw", [ring(150, 70), face, wheel])
@pytest.mark.parametrize("policy", ["keep", "open"])
def test_keep_and_open_close_nothing(draw: Callable[[Canvas], None], policy: str) -> None:
    saliency = drawn(draw)
    np.testing.assert_array_equal(settle_enclosed(saliency, HolesConfig(policy=policy))[0], saliency)  # type: ignore[arg-type]


def test_an_area_in_which_a_network_sees_background_is_open() -> None:
    labelled = drawn(carton((90, 230, 310, 320)))
    settled, found = settle_enclosed(labelled, HolesConfig(), labelled)
    np.testing.assert_array_equal(settled, labelled)
    assert found.opened >= 1


def test_a_network_may_have_filled_an_opening_but_its_word_makes_it_doubtful() -> None:
    saliency, filled = drawn(ring(150, 70)), drawn(lambda canvas: cv2.circle(canvas, (200, 200), 150, 255, -1))
    settled, found = settle_enclosed(saliency, HolesConfig(), filled)
    np.testing.assert_array_equal(settled, saliency)
    assert found.doubtful == found.opened_share > 0.2


def test_what_shape_and_network_agree_about_is_not_doubtful() -> None:
    saliency, box = drawn(ring(150, 70)), drawn(carton((90, 230, 310, 320)))
    assert settle_enclosed(saliency, HolesConfig(), saliency)[1].doubtful == 0
    assert settle_enclosed(box, HolesConfig(), np.ones_like(box))[1].doubtful == 0
    assert settle_enclosed(box, HolesConfig())[1].doubtful > 0.1  # nobody was asked
    assert settle_enclosed(box, HolesConfig(policy="keep"))[1].doubtful == 0  # the caller has decided


def test_fill_closes_up_to_its_share_and_says_what_it_left() -> None:
    small, large = drawn(ring(150, 50)), drawn(ring(150, 120))
    assert settle_enclosed(small, HolesConfig(policy="fill"))[1].closed == 1
    settled, found = settle_enclosed(large, HolesConfig(policy="fill"))
    assert found.closed == 0 and found.opened_share > 0.5
    np.testing.assert_array_equal(settled, large)


def test_a_solid_object_and_an_empty_picture_pass_through() -> None:
    for saliency in (np.zeros((40, 50), np.float32), np.ones((40, 50), np.float32)):
        np.testing.assert_array_equal(settle_enclosed(saliency, HolesConfig())[0], saliency)


def test_open_opens_what_shows_the_backdrop_through_a_filled_guess() -> None:
    truth = drawn(ring(150, 70)) > 0
    image = np.where(truth[..., None], (150, 60, 40), (230, 228, 224)).astype(np.uint8)
    filled = np.zeros((400, 400), np.uint8)
    cv2.circle(filled, (200, 200), 150, 1, -1)
    opened, found = open_enclosed(image, filled.astype(np.float32))
    assert found.opened == 1
    assert ((opened >= 0.5) ^ truth).sum() < 0.01 * truth.sum()


def test_open_leaves_an_object_without_the_backdrops_colour_alone() -> None:
    filled = drawn(lambda canvas: cv2.circle(canvas, (200, 200), 150, 255, -1))
    image = np.where(filled[..., None] > 0, (150, 60, 40), (230, 228, 224)).astype(np.uint8)
    np.testing.assert_array_equal(open_enclosed(image, filled)[0], filled)
