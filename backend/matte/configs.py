"""The operator's settings in, the configs of the stages out; stages read no environment themselves."""

from dataclasses import replace

from backend.contract.settings import Settings
from backend.matte.documents.paper import PaperConfig
from backend.matte.refine.holes import HolePolicy
from backend.matte.refine.refine_matte import CLASSIC, PRESETS, MatteConfig
from backend.matte.refine.scorecard import ScorecardConfig
from backend.matte.refine.threshold import ThresholdConfig


def matte_config(
    settings: Settings, quality: str, holes: HolePolicy | None = None, refiner: str = "learned"
) -> MatteConfig:
    """Return the preset `quality` with the operator's numbers in it; `holes` is the request's policy, if it has one.

    Raises KeyError for an unknown preset.
    """
    preset, policy = (PRESETS if refiner == "learned" else CLASSIC)[quality], holes or settings.holes
    limit = float("inf") if holes == "fill" else settings.max_hole_share  # what a request asks for is done
    return replace(
        preset,
        threshold=ThresholdConfig(settings.mask_threshold, settings.mask_threshold_min, settings.mask_threshold_max),
        morphology=replace(preset.morphology, kernel_size=settings.morph_kernel_size),
        holes=replace(preset.holes, policy=policy, fill_share=limit),
        parts=replace(preset.parts, opens=policy in ("auto", "open")),
    )


def paper_config(settings: Settings) -> PaperConfig:
    """Return the rule for paper with the operator's numbers in it."""
    return PaperConfig(settings.paper_distance, settings.paper_saturation, settings.paper_lightness)


def scorecard_config(settings: Settings, document: bool = False) -> ScorecardConfig:
    """Return the scorecard's config with the operator's limits; a `document` may cover little and have many parts."""
    if document:
        return ScorecardConfig(0.0, settings.max_object_coverage, part_share=1.0)
    return ScorecardConfig(settings.min_object_coverage, settings.max_object_coverage)
