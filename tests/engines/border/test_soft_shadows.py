"""A soft shadow is ground; a dark thing with an outline is not."""

import cv2
import numpy as np

from backend.engines.border.ground import estimate_ground, sharpen_guess
from backend.engines.border.soft_shadows import find_soft_shadows


def lit_ground(softness_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Lab and where it is darkened; the ground is L 80, the dark part L 60."""
    y, x = np.mgrid[0:200, 0:240]
    dark = (np.hypot((y - 100) / 0.6, x - 120) < 40).astype(np.float32)
    share = cv2.GaussianBlur(dark, (0, 0), softness_px) if softness_px else dark
    lab = np.full((200, 240, 3), (80.0, 4.0, 8.0), np.float32) * (1 - 0.25 * share)[..., None]
    return lab.astype(np.float32), share > 0.5


def found(lab: np.ndarray, guess: np.ndarray, unrest: float = 0.5) -> np.ndarray:
    # An object beside the shadow stands out as well: a shadow is never all that stands out.
    saliency = guess.astype(np.float32)
    saliency[5:60, 5:235] = 1.0
    ground = estimate_ground(lab, saliency)
    assert ground is not None
    return find_soft_shadows(lab, saliency, ground, unrest)


def test_a_soft_shadow_is_found() -> None:
    lab, dark = lit_ground(softness_px=8)
    shadow = found(lab, cv2.dilate(dark.astype(np.uint8), np.ones((25, 25))) > 0)
    assert (shadow & dark).sum() > 0.9 * dark.sum()


def test_a_dark_thing_with_an_outline_is_no_shadow() -> None:
    lab, dark = lit_ground(softness_px=0)
    shadow = found(lab, cv2.dilate(dark.astype(np.uint8), np.ones((9, 9))) > 0)
    assert (shadow & dark).sum() < 0.1 * dark.sum()


def test_nothing_is_called_shadow_on_lively_ground() -> None:
    lab, dark = lit_ground(softness_px=8)
    assert not found(lab, dark, unrest=6.0).any()


def test_what_departs_from_a_calm_ground_is_raised_and_nothing_is_lowered() -> None:
    lab = np.full((100, 100, 3), (80.0, 0.0, 0.0), np.float32)
    lab[20:80, 50:52] = (30.0, 0.0, 0.0)  # a leg two pixels wide
    saliency = np.full((100, 100), 0.05, np.float32)
    ground = estimate_ground(lab, saliency)
    assert ground is not None
    sharp = sharpen_guess(saliency, ground, np.zeros((100, 100), dtype=bool), unrest=0.5)
    assert sharp[25:75, 50:52].min() > 0.9
    assert (sharp >= saliency).all()
    assert sharp[:, :40].max() < 0.1


def test_without_ground_there_is_no_estimate() -> None:
    assert estimate_ground(np.zeros((20, 20, 3), np.float32), np.ones((20, 20), np.float32)) is None
