"""One picture, its true mask and a setting -> how near the pipeline's matte comes. Runs in worker processes."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.contract.errors import MattemeshError, problem_of
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.folders.datasets.look import jpeg
from backend.folders.datasets.measures import (
    boundary_f,
    e_curve,
    f_curve,
    foreground_kept,
    iou,
    mean_absolute_error,
    s_measure,
)
from backend.folders.datasets.pairs import Pair
from backend.images.arrays import Alpha, Image
from backend.images.open_picture import open_picture
from backend.images.resize import rescale
from backend.matte.subject import mask_as_alpha
from backend.pipeline import cut_out

TILE_PX = (240, 180)  # width and height of a picture on the sheet of the worst
PAPER = (236, 236, 232)


@dataclass(frozen=True)
class ScoreTask:
    """What a worker needs: which picture, where, and how its matte is to be found."""

    pair: Pair
    images: Path
    masks: Path
    options: MaskOptions
    settings: Settings
    boundary_px: float


@dataclass(frozen=True)
class Score:
    """How one picture came out. `problem` is a code of backend.contract.errors where it did not."""

    image: str
    measures: dict[str, float] = field(default_factory=dict)  # by the names in evaluation.MEASURES
    f_curve: NDArray[np.float64] | None = None
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    source: str = ""  # the segmenter, or "own-alpha"
    strip: bytes = b""  # JPEG: image, truth, ours, and where they differ
    problem: str = ""
    reason: str = ""


def score(task: ScoreTask) -> Score:
    """Return the score; the errors of `backend.contract.errors` are told in it, MemoryError passes."""
    trace = Trace()
    try:
        with trace.stage("decode"):
            picture = open_picture(task.images / task.pair.image, task.settings)
        # The mask's own notes (it was resized) are not the picture's.
        truth = mask_as_alpha(open_picture(task.masks / task.pair.mask, task.settings), picture, Trace())
        found = cut_out(picture, task.options, engines=_engines(task.settings), trace=trace)
    except MattemeshError as error:
        return Score(task.pair.image, problem=problem_of(error).code, reason=error.detail)
    seconds: dict[str, float] = defaultdict(float)
    for stage in trace.stages:
        seconds[stage.name] += stage.seconds
    object_mask = truth >= 0.5
    by_level = f_curve(found.alpha, object_mask)
    measures = {
        "iou": iou(found.alpha >= 0.5, object_mask),
        "mae": mean_absolute_error(found.alpha, truth),
        "max_f": float(by_level.max()),
        "s_measure": s_measure(found.alpha, object_mask),
        "e_measure": float(e_curve(found.alpha, object_mask).mean()),
        "boundary_f": boundary_f(found.alpha >= 0.5, object_mask, task.boundary_px),
        "foreground_kept": foreground_kept(found.alpha, truth),
    }
    source = found.report.segmenter.name
    strip = jpeg(_strip(picture.image, truth, found.alpha), quality=80)
    return Score(task.pair.image, measures, by_level, dict(seconds), source, strip)


@cache
def _engines(settings: Settings) -> Engines:
    return Engines(settings)


def _strip(image: Image, truth: Alpha, found: Alpha) -> Image:
    """Return image, truth, ours and difference in a row: red is what we kept wrongly, blue what we lost."""
    shown = [_tile(image), *(_tile(np.repeat(np.rint(each * 255).astype(np.uint8)[..., None], 3, axis=2))
                             for each in (truth, found))]  # fmt: skip
    wrong, lost = np.clip(found - truth, 0, 1), np.clip(truth - found, 0, 1)
    grey = np.float32(0.35) * image.mean(axis=2, dtype=np.float32) + 130
    difference = np.stack([grey * (1 - lost), grey * (1 - np.maximum(wrong, lost)), grey * (1 - wrong)], axis=2)
    difference += np.stack([230 * wrong, 40 * (wrong + lost), 240 * lost], axis=2)
    return np.hstack([*shown, _tile(np.clip(difference, 0, 255).astype(np.uint8))])


def _tile(picture: Image) -> Image:
    width, height = TILE_PX
    scale = min((width - 8) / picture.shape[1], (height - 8) / picture.shape[0])
    small = rescale(picture, scale)
    tile = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    return tile
