"""A picture in, the object's alpha out.

The first of three sources that is there makes it: the caller's own mask, the picture's own transparency, a segmenter.
The first two are used as they are; a segmenter's first guess is refined by tier 1.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from backend.contract.errors import InvalidParameterError
from backend.contract.options import MatteOptions, split_classes
from backend.contract.trace import Trace
from backend.engines.first_guess import FirstGuess, Segmenter
from backend.engines.instances import InstanceChoice, InstanceSegmenter
from backend.engines.multi_scale import predict_at_scales
from backend.engines.registry import Engines
from backend.engines.rembg_session import Prompt, RembgSegmenter
from backend.images.arrays import Alpha, Image
from backend.images.image_io import Picture
from backend.matte.configs import matte_config
from backend.matte.refine.refine_matte import refine_matte
from backend.matte.refine.rembg_matting import RembgMattingConfig
from backend.weights.catalogue import DEFAULT_SEGMENTER

SAME_SHAPE = 0.01  # a mask may have another size than the picture, but aspect ratios must match within 1 %
CHOICE_OPTIONS = frozenset({"score_threshold", "classes", "instances"})
PROMPT_OPTIONS = frozenset({"cloth", "points"})
GREY = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601 luma, for a mask sent in colour


@dataclass(frozen=True)
class Subject:
    """The object's matte and its source."""

    alpha: Alpha
    source: str  # a segmenter's name, "own-mask" or "own-alpha"
    doubts: tuple[str, ...] = ()  # the segmenter's own reasons to distrust its mask, for the scorecard
    facts: dict[str, Any] = field(default_factory=dict)  # figures of the segmenter and the refinement, for the report

    @property
    def segmented(self) -> bool:
        return self.source not in ("own-mask", "own-alpha")


def find_subject(
    picture: Picture, mask: Picture | None, options: MatteOptions, engines: Engines, trace: Trace
) -> Subject:
    """Return the object's matte from the first source that is there: `mask`, transparency, segmenter.

    Raises InvalidParameterError for a mask of another aspect ratio than the picture, and what `Engines.segmenter`
    raises.
    """
    if options.matting == "rembg" and (mask is not None or (picture.alpha is not None and options.use_alpha)):
        trace.note("matting=rembg was ignored: a mask that is given is used as it is.")
    if mask is not None:
        return Subject(mask_as_alpha(mask, picture, trace), "own-mask")
    if picture.alpha is not None and options.use_alpha:
        trace.note("The picture's own transparency is the mask; set use_alpha=false to segment it instead.")
        return Subject(picture.alpha, "own-alpha")
    return _segment(picture, options, engines, trace)


def _segment(picture: Picture, options: MatteOptions, engines: Engines, trace: Trace) -> Subject:
    with trace.stage("load segmenter"):
        segmenter = engines.segmenter(options.model)
    with trace.stage("segment"):
        guess = _first_guess(segmenter, picture.image, options, trace)
    trace.picture("saliency", guess.saliency)
    for sentence in (*guess.notes, *guess.remarks):
        trace.note(sentence)
    if options.model == "auto" and segmenter.name != DEFAULT_SEGMENTER:
        trace.note(f"The embedded segmenter `{segmenter.name}` made this mask. {engines.why_not(DEFAULT_SEGMENTER)}")
    config = matte_config(engines.settings, options.quality)
    if options.matting == "rembg":
        config = replace(config, rembg_matting=RembgMattingConfig())
    if guess.several:  # else all but the main object would be dropped as strays
        config = replace(config, components=None)
    matte = refine_matte(picture.image, guess.saliency, config, trace)
    return Subject(matte.alpha, segmenter.name, guess.notes, {**guess.facts, **matte.facts})


def _first_guess(segmenter: Segmenter, image: Image, options: MatteOptions, trace: Trace) -> FirstGuess:
    if isinstance(segmenter, InstanceSegmenter):
        wanted = frozenset(split_classes(options.classes))
        segmenter = segmenter.choosing(InstanceChoice(options.score_threshold, wanted, options.instances))
    elif options.model_fields_set & CHOICE_OPTIONS:
        trace.note(f"score_threshold, classes and instances were ignored: {segmenter.name} finds no single objects.")
    taken: frozenset[str] = frozenset()
    if isinstance(segmenter, RembgSegmenter):
        taken = segmenter.takes
        segmenter = segmenter.prompted(Prompt(options.cloth, tuple(options.points)))
    for name in sorted(options.model_fields_set & PROMPT_OPTIONS - taken):
        trace.note(f"{name} was ignored: {segmenter.name} has no use for it.")
    if not options.multi_scale:
        return segmenter.predict(image)
    if segmenter.one_scale:
        trace.note(f"multi_scale was ignored: {segmenter.one_scale}.")
        return segmenter.predict(image)
    return predict_at_scales(segmenter, image)


def mask_as_alpha(mask: Picture, picture: Picture, trace: Trace) -> Alpha:
    """Return the caller's mask as an alpha of the picture's size: its transparency if it has any, else its luma.

    Raises InvalidParameterError when its aspect ratio is not the picture's.
    """
    alpha = mask.alpha if mask.alpha is not None else _luma(mask)
    height, width = picture.image.shape[:2]
    own_height, own_width = alpha.shape
    if (own_height, own_width) == (height, width):
        return alpha
    if abs(own_width * height - own_height * width) > SAME_SHAPE * own_width * height:
        raise InvalidParameterError(
            f"The mask is {own_width} × {own_height} and the picture {width} × {height}; both need one aspect ratio.",
            parameter="mask",
        )
    trace.note(f"The mask was resized from {own_width} × {own_height} to the picture's {width} × {height}.")
    resized: Alpha = np.clip(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    return resized


def _luma(mask: Picture) -> Alpha:
    image = mask.image
    if np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2]):
        return image[..., 0].astype(np.float32) / np.float32(255)  # a grey mask keeps its exact values
    luma: Alpha = (image.astype(np.float32) @ GREY) / np.float32(255)
    return np.clip(luma, 0, 1)  # the weights add up to 1 only to rounding
