"""An image in, whether its border is of one colour out: a hint that there is a background to remove."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.contract.report import BorderReport
from backend.images.arrays import Image, check_image

A_SIDE = 20  # samples
PATCH_PX = 5  # of which each sample is the mean: noise is no colour


@dataclass(frozen=True)
class Perimeter:
    """The border's mean colour (RGB), how far its samples are from it (root mean square, 8-bit RGB), and the samples
    themselves, (80, 3)."""

    color: tuple[float, float, float]
    deviation: float
    samples: NDArray[np.float32]

    def report(self, max_deviation: float) -> BorderReport:
        """Return the part of the report; up to `max_deviation` the border counts as uniform."""
        color = "#" + "".join(f"{round(channel):02x}" for channel in self.color)
        uniform = self.deviation <= max_deviation
        return BorderReport(uniform=uniform, color=color, deviation=round(self.deviation, 1))


def look_around(image: Image) -> Perimeter:
    """Return the border of `image` as 80 samples, 20 a side, corners among them."""
    check_image(image)
    height, width = image.shape[:2]
    samples = np.array([_mean(image, row, column) for row, column in _places(height, width)], np.float32)
    color = samples.mean(axis=0)
    deviation = float(np.sqrt(((samples - color) ** 2).sum(axis=1).mean()))
    red, green, blue = (float(channel) for channel in color)
    return Perimeter((red, green, blue), deviation, samples)


def _places(height: int, width: int) -> list[tuple[int, int]]:
    rows, columns = (np.linspace(0, side - 1, A_SIDE).round().astype(int).tolist() for side in (height, width))
    sides = [(row, column) for row in (0, height - 1) for column in columns]
    return sides + [(row, column) for column in (0, width - 1) for row in rows]


def _mean(image: Image, row: int, column: int) -> NDArray[np.float32]:
    half = PATCH_PX // 2
    patch = image[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
    return np.asarray(patch.reshape(-1, 3).mean(axis=0), np.float32)
