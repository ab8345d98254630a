"""Choosing, pasting and combining objects, against forms that are slow and plain."""

import numpy as np
import pytest

from backend.engines.instances import Instance, InstanceChoice, choose, combine, name_of, paste


def instance(
    box: tuple[float, float, float, float], name: str = "dog", score: float = 0.9, seed: int | None = None
) -> Instance:
    grid = np.ones((28, 28)) if seed is None else np.random.default_rng(seed).random((28, 28))
    return Instance(name, score, box, grid.astype(np.float32))


def slowly_pasted(one: Instance, height: int, width: int) -> np.ndarray:
    """Bilinear between the middles of the cells, 0 around the grid, one pixel after the other."""
    x0, y0, x1, y1 = one.box
    out = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            v = (row + 0.5 - y0) / (y1 - y0) * 28 - 0.5
            u = (column + 0.5 - x0) / (x1 - x0) * 28 - 0.5
            for i in (int(np.floor(v)), int(np.floor(v)) + 1):
                for j in (int(np.floor(u)), int(np.floor(u)) + 1):
                    if 0 <= i < 28 and 0 <= j < 28:
                        out[row, column] += one.grid[i, j] * (1 - abs(v - i)) * (1 - abs(u - j))
    return out


BOXES = [(10.3, 5.7, 41.9, 30.2), (-8.0, -3.5, 20.25, 50.0), (0, 0, 60, 40), (30.1, 20.2, 31.0, 21.0), (55, 35, 90, 80)]


@pytest.mark.parametrize("box", BOXES)
def test_pasting_equals_its_slow_form(box: tuple[float, float, float, float]) -> None:
    one = instance(box, seed=3)
    whole = np.zeros((40, 60), np.float32)
    rows, columns, mask = paste(one, (40, 60))
    whole[rows, columns] = mask
    assert whole == pytest.approx(slowly_pasted(one, 40, 60), abs=1e-5)


@pytest.mark.parametrize("box", [(-50.0, -50.0, -20.0, -20.0), (100.0, 5.0, 140.0, 9.0), (5.0, 5.0, 5.0, 5.0)])
def test_a_box_outside_or_without_extent_leaves_the_picture_empty_or_nearly_so(
    box: tuple[float, float, float, float],
) -> None:
    saliency = combine([instance(box)], (40, 60))
    assert saliency.shape == (40, 60) and np.count_nonzero(saliency) <= 4


def test_a_full_grid_is_one_inside_and_nothing_far_outside() -> None:
    saliency = combine([instance((10, 10, 66, 38))], (60, 80))
    assert (saliency[13:35, 13:63] == 1).all()
    assert not saliency[:8].any() and not saliency[:, 69:].any()
    assert saliency.sum() == pytest.approx(56 * 28, rel=0.01)


def test_two_objects_that_touch_leave_no_seam() -> None:
    saliency = combine([instance((10, 10, 40, 50)), instance((40, 10, 70, 50))], (60, 80))
    assert saliency[20:40, 15:65].min() >= 0.75 - 1e-6


def test_combining_is_the_chance_of_any_and_no_matter_of_order() -> None:
    some = [instance(box, seed=index) for index, box in enumerate(BOXES[:3])]
    expected = 1 - np.prod([1 - slowly_pasted(one, 40, 60) for one in some], axis=0)
    assert combine(some, (40, 60)) == pytest.approx(expected, abs=1e-5)
    assert combine(some[::-1], (40, 60)) == pytest.approx(expected, abs=1e-5)


def test_of_nothing_the_saliency_is_empty() -> None:
    assert not combine([], (7, 9)).any() and combine([], (7, 9)).shape == (7, 9)


def test_the_main_object_is_the_large_and_certain_one() -> None:
    large, small = instance((0, 0, 60, 60)), instance((70, 0, 80, 9), score=0.99)
    unsure = instance((0, 70, 99, 99), score=0.3)
    assert choose([small, unsure, large], InstanceChoice()) == [large]
    assert choose([small, unsure, large], InstanceChoice(instances="all")) == [large, small]
    assert choose([small, unsure, large], InstanceChoice(instances=9, score_threshold=0.2)) == [large, unsure, small]


def test_an_object_under_two_names_counts_once() -> None:
    cup, vase = instance((10, 10, 50, 60), "cup", 0.9), instance((10, 11, 51, 60), "vase", 0.8)
    beside = instance((60, 10, 99, 60), "vase", 0.7)
    assert choose([cup, vase, beside], InstanceChoice(instances="all")) == [cup, beside]
    assert choose([cup, vase], InstanceChoice(classes=frozenset({"vase"}))) == [vase]


def test_a_label_without_a_name_is_called_by_its_number() -> None:
    assert name_of(18) == "dog" and name_of(12) == "class 12"
