"""One picture, its true mask and a setting -> the measures of the pipeline's matte. Runs in worker processes."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.contract.errors import MattemeshError, problem_of
from backend.contract.options import MaskOptions
from backend.contract.trace import Trace
from backend.contract.work import Done, File, OnStage
from backend.engines.registry import Engines
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
from backend.folders.runner import FolderWork
from backend.images.arrays import Alpha, Image
from backend.images.encode import encode_jpeg
from backend.images.open_picture import open_picture
from backend.images.resize import rescale
from backend.matte.subject import mask_as_alpha
from backend.pipeline import cut_out

TILE_PX = (240, 180)  # width and height of a picture on the sheet of the worst
PAPER = (236, 236, 232)


@dataclass(frozen=True, kw_only=True)
class ScoreWork(FolderWork):
    """A picture and its true mask; `options` say how the matte is to be found."""

    pair: Pair
    images: Path
    masks: Path
    boundary_px: float

    def perform(self, engines: Engines, on_stage: OnStage) -> Done:
        """Return the measures of one picture for `score_of`."""
        return _measure(self, engines, Trace(on_stage=on_stage))


@dataclass(frozen=True)
class Score:
    """The measures of one picture. `problem` is a code of backend.contract.errors where it failed."""

    image: str
    measures: dict[str, float] = field(default_factory=dict)  # by the names in evaluation.MEASURES
    f_curve: NDArray[np.float64] | None = None
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    source: str = ""  # the segmenter, or "own-alpha"
    strip: bytes = b""  # JPEG: image, truth, ours, and where they differ
    problem: str = ""
    reason: str = ""


def score_of(image: str, result: Done | MattemeshError) -> Score:
    """Return the score of `image` from what a worker made of its `ScoreWork`."""
    if isinstance(result, MattemeshError):
        return Score(image, problem=problem_of(result).code, reason=result.detail)
    seconds: dict[str, float] = defaultdict(float)
    for stage in result.stages:
        seconds[stage.name] += stage.seconds
    found = result.report
    curve = np.asarray(found["f_curve"])
    return Score(image, found["measures"], curve, dict(seconds), found["source"], result.files[0].data)


def _measure(work: ScoreWork, engines: Engines, trace: Trace) -> Done:
    options, settings = work.options, engines.settings
    assert isinstance(options, MaskOptions)
    with trace.stage("decode"):
        picture = open_picture(work.images / work.pair.image, settings)
    # The mask's own notes (it was resized) are not the picture's.
    truth = mask_as_alpha(open_picture(work.masks / work.pair.mask, settings, as_data=True), picture, Trace())
    found = cut_out(picture, options, engines=engines, trace=trace)
    object_mask = truth >= 0.5
    by_level = f_curve(found.alpha, object_mask)
    measures = {
        "iou": iou(found.alpha >= 0.5, object_mask),
        "mae": mean_absolute_error(found.alpha, truth),
        "max_f": float(by_level.max()),
        "s_measure": s_measure(found.alpha, object_mask),
        "e_measure": float(e_curve(found.alpha, object_mask).mean()),
        "boundary_f": boundary_f(found.alpha >= 0.5, object_mask, work.boundary_px),
        "foreground_kept": foreground_kept(found.alpha, truth),
    }
    strip = File("strip.jpg", "image/jpeg", encode_jpeg(_strip(picture.image, truth, found.alpha), 80))
    report = {"measures": measures, "f_curve": by_level.tolist(), "source": found.report.segmenter.name}
    return Done((strip,), tuple(trace.stages), report=report)


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
