"""Training samples: a crop of a picture, a coarse alpha as a network or the stage before would give it, the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image

Float = NDArray[np.float32]
Random = np.random.Generator
_COARSE_EDGES = 1.2  # px around a hand-made outline that teach less
_TRUST_AT_HAND_MADE_EDGES = 0.4


@dataclass(frozen=True)
class Example:
    """A picture (H, W, 3) uint8, its alpha and what each network answers, all (H, W) uint8; 255 is object."""

    image: Image
    alpha: NDArray[np.uint8]
    answers: Sequence[NDArray[np.uint8]]
    exact: bool


@dataclass(frozen=True)
class Sample:
    """What a step learns from: `inputs` (4, S, S), RGB and coarse alpha, `alpha` and `weight` (S, S), all float32."""

    inputs: Float
    alpha: Float
    weight: Float


def sample(random: Random, example: Example, side: int) -> Sample:
    """Draw a crop of `side` pixels: at the scale of a whole picture, or (exact ones) as a tile of a large one."""
    tile = example.exact and random.random() < 0.25
    zoom = random.uniform(1.0, 2.2) if tile else float(np.exp(random.uniform(np.log(0.5), np.log(1.15))))
    alpha = example.alpha.astype(np.float32) / 255
    coarse = _before_tile(random, alpha, zoom) if tile else _answer(random, example)
    top, left, reach = _corner(random, alpha, coarse, side, zoom)
    window = np.s_[top : top + reach, left : left + reach]
    parts = [_fitted(values[window], side) for values in (example.image, alpha, coarse)]
    if random.random() < 0.5:
        parts = [values[:, ::-1] for values in parts]
    image, alpha, coarse = parts
    weight = np.ones_like(alpha)
    if example.exact:
        weight += 3 * cv2.dilate(((alpha > 0.02) & (alpha < 0.98)).astype(np.float32), np.ones((5, 5), np.uint8))
    else:
        alpha = (alpha > 0.5).astype(np.float32)
        reach_px = _COARSE_EDGES * side / reach
        inside, outside = (cv2.distanceTransform((alpha == v).astype(np.uint8), cv2.DIST_L2, 3) for v in (1, 0))
        near = np.maximum(inside, outside) < reach_px
        weight = np.where(near, np.float32(_TRUST_AT_HAND_MADE_EDGES), weight)
        weight += 1.5 * (np.maximum(inside, outside) < 6 * reach_px) * ~near
    light = _in_other_light(random, image.astype(np.float32) / 255)
    inputs = np.concatenate([light.transpose(2, 0, 1), coarse[None]]).astype(np.float32)
    return Sample(inputs, np.ascontiguousarray(alpha), np.ascontiguousarray(weight, dtype=np.float32))


def _in_other_light(random: Random, light: Float) -> Float:
    """The picture (S, S, 3) in [0, 1] as another lamp, film or camera would give it: few photos, many looks."""
    if random.random() < 0.3:
        light = light[:, :, random.permutation(3)]
    if random.random() < 0.25:
        grey = light.mean(axis=2, keepdims=True)
        light = grey + random.uniform(0, 0.8) * (light - grey)
    if random.random() < 0.3:
        light = np.clip(light, 0, 1) ** random.uniform(0.7, 1.5)
    if random.random() < 0.6:
        light = light * random.uniform(0.7, 1.25, 3) + random.uniform(-0.08, 0.08)
    if random.random() < 0.2:
        light = cv2.GaussianBlur(light, (0, 0), random.uniform(0.3, 1.2))
    if random.random() < 0.3:
        light = light + random.normal(0, random.uniform(0.005, 0.03), light.shape)
    return np.clip(light, 0, 1).astype(np.float32)


def _answer(random: Random, example: Example) -> Float:
    """What a network says of the whole picture, now and then spoiled the ways that other networks err."""
    answers = [answer.astype(np.float32) / 255 for answer in example.answers]
    coarse = answers[random.integers(len(answers))]
    if len(answers) > 1 and random.random() < 0.12:
        coarse = (coarse + answers[random.integers(len(answers))]) / 2
    how = random.random()
    unit = max(coarse.shape) / 320
    if how < 0.15:
        coarse = cv2.GaussianBlur(coarse, (0, 0), unit * random.uniform(0.5, 2.5))
    elif how < 0.25:
        coarse = np.clip((coarse - 0.5) * random.uniform(0.6, 4) + 0.5 + random.uniform(-0.1, 0.1), 0, 1)
    elif how < 0.40:
        coarse = _moved(random, coarse, unit * random.uniform(0.5, 3.5))
    return coarse.astype(np.float32)


def _moved(random: Random, coarse: Float, pixels: float) -> Float:
    width = 2 * max(round(pixels), 1) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.dilate(coarse, disc) if random.random() < 0.5 else cv2.erode(coarse, disc)


def _before_tile(random: Random, alpha: Float, zoom: float) -> Float:
    """The truth as it comes from a working copy a few times smaller, its outline a little off."""
    factor = float(np.exp(random.uniform(np.log(1.3), np.log(7)))) / zoom
    small = (max(round(alpha.shape[1] / max(factor, 1)), 8), max(round(alpha.shape[0] / max(factor, 1)), 8))
    coarse = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
    if random.random() < 0.5:  # the outline wanders
        noise = cv2.resize(
            random.normal(0, 1, (small[1] // 6 + 2, small[0] // 6 + 2)), small, interpolation=cv2.INTER_CUBIC
        )
        soft = cv2.GaussianBlur(coarse, (0, 0), 0.8)
        coarse = np.clip(
            (soft - 0.5) * random.uniform(1, 3) + 0.5 + 0.35 * noise.astype(np.float32) * (soft > 0.02) * (soft < 0.98),
            0,
            1,
        )
    elif random.random() < 0.4:
        coarse = _moved(random, coarse, 1)
    if random.random() < 0.3:
        coarse = cv2.GaussianBlur(coarse, (0, 0), random.uniform(0.4, 1.2))
    return cv2.resize(coarse, (alpha.shape[1], alpha.shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _corner(random: Random, alpha: Float, coarse: Float, side: int, zoom: float) -> tuple[int, int, int]:
    """Return (top, left, side) of a window over a stretch of outline or, now and then, over a doubted place."""
    height, width = alpha.shape
    reach = max(min(round(side / zoom), height, width), 16)
    edge = cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    wrong = np.abs(alpha - coarse) > 0.5
    places = np.argwhere(wrong if random.random() < 0.35 and wrong.any() else edge)
    row, column = places[random.integers(len(places))] if len(places) else (height // 2, width // 2)
    top = int(np.clip(row - random.uniform(0.25, 0.75) * reach, 0, height - reach))
    left = int(np.clip(column - random.uniform(0.25, 0.75) * reach, 0, width - reach))
    return top, left, reach


def _fitted(values: NDArray[np.uint8] | Float, side: int) -> Float:
    how = cv2.INTER_AREA if values.shape[0] > side else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(values), (side, side), interpolation=how)
