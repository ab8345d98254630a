"""Bars are cut off, plain backgrounds are not."""

import numpy as np
import pytest

from backend.engines.border.letterbox import find_content_box


def photo(height: int = 200, width: int = 300) -> np.ndarray:
    rng = np.random.default_rng(3)
    picture = np.full((height, width, 3), (210, 190, 170), np.uint8)
    picture[60:140, 100:200] = (40, 90, 160)
    return np.clip(picture + rng.integers(-2, 3, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("bar", [(0, 0, 0), (255, 255, 255), (20, 60, 20)])
def test_bars_above_and_below_are_cut_off_to_within_a_few_rows(bar: tuple[int, int, int]) -> None:
    framed = np.full((280, 300, 3), bar, np.uint8)
    framed[30:230] = photo()
    x0, y0, x1, y1 = find_content_box(framed)
    assert (x0, x1) == (0, 300)
    assert 30 <= y0 <= 34
    assert 226 <= y1 <= 230


def test_bars_left_and_right_are_cut_off_too() -> None:
    framed = np.zeros((200, 400, 3), np.uint8)
    framed[:, 50:350] = photo()
    x0, y0, x1, y1 = find_content_box(framed)
    assert (y0, y1) == (0, 200)
    assert 50 <= x0 <= 54
    assert 346 <= x1 <= 350


def test_grainy_bars_are_still_bars() -> None:
    framed = np.zeros((280, 300, 3), np.float64)
    framed[30:230] = photo()
    grainy = np.clip(framed + 6 * np.random.default_rng(0).standard_normal(framed.shape), 0, 255).astype(np.uint8)
    _, y0, _, y1 = find_content_box(grainy)
    assert 30 <= y0 <= 34
    assert 226 <= y1 <= 230


def test_a_plain_background_is_not_a_bar_even_around_a_wide_object() -> None:
    picture = np.full((200, 300, 3), 250, np.uint8)
    picture[50:150, 60:240] = (30, 60, 120)  # covers 60 % of a row; a picture behind a bar covers all of it
    assert find_content_box(picture) == (0, 0, 300, 200)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 3)])
def test_a_tiny_picture_keeps_all_its_pixels(size: tuple[int, int]) -> None:
    assert find_content_box(np.zeros((*size, 3), np.uint8)) == (0, 0, size[1], size[0])


@pytest.mark.parametrize("height", range(2, 40))
def test_two_plain_halves_are_no_bars_with_nothing_in_between(height: int) -> None:
    halves = np.zeros((height, 8, 3), np.uint8)
    halves[height // 2 :] = 200
    halves[(height - 1) // 2] = 100  # a step that is blurred, as resizing leaves it
    for picture in (halves, np.ascontiguousarray(halves.transpose(1, 0, 2))):
        x0, y0, x1, y1 = find_content_box(picture)
        assert x0 < x1 and y0 < y1


def test_a_blank_picture_has_no_bars() -> None:
    assert find_content_box(np.zeros((50, 60, 3), np.uint8)) == (0, 0, 60, 50)


def test_a_grey_array_is_refused() -> None:
    with pytest.raises(ValueError, match="an image is"):
        find_content_box(np.zeros((5, 5), np.uint8))


@pytest.mark.parametrize("turned", [False, True])
def test_a_card_that_nearly_reaches_two_sides_stands_on_a_backdrop(turned: bool) -> None:
    picture = np.full((500, 360, 3), (200, 215, 225), np.uint8)
    picture[40:460, 60:300] = (252, 252, 252)
    picture = np.ascontiguousarray(picture.swapaxes(0, 1)) if turned else picture
    assert find_content_box(picture) == (0, 0, picture.shape[1], picture.shape[0])
