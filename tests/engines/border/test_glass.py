"""Tinted glass before a plain backdrop: its shades go on inside."""

import cv2
import numpy as np
import pytest

from backend.engines.border.border import BorderSegmenter
from backend.engines.border.glass import see_through_share

SIZE = 400
WHERE = np.s_[120:300, 140:260]


def scene(tint: float, shades: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Lab picture, backdrop and mask of a pane that covers the backdrop with the opacity `tint`."""
    backdrop = np.zeros((SIZE, SIZE, 3), np.float32)
    backdrop[..., 0] = np.linspace(70 - shades, 70 + shades, SIZE)[:, None]
    picture, mask = backdrop.copy(), np.zeros((SIZE, SIZE), bool)
    mask[WHERE] = True
    picture[WHERE] = (1 - tint) * backdrop[WHERE] + tint * np.array((60, -15, 5), np.float32)
    noise = np.random.default_rng(0).normal(0, 1, picture.shape)
    return (picture + noise).astype(np.float32), backdrop, mask


@pytest.mark.parametrize("tint", [0.15, 0.3, 0.6])
def test_glass_is_told_by_the_shades_that_go_on_behind_it(tint: float) -> None:
    assert see_through_share(*scene(tint, shades=15)) > 0.7


def test_an_opaque_thing_and_one_before_a_single_shade_are_not_glass() -> None:
    assert see_through_share(*scene(1.0, shades=15)) == 0
    assert see_through_share(*scene(0.3, shades=0)) == 0


def test_a_thing_in_the_same_light_and_no_thing_are_not_glass() -> None:
    picture, backdrop, mask = scene(1.0, shades=15)
    picture[WHERE] = backdrop[WHERE] - (12, 0, 0)  # shaded just as the backdrop is: all of it would be seen
    assert see_through_share(picture, backdrop, mask) == 0
    assert see_through_share(picture, backdrop, np.zeros_like(mask)) == 0


def test_border_says_that_glass_is_kept_opaque() -> None:
    rows = np.linspace(150, 220, SIZE)[:, None, None]
    picture = np.repeat(np.repeat(rows, SIZE, axis=1), 3, axis=2)
    pane = picture[WHERE]
    picture[WHERE] = 0.7 * pane + 0.3 * np.array((20, 120, 90))
    cv2.rectangle(picture, (140, 120), (259, 299), (40, 90, 70), 5)
    noise = np.random.default_rng(1).normal(0, 1, picture.shape)
    image = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    glass = BorderSegmenter().predict(image)
    assert glass.exact and float(glass.facts["see_through_share"]) > 0.5
    assert any("opaque" in remark for remark in glass.remarks)
    image[WHERE] = (40, 90, 70)
    solid = BorderSegmenter().predict(image)
    assert solid.exact and solid.facts["see_through_share"] == 0 and not solid.remarks
