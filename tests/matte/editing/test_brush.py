"""Laws of the brush: what it touches, what it leaves, how its coverage falls."""

from itertools import pairwise

import numpy as np
import pytest

from backend.contract.errors import InvalidParameterError
from backend.contract.marks import Stroke
from backend.matte.editing.brush import MAX_COST, _area_cost, coverage_at, paint, stroke_box

HEIGHT, WIDTH = 90, 130
LINE = [(20.0, 30.5), (60.2, 41.0), (64.0, 70.0), (100.5, 20.0)]


def levels(seed: int = 0) -> np.ndarray:
    """An alpha of every 8-bit level in random order."""
    steps = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH))
    return (steps / np.float32(255)).astype(np.float32)


def slow_distance(path: list[tuple[float, float]]) -> np.ndarray:
    """Each pixel's distance to the nearest of two thousand points along the line."""
    places = np.concatenate(
        [np.linspace(a, b, 2_000 // len(path)) for a, b in zip(path, path[1:] or path, strict=False)]
    )
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    nearest = np.full((HEIGHT, WIDTH), np.inf)
    for px, py in places:
        np.minimum(nearest, np.hypot(x - px, y - py), out=nearest)
    return nearest


@pytest.mark.parametrize("hardness", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("path", [LINE, [(64.0, 45.0)], [(5.0, 5.0), (5.0, 5.0), (5.0, 5.0)]])
def test_a_stroke_is_the_slow_sweep_of_its_profile(path: list[tuple[float, float]], hardness: float) -> None:
    stroke = Stroke(points=path, radius=9.5, hardness=hardness, mode="add")
    painted, touched = paint(np.zeros((HEIGHT, WIDTH), np.float32), [stroke])
    slow = coverage_at(slow_distance(path), 9.5, hardness)
    assert np.abs(painted - slow).max() < 0.02
    assert np.array_equal(touched, painted > 0)


@pytest.mark.parametrize("mode", ["add", "remove"])
def test_where_no_stroke_reaches_every_byte_stays(mode: str) -> None:
    before = levels()
    painted, touched = paint(before, [Stroke(points=LINE, radius=6, hardness=0.5, mode=mode)])
    far = slow_distance(LINE) > 6.5
    assert not touched[far].any()
    assert np.array_equal(painted[~touched], before[~touched])
    assert np.array_equal(painted >= before if mode == "add" else painted <= before, np.ones_like(touched))


def test_the_middle_of_a_stroke_is_full_and_its_rim_has_in_between_values() -> None:
    painted, _ = paint(levels(), [Stroke(x=60, y=40, radius=20, hardness=1, mode="add")])
    assert (painted[25:56, 55:66] == 1).all()
    ring, _ = paint(np.zeros((HEIGHT, WIDTH), np.float32), [Stroke(x=60, y=40, radius=20, hardness=1, mode="add")])
    assert 60 < ((ring > 0) & (ring < 1)).sum() < 250  # one pixel around a circumference of 126
    assert abs(ring.sum() - np.pi * 400) < 5


def test_a_line_has_no_beads_however_densely_it_is_sampled() -> None:
    once = Stroke(points=[(20, 45), (110, 45)], radius=8, hardness=0.3, mode="add")
    often = Stroke(points=[(x, 45.0) for x in np.linspace(20, 110, 500).tolist()], radius=8, hardness=0.3, mode="add")
    back = Stroke(points=[(20, 45), (110, 45), (30, 45), (90, 45)], radius=8, hardness=0.3, mode="add")
    blank = np.zeros((HEIGHT, WIDTH), np.float32)
    plain = paint(blank, [once])[0]
    for other in (often, back):
        assert np.abs(plain - paint(blank, [other])[0]).max() < 0.01
    along = plain[:, 30:100]
    assert np.abs(along - along[:, :1]).max() < 1e-5


def test_two_strokes_add_up_and_their_order_counts() -> None:
    soft = Stroke(x=60, y=40, radius=20, hardness=0, mode="add")
    away = Stroke(x=70, y=40, radius=20, hardness=0, mode="remove")
    blank = np.zeros((HEIGHT, WIDTH), np.float32)
    assert paint(blank, [soft, soft])[0][40, 72] > paint(blank, [soft])[0][40, 72]
    assert not np.array_equal(paint(blank, [soft, away])[0], paint(blank, [away, soft])[0])
    step = paint(paint(blank, [soft])[0], [away])[0]
    assert np.array_equal(paint(blank, [soft, away])[0], step)


def test_coverage_falls_with_distance_and_rises_with_hardness() -> None:
    distance = np.linspace(0, 15, 400).astype(np.float32)
    curves = [coverage_at(distance, 10, hardness) for hardness in np.linspace(0, 1, 11)]
    for curve in curves:
        assert (np.diff(curve) <= 0).all()
        assert curve[0] > 0.99
        assert (curve[distance >= 10.5] == 0).all()
    assert all((harder >= softer).all() for softer, harder in pairwise(curves))
    assert abs(float(np.interp(10, distance, curves[-1])) - 0.5) < 0.02


def test_a_stroke_over_the_frame_paints_what_lies_inside() -> None:
    wide = Stroke(points=[(-500, -20), (700, 45)], radius=12, mode="add")
    painted, _ = paint(np.zeros((HEIGHT, WIDTH), np.float32), [wide])
    assert np.abs(painted - coverage_at(slow_distance([(-500, -20), (700, 45)]), 12, 1)).max() < 0.05
    outside, touched = paint(levels(), [Stroke(x=-50, y=10, radius=20, mode="add")])
    assert np.array_equal(outside, levels())
    assert not touched.any()


def test_the_box_of_a_stroke_holds_all_it_touches() -> None:
    stroke = Stroke(points=LINE, radius=7.3, hardness=0.8, mode="add")
    touched = paint(np.zeros((HEIGHT, WIDTH), np.float32), [stroke])[1]
    x0, y0, x1, y1 = stroke_box(stroke, HEIGHT, WIDTH)
    touched[y0:y1, x0:x1] = False
    assert not touched.any()


def test_painting_leaves_its_input_alone() -> None:
    before = levels()
    paint(before, [Stroke(x=60, y=40, radius=20, mode="remove")])
    assert np.array_equal(before, levels())


def test_too_much_paint_is_refused_before_any_of_it_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    huge = Stroke(x=60, y=40, radius=5000, hardness=0.5, mode="add")
    largest = np.zeros((7000, 7000), np.float32)
    monkeypatch.setattr("backend.matte.editing.brush._swept", lambda stroke, box, cost: iter(()))
    paint(largest, [huge] * 3)  # the largest picture can be painted over several times
    monkeypatch.setattr("backend.matte.editing.brush._swept", lambda *_: pytest.fail("painted"))
    for count in (20, 2500):
        with pytest.raises(InvalidParameterError) as caught:
            paint(largest, [huge] * count)
        assert caught.value.numbers["parameter"] == "strokes"


def test_a_large_picture_takes_many_long_fine_strokes() -> None:
    rng = np.random.default_rng(2)
    for _ in range(3):
        ways = rng.uniform(-20, 20, (33, 300, 2)).cumsum(axis=1) + 1000
        strokes = [Stroke(points=[(float(x), float(y)) for x, y in line], radius=12, mode="add") for line in ways]
        assert sum(_area_cost(stroke, 3000, 4000) for stroke in strokes) < MAX_COST / 2


def test_a_scribble_whose_pieces_are_near_to_every_pixel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its area says little: each pixel is measured against each piece."""
    monkeypatch.setattr("backend.matte.editing.brush.MAX_COST", 100 * HEIGHT * WIDTH)
    places = np.random.default_rng(3).uniform(40, 60, (300, 2))
    scribble = Stroke(points=[(float(x), float(y)) for x, y in places], radius=500, hardness=0, mode="add")
    assert _area_cost(scribble, HEIGHT, WIDTH) < 100 * HEIGHT * WIDTH
    with pytest.raises(InvalidParameterError) as caught:
        paint(levels(), [scribble])
    assert caught.value.numbers["parameter"] == "strokes"


def lasso(points: list[tuple[float, float]], mode: str = "add") -> Stroke:
    return Stroke(points=points, radius=1, mode=mode, filled=True)


def test_a_lasso_takes_its_line_and_all_that_it_encloses() -> None:
    painted, touched = paint(np.zeros((HEIGHT, WIDTH), np.float32), [lasso([(20, 10), (90, 10), (90, 70), (20, 70)])])
    assert (painted[11:69, 21:89] == 1).all()
    assert not painted[:8].any() and not painted[:, :18].any() and not painted[73:].any() and not painted[:, 93:].any()
    assert painted.sum() == pytest.approx(72 * 62, rel=0.01)  # of the middle of the line on each side one pixel more
    assert np.array_equal(touched, painted > 0)
    before = levels()
    left, touched = paint(before, [lasso([(20, 10), (90, 10), (90, 70), (20, 70)], "remove")])
    assert not left[11:69, 21:89].any() and np.array_equal(left[~touched], before[~touched])


def test_a_lasso_that_crosses_itself_has_no_hole_where_it_laps() -> None:
    around = [(64 + 30 * np.cos(turn), 45 + 30 * np.sin(turn)) for turn in np.linspace(0, 4.5 * np.pi, 200)]
    painted, _ = paint(np.zeros((HEIGHT, WIDTH), np.float32), [lasso(around)])
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    assert (painted[np.hypot(columns - 64, rows - 45) < 29] == 1).all()


def test_a_lasso_reaches_over_the_frame_and_one_outside_changes_nothing() -> None:
    everything = [(-50, -50), (500, -50), (500, 500), (-50, 500)]
    assert (paint(np.zeros((HEIGHT, WIDTH), np.float32), [lasso(everything)])[0] == 1).all()
    before = levels()
    painted, touched = paint(before, [lasso([(-50, -50), (-20, -50), (-20, -20)])])
    assert np.array_equal(painted, before) and not touched.any()


def test_a_lasso_that_crosses_too_many_rows_is_refused() -> None:
    comb = [(float(index), 0.0 if index % 2 else 16_000.0) for index in range(9_000)]
    with pytest.raises(InvalidParameterError, match="too long"):
        paint(np.zeros((16_000, 100), np.float32), [lasso(comb)])
