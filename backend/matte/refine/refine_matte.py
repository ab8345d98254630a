"""Tier 1: a segmenter's first guess in, a clean alpha matte out.

    matte = refine_matte(image, saliency, PRESETS["balanced"], trace)

Which parts belong to the object and where its outline runs is decided on a working copy of bounded size. Only the edge
is finished at full size, so a large photo costs little more than a small one.
"""

from dataclasses import dataclass, field

import numpy as np

from backend.contract.trace import Trace
from backend.engines.refiner import open_refiner
from backend.images.arrays import Alpha, Box, Image, Mask, Saliency, check_alpha, check_image, check_same_size
from backend.images.edge_preference import EdgePreferenceConfig, edge_strength, prefer_edges
from backend.images.geometry import EdgeStrength, dilate, distance_to, erode
from backend.images.grabcut import GrabCutConfig, grabcut, learn_colors
from backend.images.trimap import TrimapConfig, make_trimap, make_wide_trimap
from backend.images.view import View, box_around, make_view, sample_map
from backend.matte.refine.components import ComponentsConfig, DroppedPart, dropped_facts, keep_object, tell_dropped
from backend.matte.refine.edges import Decisions, EdgesConfig, finish_edges
from backend.matte.refine.holes import HolesConfig, settle_holes
from backend.matte.refine.learned import LearnedConfig, Refine, refine_saliency
from backend.matte.refine.morphology import MorphologyConfig, clean_mask
from backend.matte.refine.parts import PartsConfig, settle_parts
from backend.matte.refine.rembg_matting import RembgMattingConfig, rembg_matting
from backend.matte.refine.softness import SoftnessConfig, find_see_through, find_softness
from backend.matte.refine.threshold import ThresholdConfig, choose_level


@dataclass(frozen=True)
class MatteConfig:
    """The configs of tier 1's stages."""

    working_side_px: int = 512  # longer side of the copy on which the outline is decided
    threshold: ThresholdConfig = field(default_factory=ThresholdConfig)  # saliency to a mask
    morphology: MorphologyConfig = field(default_factory=MorphologyConfig)  # specks and cracks
    holes: HolesConfig = field(default_factory=HolesConfig)  # which holes are filled
    components: ComponentsConfig | None = field(
        default_factory=ComponentsConfig
    )  # the object's parts; None: all are kept
    trimap: TrimapConfig = field(default_factory=TrimapConfig)  # the band in which the outline is searched
    grabcut: GrabCutConfig | None = field(default_factory=GrabCutConfig)  # outline by colours; None: the mask's
    edge_preference: EdgePreferenceConfig = field(default_factory=EdgePreferenceConfig)  # moves the outline onto edges
    parts: PartsConfig = field(default_factory=PartsConfig)  # adds missing parts, opens filled holes
    softness: SoftnessConfig = field(default_factory=SoftnessConfig)  # hair, blur and see-through regions
    see_through: bool = True  # an evenly unsure region keeps the saliency as its alpha
    edges: EdgesConfig = field(default_factory=EdgesConfig)  # the alpha along the outline, at full size
    learned: LearnedConfig | None = None  # set: the learned refiner goes over the saliency first
    rembg_matting: RembgMattingConfig | None = None  # set: rembg's alpha matting makes the edge, not `edges`


PRESETS: dict[str, MatteConfig] = {
    "fast": MatteConfig(grabcut=None, see_through=False),
    "balanced": MatteConfig(grabcut=None, see_through=False, learned=LearnedConfig()),
    "best": MatteConfig(grabcut=None, see_through=False, learned=LearnedConfig(finer_side_px=1408)),
}
CLASSIC: dict[str, MatteConfig] = {
    "fast": PRESETS["fast"],
    "balanced": MatteConfig(),
    "best": MatteConfig(working_side_px=896, trimap=TrimapConfig(band_px=12), grabcut=GrabCutConfig(20_000, rounds=2)),
}  # colours and edges in place of the learned refiner
NETWORK_GRID = 320  # cells a side of the smallest network output in use (U2-Net)
OVERVIEW_SIDE_PX = 512  # longer side of the copy on which the object's parts are chosen
RIM = 0.12  # depth of the object's rim that teaches its colours, as a share of the root of its area
ROOM = 0.25  # room around the object that teaches the background's colours, as a share of its longer side

Facts = dict[str, float | int | str | bool]


@dataclass(frozen=True)
class Matte:
    """The refined alpha and the figures of its stages."""

    alpha: Alpha
    mask: Mask  # alpha >= 0.5
    dropped: tuple[DroppedPart, ...]
    facts: Facts  # figures for the report


def refine_matte(
    image: Image, saliency: Saliency, config: MatteConfig, trace: Trace, refine: Refine | None = None
) -> Matte:
    """Return the clean matte of the object in `saliency`; without an object, an empty matte and a note.

    Raises ValueError for arrays of the wrong kind or of two sizes.
    """
    check_image(image)
    check_alpha(saliency)
    check_same_size(image, saliency)
    height, width = saliency.shape
    frame = (0, 0, width, height)
    if config.learned is not None:
        with trace.stage("refiner"):
            saliency = refine_saliency(image, saliency, refine or open_refiner(), config.learned)
        trace.picture("refiner", saliency)
    with trace.stage("threshold"):
        overview = make_view(image, saliency, frame, OVERVIEW_SIDE_PX)
        level = choose_level(overview.saliency, config.threshold)
        found = overview.saliency >= level
    trace.picture("threshold", found)
    with trace.stage("components"):
        kept, parts_kept, dropped = _keep(overview, found, config, trace)
    trace.picture("components", kept)
    if not kept.any():
        trace.note("Nothing was found to cut out.")
        return Matte(np.zeros_like(saliency), np.zeros(saliency.shape, bool), dropped, {"level": level})
    facts: Facts = {
        "refiner": _refiner(config),
        "level": round(level, 3),
        "parts_kept": parts_kept,
        **dropped_facts(dropped),
    }
    with trace.stage("morphology"):
        view, belongs = _look_closer(image, saliency, overview, found, kept, config)
        first = (view.saliency >= level) & belongs
        cleaned = clean_mask(first, view.saliency, config.morphology)
        strength = edge_strength(view.image)
        softness = find_softness(view.image, view.saliency * belongs, cleaned, strength, config.softness)
        glass = np.zeros_like(cleaned)
        if config.see_through:
            glass = find_see_through(view.saliency, cleaned, config.softness) & belongs
        if softness is not None:
            glass &= softness.amount < 0.1
        mask, holes_filled = settle_holes(cleaned | glass, view.saliency, config.holes)
    trace.picture("morphology", mask)
    facts["holes_filled"] = holes_filled
    if config.grabcut is not None:
        with trace.stage("grabcut"):
            grid_px = max(saliency.shape) * view.scale / NETWORK_GRID
            mask, counts = _cut(view, mask, glass, strength, grid_px, config.grabcut, config, trace)
        facts.update(counts)
    alpha: Alpha | None = None
    if config.rembg_matting is not None:
        with trace.stage("rembg matting"):
            alpha, figures = _rembg_edge(image, view, mask, config.rembg_matting, trace)
        facts.update(figures)
    if alpha is None:
        with trace.stage("edges"):
            changed = dilate(mask ^ (first | glass), 2)
            decisions = Decisions(level, mask, belongs, changed, glass, softness)
            alpha = finish_edges(image, saliency, view, decisions, config.edges)
    if softness is not None:
        trace.picture("softness", softness.amount)
    trace.picture("alpha", alpha)
    return Matte(alpha, alpha >= 0.5, dropped, facts)


def _refiner(config: MatteConfig) -> str:
    """Return what finds the outline, for the report."""
    if config.learned is not None:
        return "learned"
    return "none" if config.grabcut is None else "classic"


def _rembg_edge(
    image: Image, view: View, mask: Mask, config: RembgMattingConfig, trace: Trace
) -> tuple[Alpha | None, Facts]:
    """Return rembg's alpha, None where it can make none, and what the report says of it."""
    made = rembg_matting(image, view, mask, config)
    if made is None:
        trace.note("rembg's alpha matting has no solution for this mask; our own edge stage made the edge.")
        return None, {}
    alpha, (height, width) = made
    trace.note(f"rembg's alpha matting made the edge, on a copy of {width} × {height} pixels.")
    return alpha, {"matting": "rembg", "matting_height": height, "matting_width": width}


def _look_closer(
    image: Image, saliency: Saliency, overview: View, found: Mask, kept: Mask, config: MatteConfig
) -> tuple[View, Mask]:
    """Return the working view around the kept object, and where in it the object is nearer than any dropped part."""
    frame = overview.box
    box = box_around(kept, frame, ROOM, 12)
    if _nearly_whole(box, frame) and config.working_side_px == OVERVIEW_SIDE_PX:
        view = overview
    else:
        view = make_view(image, saliency, box, config.working_side_px)
    nearer = distance_to(kept) < distance_to(found & ~kept)
    return view, sample_map(nearer.astype(np.float32), frame, view.box, view.size) > 0.5


def _nearly_whole(box: Box, frame: Box) -> bool:
    return (box[2] - box[0]) * (box[3] - box[1]) > 0.9 * frame[2] * frame[3]


def _keep(overview: View, found: Mask, config: MatteConfig, trace: Trace) -> tuple[Mask, int, tuple[DroppedPart, ...]]:
    """Return the kept object, its number of parts and the dropped parts; the larger of these get a note."""
    if config.components is None:
        return found, int(found.any()), ()
    kept, parts_kept, dropped = keep_object(found, overview.saliency, config.components)
    tell_dropped(dropped, trace)
    return kept, parts_kept, dropped


def _cut(
    view: View, mask: Mask, fixed: Mask, strength: EdgeStrength, grid_px: float, how: GrabCutConfig,
    config: MatteConfig, trace: Trace,
) -> tuple[Mask, dict[str, int]]:  # fmt: skip
    """Return `mask` corrected within a band, then by whole parts, and the counts of parts; pixels in `fixed` stay."""
    band = config.trimap.band_px
    trimap = make_trimap(mask, band)
    trace.picture("trimap", trimap)
    sure = trimap == 255
    models = learn_colors(view.image, sure if sure.sum() > 200 else mask, trimap == 0, how)
    if models is None:
        trace.note("GrabCut was skipped: too little of the object or of its background is certain.")
        return mask, {}
    proposal = grabcut(view.image, trimap, mask, models, how)
    corrected = prefer_edges(mask, proposal, strength, band, grid_px, config.edge_preference)
    corrected = np.where(fixed, mask, corrected)
    trace.picture("grabcut", corrected)
    wide = make_wide_trimap(corrected, strength, config.trimap)
    searched = wide == 128
    # Learn from the rim only: a hole that the guess has filled lies deeper and must not count as the object's colour.
    depth = max(2 * band, int(RIM * np.sqrt(np.count_nonzero(corrected))))
    sure = erode(corrected, band) & (distance_to(~corrected) <= band + depth)
    clear = (wide == 0) & ~dilate(corrected, band)
    models = learn_colors(view.image, sure if sure.sum() > 200 else corrected, clear, how)
    if models is None:
        return corrected, {}
    proposal = grabcut(view.image, wide, corrected, models, how)
    settled, counts = settle_parts(view.image, corrected, proposal, searched, strength, band, config.parts)
    trace.picture("parts", settled)
    return np.where(fixed, mask, settled), counts
