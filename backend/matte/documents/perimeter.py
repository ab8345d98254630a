"""An image in, the colour of its border out; a border of one colour hints at a background to remove."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, check_image

SAMPLES_PER_SIDE = 20
PATCH_PX = 5  # side of the square that each sample averages, against noise


@dataclass(frozen=True)
class Perimeter:
    """The border's colours in 8-bit RGB."""

    color: tuple[float, float, float]  # mean of the samples
    deviation: float  # root mean square of the samples' distances from the mean
    samples: NDArray[np.float32]  # (80, 3)


def measure_perimeter(image: Image) -> Perimeter:
    """Return the border of `image` in 80 samples, 20 a side, corners included."""
    check_image(image)
    height, width = image.shape[:2]
    samples = np.array([_mean(image, row, column) for row, column in _places(height, width)], np.float32)
    color = samples.mean(axis=0)
    deviation = float(np.sqrt(((samples - color) ** 2).sum(axis=1).mean()))
    red, green, blue = (float(channel) for channel in color)
    return Perimeter((red, green, blue), deviation, samples)


def _places(height: int, width: int) -> list[tuple[int, int]]:
    rows, columns = (np.linspace(0, end - 1, SAMPLES_PER_SIDE).round().astype(int).tolist() for end in (height, width))
    sides = [(row, column) for row in (0, height - 1) for column in columns]
    return sides + [(row, column) for column in (0, width - 1) for row in rows]


def _mean(image: Image, row: int, column: int) -> NDArray[np.float32]:
    half = PATCH_PX // 2
    patch = image[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
    return np.asarray(patch.reshape(-1, 3).mean(axis=0), np.float32)
