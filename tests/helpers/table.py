"""Drawn scenes with known answers: something upright on a table before a wall."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 240, 320


@dataclass
class Table:
    """A table that recedes to a wall, and what is put on it; larger disparity is nearer."""

    image: NDArray[np.uint8]
    disparity: NDArray[np.float32]

    def put(self, box: tuple[int, int, int, int], level: float, color: tuple[int, int, int]) -> NDArray[np.float32]:
        """Stand a rectangle x0, y0, x1, y1 of one disparity into the scene and return its alpha."""
        x0, y0, x1, y1 = box
        self.disparity[y0:y1, x0:x1] = level
        self.image[y0:y1, x0:x1] = color
        alpha = np.zeros((HEIGHT, WIDTH), np.float32)
        alpha[y0:y1, x0:x1] = 1
        return alpha

    def seen(self) -> NDArray[np.float32]:
        """Return the disparity as a network gives it: blurred, of unknown scale."""
        return np.asarray(cv2.GaussianBlur(self.disparity, (0, 0), 1.5) * 17 + 4, np.float32)


def empty_table() -> Table:
    """Return the table with nothing on it."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    disparity = np.repeat(np.maximum(0.1, (rows - 80) / 160), WIDTH, 1).astype(np.float32)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = (120, 150, 200)
    image[96:] = (150, 110, 80)
    noise = np.random.default_rng(3).integers(-6, 7, image.shape)
    return Table(np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8), disparity)
