import cv2
import numpy as np
import pytest

from backend.matte.refine.foreground import foreground_colors


def mixed() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dark red disc with a soft rim on bright green: the photo, its alpha and the object's own colour."""
    alpha = cv2.GaussianBlur(cv2.circle(np.zeros((200, 200), np.float32), (100, 100), 60, 1.0, -1), (0, 0), 3)
    own = np.broadcast_to(np.float32([130, 20, 30]), (200, 200, 3))
    photo = alpha[..., None] * own + (1 - alpha[..., None]) * np.float32([60, 230, 70])
    return np.rint(photo).astype(np.uint8), alpha, own


def test_no_old_background_shines_through_on_grey():
    photo, alpha, own = mixed()
    clean = foreground_colors(photo, alpha)
    rim = (alpha > 0.05) & (alpha < 0.95)
    halo = (alpha[..., None] * np.abs(clean - own))[rim].mean()
    assert halo < 0.15 * (alpha[..., None] * np.abs(photo - own))[rim].mean()


def test_opaque_pixels_and_the_far_background_stay_as_they_were():
    photo, alpha, _ = mixed()
    clean = foreground_colors(photo, alpha)
    assert np.array_equal(clean[alpha >= 0.995], photo[alpha >= 0.995])
    assert np.array_equal(clean[:20], photo[:20])


def test_the_input_is_not_written_into():
    photo, alpha, _ = mixed()
    before = photo.copy()
    foreground_colors(photo, alpha)
    assert np.array_equal(photo, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (3, 2)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_any_size_and_a_constant_alpha_pass(shape: tuple[int, int], value: float):
    image = np.full((*shape, 3), 77, np.uint8)
    assert np.abs(foreground_colors(image, np.full(shape, value, np.float32)).astype(int) - 77).max() <= 1


def test_sizes_that_differ_are_refused():
    photo, alpha, _ = mixed()
    with pytest.raises(ValueError, match="sizes differ"):
        foreground_colors(photo, alpha[1:])
