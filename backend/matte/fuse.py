"""The matte and the depth of a picture -> one alpha, and the reasons for it."""

from dataclasses import dataclass

import numpy as np

from backend.contract.options import MatteOptions
from backend.contract.report import FusionReport
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.arrays import Alpha, Disparity, Image
from backend.matte.fusion.depth_map import color_depth
from backend.matte.fusion.fusion import FusionConfig, fuse_depth
from backend.matte.subject import Subject


@dataclass(frozen=True)
class FusedMatte:
    """The alpha that goes on, the disparity if there is one, and what the report says of the two."""

    alpha: Alpha
    disparity: Disparity | None
    report: FusionReport
    models: tuple[str, ...] = ()  # the depth network, where one was asked


def fuse(image: Image, subject: Subject, options: MatteOptions, engines: Engines, trace: Trace) -> FusedMatte:
    """Return the subject's alpha fused with depth as `options.strategy` says.

    Without depth weights it comes back as it is, and so does an own mask unless a strategy was named: what a person
    made is taken at its word.
    """
    disparity = _disparity(image, engines, trace)
    asked = options.strategy or "auto"
    if disparity is None and asked != "segmentation":
        reason = f"Depth stands aside. {engines.why_not(engines.settings.depth_model)}"
        if asked != "auto":
            trace.note(f"strategy={asked} was not followed. {reason}")
        return FusedMatte(subject.alpha, None, segmentation_alone(asked, reason))
    models = () if disparity is None else (engines.settings.depth_model,)
    if asked == "auto" and not subject.segmented:
        reason = "Your own mask is taken at its word; name a strategy to fuse it with depth."
        return FusedMatte(subject.alpha, disparity, segmentation_alone("auto", reason), models)
    with trace.stage("fuse"):
        config = FusionConfig(depth_percentile=options.depth_percentile)
        fused = fuse_depth(subject.alpha, disparity, image, config, asked)
    if fused.disagreement is not None and trace.keeps("segmentation against depth"):
        trace.picture("segmentation against depth", _two_colors(fused.disagreement))
    trace.picture("fused", fused.alpha)
    agreement = {name: round(value, 4) for name, value in fused.agreement.items()}
    report = FusionReport(asked=asked, strategy=fused.strategy_used, reasons=list(fused.reasons), agreement=agreement)
    return FusedMatte(fused.alpha, disparity, report, models)


def segmentation_alone(asked: str, reason: str) -> FusionReport:
    """Return the report of a matte in which depth took no part."""
    return FusionReport(asked=asked, strategy="segmentation", reasons=[reason])


def _disparity(image: Image, engines: Engines, trace: Trace) -> Disparity | None:
    with trace.stage("load depth"):
        network = engines.depth()
    if network is None:
        return None
    with trace.stage("depth", network.device):
        disparity = network.predict(image)
    if trace.keeps("depth"):
        trace.picture("depth", color_depth(disparity))
    return disparity


def _two_colors(disagreement: Alpha) -> Image:
    """Return where only segmentation sees the object in orange, and where only depth does in blue, on white."""
    only_depth, only_segmentation = np.clip(disagreement, 0, 1), np.clip(-disagreement, 0, 1)
    orange, blue = np.array((25, 115, 230), np.float32), np.array((215, 120, 15), np.float32)  # what white lacks
    lacks = only_segmentation[..., None] * orange + only_depth[..., None] * blue
    shown: Image = np.rint(np.clip(255 - lacks, 0, 255)).astype(np.uint8)
    return shown
