import cv2
import numpy as np
import pytest

from backend.matte.refine.components import ComponentsConfig, keep_object

RED, GREY = (200, 40, 30), (150, 150, 150)


def picture(*discs: tuple[int, int, int, tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Coloured discs (x, y, radius, colour) on grey, and the mask of them all."""
    image = np.full((300, 300, 3), GREY, np.uint8)
    mask = np.zeros((300, 300), np.uint8)
    for x, y, radius, color in discs:
        cv2.circle(image, (x, y), radius, color, -1)
        cv2.circle(mask, (x, y), radius, 1, -1)
    return image, mask > 0


def kept(image: np.ndarray | None, mask: np.ndarray, config: ComponentsConfig | None = None):
    return keep_object(mask, mask.astype(np.float32), config or ComponentsConfig())


def test_a_speck_far_off_is_dropped_with_a_reason():
    image, mask = picture((150, 150, 60, RED), (40, 40, 5, GREY))
    found, _, dropped = kept(image, mask)
    assert found[150, 150] and not found[40, 40]
    assert len(dropped) == 1 and "too small" in dropped[0].reason
    assert dropped[0].center == pytest.approx((40 / 300, 40 / 300), abs=0.01)


def test_the_second_of_two_cherries_stays():
    image, mask = picture((100, 150, 50, RED), (220, 150, 40, RED))
    found, parts, dropped = kept(image, mask)
    assert np.array_equal(found, mask) and parts == 2 and not dropped


def test_a_beak_tip_close_to_the_bird_stays_though_it_is_tiny():
    image, mask = picture((150, 150, 60, RED), (216, 150, 3, (230, 190, 20)))
    assert kept(image, mask)[0][150, 216]


def test_a_thing_of_some_size_goes_where_it_is_very_far_off():
    mask = np.zeros((60, 900), bool)
    mask[20:40, 10:30] = mask[25:31, 880:886] = True
    found, _, dropped = keep_object(mask, mask.astype(np.float32), ComponentsConfig())
    assert not found[27, 882] and "too far" in dropped[0].reason


def test_the_main_object_is_the_one_that_the_network_is_sure_of():
    _, mask = picture((90, 150, 40, RED), (220, 150, 38, GREY))
    saliency = np.where(np.arange(300)[None] < 150, 0.5, 1.0).astype(np.float32) * mask
    found, _, _ = keep_object(mask, saliency, ComponentsConfig())
    assert found[150, 220]


def test_nothing_one_thing_and_everything_pass_through():
    image, mask = picture((150, 150, 60, RED))
    for same in (np.zeros_like(mask), mask, np.ones_like(mask)):
        assert np.array_equal(kept(image, same)[0], same)


def test_noise_of_a_thousand_parts_is_bounded_work():
    image, _ = picture()
    mask = np.zeros((300, 300), bool)
    mask[::4, ::4] = True
    assert kept(image, mask)[0].sum() <= mask.sum()


def test_sizes_that_differ_are_refused():
    _, mask = picture((150, 150, 60, RED))
    with pytest.raises(ValueError, match="sizes differ"):
        keep_object(mask[:-1], mask.astype(np.float32), ComponentsConfig())


def test_twins_stay_however_far_apart_they_lie():
    image, mask = picture((30, 150, 12, RED), (270, 150, 11, RED))
    found, parts, dropped = kept(image, mask)
    assert np.array_equal(found, mask) and parts == 2 and not dropped


def test_distance_counts_from_what_is_kept_so_far():
    image, mask = picture(*[(x, 150, 9, RED) for x in range(20, 300, 40)])
    assert np.array_equal(kept(image, mask)[0], mask)


def test_small_parts_that_lie_together_count_as_one():
    image, mask = picture((100, 90, 60, RED), *[(x, 230, 3, (20, 20, 160)) for x in range(60, 220, 8)])
    assert np.array_equal(kept(image, mask)[0], mask)


def test_a_part_inside_the_outline_is_no_stray():
    image, mask = picture((150, 150, 120, RED))
    cv2.circle(image, (150, 150), 110, GREY, -1)
    mask &= cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 110, 1, -1) == 0
    eye = cv2.circle(np.zeros((300, 300), np.uint8), (130, 140), 3, 1, -1) > 0
    image[eye] = RED
    assert kept(image, mask | eye)[0][140, 130]


def test_the_rim_of_a_turntable_goes_with_a_reason():
    _, mask = picture((150, 150, 40, RED))
    box = mask.copy()
    rim = cv2.ellipse(np.zeros((300, 300), np.uint8), (150, 170), (140, 60), 0, 10, 170, 1, 3) > 0
    found, parts, dropped = kept(None, mask | rim)
    assert np.array_equal(found, box) and parts == 1
    assert "thin band" in dropped[0].reason


def test_a_line_under_a_word_and_a_ring_around_a_disc_stay():
    _, word = picture(*((x, 120, 20, RED) for x in range(40, 280, 50)))
    word[160:166, 20:280] = True
    assert np.array_equal(kept(None, word)[0], word)
    _, badge = picture((150, 150, 50, RED))
    badge |= cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 100, 1, 3) > 0
    assert np.array_equal(kept(None, badge)[0], badge)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_number_of_parts_is_obeyed(count: int):
    image, mask = picture((60, 150, 40, RED), (160, 150, 30, RED), (250, 150, 20, RED))
    _, parts, dropped = kept(image, mask, ComponentsConfig(count=count))
    assert parts == count and len(dropped) == 3 - count
