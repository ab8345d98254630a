"""A page, its shading and its region in, the ink's alpha out.

What the rule for paper leaves is ink and, along each stroke, pixels that show ink and paper mixed; those are as opaque
as their colour lies between the paper's and the ink's beside them, or every stroke would be a pixel too wide.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Alpha, Box, Image, Mask
from backend.images.geometry import disc
from backend.matte.documents.paper import Color, PaperConfig, distance_from, is_pale_and_light
from backend.matte.documents.shading import Shading

TILE_PX = 256
WHITE = 245.0  # what flattened paper is, in each channel
SURELY = 35.0  # 8-bit steps below WHITE in one channel: no rule calls such a pixel ink
THREADS = 2


@dataclass(frozen=True)
class InkConfig:
    rim: float = 1 / 1000  # of the picture's longer side: how far a stroke's blurred rim reaches into it,
    min_rim_px: int = 2
    faint: float = 0.65  # of the rule's distance: what differs so much from the paper is ink beside surer ink,
    beside_rims: int = 4  # up to so many rims away
    faintest: float = 0.15  # coverage that is noise
    calm: float = 5.0  # 8-bit steps: a noisier page, once flattened, is smoothed


def flatten(image: Image, shading: Shading, box: Box) -> Image:
    """Return `image` in `box` with the paper WHITE all over."""
    x0, y0, x1, y1 = box
    gain = _read(WHITE / shading, image.shape[:2], box)
    return np.asarray(cv2.multiply(image[y0:y1, x0:x1], gain, dtype=cv2.CV_8U))


def ink_alpha(
    image: Image,
    region: Mask | None,
    shading: Shading,
    paper: Color,
    rule: PaperConfig,
    config: InkConfig | None = None,
) -> Alpha:
    """Return the (H, W) alpha of what in `region` (None: everywhere) is not paper; 0 elsewhere.

    `paper` is its colour once flattened. Only tiles in which anything can be ink are worked on.
    """
    config = config or InkConfig()
    height, width = image.shape[:2]
    alpha = np.zeros((height, width), np.float32)
    rim = max(config.min_rim_px, round(config.rim * max(image.shape)))
    margin = (config.beside_rims + 2) * rim
    min_light = (WHITE - SURELY) / WHITE
    noise = _noise(image)

    def work(tile: Box) -> None:
        x0, y0, x1, y1 = tile
        part = image[y0:y1, x0:x1]
        brightest = _cells(shading, alpha.shape, tile).max(axis=(0, 1))
        floor = tuple(np.minimum(min_light * brightest, 255).tolist())
        if cv2.countNonZero(cv2.inRange(part, floor, (255.0, 255.0, 255.0))) == part.shape[0] * part.shape[1]:
            return
        if region is not None and not region[y0:y1, x0:x1].any():
            return
        left, top = max(x0 - margin, 0), max(y0 - margin, 0)
        wide = (left, top, min(x1 + margin, width), min(y1 + margin, height))
        flat = flatten(image, shading, wide)
        grain = noise * WHITE / max(float(brightest.mean()), 1)
        if grain > config.calm:
            flat = cv2.GaussianBlur(flat, (0, 0), grain / (3 * config.calm))
        if flat.min() >= WHITE - SURELY:
            return
        found = _tile_ink(flat, paper, rule, rim, config)
        inner = found[y0 - top : y1 - top, x0 - left : x1 - left]
        alpha[y0:y1, x0:x1] = inner if region is None else inner * region[y0:y1, x0:x1]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, _tiles(alpha.shape)))
    return alpha


def _tile_ink(flat: Image, paper: Color, rule: PaperConfig, rim: int, config: InkConfig) -> Alpha:
    away = distance_from(flat, paper)
    ink = ~((away < rule.distance) & is_pale_and_light(flat, rule))
    if not ink.any():
        return np.zeros(ink.shape, np.float32)
    reach = 2 * config.beside_rims * rim + 1
    beside = cv2.dilate(ink.view(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    ink = _joined(ink, beside & (away > config.faint * rule.distance))  # a thin or faint stroke goes on
    full = cv2.dilate(away * ink, disc(rim))  # the ink beside it, unmixed
    inside = cv2.erode(ink.view(np.uint8), disc(rim), borderValue=1) > 0
    near = cv2.dilate(ink.view(np.uint8), disc(1)) > 0  # few pixels, and nothing is opaque beyond them
    coverage = np.minimum(away[near] / np.maximum(full[near], 1), 1)
    coverage[coverage <= config.faintest] = 0
    coverage[inside[near]] = 1
    alpha = np.zeros(ink.shape, np.float32)
    alpha[near] = np.where(ink[near], coverage, np.minimum(coverage, 0.49))  # what is paper by the rule goes
    return alpha


def _noise(image: Image) -> float:
    """Return the deviation of a pixel from its neighbour's, in 8-bit steps; strokes are too few to count."""
    step = max(1, max(image.shape) // 200)
    here, beside = image[::step, :-1:step].astype(np.float32), image[::step, 1::step].astype(np.float32)
    return float(1.4826 * np.median(np.abs(here - beside)) / np.sqrt(2)) if here.size else 0.0


def _joined(sure: Mask, faint: Mask) -> Mask:
    """Return `sure` and what of `faint` hangs on it."""
    count, labels = cv2.connectedComponents((sure | faint).view(np.uint8), connectivity=8)
    kept = np.zeros(count, np.bool_)
    kept[labels[sure]] = True
    kept[0] = False
    return np.asarray(kept[labels])


def _cells(shading: Shading, size: tuple[int, ...], box: Box) -> Shading:
    """Return the part of the small map `shading` from which `box` is interpolated."""
    down, across = shading.shape[0] / size[0], shading.shape[1] / size[1]
    rows = slice(max(int(box[1] * down - 1), 0), int(box[3] * down) + 2)
    return shading[rows, max(int(box[0] * across - 1), 0) : int(box[2] * across) + 2]


def _read(shading: Shading, size: tuple[int, ...], box: Box) -> Shading:
    """Return the small map `shading` of a picture of `size`, read bilinearly over `box`."""
    down, across = shading.shape[0] / size[0], shading.shape[1] / size[1]
    way_back = np.array(
        [[across, 0, (box[0] + 0.5) * across - 0.5], [0, down, (box[1] + 0.5) * down - 0.5]], np.float64
    )
    return np.asarray(
        cv2.warpAffine(
            shading, way_back, (box[2] - box[0], box[3] - box[1]),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )  # fmt: skip


def _tiles(size: tuple[int, ...]) -> Iterator[Box]:
    for y in range(0, size[0], TILE_PX):
        for x in range(0, size[1], TILE_PX):
            yield x, y, min(x + TILE_PX, size[1]), min(y + TILE_PX, size[0])
