"""Fusion settles what depth knows, leaves the rest bit-equal, and says which it did."""

import cv2
import numpy as np
import pytest

from backend.matte.fusion.fusion import STRATEGIES, FusionConfig, fuse_depth

RED, BLUE, GREEN = (190, 40, 40), (40, 60, 180), (40, 160, 60)
JUG = (130, 70, 190, 180)  # its foot stands on the table where the table has its disparity
LEVEL = (180 - 80) / 160


def iou(first, second):
    a, b = first > 0.5, second > 0.5
    return (a & b).sum() / (a | b).sum()


def test_a_thing_behind_the_object_is_removed(table):
    behind = table.put((185, 80, 240, 140), (140 - 80) / 160, GREEN)
    jug = table.put(JUG, LEVEL, RED)
    spoiled = np.maximum(jug, behind)
    fused = fuse_depth(spoiled, table.seen(), table.image, strategy="depth_guided")
    assert iou(spoiled, jug) < 0.75
    assert iou(fused.alpha, jug) > 0.97
    assert any("behind" in reason for reason in fused.reasons)


def test_a_missing_part_at_the_objects_depth_is_added(table):
    jug = table.put(JUG, LEVEL, RED)
    spoiled = jug.copy()
    spoiled[150:, 160:] = 0
    fused = fuse_depth(spoiled, table.seen(), table.image, strategy="depth_guided")
    assert iou(spoiled, jug) < 0.9
    assert iou(fused.alpha, jug) > 0.97


def test_a_blob_of_wall_is_removed(table):
    jug = table.put(JUG, LEVEL, RED)
    spoiled = cv2.circle(jug.copy(), (210, 100), 30, 1.0, -1)
    fused = fuse_depth(spoiled, table.seen(), table.image, strategy="auto")
    assert fused.strategy_used == "depth_guided"
    assert iou(fused.alpha, jug) > 0.96


def test_an_unsure_surround_is_decided_by_depth(table):
    jug = table.put(JUG, LEVEL, RED)
    spoiled = cv2.GaussianBlur(jug, (0, 0), 12)
    spoiled[:, 190:][spoiled[:, 190:] > 0.05] = 0.7
    fused = fuse_depth(spoiled, table.seen(), table.image, strategy="depth_guided")
    assert iou(fused.alpha, jug) > iou(spoiled, jug) + 0.2


def test_a_neighbour_as_near_as_the_object_is_not_added(table):
    table.put((185, 90, 250, 180), LEVEL, BLUE)
    jug = table.put(JUG, LEVEL, RED)
    fused = fuse_depth(jug, table.seen(), table.image, strategy="auto")
    assert iou(fused.alpha, jug) > 0.995


def test_something_nearer_in_front_is_not_added(table):
    jug = table.put(JUG, LEVEL, RED)
    post = table.put((150, 0, 165, 240), 1.2, BLUE)
    seen = np.where(post > 0, 0, jug).astype(np.float32)
    fused = fuse_depth(seen, table.seen(), table.image, strategy="auto")
    assert iou(fused.alpha, seen) > 0.99


def test_an_object_lying_on_its_support_is_left_bit_equal(table):
    before = table.disparity.copy()
    sheet = table.put((100, 150, 200, 200), 0, RED)
    table.disparity[:] = before
    spoiled = cv2.GaussianBlur(cv2.circle(sheet.copy(), (205, 160), 20, 1.0, -1), (0, 0), 1)
    fused = fuse_depth(spoiled, table.seen(), table.image, strategy="auto")
    assert fused.strategy_used == "segmentation"
    assert np.array_equal(fused.alpha, spoiled)
    assert "stand" in fused.reasons[0]


@pytest.mark.parametrize("strategy", ["depth_guided", "intersection", "union", "auto"])
def test_flat_or_absent_depth_changes_nothing_and_gives_the_reason(table, strategy):
    jug = table.put(JUG, LEVEL, RED)
    for disparity in (None, np.full(jug.shape, 3, np.float32), np.full(jug.shape, np.nan, np.float32)):
        fused = fuse_depth(jug, disparity, table.image, strategy=strategy)
        assert np.array_equal(fused.alpha, jug)
        assert fused.strategy_used == "segmentation"
        assert "segmentation" in fused.reasons[0]


def test_pixels_far_from_a_correction_keep_their_alpha_bit_by_bit(table):
    jug = table.put(JUG, LEVEL, RED)
    soft = np.minimum(cv2.GaussianBlur(cv2.circle(jug.copy(), (210, 100), 30, 1.0, -1), (0, 0), 1.2), 1)
    fused = fuse_depth(soft, table.seen(), table.image, strategy="depth_guided")
    assert not np.array_equal(fused.alpha, soft)
    assert np.array_equal(fused.alpha[:, :165], soft[:, :165])
    assert np.array_equal(fused.alpha[150:], soft[150:])


def test_scale_and_shift_of_the_disparity_do_not_matter(table):
    jug = table.put(JUG, LEVEL, RED)
    spoiled = cv2.circle(jug.copy(), (210, 100), 30, 1.0, -1)
    first = fuse_depth(spoiled, table.seen(), table.image, strategy="depth_guided").alpha
    second = fuse_depth(spoiled, table.seen() * 0.02 + 100, table.image, strategy="depth_guided").alpha
    assert iou(first, second) > 0.99


def test_a_picture_eight_times_as_large_gets_the_same_answer(table):
    jug = table.put(JUG, LEVEL, RED)
    spoiled = cv2.circle(jug.copy(), (210, 100), 30, 1.0, -1)

    def large(array):
        return cv2.resize(array, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)

    disparity = cv2.resize(table.seen(), None, fx=8, fy=8)
    fused = fuse_depth(large(spoiled), disparity, large(table.image), strategy="depth_guided")
    assert iou(fused.alpha, large(jug)) > 0.96


def test_intersection_never_adds_and_union_never_takes(table):
    jug = table.put(JUG, LEVEL, RED)
    soft = cv2.GaussianBlur(jug, (0, 0), 3)
    lower = fuse_depth(soft, table.seen(), table.image, strategy="intersection")
    upper = fuse_depth(soft, table.seen(), table.image, strategy="union")
    assert (lower.alpha <= soft).all()
    assert (upper.alpha >= soft).all()
    assert lower.strategy_used == "intersection"
    assert upper.strategy_used == "union"
    assert len(np.unique(lower.alpha)) > 20  # soft edges stay soft


def test_agreement_is_higher_for_the_truth_than_for_a_wrong_guess(table):
    jug = table.put(JUG, LEVEL, RED)
    wrong = cv2.circle(jug.copy(), (230, 100), 50, 1.0, -1)
    right, off = (fuse_depth(a, table.seen(), table.image).agreement for a in (jug, wrong))
    assert right["iou"] > off["iou"]
    assert right["separation"] > off["separation"]


def test_the_inputs_are_not_written_into(table):
    jug = table.put(JUG, LEVEL, RED)
    spoiled = cv2.circle(jug.copy(), (210, 100), 30, 1.0, -1)
    disparity = table.seen()
    copies = spoiled.copy(), disparity.copy(), table.image.copy()
    for strategy in STRATEGIES:
        fuse_depth(spoiled, disparity, table.image, FusionConfig("auto"), strategy)
    for now, before in zip((spoiled, disparity, table.image), copies, strict=True):
        assert np.array_equal(now, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (3, 7), (2000, 3)])
def test_pictures_of_any_shape_are_answered(shape):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    disparity = rng.random(shape).astype(np.float32)
    for strategy in STRATEGIES:
        fused = fuse_depth(np.ones(shape, np.float32), disparity, image, strategy=strategy)
        assert fused.alpha.shape == shape
        assert fused.alpha.min() >= 0
        assert fused.alpha.max() <= 1


def test_what_does_not_fit_is_refused(table):
    jug = table.put(JUG, LEVEL, RED)
    with pytest.raises(ValueError, match="strategy"):
        fuse_depth(jug, table.seen(), table.image, strategy="best")
    with pytest.raises(ValueError, match="sizes differ"):
        fuse_depth(jug, table.seen()[1:], table.image)
    with pytest.raises(ValueError, match="alpha"):
        fuse_depth(jug * 255, table.seen(), table.image)


def test_a_disc_far_behind_goes_even_in_the_objects_colours(table):
    jug = table.put(JUG, LEVEL, RED)
    cv2.circle(table.image, (262, 60), 26, RED, -1)
    spoiled = cv2.circle(jug.copy(), (262, 60), 26, 1.0, -1)
    fused = fuse_depth(spoiled, table.seen(), table.image, strategy="depth_guided")
    assert iou(spoiled, jug) < 0.8
    assert iou(fused.alpha, jug) > 0.97


def test_a_part_in_the_objects_colours_stays_where_depth_lost_it(table):
    """A network's disparity loses thin and dark parts: a handle that reads as wall is still the jug's."""
    jug = table.put(JUG, LEVEL, RED)
    handle = cv2.rectangle(np.zeros_like(jug), (190, 85), (222, 125), 1.0, -1)
    table.image[handle > 0] = RED
    whole = np.maximum(jug, handle)
    fused = fuse_depth(whole, table.seen(), table.image, strategy="depth_guided")
    assert iou(fused.alpha, whole) > 0.97
    assert any("colours" in reason for reason in fused.reasons)


def test_plain_strategies_work_where_depth_is_unclear(table):
    """The segmentation lies on the table, where depth cannot judge it; a jug stands elsewhere."""
    jug = table.put(JUG, LEVEL, RED)
    sheet = cv2.GaussianBlur(cv2.rectangle(np.zeros_like(jug), (20, 190), (90, 230), 1.0, -1), (0, 0), 1)
    for strategy in ("auto", "depth_guided"):
        unchanged = fuse_depth(sheet, table.seen(), table.image, strategy=strategy)
        assert unchanged.strategy_used == "segmentation" and np.array_equal(unchanged.alpha, sheet)
    low_cut = FusionConfig(depth_percentile=10)
    lower = fuse_depth(sheet, table.seen(), table.image, low_cut, "intersection")
    upper = fuse_depth(sheet, table.seen(), table.image, low_cut, "union")
    assert (lower.strategy_used, upper.strategy_used) == ("intersection", "union")
    assert np.array_equal(np.maximum(sheet, upper.alpha), upper.alpha)
    assert np.array_equal(np.minimum(sheet, lower.alpha), lower.alpha)
    assert iou(upper.alpha, np.maximum(sheet, jug)) > 0.85 and lower.alpha.max() < 0.5


def test_the_union_with_an_empty_segmentation_is_what_stands_nearest(table):
    jug = table.put(JUG, LEVEL, RED)
    empty = np.zeros_like(jug)
    union = fuse_depth(empty, table.seen(), table.image, FusionConfig(depth_percentile=10), "union")
    assert iou(union.alpha, jug) > 0.85
    assert not fuse_depth(empty, table.seen(), table.image, strategy="intersection").alpha.any()
    assert fuse_depth(empty, table.seen(), table.image, strategy="auto").strategy_used == "segmentation"
