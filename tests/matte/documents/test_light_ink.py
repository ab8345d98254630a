"""Light strokes on a dark ground, and other pictures that are light and dark."""

import cv2
import numpy as np
import pytest

from backend.matte.documents.light_ink import is_light_ink, is_thin
from tests.helpers.document_scenes import INKS, photographed, ring_stamp, signature, solid_stamp


def drawn(ground: tuple[int, int, int], ink: tuple[int, int, int], light: str = "flat") -> np.ndarray:
    return photographed(signature(200, 300), ink, light, paper=ground)


@pytest.mark.parametrize("ground", [(5, 5, 5), (35, 60, 50), (30, 40, 90)])
@pytest.mark.parametrize("light", ["flat", "gradient", "shadow"])
def test_chalk_and_white_ink_are_light_ink(ground: tuple[int, int, int], light: str) -> None:
    assert is_light_ink(drawn(ground, (235, 235, 230), light))


@pytest.mark.parametrize("draw", [signature, ring_stamp, solid_stamp])
def test_ink_on_paper_is_not(draw: object) -> None:
    for light in ("flat", "gradient", "vignette", "hard shadow"):
        assert not is_light_ink(photographed(draw(200, 300), INKS["black"], light))  # type: ignore[operator]


def test_a_page_or_an_object_on_a_dark_desk_is_not() -> None:
    desk = np.full((200, 300, 3), 30, np.uint8)
    desk[50:150, 60:220] = photographed(signature(100, 160), INKS["blue"])
    assert not is_light_ink(desk)
    assert not is_light_ink(np.full((200, 300, 3), 30, np.uint8))


def test_what_is_thin_has_hardly_anything_wider_than_a_stroke() -> None:
    strokes = signature(200, 300) > 0.5
    assert is_thin(strokes) and is_thin(cv2.resize(strokes.astype(np.uint8), (1200, 800)) > 0)
    assert not is_thin(solid_stamp(200, 300) > 0.5)
    assert not is_thin(np.zeros((200, 300), bool)) and not is_thin(np.ones((1, 1), bool))
