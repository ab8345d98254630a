"""A shadow with a sharp end cannot be told from a grey part, but what may be one is known."""

import cv2
import numpy as np
import pytest

from backend.engines.border.soft_edges import cast_shadow_share


def scene(shadow: float, color: tuple[int, int, int] = (180, 50, 50)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a disc with its hard shadow of that strength and the backdrop, in Lab, and the mask of what differs."""
    ground = np.full((300, 400, 3), (0.82, 0.83, 0.85), np.float32)
    image = ground.copy()
    cast = cv2.ellipse(np.zeros((300, 400), np.uint8), (230, 220), (120, 30), 0, 0, 360, 1, -1) > 0
    image[cast] *= 1 - shadow
    disc = cv2.circle(np.zeros((300, 400), np.uint8), (180, 140), 90, 1, -1) > 0
    image[disc] = np.array(color, np.float32) / 255
    mask = disc | (cast if shadow else disc)
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB), cv2.cvtColor(ground, cv2.COLOR_RGB2LAB), mask


@pytest.mark.parametrize("strength", [0.2, 0.4, 0.6])
def test_a_hard_shadow_beside_a_coloured_thing_is_suspected(strength: float) -> None:
    lab, ground, mask = scene(strength)
    assert cast_shadow_share(lab, ground, mask) == pytest.approx(0.2, abs=0.07)


def test_a_thing_without_a_shadow_and_one_that_is_grey_all_over_are_not() -> None:
    assert cast_shadow_share(*scene(0)) == 0
    assert cast_shadow_share(*scene(0, (150, 152, 155))) == 0
    lab, ground, mask = scene(0)
    assert cast_shadow_share(lab, ground, np.zeros_like(mask)) == 0


def test_a_grey_part_with_a_texture_is_none() -> None:
    lab, ground, mask = scene(0.4)
    lab[..., 0] += np.where(np.indices(mask.shape).sum(axis=0) % 6 < 3, 8, -8) * mask
    assert cast_shadow_share(lab, ground, mask) == 0
