"""A page, its shading and its region in, the ink's alpha out.

The rule for paper leaves ink and, along each stroke, pixels that mix ink and paper. A mixed pixel is as opaque as its
colour lies between the paper's and the ink's beside it; otherwise every stroke would be a pixel too wide.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from backend.images.arrays import Alpha, Box, Image, Mask
from backend.images.geometry import dilate, disc, erode, parts_holding, tiles
from backend.images.view import sample_map
from backend.matte.documents.paper import Color, PaperConfig, distance_from, is_pale_and_light
from backend.matte.documents.shading import Shading

TILE_PX = 256
WHITE = 245.0  # flattened paper, in each channel
CLEAR_STEPS = 35.0  # 8-bit steps; a pixel less than this below WHITE in every channel is never ink
THREADS = 2


@dataclass(frozen=True)
class InkConfig:
    rim: float = 1 / 1000  # width of a stroke's blurred rim, as a share of the picture's longer side
    min_rim_px: int = 2  # width of that rim on small pictures
    faint: float = 0.65  # share of the rule's distance from which a pixel next to certain ink is ink too
    beside_rims: int = 4  # how near the certain ink must be, in rims
    min_coverage: float = 0.15  # coverage up to which a pixel is noise
    max_noise: float = 5.0  # 8-bit steps of noise above which the flattened page is smoothed


def flatten(image: Image, shading: Shading, box: Box) -> Image:
    """Return `image` in `box` with the paper WHITE everywhere."""
    x0, y0, x1, y1 = box
    frame = (0, 0, image.shape[1], image.shape[0])
    gain = sample_map(WHITE / shading, frame, box, (y1 - y0, x1 - x0))
    return np.asarray(cv2.multiply(image[y0:y1, x0:x1], gain, dtype=cv2.CV_8U))


def ink_alpha(image: Image, region: Mask | None, shading: Shading, paper: Color, rule: PaperConfig) -> Alpha:
    """Return the (H, W) alpha of the ink in `region` (None: everywhere); 0 elsewhere.

    `paper` is the paper's colour once flattened. Tiles that cannot hold ink are skipped.
    """
    config = InkConfig()
    height, width = image.shape[:2]
    alpha = np.zeros((height, width), np.float32)
    rim = max(config.min_rim_px, round(config.rim * max(image.shape)))
    margin = (config.beside_rims + 2) * rim
    min_light = (WHITE - CLEAR_STEPS) / WHITE
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
        if grain > config.max_noise:
            flat = cv2.GaussianBlur(flat, (0, 0), grain / (3 * config.max_noise))
        if flat.min() >= WHITE - CLEAR_STEPS:
            return
        found = _tile_ink(flat, paper, rule, rim, config)
        inner = found[y0 - top : y1 - top, x0 - left : x1 - left]
        alpha[y0:y1, x0:x1] = inner if region is None else inner * region[y0:y1, x0:x1]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, tiles((0, 0, width, height), TILE_PX)))
    return alpha


def _tile_ink(flat: Image, paper: Color, rule: PaperConfig, rim: int, config: InkConfig) -> Alpha:
    away = distance_from(flat, paper)
    ink = ~((away < rule.distance) & is_pale_and_light(flat, rule))
    if not ink.any():
        return np.zeros(ink.shape, np.float32)
    reach = 2 * config.beside_rims * rim + 1
    beside = cv2.dilate(ink.view(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    faint = beside & (away > config.faint * rule.distance)
    ink = parts_holding(ink | faint, ink)  # a thin or faint stroke continues
    full = cv2.dilate(away * ink, disc(rim))  # the ink beside it, unmixed
    inside = erode(ink, rim)
    near = dilate(ink, 1)  # few pixels; everything beyond is transparent
    coverage = np.minimum(away[near] / np.maximum(full[near], 1), 1)
    coverage[coverage <= config.min_coverage] = 0
    coverage[inside[near]] = 1
    alpha = np.zeros(ink.shape, np.float32)
    alpha[near] = np.where(ink[near], coverage, np.minimum(coverage, 0.49))  # paper by the rule stays below 0.5
    return alpha


def _noise(image: Image) -> float:
    """Return the deviation of a pixel from its neighbour's, in 8-bit steps; strokes are too few to count."""
    step = max(1, max(image.shape) // 200)
    here, beside = image[::step, :-1:step].astype(np.float32), image[::step, 1::step].astype(np.float32)
    return float(1.4826 * np.median(np.abs(here - beside)) / np.sqrt(2)) if here.size else 0.0


def _cells(shading: Shading, size: tuple[int, ...], box: Box) -> Shading:
    """Return the part of the small map `shading` from which `box` is interpolated."""
    down, across = shading.shape[0] / size[0], shading.shape[1] / size[1]
    rows = slice(max(int(box[1] * down - 1), 0), int(box[3] * down) + 2)
    return shading[rows, max(int(box[0] * across - 1), 0) : int(box[2] * across) + 2]
