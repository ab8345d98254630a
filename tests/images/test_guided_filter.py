"""Carrying an alpha up keeps what is constant and follows the picture's edges."""

import cv2
import numpy as np
import pytest

from backend.images.guided_filter import guided_upsample


def disc(size: int) -> np.ndarray:
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    return np.hypot(y, x) < 0.3


def painted(size: int) -> np.ndarray:
    return np.where(disc(size)[..., None], (200, 60, 40), (60, 120, 180)).astype(np.uint8)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.4])
def test_a_constant_alpha_stays_constant(value: float) -> None:
    big = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    small = cv2.resize(big, (100, 150), interpolation=cv2.INTER_AREA)
    out = guided_upsample(np.full((150, 100), value, np.float32), small, big)
    assert out.shape == (300, 200)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, value, atol=2e-3)


def test_the_edge_is_sharper_and_truer_than_by_plain_enlargement() -> None:
    big = painted(1200)
    small = cv2.resize(big, (150, 150), interpolation=cv2.INTER_AREA)
    alpha = disc(150).astype(np.float32)
    guided = guided_upsample(alpha, small, big)
    plain = cv2.resize(alpha, (1200, 1200), interpolation=cv2.INTER_LINEAR)
    truth = disc(1200)
    assert np.abs(guided - truth).mean() < 0.5 * np.abs(plain - truth).mean()


def test_strips_leave_no_seam() -> None:
    tall = np.tile(np.linspace(0, 255, 2500).astype(np.uint8)[:, None, None], (1, 900, 3))  # three strips
    small = cv2.resize(tall, (90, 250), interpolation=cv2.INTER_AREA)
    out = guided_upsample(small[..., 0].astype(np.float32) / 255, small, tall)
    assert np.abs(np.diff(out, axis=0)).max() < 0.01


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes differ"):
        guided_upsample(np.zeros((4, 5), np.float32), np.zeros((5, 4, 3), np.uint8), np.zeros((8, 10, 3), np.uint8))
