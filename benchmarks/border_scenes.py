"""Cutouts with exact truth, laid over drawn backgrounds of the kinds a person photographs an object on.

Every scene is drawn from a seed of its own, so that the set is the same wherever it is made.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SIDE = 384
KINDS = ("plain", "gradient", "shadow", "table", "texture", "wood", "letterbox", "touching", "blurred")
_CASTING = ("shadow", "table", "wood")


def read_cutouts(folder: Path) -> list[tuple[str, NDArray[np.uint8]]]:
    """Return name and RGBA, cropped to the object, of every PNG in `folder` that has an alpha channel."""
    found = []
    for path in sorted(folder.glob("*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
            ys, xs = np.nonzero(picture[..., 3] > 127)
            cropped = picture[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
            found.append((path.stem, cv2.cvtColor(cropped, cv2.COLOR_BGRA2RGBA)))
    return found


def compose_scenes(
    cutouts: list[tuple[str, NDArray[np.uint8]]], photos: list[Path], seed: int = 0
) -> Iterator[tuple[str, str, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Yield name, kind, RGB picture and true mask for every cutout on every kind of background.

    `photos` give the background of the kind `blurred`, which is left out when there are none.
    """
    for number, (name, cutout) in enumerate(cutouts):
        for kind in KINDS if photos else KINDS[:-1]:
            rng = np.random.default_rng([seed, number, KINDS.index(kind)])
            picture, mask = _compose(cutout, kind, photos, rng)
            yield name, kind, picture, mask


def _compose(
    cutout: NDArray[np.uint8], kind: str, photos: list[Path], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    ground = _draw_ground(kind, photos, rng)
    color, alpha, foot = _place(cutout, kind == "touching", rng)
    if kind in _CASTING:
        ground = ground * (1 - _cast_shadow(alpha, foot))[..., None]
    picture = color * alpha[..., None] + ground * (1 - alpha[..., None])
    picture = cv2.GaussianBlur(picture, (0, 0), 0.6) + 2.5 * rng.standard_normal(picture.shape)
    mask = alpha > 0.5
    if kind == "letterbox":
        bar = int(rng.integers(15, 60))
        picture[:bar] = picture[-bar:] = 0
        mask[:bar] = mask[-bar:] = False
    return through_jpeg(np.clip(picture, 0, 255).astype(np.uint8), 90), mask


def through_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return `picture` (RGB) as it comes back from a JPEG file."""
    _, packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


def _place(cutout: NDArray[np.uint8], touching: bool, rng: np.random.Generator) -> tuple[Floats, Floats, int]:
    """Return colour, alpha and the row the object stands on; `touching` objects leave the frame at the bottom."""
    scale = rng.uniform(0.45, 0.85) * SIDE / max(cutout.shape[:2])
    small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    height, width = small.shape[:2]
    top = round((SIDE - height) / 2 + rng.uniform(-0.06, 0.06) * SIDE)
    left = round((SIDE - width) / 2 + rng.uniform(-0.08, 0.08) * SIDE)
    if touching:
        top = round(SIDE - height * rng.uniform(0.75, 0.95))
    room = 3
    left = int(np.clip(left, room, SIDE - room - width))
    top = top if touching else int(np.clip(top, room, SIDE - room - height))
    canvas = np.zeros((SIDE, SIDE, 4), np.float32)
    seen = min(height, SIDE - top)
    canvas[top : top + seen, left : left + width] = small[:seen]
    return canvas[..., :3], canvas[..., 3] / 255, top + height


def _cast_shadow(alpha: Floats, foot: int) -> Floats:
    """Return how much light is missing: a long pale shadow to one side and a dark one where the object stands."""
    lie_down = np.array([[1, -0.35, 0.35 * foot], [0, 0.25, 0.75 * foot]])
    fallen = 0.35 * cv2.GaussianBlur(cv2.warpAffine(alpha, lie_down, (SIDE, SIDE)), (0, 0), 8)
    columns = np.flatnonzero((alpha > 0.5).any(axis=0))
    center, half = int(columns.mean()), len(columns) / 2
    contact = np.zeros_like(alpha)
    axes = int(0.9 * half), max(2, int(0.16 * half))
    cv2.ellipse(contact, (center, min(SIDE - 1, foot - 2)), axes, 0, 0, 360, 1.0, -1)
    return np.maximum(fallen, 0.45 * cv2.GaussianBlur(contact, (0, 0), 5))


def _draw_ground(kind: str, photos: list[Path], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (SIDE, SIDE, 3) in 0..255."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    color = _pick_color(rng)
    if kind == "gradient":
        turn = rng.uniform(0, 2 * np.pi)
        share = np.clip(0.5 + (x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn), 0, 1)[..., None]
        return color * (1 - share * rng.uniform(0.1, 0.35))
    if kind == "table":
        horizon, softness = rng.uniform(0.4, 0.7), rng.uniform(0.7, 6) / SIDE
        share = 0.5 + 0.5 * np.tanh((y - horizon - 0.03 * (x - 0.5)) / softness / 2)[..., None]
        return (color * (1 - share) + _pick_color(rng) * share) * (1 - 0.15 * x)[..., None]
    if kind == "texture":
        weave = 8 * _noise(rng, 4) + 8 * _noise(rng, 12) + 6 * _noise(rng, 40)
        return np.clip(color, 60, 235) + weave[..., None] * [1, 1, 0.9]
    if kind == "wood":
        grain = cv2.GaussianBlur(_noise(rng, 3), (0, 0), sigmaX=25, sigmaY=1)
        planks = np.array([150, 105, 65]) * rng.uniform(0.7, 1.4) + 14 * (grain / grain.std())[..., None]
        return np.where((y < rng.uniform(0.25, 0.5))[..., None], color, planks)
    if kind == "blurred":
        return _crop_photo(photos[int(rng.integers(len(photos)))], rng)
    vignette = 0.0 if kind == "plain" else 0.24
    return color * (1 - vignette * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]


def _pick_color(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return white, grey, a pastel, anything or something dark, equally often."""
    return [
        np.full(3, 250.0),
        rng.uniform(150, 225) + rng.uniform(-6, 6, 3),
        255 - rng.uniform(5, 60, 3),
        rng.uniform(40, 220, 3),
        rng.uniform(25, 90) + rng.uniform(-8, 8, 3),
    ][int(rng.integers(5))]


def _noise(rng: np.random.Generator, scale_px: int) -> NDArray[np.float64]:
    coarse = rng.standard_normal((SIDE // scale_px, SIDE // scale_px))
    fine = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return fine / fine.std()


def _crop_photo(path: Path, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a square part of a photo, out of focus."""
    photo = cv2.imread(str(path))[..., ::-1]
    side = int(min(photo.shape[:2]) * rng.uniform(0.5, 1))
    top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
    part = np.ascontiguousarray(photo[top : top + side, left : left + side])
    part = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    return cv2.GaussianBlur(part, (0, 0), rng.uniform(4, 9))
