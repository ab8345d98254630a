import cv2
import numpy as np
import pytest
from PIL import Image

from backend.contract.settings import REPOSITORY
from backend.matte.documents.looks_like_ink import looks_like_ink
from tests.helpers.document_scenes import INKS, photographed, ring_stamp, signature


@pytest.mark.parametrize("ink", ["blue", "black", "red"])
@pytest.mark.parametrize("draw", [signature, ring_stamp])
def test_a_signature_and_a_stamp_of_lines_look_like_ink(draw, ink: str) -> None:
    assert looks_like_ink(photographed(draw(360, 520), INKS[ink]))


def test_a_thick_object_before_a_plain_wall_does_not() -> None:
    scene = np.full((360, 480, 3), 245, np.uint8)
    cv2.ellipse(scene, (240, 180), (60, 110), 0, 0, 360, (40, 60, 150), -1)
    assert not looks_like_ink(scene)


def test_thin_things_of_several_colours_do_not() -> None:
    scene = np.full((360, 480, 3), 245, np.uint8)
    for at, color in enumerate([(190, 30, 40), (20, 110, 60), (30, 50, 160)]):
        cv2.line(scene, (120 + 80 * at, 60), (140 + 80 * at, 300), color, 5)
    assert not looks_like_ink(scene)


def test_an_empty_page_and_a_dark_one_do_not() -> None:
    assert not looks_like_ink(np.full((300, 400, 3), 240, np.uint8))
    night = np.full((300, 400, 3), 30, np.uint8)
    cv2.line(night, (50, 50), (300, 250), (0, 0, 0), 4)
    assert not looks_like_ink(night)


@pytest.mark.parametrize("name", ["jug", "cactus", "robot"])
def test_the_example_objects_do_not(name: str) -> None:
    assert not looks_like_ink(np.array(Image.open(REPOSITORY / "examples" / f"{name}.jpg").convert("RGB")))
