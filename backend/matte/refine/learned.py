"""The learned refiner over a picture: once over a working copy, then in tiles along the edge at full size.

The same network does both. The first pass decides what belongs to the object and where its outline runs; the second
sees that answer as its coarse alpha and finishes the edge where the working copy was smaller than the picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Box, Image, Mask, Saliency
from backend.images.geometry import tiles
from backend.images.resize import enlarge_alpha, rescale, scaled_shape
from backend.images.view import View

Refine = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (N, 4, H, W) to (N, H, W); sides are multiples of 16
_STRIDE = 16
_SURE = 0.02  # an alpha within this of 0 or 1 is no edge
_BATCH = 4


@dataclass(frozen=True)
class LearnedConfig:
    tile_px: int = 192  # side of a tile of the second pass
    context_px: int = 32  # what the network sees around a tile, on each side
    budget_px: int = 3_000_000  # pixels that the second pass may look at; a longer edge is finished at a smaller scale


def refine_whole(view: View, coarse: Saliency, refine: Refine) -> Alpha:
    """Return the alpha of a working copy, (h, w), from its `coarse` alpha."""
    height, width = coarse.shape
    stacked = np.concatenate([view.image.astype(np.float32) / 255, coarse[..., None]], axis=2)
    down, right = -height % _STRIDE, -width % _STRIDE
    padded = cv2.copyMakeBorder(stacked, 0, down, 0, right, cv2.BORDER_REPLICATE)
    answer: Alpha = refine(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))[0, :height, :width]
    return answer


def finish_in_tiles(image: Image, view: View, alpha: Alpha, refine: Refine, config: LearnedConfig) -> Alpha:
    """Return the alpha of `view.box` at full size, (y1 - y0, x1 - x0), from that of the working copy, (h, w)."""
    x0, y0, x1, y1 = view.box
    size = (y1 - y0, x1 - x0)
    if view.scale == 1:
        return alpha
    edge = _edge(alpha)
    scale = 1.0
    while scale / 2 > view.scale and _looked_at(edge, scaled_shape(size, scale), config) > config.budget_px:
        scale /= 2
    part = np.ascontiguousarray(rescale(image[y0:y1, x0:x1], scale))
    coarse = enlarge_alpha(alpha, part.shape)
    for box, answer in _answers(part, coarse, edge, refine, config):
        coarse[box[1] : box[3], box[0] : box[2]] = answer
    return enlarge_alpha(coarse, size)


def _edge(alpha: Alpha) -> Mask:
    """Return the working pixels whose photo pixels may be edge: the unsure ones and their neighbours."""
    square = np.ones((3, 3), np.uint8)
    span = cv2.dilate(alpha, square) - cv2.erode(alpha, square)
    return np.asarray(cv2.dilate((span > _SURE).view(np.uint8), np.ones((5, 5), np.uint8)) > 0)


def _busy_tiles(edge: Mask, size: tuple[int, int], side_px: int) -> Iterator[Box]:
    down, across = edge.shape[0] / size[0], edge.shape[1] / size[1]
    for tile in tiles((0, 0, size[1], size[0]), side_px):
        rows = slice(int(tile[1] * down), int(np.ceil(tile[3] * down)))
        columns = slice(int(tile[0] * across), int(np.ceil(tile[2] * across)))
        if edge[rows, columns].any():
            yield tile


def _looked_at(edge: Mask, size: tuple[int, int], config: LearnedConfig) -> int:
    return sum(1 for _ in _busy_tiles(edge, size, config.tile_px)) * (config.tile_px + 2 * config.context_px) ** 2


def _answers(
    image: Image, coarse: Alpha, edge: Mask, refine: Refine, config: LearnedConfig
) -> Iterator[tuple[Box, Alpha]]:
    """Yield each tile with an edge in it and its alpha. `coarse` may be written to where a tile was yielded."""
    whole, reach = config.tile_px + 2 * config.context_px, config.context_px
    frame = [(reach, whole)] * 2
    given = np.pad(coarse, frame, mode="edge")
    pixels = np.pad(image, [*frame, (0, 0)], mode="edge")
    waiting: list[Box] = []
    boxes = list(_busy_tiles(edge, coarse.shape, config.tile_px))
    for number, box in enumerate(boxes):
        waiting.append(box)
        if len(waiting) < _BATCH and number + 1 < len(boxes):
            continue
        batch = np.empty((len(waiting), 4, whole, whole), np.float32)
        for index, (left, top, _, _) in enumerate(waiting):
            window = np.s_[top : top + whole, left : left + whole]
            batch[index, :3] = pixels[window].transpose(2, 0, 1) / np.float32(255)
            batch[index, 3] = given[window]
        for one, answer in zip(waiting, refine(batch), strict=True):
            yield one, answer[reach : reach + one[3] - one[1], reach : reach + one[2] - one[0]]
        waiting = []
