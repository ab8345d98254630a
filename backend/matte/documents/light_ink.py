"""Chalk on a blackboard, a white signature on black: light strokes on a dark ground are read as a negative."""

from dataclasses import dataclass

import numpy as np

from backend.images.arrays import Image, Mask, check_image
from backend.images.geometry import opened
from backend.images.resize import fit_longest_side
from backend.matte.documents.perimeter import measure_perimeter


@dataclass(frozen=True)
class LightInkConfig:
    darkest: float = 0.35  # HSL lightness below which a ground is dark
    even: float = 60.0  # 8-bit RGB distance within which a border sample has the ground's colour
    all_around: float = 0.75  # share of the border's samples that must have the ground's colour
    stands_out: float = 60.0  # 8-bit steps by which ink must be lighter than the ground
    side_px: int = 256  # longer side of the copy that is examined
    stroke: float = 0.045  # greatest width of a stroke, as a share of the copy's longer side
    solid: float = 0.2  # share of the light area that may be wider; more is an object, or a page on a dark desk


CONFIG = LightInkConfig()


def is_light_ink(image: Image) -> bool:
    """Return whether `image` shows light strokes on a dark ground that runs all around."""
    check_image(image)
    samples = measure_perimeter(image).samples
    ground = np.median(samples, axis=0)
    around = float((np.linalg.norm(samples - ground, axis=1) < CONFIG.even).mean())
    if ground.max() + ground.min() >= 2 * 255 * CONFIG.darkest or around < CONFIG.all_around:
        return False
    small = fit_longest_side(image, CONFIG.side_px)
    return is_thin(small.mean(axis=2) > ground.mean() + CONFIG.stands_out)


def is_thin(mask: Mask) -> bool:
    """Return whether `mask` holds strokes and hardly anything wider than a stroke."""
    small = fit_longest_side(mask.astype(np.uint8) * 255, CONFIG.side_px) > 127
    wide = opened(small, max(1, round(CONFIG.stroke * max(small.shape) / 2)))
    return bool(small.any()) and float(wide.sum()) <= CONFIG.solid * float(small.sum())
