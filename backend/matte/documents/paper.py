"""What paper is: a colour found in the picture, and the rule by which a pixel of that colour goes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask

Color = tuple[float, float, float]
BUCKETS = 16  # a channel
MIN_SHARE = 0.01  # of the pixels: a bucket of paper under a dense stamp holds at least so many


@dataclass(frozen=True)
class PaperConfig:
    """A pixel is paper when it is near to the paper's colour, pale, and light: all three."""

    distance: float = 80.0  # PAPER_DISTANCE, 8-bit RGB, Euclidean
    saturation: float = 0.20  # PAPER_SATURATION, HSV
    lightness: float = 0.70  # PAPER_LIGHTNESS, HSL


def paper_color(pixels: NDArray[np.uint8], config: PaperConfig) -> Color | None:
    """Return the mean colour of the fullest of 16 × 16 × 16 buckets that could be paper; None where none could.

    `pixels` is (N, 3). Under a dense stamp the fullest bucket of all is ink, which is why it has to be pale and light.
    """
    if not len(pixels):
        return None
    bins = pixels.astype(np.int32) * BUCKETS // 256
    index = (bins[:, 0] * BUCKETS + bins[:, 1]) * BUCKETS + bins[:, 2]
    counts = np.bincount(index, minlength=BUCKETS**3)
    for bucket in np.argsort(counts)[::-1]:
        if counts[bucket] < MIN_SHARE * len(pixels):
            return None
        red, green, blue = (float(channel) for channel in pixels[index == bucket].mean(axis=0))
        if is_pale_and_light(np.array([[red, green, blue]], np.float32), config).all():
            return red, green, blue
    return None


def is_paper(colors: Image | NDArray[np.float32], paper: Color, config: PaperConfig) -> Mask:
    """Return where `colors` (..., 3), 8-bit RGB, are paper by the rule."""
    near = distance_from(colors, paper) < config.distance
    return np.asarray(near & is_pale_and_light(colors, config))


def distance_from(colors: Image | NDArray[np.float32], paper: Color) -> NDArray[np.float32]:
    """Return the Euclidean distance of `colors` (..., 3) from `paper`, in 8-bit RGB."""
    away = cv2.subtract(_as_image(colors), (*paper, 0.0), dtype=cv2.CV_32F)
    squared = cv2.transform(cv2.multiply(away, away), np.ones((1, 3), np.float32))
    return np.asarray(cv2.sqrt(squared), np.float32).reshape(colors.shape[:-1])


def is_pale_and_light(colors: Image | NDArray[np.float32], config: PaperConfig) -> Mask:
    """Return where `colors` (..., 3) have less than the saturation and more than the lightness."""
    red, green, blue = cv2.split(_as_image(colors))
    high = cv2.max(cv2.max(red, green), blue).astype(np.float32)
    low = cv2.min(cv2.min(red, green), blue).astype(np.float32)
    pale = low > np.float32(1 - config.saturation) * high
    light = high + low > np.float32(2 * 255 * config.lightness)
    return np.asarray(pale & light).reshape(colors.shape[:-1])


def _as_image(colors: Image | NDArray[np.float32]) -> Image | NDArray[np.float32]:
    """Return `colors` (..., 3) in the shape that OpenCV takes for an image: its loops are faster here."""
    return colors if colors.ndim == 3 else colors.reshape(-1, 1, 3)
