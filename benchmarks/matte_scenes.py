"""Drawn pictures whose alpha is known exactly: what a matte must keep (holes, hair, glass, small parts)."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image

SIZE = 512
_FINE = 4  # shapes are drawn this many times larger and averaged down: coverage to 1/16
Canvas = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """One drawn picture and its exact opacity."""

    name: str
    image: Image
    alpha: Alpha


def draw_scenes(seed: int = 0) -> list[Scene]:
    """Return one scene for each shape, on plain, graded and patterned grounds in turn."""
    grounds = (_plain, _graded, _patterned, _cloth)
    scenes = []
    for number, (name, shape) in enumerate(SHAPES.items()):
        rng = np.random.default_rng(seed * 1000 + number)
        alpha = shape(rng)
        hue = rng.uniform(0, 180)
        ground = grounds[(number + seed) % len(grounds)](rng, hue)
        paint = _paint(rng, (hue + rng.uniform(60, 120)) % 180)
        scenes.append(Scene(name, _photograph(alpha, paint, ground, rng), alpha))
    return scenes


def _photograph(
    alpha: Alpha, paint: NDArray[np.float32], ground: NDArray[np.float32], rng: np.random.Generator
) -> Image:
    mixed = alpha[..., None] * paint + (1 - alpha[..., None]) * ground
    mixed = cv2.GaussianBlur(mixed, (0, 0), 0.6) + rng.normal(0, 2.5, mixed.shape)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _down(canvas: Canvas) -> Alpha:
    return np.asarray(cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32) / 255


def _canvas() -> Canvas:
    return np.zeros((SIZE * _FINE, SIZE * _FINE), np.uint8)


def _at(*values: float) -> tuple[int, ...]:
    return tuple(round(value * SIZE * _FINE) for value in values)


def _ring(rng: np.random.Generator) -> Alpha:
    canvas = cv2.circle(_canvas(), _at(0.5, 0.5), _at(0.3)[0], 255, -1)
    return _down(cv2.circle(canvas, _at(0.52, 0.5), _at(0.17)[0], 0, -1))


def _mug(rng: np.random.Generator) -> Alpha:
    canvas = cv2.ellipse(_canvas(), _at(0.65, 0.5), _at(0.14, 0.16), 0, 0, 360, 255, _at(0.045)[0])
    return _down(cv2.rectangle(canvas, _at(0.25, 0.25), _at(0.62, 0.8), 255, -1))


def _chair(rng: np.random.Generator) -> Alpha:
    canvas = cv2.rectangle(_canvas(), _at(0.3, 0.1), _at(0.7, 0.16), 255, -1)
    for left in (0.3, 0.4, 0.5, 0.6, 0.675):
        cv2.rectangle(canvas, _at(left, 0.1), _at(left + 0.025, 0.55), 255, -1)
    cv2.rectangle(canvas, _at(0.27, 0.52), _at(0.73, 0.6), 255, -1)
    for left in (0.28, 0.68):
        cv2.rectangle(canvas, _at(left, 0.6), _at(left + 0.035, 0.92), 255, -1)
    return _down(canvas)


def _hair(rng: np.random.Generator) -> Alpha:
    canvas = cv2.circle(_canvas(), _at(0.5, 0.52), _at(0.24)[0], 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 420):
        steps = np.linspace(0.2, rng.uniform(0.27, 0.34), 8)
        bend = angle + (steps - 0.2) * rng.normal(0, 2)
        path = np.stack([0.5 + steps * np.cos(bend), 0.52 + steps * np.sin(bend)], 1) * SIZE * _FINE
        cv2.polylines(canvas, [path.astype(np.int32)], False, 255, int(rng.integers(2, 7)))
    return _down(canvas)


def _glass(rng: np.random.Generator) -> Alpha:
    canvas = cv2.rectangle(_canvas(), _at(0.3, 0.2), _at(0.7, 0.8), 255, -1)
    return _down(cv2.rectangle(canvas, _at(0.33, 0.23), _at(0.67, 0.7), 155, -1))


def _cherries(rng: np.random.Generator) -> Alpha:
    canvas = cv2.circle(_canvas(), _at(0.36, 0.62), _at(0.13)[0], 255, -1)
    return _down(cv2.circle(canvas, _at(0.66, 0.58), _at(0.11)[0], 255, -1))


def _bird(rng: np.random.Generator) -> Alpha:
    canvas = cv2.ellipse(_canvas(), _at(0.45, 0.5), _at(0.22, 0.14), 20, 0, 360, 255, -1)
    cv2.circle(canvas, _at(0.62, 0.38), _at(0.09)[0], 255, -1)
    cv2.fillPoly(canvas, [np.array([_at(0.69, 0.34), _at(0.8, 0.39), _at(0.69, 0.42)])], 255)
    for x in (0.42, 0.52):
        cv2.line(canvas, _at(x, 0.6), _at(x + 0.03, 0.8), 255, _at(0.008)[0])
    return _down(canvas)


def _blob(rng: np.random.Generator) -> Alpha:
    angle = np.linspace(0, 2 * np.pi, 200)
    reach = 0.27 + sum(rng.normal(0, 0.03) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 7))
    path = np.stack([0.5 + reach * np.cos(angle), 0.5 + reach * np.sin(angle)], 1) * SIZE * _FINE
    return _down(cv2.fillPoly(_canvas(), [path.astype(np.int32)], 255))


def _box(rng: np.random.Generator) -> Alpha:
    corners = [_at(0.3, 0.3), _at(0.62, 0.22), _at(0.74, 0.36), _at(0.72, 0.75), _at(0.4, 0.84), _at(0.28, 0.68)]
    return _down(cv2.fillPoly(_canvas(), [np.array(corners)], 255))


def _lamp(rng: np.random.Generator) -> Alpha:
    canvas = cv2.fillPoly(_canvas(), [np.array([_at(0.4, 0.15), _at(0.6, 0.15), _at(0.7, 0.4), _at(0.3, 0.4)])], 255)
    cv2.rectangle(canvas, _at(0.49, 0.4), _at(0.51, 0.82), 255, -1)
    return _down(cv2.ellipse(canvas, _at(0.5, 0.84), _at(0.13, 0.04), 0, 0, 360, 255, -1))


SHAPES: dict[str, Callable[[np.random.Generator], Alpha]] = {
    "ring": _ring, "mug": _mug, "chair": _chair, "hair": _hair, "glass": _glass, "cherries": _cherries,
    "bird": _bird, "blob": _blob, "box": _box, "lamp": _lamp,
}  # fmt: skip


def _rgb(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    pixel = np.array([[[hue % 180, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _waves(rng: np.random.Generator, scale_px: float) -> NDArray[np.float32]:
    noise = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)).astype(np.float32), (0, 0), scale_px)
    return np.asarray(noise / max(float(noise.std()), 1e-6), np.float32)


def _plain(rng: np.random.Generator, hue: float) -> NDArray[np.float32]:
    return np.broadcast_to(_rgb(hue, rng.uniform(5, 60), rng.uniform(190, 240)), (SIZE, SIZE, 3)).astype(np.float32)


def _graded(rng: np.random.Generator, hue: float) -> NDArray[np.float32]:
    slope = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    return np.broadcast_to(_rgb(hue, 40, 225) * (1 - slope) + _rgb(hue + 15, 70, 130) * slope, (SIZE, SIZE, 3)).astype(
        np.float32
    )


def _patterned(rng: np.random.Generator, hue: float) -> NDArray[np.float32]:
    tiles = (np.indices((SIZE, SIZE)) // 37).sum(0) % 2
    return np.asarray(
        np.where(tiles[..., None], _rgb(hue, 90, 180), _rgb(hue + 8, 60, 120)) + 8 * _waves(rng, 4)[..., None],
        np.float32,
    )


def _cloth(rng: np.random.Generator, hue: float) -> NDArray[np.float32]:
    folds = 14 * _waves(rng, 40) + 9 * _waves(rng, 2)
    return np.asarray(_rgb(hue, 50, 170) + folds[..., None], np.float32)


def _paint(rng: np.random.Generator, hue: float) -> NDArray[np.float32]:
    shade = 1 - 0.35 * np.hypot(*(np.indices((SIZE, SIZE)) / SIZE - 0.4))[..., None]
    stripes = (_waves(rng, 25) > 0.3)[..., None]
    painted = np.where(stripes, _rgb(hue, 170, 210), _rgb(hue + 12, 190, 150)) * shade
    return np.asarray(painted + 5 * _waves(rng, 3)[..., None], np.float32)
