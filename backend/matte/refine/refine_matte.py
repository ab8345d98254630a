"""Tier 1: a segmenter's first guess in, a clean alpha matte out.

    matte = refine_matte(image, saliency, PRESETS["balanced"], trace)

Decisions (what belongs to the object, where its outline runs) are made on a working copy of bounded size; only the edge
itself is finished at full size, so a large photo costs little more than a small one.
"""

from dataclasses import dataclass, field

import numpy as np

from backend.contract.trace import Trace
from backend.images.arrays import Alpha, Box, Image, Mask, Saliency, check_alpha, check_image, check_same_size
from backend.images.edge_preference import EdgePreferenceConfig, edge_strength, prefer_edges
from backend.images.geometry import EdgeStrength, dilate, distance_to, erode
from backend.images.grabcut import GrabCutConfig, grabcut, learn_colors
from backend.images.trimap import TrimapConfig, make_trimap, make_wide_trimap
from backend.images.view import View, box_around, make_view, sample_map
from backend.matte.refine.components import ComponentsConfig, DroppedPart, PartsKept, keep_object
from backend.matte.refine.edges import Decisions, EdgesConfig, finish_edges
from backend.matte.refine.holes import HolesConfig, settle_holes
from backend.matte.refine.morphology import MorphologyConfig, clean_mask
from backend.matte.refine.parts import PartsConfig, settle_parts
from backend.matte.refine.softness import SoftnessConfig, find_see_through, find_softness
from backend.matte.refine.threshold import ThresholdConfig, choose_level


@dataclass(frozen=True)
class MatteConfig:
    """Everything tier 1 can be told; a stage that is None is left out."""

    working_side_px: int = 512  # longer side of the copy on which the outline is decided
    threshold: ThresholdConfig = field(default_factory=ThresholdConfig)
    morphology: MorphologyConfig = field(default_factory=MorphologyConfig)
    holes: HolesConfig = field(default_factory=HolesConfig)
    components: ComponentsConfig | None = field(default_factory=ComponentsConfig)
    trimap: TrimapConfig = field(default_factory=TrimapConfig)
    grabcut: GrabCutConfig | None = field(default_factory=GrabCutConfig)
    edge_preference: EdgePreferenceConfig = field(default_factory=EdgePreferenceConfig)
    parts: PartsConfig = field(default_factory=PartsConfig)
    softness: SoftnessConfig = field(default_factory=SoftnessConfig)
    edges: EdgesConfig = field(default_factory=EdgesConfig)


PRESETS: dict[str, MatteConfig] = {
    "fast": MatteConfig(grabcut=None),
    "balanced": MatteConfig(),
    "best": MatteConfig(working_side_px=896, trimap=TrimapConfig(band_px=12), grabcut=GrabCutConfig(20_000, rounds=2)),
}
NETWORK_GRID = 320  # cells a side of the smallest network output in use (U2-Net)
OVERVIEW_SIDE_PX = 512  # on which the parts of the picture are told apart
RIM = 0.12  # of the root of the object's area
MIN_NOTED_SHARE = 0.001  # of the object's area: smaller parts are dropped without a line of their own
ROOM = 0.25  # kept around the object, of its longer side: what its background's colours are learnt from


Facts = dict[str, float | int | str | bool]


@dataclass(frozen=True)
class Matte:
    """The refined alpha, its decided mask (alpha >= 0.5), and what was done on the way, for the report."""

    alpha: Alpha
    mask: Mask
    dropped: tuple[DroppedPart, ...]
    facts: Facts


def refine_matte(image: Image, saliency: Saliency, config: MatteConfig, trace: Trace) -> Matte:
    """Return the clean matte of the object that `saliency` points at; of nothing, an empty one and a note.

    Raises ValueError for arrays of the wrong kind or of two sizes.
    """
    check_image(image)
    check_alpha(saliency)
    check_same_size(image, saliency)
    height, width = saliency.shape
    frame = (0, 0, width, height)
    with trace.stage("threshold"):
        overview = make_view(image, saliency, frame, OVERVIEW_SIDE_PX)
        level = choose_level(overview.saliency, config.threshold)
        found = overview.saliency >= level
    trace.picture("threshold", found)
    with trace.stage("components"):
        kept = _keep(overview, found, config, trace)
    trace.picture("components", kept.mask)
    if not kept.mask.any():
        trace.note("Nothing was found to cut out.")
        return Matte(np.zeros_like(saliency), np.zeros(saliency.shape, bool), kept.dropped, {"level": level})
    with trace.stage("morphology"):
        view, belongs = _look_closer(image, saliency, overview, found, kept.mask, config)
        first = (view.saliency >= level) & belongs
        cleaned = clean_mask(first, view.saliency, config.morphology)
        strength = edge_strength(view.image)
        softness = find_softness(view.image, view.saliency * belongs, cleaned, strength, config.softness)
        glass = find_see_through(view.saliency, cleaned, config.softness) & belongs
        if softness is not None:
            glass &= softness.amount < 0.1
        holes = settle_holes(cleaned | glass, view.saliency, config.holes)
    trace.picture("morphology", holes.mask)
    facts: Facts = {
        "level": round(level, 3),
        "parts_kept": kept.kept,
        "parts_dropped": len(kept.dropped),
        "holes_filled": holes.filled,
    }
    mask = holes.mask
    if config.grabcut is not None:
        with trace.stage("grabcut"):
            grid_px = max(saliency.shape) * view.scale / NETWORK_GRID
            mask = _cut(view, mask, glass, strength, grid_px, config.grabcut, config, trace, facts)
    with trace.stage("edges"):
        changed = dilate(mask ^ (first | glass), 2)
        alpha = finish_edges(
            image, saliency, view, Decisions(level, mask, belongs, changed, glass, softness), config.edges
        )
    if softness is not None:
        trace.picture("softness", softness.amount)
    trace.picture("alpha", alpha)
    return Matte(alpha, alpha >= 0.5, kept.dropped, facts)


def _look_closer(
    image: Image, saliency: Saliency, overview: View, found: Mask, kept: Mask, config: MatteConfig
) -> tuple[View, Mask]:
    """Return the working view around the kept object, and where in it the object is nearer than anything left out."""
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


def _keep(overview: View, found: Mask, config: MatteConfig, trace: Trace) -> PartsKept:
    if config.components is None:
        return PartsKept(found, int(found.any()), ())
    kept = keep_object(overview.image, found, overview.saliency, config.components)
    worth_saying = [part for part in kept.dropped if part.area_share >= MIN_NOTED_SHARE]
    for part in worth_saying[:5]:
        across, down = (round(100 * place) for place in part.center)
        trace.note(
            f"Left out a part of {part.area_share:.1%} of the object's size at {across} % from the left and {down} % "
            f"from the top: {part.reason}."
        )
    if len(kept.dropped) > 5:
        trace.note(f"Left out {len(kept.dropped)} parts in all.")
    return kept


def _cut(
    view: View, mask: Mask, fixed: Mask, strength: EdgeStrength, grid_px: float, how: GrabCutConfig,
    config: MatteConfig, trace: Trace, facts: Facts,
) -> Mask:  # fmt: skip
    """Return `mask` corrected within a band, then by whole parts; `fixed` keeps what it was."""
    band = config.trimap.band_px
    trimap = make_trimap(mask, band)
    trace.picture("trimap", trimap)
    sure = trimap == 255
    models = learn_colors(view.image, sure if sure.sum() > 200 else mask, trimap == 0, how)
    if models is None:
        trace.note("Too little of the object or of its background is certain; GrabCut stepped aside.")
        return mask
    proposal = grabcut(view.image, trimap, mask, models, how)
    corrected = prefer_edges(mask, proposal, strength, band, grid_px, config.edge_preference)
    corrected = np.where(fixed, mask, corrected)
    trace.picture("grabcut", corrected)
    wide = make_wide_trimap(corrected, strength, config.trimap)
    searched = wide == 128
    # From the rim only: a hole that the guess has filled lies deeper, and must not teach the object its colours.
    depth = max(2 * band, int(RIM * np.sqrt(np.count_nonzero(corrected))))
    sure = erode(corrected, band) & (distance_to(~corrected) <= band + depth)
    clear = (wide == 0) & ~dilate(corrected, band)
    models = learn_colors(view.image, sure if sure.sum() > 200 else corrected, clear, how)
    if models is None:
        return corrected
    proposal = grabcut(view.image, wide, corrected, models, how)
    settled = settle_parts(view.image, corrected, proposal, searched, strength, band, config.parts)
    facts.update(parts_added=settled.added, holes_opened=settled.opened)
    trace.picture("parts", settled.mask)
    return np.where(fixed, mask, settled.mask)
