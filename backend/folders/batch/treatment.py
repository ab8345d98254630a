"""A picture far larger or smaller than it should be -> its matte, decided at a size that suits the pipeline.

The mask is brought back to the picture's own size and taken from there as a mask of one's own, so cropping, colours,
background and framing are the same as for any other picture.
"""

from dataclasses import replace
from typing import Any, Literal

import cv2
import numpy as np

from backend.contract.options import MaskOptions, MatteOptions
from backend.contract.report import MaskReport, MatteReport, MeshReport
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.arrays import Alpha
from backend.images.guided_filter import guided_upsample
from backend.images.image_io import Picture
from backend.images.resize import rescale
from backend.matte.refine.foreground import foreground_colors
from backend.pipeline import cut_out

Treatment = Literal["", "reduce", "enlarge", "refuse"]
REDUCED_PX = 1600  # longer side on which the mask of a picture that is too large is decided
ENLARGED_PX = 512  # shorter side of a picture that is too small
MOST_TIMES = 8.0  # enlarged by no more: there is nothing in between the pixels
# What decides which matte is found; feathering is for the picture's own size, and a mesh is fused later.
_FINDING = frozenset(MatteOptions.model_fields) - {"debug", "feather_px", "strategy"}


def scale_of(picture: Picture, treatment: Treatment, options: MatteOptions) -> float:
    """Return by how much `picture` is to be scaled; 1: not at all, as what has its own mask, as a document, whose
    thin strokes are found at any size, and where points are given in the picture's own pixels."""
    own_alpha = picture.alpha is not None and options.use_alpha
    if own_alpha or options.points or (isinstance(options, MaskOptions) and options.mode == "document"):
        return 1.0
    height, width = picture.image.shape[:2]
    if treatment == "reduce":
        return min(1.0, REDUCED_PX / float(max(height, width)))
    if treatment == "enlarge":
        return float(np.clip(ENLARGED_PX / min(height, width), 1.0, MOST_TIMES))
    return 1.0


def find_mask(
    picture: Picture, scale: float, options: MatteOptions, engines: Engines, trace: Trace
) -> tuple[Picture, Picture, MaskReport]:
    """Return the picture with its rim cleaned of the background, its mask as a picture, and the mask's report."""
    image = picture.image
    scaled = rescale(image, scale, cv2.INTER_CUBIC)
    given = {name: getattr(options, name) for name in _FINDING & options.model_fields_set}
    strategy = options.strategy if isinstance(options, MaskOptions) else "segmentation"
    made = cut_out(Picture(scaled, None, picture.format, picture.source_size),
                   MaskOptions(**given, strategy=strategy), engines=engines, trace=trace)  # fmt: skip
    with trace.stage("bring back"):
        alpha = _brought_back(made.alpha, scaled, picture, scale)
        cleaned = foreground_colors(image, alpha) if alpha.any() else image
    change = "reduced to" if scale < 1 else "enlarged to"
    height, width = scaled.shape[:2]
    trace.note(f"The picture was {change} {width} × {height} to find the object, and the mask brought back.")
    return replace(picture, image=cleaned, alpha=None), replace(picture, alpha=alpha), made.report


def _brought_back(alpha: Alpha, scaled: Any, picture: Picture, scale: float) -> Alpha:
    if scale < 1:
        return guided_upsample(alpha, scaled, picture.image)
    height, width = picture.image.shape[:2]
    small: Alpha = np.clip(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA), 0, 1)
    return small


def with_first_opinion(report: MatteReport, first: MaskReport) -> MatteReport:
    """Return the final `report` with the segmenter that found the mask, and the stricter of both scorecards."""
    found: dict[str, Any] = {"segmenter": first.segmenter, "models": first.models}
    if not isinstance(report, MeshReport):
        found["fusion"] = first.fusion
    if first.mask.points < report.mask.points:
        found["mask"] = first.mask
    return report.model_copy(update=found)
