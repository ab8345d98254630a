"""A picture brought into a frame of another shape."""

import numpy as np
import pytest

from backend.matte.editing.fitting import fit_picture


def quarters(height: int, width: int) -> np.ndarray:
    """Return a picture whose left half is red and whose lower half has blue in it."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 200
    image[height // 2 :, :, 2] = 100
    return image


def test_cover_fills_the_frame_with_the_middle() -> None:
    fitted, opacity = fit_picture(quarters(100, 400), None, (50, 50), "cover")
    assert fitted.shape == (50, 50, 3)
    assert opacity is None
    assert (fitted[:, :24, 0] == 200).all()
    assert (fitted[:, 26:, 0] == 0).all()


def test_contain_shows_the_whole_picture_with_clear_room_around_it() -> None:
    fitted, opacity = fit_picture(quarters(100, 400), None, (80, 80), "contain")
    assert opacity is not None
    assert (opacity[30:50] == 1).all()
    assert (opacity[:30] == 0).all()
    assert (opacity[50:] == 0).all()
    assert (fitted[31:39, :39, 0] == 200).all()


def test_stretch_uses_all_of_it_and_all_of_the_frame() -> None:
    fitted, opacity = fit_picture(quarters(100, 400), None, (60, 60), "stretch")
    assert opacity is None
    assert np.array_equal(fitted[:, :, 0] == 200, np.indices((60, 60))[1] < 30)


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
def test_a_picture_of_the_frames_size_stays_as_it_is(fit: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    fitted, opacity = fit_picture(image, None, (30, 40), fit)
    assert np.array_equal(fitted, image)
    assert opacity is None


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5)])
@pytest.mark.parametrize("frame", [(1, 1), (2, 200), (200, 2), (64, 48)])
def test_every_shape_fits_every_frame(fit: str, size: tuple[int, int], frame: tuple[int, int]) -> None:
    image = np.full((*size, 3), 77, np.uint8)
    fitted, opacity = fit_picture(image, None, frame, fit)
    assert fitted.shape == (*frame, 3)
    seen = np.ones(frame, bool) if opacity is None else opacity > 0
    assert seen.any()
    assert (fitted[seen] == 77).all()


def test_the_colour_under_transparent_pixels_does_not_bleed() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20] = (250, 10, 10)
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :20] = 1
    for frame in ((13, 13), (91, 91)):
        fitted, opacity = fit_picture(image, alpha, frame, "stretch")
        assert opacity is not None
        seen = opacity > 0.05
        assert np.abs(fitted[seen].astype(int) - (250, 10, 10)).max() <= 1
