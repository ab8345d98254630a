"""The paper's own colour under writing, stamps and shadows."""

import cv2
import numpy as np
import pytest

from backend.matte.documents.ink import WHITE, flatten
from backend.matte.documents.shading import paper_shading
from tests.helpers.document_scenes import INKS, PAPERS, photographed, ring_stamp, signature, solid_stamp


def over(image: np.ndarray) -> np.ndarray:
    """Return the shading at the picture's size."""
    return cv2.resize(paper_shading(image), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize("draw", [signature, ring_stamp, solid_stamp])
@pytest.mark.parametrize("ink", ["black", "blue", "pencil"])
def test_writing_does_not_change_the_paper(draw: object, ink: str) -> None:
    written = photographed(draw(240, 360, 1), INKS[ink], "gradient", 1)  # type: ignore[operator]
    blank = photographed(np.zeros((240, 360), np.float32), INKS[ink], "gradient", 1)
    assert np.abs(over(written) - over(blank)).max() < 12


@pytest.mark.parametrize("light", ["gradient", "vignette", "shadow", "textured"])
@pytest.mark.parametrize("paper", list(PAPERS))
def test_flattened_paper_is_white_all_over(light: str, paper: str) -> None:
    blank = photographed(np.zeros((240, 360), np.float32), (0, 0, 0), light, 2, PAPERS[paper])
    flat = flatten(blank, paper_shading(blank), (0, 0, 360, 240)).astype(float)
    assert np.abs(cv2.blur(flat, (9, 9)) - WHITE).max() < 30
    assert cv2.blur(flat, (9, 9)).min() > 215


def test_flattening_a_box_is_flattening_the_whole_and_cutting() -> None:
    photo = photographed(signature(240, 360), INKS["blue"], "gradient")
    shading = paper_shading(photo)
    whole = flatten(photo, shading, (0, 0, 360, 240)).astype(int)
    part = flatten(photo, shading, (50, 60, 200, 180))
    assert np.abs(whole[60:180, 50:200] - part).max() <= 1


def test_beyond_a_page_its_shading_goes_on() -> None:
    desk = np.full((240, 360, 3), (90, 60, 30), np.uint8)
    page = np.zeros((240, 360), bool)
    page[40:200, 60:300] = True
    desk[page] = (240, 238, 230)
    shading = paper_shading(desk, page)
    assert np.abs(shading - (240, 238, 230)).max() < 6


@pytest.mark.parametrize("margin", [2, 4, 6, 8])
@pytest.mark.parametrize("corner", [0, 3])
def test_ink_up_to_the_frame_is_filled_from_however_little_paper_is_left(margin: int, corner: int) -> None:
    """Whatever is known, and be it a pixel: looking farther and farther ends."""
    photo = np.full((400, 600, 3), (250, 248, 240), np.uint8)
    photo[margin:-margin, margin:-margin] = (30, 50, 160)
    photo[:corner, :corner] = 255
    assert np.isfinite(paper_shading(photo)).all()
    page = np.zeros((400, 600), bool)
    page[200:218, 300:318] = True
    assert np.abs(paper_shading(np.full((400, 600, 3), 200, np.uint8), page) - 200).max() < 1


@pytest.mark.parametrize("size", [(1, 1), (1, 80), (80, 1), (2, 2)])
def test_the_smallest_picture_has_a_shading(size: tuple[int, int]) -> None:
    for page in (None, np.zeros(size, bool), np.ones(size, bool)):
        assert np.isfinite(paper_shading(np.full((*size, 3), 200, np.uint8), page)).all()
