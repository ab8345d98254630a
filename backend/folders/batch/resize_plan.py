"""A picture far too large or too small for the pipeline -> its matte, found at another size.

The mask is resized back and then used like a user's own mask, so cropping, colours, background and framing are those
of any other picture.
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

ResizePlan = Literal["", "reduce", "enlarge", "refuse"]
REDUCED_PX = 1600  # longer side at which the mask of a large picture is found
ENLARGED_PX = 512  # shorter side at which the mask of a small picture is found
MAX_ENLARGEMENT = 8.0  # factor; more invents no detail
# Options that decide the matte. Feathering waits for the original size, and a mesh is fused later.
_FINDING = frozenset(MatteOptions.model_fields) - {"debug", "feather_px", "strategy"}


def scale_of(picture: Picture, resize_plan: ResizePlan, options: MatteOptions) -> float:
    """Return the factor to scale `picture` by.

    1 for a picture with its own mask, for a document, whose thin strokes are found at any size, and for options with
    points or a roi, which count the pixels of the original.
    """
    own_alpha = picture.alpha is not None and options.use_alpha
    if own_alpha or options.points or options.roi or (isinstance(options, MaskOptions) and options.mode == "document"):
        return 1.0
    height, width = picture.image.shape[:2]
    if resize_plan == "reduce":
        return min(1.0, REDUCED_PX / float(max(height, width)))
    if resize_plan == "enlarge":
        return float(np.clip(ENLARGED_PX / min(height, width), 1.0, MAX_ENLARGEMENT))
    return 1.0


def find_mask(
    picture: Picture, scale: float, options: MatteOptions, engines: Engines, trace: Trace
) -> tuple[Picture, Picture, MaskReport]:
    """Return the picture without background in its edge colours, its mask as a picture, and the mask's report."""
    image = picture.image
    scaled = rescale(image, scale, cv2.INTER_CUBIC)
    given = {name: getattr(options, name) for name in _FINDING & options.model_fields_set}
    strategy = options.strategy if isinstance(options, MaskOptions) else "segmentation"
    made = cut_out(Picture(scaled, None, picture.format, picture.source_size),
                   MaskOptions(**given, strategy=strategy), engines=engines, trace=trace)  # fmt: skip
    with trace.stage("resize back"):
        alpha = _resized_back(made.alpha, scaled, picture, scale)
        cleaned = foreground_colors(image, alpha) if alpha.any() else image
    change = "reduced to" if scale < 1 else "enlarged to"
    height, width = scaled.shape[:2]
    trace.note(f"The picture was {change} {width} × {height} to find the object; the mask was resized back.")
    return replace(picture, image=cleaned, alpha=None), replace(picture, alpha=alpha), made.report


def _resized_back(alpha: Alpha, scaled: Any, picture: Picture, scale: float) -> Alpha:
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
