"""The border's colours, read where they are known."""

import numpy as np

from backend.engines.border.border_colors import read_border


def plain(lightness: float = 80.0) -> np.ndarray:
    return np.full((120, 160, 3), (lightness, 5.0, -3.0), np.float32)


def test_one_colour_all_around_is_uniform_with_no_deviation() -> None:
    border = read_border(plain())
    assert border.uniform
    assert border.modes == 1
    assert border.deviation < 1e-3
    np.testing.assert_allclose(border.mean, (80, 5, -3), atol=1e-3)


def test_an_object_on_one_side_leaves_the_background_uniform_and_its_colour_alone() -> None:
    lab = plain()
    lab[60:, 40:120] = (30, 40, 20)
    border = read_border(lab)
    assert border.uniform
    assert border.modes == 2
    np.testing.assert_allclose(border.mean, (80, 5, -3), atol=1e-3)


def test_wall_and_table_are_two_colours_and_not_uniform() -> None:
    lab = plain()
    lab[50:] = (40, 10, 30)
    border = read_border(lab)
    assert border.modes == 2
    assert not border.uniform


def test_a_speck_on_the_border_is_no_colour_of_its_own() -> None:
    lab = plain()
    lab[0, 80] = (0, 0, 0)
    assert read_border(lab).modes == 1


def test_single_pixel_pictures_are_read() -> None:
    assert read_border(np.zeros((1, 1, 3), np.float32)).uniform
