"""A picture's matte and its depth in, one alpha and the reasons for it out."""

from dataclasses import dataclass

from backend.contract.options import MatteOptions
from backend.contract.report import FusionReport
from backend.contract.trace import Trace
from backend.engines.registry import Engines
from backend.images.arrays import Alpha, Disparity, Image
from backend.matte.fusion.fusion import FusionConfig, fuse_depth
from backend.matte.fusion.pictures import color_depth, color_disagreement
from backend.matte.subject import Subject


@dataclass(frozen=True)
class FusedMatte:
    """The fused alpha, the disparity if there is one, and the report's entry on both."""

    alpha: Alpha
    disparity: Disparity | None
    report: FusionReport
    models: tuple[str, ...] = ()  # the depth network, where one ran


def fuse(image: Image, subject: Subject, options: MatteOptions, engines: Engines, trace: Trace) -> FusedMatte:
    """Return the subject's alpha fused with depth as `options.strategy` says.

    It comes back unchanged without depth weights, and so does the caller's own mask unless a strategy was named.
    """
    disparity = _disparity(image, engines, trace)
    asked = options.strategy or "auto"
    if disparity is None and asked != "segmentation":
        reason = f"Depth was not used. {engines.why_not(engines.settings.depth_model)}"
        if asked != "auto":
            trace.note(f"strategy={asked} was not followed. {reason}")
        return FusedMatte(subject.alpha, None, segmentation_alone(asked, reason))
    models = () if disparity is None else (engines.settings.depth_model,)
    if asked == "auto" and not subject.segmented:
        reason = "Your own mask is used as it is; name a strategy to fuse it with depth."
        return FusedMatte(subject.alpha, disparity, segmentation_alone("auto", reason), models)
    with trace.stage("fuse"):
        config = FusionConfig(depth_percentile=options.depth_percentile)
        fused = fuse_depth(subject.alpha, disparity, image, config, asked)
    if fused.disagreement is not None and trace.shows("segmentation against depth"):
        trace.picture("segmentation against depth", color_disagreement(fused.disagreement))
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
    if trace.shows("depth"):
        trace.picture("depth", color_depth(disparity))
    return disparity
