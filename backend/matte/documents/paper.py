"""The colour of the paper, found in the picture, and the rule that decides which pixels are paper."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask

Color = tuple[float, float, float]
BUCKETS = 16  # per channel
MIN_SHARE = 0.01  # of the pixels; even under a dense stamp the paper's bucket holds at least this share


@dataclass(frozen=True)
class PaperConfig:
    """A pixel is paper when all three hold: near the paper's colour, pale, and light."""

    distance: float = 80.0  # a pixel nearer than this to the paper's colour may be paper (8-bit RGB, PAPER_DISTANCE)
    saturation: float = 0.20  # a pixel is pale below this HSV saturation (PAPER_SATURATION)
    lightness: float = 0.70  # a pixel is light above this HSL lightness (PAPER_LIGHTNESS)


def paper_color(pixels: NDArray[np.uint8], config: PaperConfig) -> Color | None:
    """Return the mean colour of the fullest pale and light bucket (16 × 16 × 16 in RGB), or None if there is none.

    `pixels` is (N, 3). The fullest bucket of all may be ink, under a dense stamp for example.
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
    """Return `colors` (..., 3) in the shape of an image, for OpenCV's faster loops."""
    return colors if colors.ndim == 3 else colors.reshape(-1, 1, 3)
