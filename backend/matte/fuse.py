"""A picture's matte and its depth in, one alpha and the reasons for it out."""

from dataclasses import dataclass

from backend.contract.options import MatteOptions
from backend.contract.report import FusionReport
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.arrays import Alpha, Disparity, Image
from backend.matte.fusion.fusion import FusionConfig, fuse_depth
from backend.matte.fusion.pictures import color_depth, color_disagreement
from backend.matte.handovers import DEPTH, FUSED, Depth, FusedMatte, Subject


@dataclass(frozen=True)
class Fused:
    """The fused alpha, the disparity if there is one, and the report's entry on both."""

    alpha: Alpha
    disparity: Disparity | None
    report: FusionReport
    models: tuple[str, ...] = ()  # the depth network, where one ran


def fuse(image: Image, subject: Subject, options: MatteOptions, engines: Engines, trace: Trace) -> Fused:
    """Return the subject's alpha fused with depth as `options.strategy` says.

    It comes back unchanged without depth weights, and so does the caller's own mask unless a strategy was named.
    """
    shape = image.shape[:2]
    depth = trace.handed(DEPTH, lambda: _depth(image, engines, trace), shape)
    matte = trace.handed(FUSED, lambda: _fused(image, subject, depth, options, trace), shape)
    models = () if depth.disparity is None else (depth.network,)
    return Fused(matte.alpha, depth.disparity, matte.report, models)


def _fused(image: Image, subject: Subject, depth: Depth, options: MatteOptions, trace: Trace) -> FusedMatte:
    asked = options.strategy or "auto"
    if depth.disparity is None and asked != "segmentation":
        reason = f"Depth was not used. {depth.why_not}"
        if asked != "auto":
            trace.note(f"strategy={asked} was not followed. {reason}")
        return FusedMatte(subject.alpha, segmentation_alone(asked, reason))
    if asked == "auto" and not subject.segmented:
        reason = "Your own mask is used as it is; name a strategy to fuse it with depth."
        return FusedMatte(subject.alpha, segmentation_alone("auto", reason))
    with trace.stage("fuse"):
        config = FusionConfig(depth_percentile=options.depth_percentile)
        fused = fuse_depth(subject.alpha, depth.disparity, image, config, asked)
    if fused.disagreement is not None and trace.shows("segmentation against depth"):
        trace.picture("segmentation against depth", color_disagreement(fused.disagreement))
    trace.picture("fused", fused.alpha)
    agreement = {name: round(value, 4) for name, value in fused.agreement.items()}
    report = FusionReport(asked=asked, strategy=fused.strategy_used, reasons=list(fused.reasons), agreement=agreement)
    return FusedMatte(fused.alpha, report)


def segmentation_alone(asked: str, reason: str) -> FusionReport:
    """Return the report of a matte in which depth took no part."""
    return FusionReport(asked=asked, strategy="segmentation", reasons=[reason])


def _depth(image: Image, engines: Engines, trace: Trace) -> Depth:
    name = engines.settings.depth_model
    with trace.stage("load depth"):
        network = engines.depth()
    if network is None:
        return Depth(None, name, engines.why_not(name))
    with trace.stage("depth", network.device):
        disparity = network.predict(image)
    if trace.shows("depth"):
        trace.picture("depth", color_depth(disparity))
    return Depth(disparity, name)
