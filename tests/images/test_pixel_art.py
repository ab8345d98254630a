import cv2
import numpy as np
import pytest

from backend.images.pixel_art import is_pixel_art


def sprite(factor: int) -> np.ndarray:
    cells = np.full((16, 16, 3), (90, 160, 220), np.uint8)
    cells[4:12, 5:11] = (200, 40, 40)
    cells[5:7, 6:8] = (255, 255, 255)
    cells[11, 3:13] = (20, 20, 20)
    return np.repeat(np.repeat(cells, factor, axis=0), factor, axis=1)


@pytest.mark.parametrize("factor", [1, 2, 8])
def test_a_sprite_is_drawn_in_hard_pixels(factor: int) -> None:
    assert is_pixel_art(sprite(factor))


def test_a_smoothed_drawing_is_not() -> None:
    canvas = np.full((200, 200, 3), 255, np.uint8)
    cv2.circle(canvas, (100, 100), 60, (200, 40, 40), -1, cv2.LINE_AA)
    assert not is_pixel_art(canvas)


def test_a_photo_and_a_blank_are_not() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    assert not is_pixel_art(noise)
    assert not is_pixel_art(np.zeros((60, 60, 3), np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (2, 2)])
def test_a_sliver_is_not(size: tuple[int, int]) -> None:
    assert not is_pixel_art(np.zeros((*size, 3), np.uint8))
