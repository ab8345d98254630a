"""The rule for paper, and which colour is the paper's."""

import numpy as np
import pytest

from backend.matte.documents.paper import PaperConfig, is_paper, paper_color

RULE = PaperConfig()
WHITE = (250.0, 250.0, 247.0)


@pytest.mark.parametrize(
    ("name", "color", "goes"),
    [
        ("white", (255, 255, 255), True),
        ("the paper itself", (250, 250, 247), True),
        ("cream", (250, 244, 222), True),
        ("shadowed paper", (212, 210, 206), True),
        ("deep shadow", (120, 118, 115), False),
        ("half shadow", (178, 176, 172), False),
        ("blue ink", (30, 50, 160), False),
        ("pale blue ink", (180, 205, 250), False),
        ("red ink", (190, 30, 40), False),
        ("pink", (250, 190, 195), False),
        ("black ink", (20, 20, 22), False),
        ("grey pencil", (140, 140, 142), False),
        ("light pencil", (190, 190, 192), False),
        ("yellow marker", (250, 240, 90), False),
    ],
)
def test_papers_go_and_inks_stay(name: str, color: tuple[int, int, int], goes: bool) -> None:
    patch = np.full((4, 5, 3), color, np.uint8)
    for values in (patch, patch.astype(np.float32)):
        assert (is_paper(values, WHITE, RULE) == goes).all(), name


def test_each_of_the_three_conditions_can_save_a_pixel() -> None:
    pixel = np.array([[[215, 200, 180]]], np.uint8)  # distance 91, saturation 0.16, lightness 0.77
    assert not is_paper(pixel, WHITE, RULE).any()
    assert is_paper(pixel, WHITE, PaperConfig(distance=100)).all()
    assert not is_paper(pixel, WHITE, PaperConfig(distance=100, saturation=0.15)).any()
    assert not is_paper(pixel, WHITE, PaperConfig(distance=100, lightness=0.8)).any()


def test_the_rule_is_the_slow_one_over_all_colours() -> None:
    colors = np.random.default_rng(0).integers(100, 256, (5000, 3)).astype(np.uint8)
    slow = []
    for color in colors.tolist():
        distance = sum((a - b) ** 2 for a, b in zip(color, WHITE, strict=True)) ** 0.5
        high, low = max(color), min(color)
        slow.append(distance < 80 and (high - low) / high < 0.2 and (high + low) / 510 > 0.7)
    assert (is_paper(colors, WHITE, RULE) == slow).mean() > 0.999
    assert 0 < sum(slow) < 5000


def test_the_papers_colour_is_the_mean_of_the_fullest_pale_bucket() -> None:
    pixels = np.concatenate([
        np.full((300, 3), (243, 244, 245)), np.full((300, 3), (245, 246, 247)), np.full((100, 3), (200, 201, 202)),
        np.full((900, 3), (30, 40, 120)),
    ]).astype(np.uint8)  # fmt: skip
    assert paper_color(pixels, RULE) == pytest.approx((244, 245, 246))


def test_under_a_dense_stamp_the_paper_is_not_the_ink() -> None:
    pixels = np.concatenate([np.full((950, 3), (180, 20, 30)), np.full((50, 3), (248, 248, 248))]).astype(np.uint8)
    assert paper_color(pixels, RULE) == (248, 248, 248)


def test_ink_alone_has_no_paper() -> None:
    assert paper_color(np.full((500, 3), (180, 20, 30), np.uint8), RULE) is None
    assert paper_color(np.zeros((0, 3), np.uint8), RULE) is None
