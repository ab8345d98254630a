"""Chalk on a blackboard, a white signature on black: a dark ground with light strokes is a page in the negative."""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Image, Mask, check_image
from backend.images.geometry import disc
from backend.images.resize import shrink, working_shape
from backend.matte.documents.perimeter import look_around


@dataclass(frozen=True)
class LightInkConfig:
    darkest: float = 0.35  # HSL lightness: a ground below it is dark
    even: float = 60.0  # 8-bit RGB: so near to the ground's colour
    all_around: float = 0.75  # are so many of the border's samples
    stands_out: float = 60.0  # 8-bit steps by which ink is lighter than the ground
    side_px: int = 256  # of the copy that is looked at
    stroke: float = 0.045  # of its longer side: what is thinner is a stroke
    solid: float = 0.2  # of what is there may be thicker; more of it is an object, or a page on a dark desk


def is_light_ink(image: Image, config: LightInkConfig | None = None) -> bool:
    """Return whether `image` shows light strokes on a dark ground that runs all around."""
    check_image(image)
    config = config or LightInkConfig()
    samples = look_around(image).samples
    ground = np.median(samples, axis=0)
    around = float((np.linalg.norm(samples - ground, axis=1) < config.even).mean())
    if ground.max() + ground.min() >= 2 * 255 * config.darkest or around < config.all_around:
        return False
    small = shrink(image, working_shape(image.shape, config.side_px))
    return is_thin(small.mean(axis=2) > ground.mean() + config.stands_out, config)


def is_thin(mask: Mask, config: LightInkConfig | None = None) -> bool:
    """Return whether `mask` has something in it, and that is strokes: hardly any of it is wider than one."""
    config = config or LightInkConfig()
    small = shrink(mask.astype(np.uint8) * 255, working_shape(mask.shape, config.side_px)) > 127
    radius = max(1, round(config.stroke * max(small.shape) / 2))
    opened = cv2.morphologyEx(small.astype(np.uint8), cv2.MORPH_OPEN, disc(radius))
    return bool(small.any()) and float(opened.sum()) <= config.solid * float(small.sum())
