"""Signatures and stamps drawn on paper, photographed in several lights: every picture comes with its exact truth."""

import cv2
import numpy as np

INKS = {
    "blue": (30, 50, 160),
    "red": (190, 30, 40),
    "black": (25, 25, 28),
    "pencil": (125, 125, 128),
    "green": (20, 110, 60),
}
PAPERS = {"white": (250, 250, 247), "cream": (250, 244, 222)}
LIGHTS = ("flat", "gradient", "vignette", "shadow", "hard shadow", "textured")
FINE = 4  # factor by which a scene is drawn larger, then averaged down
Alpha = np.ndarray  # (H, W) float32 in [0, 1]: how much of each pixel is ink


def signature(height: int, width: int, seed: int = 0) -> Alpha:
    """Return a pen's line that runs up and down across the page."""
    t = np.linspace(0, 1, 400)
    x = 0.15 + 0.7 * t + 0.04 * np.sin(2 * np.pi * (6 + seed % 3) * t)
    y = 0.5 + 0.18 * np.sin(2 * np.pi * 5.2 * t + seed) * (1 - 0.5 * t) + 0.05 * np.sin(31 * t)
    places = (np.stack([x * width, y * height], axis=1) * FINE).astype(int).tolist()
    pen = max(2.0, width / 160) * FINE * (0.7 + 0.5 * np.abs(np.sin(9 * t)))
    canvas = np.zeros((height * FINE, width * FINE), np.uint8)
    for start, end, thickness in zip(places, places[1:], pen.tolist(), strict=False):
        cv2.line(canvas, start, end, 255, int(thickness), cv2.LINE_AA)
    return _averaged(canvas)


def ring_stamp(height: int, width: int, seed: int = 0) -> Alpha:
    """Return a round stamp: two rings and a word."""
    canvas, center, radius = _stamp_canvas(height, width, seed)
    cv2.circle(canvas, center, radius, 255, max(2, radius // 12))
    cv2.circle(canvas, center, int(0.7 * radius), 255, max(2, radius // 25))
    place = (center[0] - radius // 2, center[1] + radius // 6)
    cv2.putText(canvas, "PAID", place, cv2.FONT_HERSHEY_SIMPLEX, radius / 85, 255, max(2, radius // 12))
    return _averaged(canvas)


def solid_stamp(height: int, width: int, seed: int = 0) -> Alpha:
    """Return a full disc of ink with a word left out: most of what is there is ink."""
    canvas, center, radius = _stamp_canvas(height, width, seed)
    cv2.circle(canvas, center, radius, 255, -1)
    place = (center[0] - int(0.75 * radius), center[1] + radius // 5)
    cv2.putText(canvas, "PAID", place, cv2.FONT_HERSHEY_SIMPLEX, radius / 55, 0, max(2, radius // 10))
    return _averaged(canvas)


def photographed(
    ink: Alpha,
    color: tuple[int, int, int],
    light: str = "flat",
    seed: int = 0,
    paper: tuple[int, int, int] = PAPERS["cream"],
    noise: float = 4.0,
) -> np.ndarray:
    """Return the (H, W, 3) uint8 photo of `ink` on `paper`: out of focus by half a pixel, with a camera's noise."""
    height, width = ink.shape
    rng = np.random.default_rng(seed)
    page = np.broadcast_to(np.array(paper, np.float64), (height, width, 3))
    if light == "textured":
        page = page * _texture(rng, height, width)[..., None]
    mixed = page * (1 - ink[..., None]) + np.array(color) * ink[..., None]
    mixed = cv2.GaussianBlur(mixed * _light(light, height, width)[..., None], (0, 0), 0.5)
    return np.clip(np.rint(mixed + rng.normal(0, noise, mixed.shape)), 0, 255).astype(np.uint8)


def f_score(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the harmonic mean of precision and recall of two masks."""
    return float(2 * (found & truth).sum() / max(int(found.sum()) + int(truth.sum()), 1))


def _light(light: str, height: int, width: int) -> np.ndarray:
    y, x = (axis / side for axis, side in zip(np.mgrid[:height, :width], (height, width), strict=True))
    if light == "gradient":
        return 1 - 0.5 * (0.7 * x + 0.3 * y)
    if light == "vignette":
        return 1 - 0.55 * ((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.5
    if light in ("shadow", "hard shadow"):
        shade = (x + 0.4 * y > 0.75).astype(np.float64)
        return 1 - 0.4 * cv2.GaussianBlur(shade, (0, 0), width / 60 if light == "shadow" else 1.5)
    return np.ones((height, width))


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return fibres and clouds: a few percent up and down."""
    fibres, clouds = (
        cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), size) for size in (1.2, max(1.0, width / 40))
    )
    return 0.97 + 0.02 * fibres / fibres.std() + 0.015 * clouds / clouds.std()


def _stamp_canvas(height: int, width: int, seed: int) -> tuple[np.ndarray, tuple[int, int], int]:
    center = (int((0.45 + 0.02 * seed) * width * FINE), height * FINE // 2)
    return np.zeros((height * FINE, width * FINE), np.uint8), center, int(0.35 * min(height, width) * FINE)


def _averaged(canvas: np.ndarray) -> Alpha:
    height, width = canvas.shape[0] // FINE, canvas.shape[1] // FINE
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
