"""Pictures drawn by the tests: one object on a plain ground, with its exact mask."""

import io

import numpy as np
from PIL import Image, ImageDraw

GROUND, OBJECT = (205, 200, 190), (170, 40, 30)


def toy(width: int = 160, height: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return an (H, W, 3) uint8 picture of a mug-like toy with an open handle, and its (H, W) bool mask.

    The handle is on the right, so that a mirrored or turned answer is seen.
    """
    factor = 4
    mask = Image.new("L", (width * factor, height * factor))
    draw = ImageDraw.Draw(mask)
    x, y, unit = width * factor * 0.42, height * factor * 0.5, height * factor / 100
    draw.ellipse((x + 8 * unit, y - 20 * unit, x + 48 * unit, y + 18 * unit), fill=255)
    draw.ellipse((x + 16 * unit, y - 12 * unit, x + 40 * unit, y + 10 * unit), fill=0)
    draw.rounded_rectangle((x - 30 * unit, y - 32 * unit, x + 24 * unit, y + 32 * unit), 8 * unit, fill=255)
    alpha = np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.float32) / 255
    shade = np.linspace(1.1, 0.75, width)[None, :, None]
    rng = np.random.default_rng(3)
    colored = np.array(OBJECT) * shade * alpha[..., None] + np.array(GROUND) * (1 - alpha[..., None])
    noisy = colored + rng.normal(0, 2, colored.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), alpha >= 0.5


def encoded(image: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """Return the picture as a file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection over the union of two masks."""
    return float((first & second).sum() / max((first | second).sum(), 1))
