import numpy as np
import pytest

from backend.matte.refine.holes import HolesConfig, label_holes, settle_holes


def plate(*holes: tuple[int, int, int]) -> np.ndarray:
    """A 100 px square with square holes (row, column, side)."""
    mask = np.zeros((140, 140), bool)
    mask[20:120, 20:120] = True
    for row, column, side in holes:
        mask[row : row + side, column : column + side] = False
    return mask


def test_holes_are_distinct_from_the_outside():
    labels, areas = label_holes(plate((40, 40, 5), (80, 80, 10)))
    assert sorted(areas) == [25, 100]
    assert labels[42, 42] != labels[85, 85]
    assert labels[0, 0] == 0 and labels[60, 30] == 0


def test_a_notch_open_to_the_frame_is_not_a_hole():
    mask = plate()
    mask[0:60, 70] = False
    assert len(label_holes(mask)[1]) == 0


def test_auto_fills_a_doubtful_pinhole_and_leaves_a_mug_handle_open():
    mask = plate((40, 40, 2), (70, 70, 20))
    settled, filled = settle_holes(mask, np.full(mask.shape, 0.48, np.float32), HolesConfig())
    assert np.array_equal(settled, plate((70, 70, 20)))
    assert filled == 1


def test_auto_leaves_a_pinhole_open_that_the_network_calls_background():
    mask = plate((40, 40, 2))
    assert np.array_equal(settle_holes(mask, mask.astype(np.float32), HolesConfig())[0], mask)


def test_keep_fills_nothing_and_fill_fills_up_to_its_limit():
    mask = plate((40, 40, 2), (70, 70, 20))
    saliency = np.full(mask.shape, 0.48, np.float32)
    assert np.array_equal(settle_holes(mask, saliency, HolesConfig(policy="keep"))[0], mask)
    assert np.array_equal(settle_holes(mask, saliency, HolesConfig(policy="fill"))[0], plate())
    small_only, _ = settle_holes(mask, saliency, HolesConfig(policy="fill", fill_share=0.01))
    assert np.array_equal(small_only, plate((70, 70, 20)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
@pytest.mark.parametrize("value", [False, True])
def test_empty_full_and_thin_masks_have_no_holes(shape: tuple[int, int], value: bool):
    settled, filled = settle_holes(np.full(shape, value), np.zeros(shape, np.float32), HolesConfig())
    assert (settled == value).all() and filled == 0


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="auto, keep, fill or open"):
        HolesConfig(policy="maybe")  # type: ignore[arg-type]
