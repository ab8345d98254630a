"""A picture in, the object's alpha out.

The first of three sources that is there makes it: the caller's own mask, the picture's own transparency, a segmenter.
The first two are used as they are, but for a mask that is sent with `refine`; a segmenter's first guess is refined by
tier 1.
"""

from dataclasses import replace

import cv2
import numpy as np

from backend.contract.errors import InvalidParameterError
from backend.contract.options import MatteOptions, split_classes
from backend.contract.trace import Trace
from backend.engines.border.border import BorderSegmenter
from backend.engines.first_guess import FirstGuess, Segmenter
from backend.engines.instances import InstanceChoice, InstanceSegmenter
from backend.engines.multi_scale import predict_at_scales
from backend.engines.opinions import (
    Opinion,
    both_looks,
    disagreement,
    doubted,
    surer,
    with_exact_outline,
    with_mirrored,
)
from backend.engines.registry import Engines
from backend.engines.rembg_session import Prompt, RembgSegmenter
from backend.images.arrays import Alpha, Image, Saliency
from backend.images.image_io import Picture
from backend.images.transparency import outlines, partly_clear, without_clear_pixels
from backend.matte.configs import matte_config
from backend.matte.handovers import GUESS, Asked, Subject
from backend.matte.refine.components import ComponentsConfig
from backend.matte.refine.enclosed import Enclosed, open_enclosed, settle_enclosed
from backend.matte.refine.evidence import Evidence, moved_share
from backend.matte.refine.exact import keep_exact
from backend.matte.refine.refine_matte import Facts, MatteConfig, refine_matte
from backend.matte.refine.rembg_matting import RembgMattingConfig
from backend.weights.catalogue import ANY_OBJECT, EMBEDDED_SEGMENTER, SECOND_OPINION

SAME_SHAPE = 0.01  # a mask may have another size than the picture, but aspect ratios must match within 1 %
CHOICE_OPTIONS = frozenset({"score_threshold", "classes"})
PROMPT_OPTIONS = frozenset({"cloth", "points"})
OPAQUE = 0.5  # alpha from which a pixel belongs to the mask
WHITE_RIM = 0.98  # share of a mask's rim that is white where its meaning is probably the other way round
VOUCHED = 0.1  # disagreement up to which a network's opinion outweighs the doubts of a guess by colours
MIN_TOLD = 0.004  # smallest share of enclosed areas, of the object, that gets a note
GREY = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601 luma, for a mask sent in colour


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
        return _own_mask(mask_as_alpha(mask, picture, trace), picture, options, engines, trace)
    if options.refine:
        trace.note("refine was ignored: there is no mask to refine.")
    if picture.alpha is not None and options.use_alpha and not outlines(picture.alpha):
        clear = float((picture.alpha < 1).mean())
        trace.note(
            f"The picture's transparency ({clear:.2%} of it) outlines nothing, so the object was searched "
            "inside it; the result keeps it."
        )
        inside = replace(picture, image=without_clear_pixels(picture.image, picture.alpha))
        subject = _segment(inside, options, engines, trace)
        if (subject.alpha >= OPAQUE).any() or not partly_clear(picture.alpha):
            return replace(subject, alpha=subject.alpha * picture.alpha)
        trace.note("Nothing was found inside it, so the transparency is the mask after all.")
        return Subject(picture.alpha, "own-alpha")
    if picture.alpha is not None and options.use_alpha:
        trace.note("The picture's own transparency is the mask; set use_alpha=false to segment it instead.")
        return Subject(picture.alpha, "own-alpha")
    return _segment(picture, options, engines, trace)


def _own_mask(alpha: Alpha, picture: Picture, options: MatteOptions, engines: Engines, trace: Trace) -> Subject:
    if options.refine:
        # A drawn mask is sure of everything, so that the learned refiner would move nothing.
        config = matte_config(engines.settings, options.quality, options.holes, "classic")
        config = replace(config, components=None)  # its parts are the caller's decision
        matte = refine_matte(picture.image, alpha, config, trace)
        return Subject(matte.alpha, "own-mask", facts=dict(matte.facts))
    if "quality" in options.model_fields_set:
        trace.note("quality was ignored: a mask that is given is used as it is; refine=true refines it.")
    return Subject(alpha, "own-mask")


def _segment(picture: Picture, options: MatteOptions, engines: Engines, trace: Trace) -> Subject:
    config = matte_config(engines.settings, options.quality, options.holes, options.refiner)
    asked = trace.handed(GUESS, lambda: _ask(picture.image, options, engines, trace), picture.image.shape[:2])
    found, stand_in = asked.found, asked.stand_in
    del asked  # its saliency is megabytes, and may be replaced
    said = None if found.guess.by_color else found.guess.saliency
    if options.model == "auto" and not options.multi_scale:
        found = _with_exact_outline(found, picture.image, config, engines, trace)
    name, guess = found.name, found.guess
    trace.picture("saliency", guess.saliency)
    for sentence in (*guess.notes, *guess.remarks, *([stand_in] if stand_in else [])):
        trace.note(sentence)
    # rembg's matting starts from the mask of the classic stages; a guess by colour errs otherwise than a network.
    if options.matting == "rembg" or guess.by_color:
        config = matte_config(engines.settings, options.quality, options.holes, "classic")
    if options.matting == "rembg":
        config = replace(config, rembg_matting=RembgMattingConfig())
    if guess.several or options.instances == "all":  # else all but the main object would be dropped as strays
        config = replace(config, components=None)
    elif isinstance(options.instances, int):
        config = replace(config, components=ComponentsConfig(count=options.instances))
    saliency, enclosed = _settle_enclosed(picture.image, guess, said, config, trace)
    if guess.exact and config.rembg_matting is None:
        matte = keep_exact(picture.image, saliency, config, trace)
    else:
        refiner = engines.refiner() if config.learned is not None else None
        matte = refine_matte(picture.image, saliency, config, trace, refiner)
    if opened := matte.facts.get("holes_opened"):
        trace.note(f"Opened {_areas(int(opened))} in the backdrop's colour inside the object; holes=keep leaves them.")
    facts = {**guess.facts, **(enclosed.facts if guess.by_color or enclosed.opened else {}), **matte.facts}
    if not guess.by_color and not guess.exact:
        facts["moved_share"] = round(moved_share(saliency, matte.alpha), 4)
    doubts = () if _vouched(guess) else guess.notes
    return Subject(matte.alpha, name, doubts, _evidence(guess, enclosed, facts), facts)


def _ask(image: Image, options: MatteOptions, engines: Engines, trace: Trace) -> Asked:
    """Return what the networks, or the embedded segmenter, say of the picture."""
    with trace.stage("load segmenter"):
        segmenter = engines.segmenter(options.model)
    with trace.stage("segment"):
        guess = _first_guess(segmenter, image, options, trace)
        found = Opinion(segmenter.name, guess)
        if options.model == "auto" and not options.multi_scale:
            found = _with_second_opinion(found, image, engines)
        elif (guess.by_color and not guess.exact) or (segmenter.name in ANY_OBJECT and not options.multi_scale):
            found = _disputed(found, image, engines)
    why = engines.why_stand_in(segmenter.name) if options.model == "auto" else ""
    kind = "embedded segmenter" if found.name == EMBEDDED_SEGMENTER else "segmenter"
    return Asked(found, f"The {kind} `{found.name}` made this mask. {why}" if why else "")


def _vouched(guess: FirstGuess) -> bool:
    """Return whether a network has found the object that was told by colours: these need not stand out then."""
    apart = guess.facts.get("disagreement")
    return guess.by_color and not guess.exact and apart is not None and float(apart) <= VOUCHED


def _evidence(guess: FirstGuess, enclosed: Enclosed, facts: Facts) -> Evidence:
    doubt = facts.get("doubted_share")
    separation = facts.get("separation") if guess.by_color and not guess.exact else None
    return Evidence(
        doubted(guess.saliency, guess.saliency),
        None if doubt is None else float(doubt),
        float(facts.get("parts_dropped_share", 0)),
        None if separation is None else float(separation),
        see_through=float(facts.get("see_through_share", 0)),
        enclosed=enclosed.doubtful if guess.exact else 0.0,
        cast=float(facts.get("cast_shadow_share", 0)),
        moved=float(facts.get("moved_share", 0)),
    )


def _settle_enclosed(
    image: Image, guess: FirstGuess, said: Saliency | None, config: MatteConfig, trace: Trace
) -> tuple[Saliency, Enclosed]:
    """Return the saliency with the areas that the object encloses closed or opened by the policy, and what was done.

    `said` is a network's saliency, where one was asked beside a guess by colours.
    """
    if not guess.by_color and config.holes.policy != "open":
        return guess.saliency, Enclosed()
    with trace.stage("enclosed areas"):
        if guess.by_color:
            saliency, found = settle_enclosed(guess.saliency, config.holes, said)
        else:
            saliency, found = open_enclosed(image, guess.saliency)
    if found.closed_share >= MIN_TOLD:
        trace.note(
            f"Kept {_areas(found.closed)} in the backdrop's colour ({found.closed_share:.1%} of the object) as a part "
            "of the object that encloses them; holes=open opens them."
        )
    if found.opened_share >= MIN_TOLD:
        trace.note(
            f"Left {_areas(found.opened)} in the backdrop's colour open ({found.opened_share:.1%} of the object); "
            + ("MAX_HOLE_SHARE allows no more." if config.holes.policy == "fill" else "holes=fill closes them.")
        )
    return saliency, found


def _areas(count: int) -> str:
    return "one area" if count == 1 else f"{count} areas"


def _with_second_opinion(first: Opinion, image: Image, engines: Engines) -> Opinion:
    """Return the surer of two networks; where the small one is alone, its mean over picture and mirror image."""
    if first.name == SECOND_OPINION:
        return Opinion(first.name, with_mirrored(first.guess, _mirrored(first.name, image, engines)))
    second = engines.second_opinion(first.name)
    if second is None:
        return first
    return surer(first, Opinion(second.name, second.predict(image)), _mirrored(second.name, image, engines))


def _mirrored(name: str, image: Image, engines: Engines) -> FirstGuess:
    """Return what the segmenter `name` says of the picture's mirror image, as a mirror image itself."""
    return engines.segmenter(name).predict(np.ascontiguousarray(image[:, ::-1]))


def _disputed(found: Opinion, image: Image, engines: Engines) -> Opinion:
    """Return the guess with how far a second opinion differs from it and doubts it, for the grade: that of the small
    network on picture and mirror image where it is here, its own of the mirror image for the small network itself.
    """
    saliency = found.guess.saliency
    if found.name == SECOND_OPINION:
        other = looks = _mirrored(found.name, image, engines).saliency[:, ::-1]
    elif second := engines.second_opinion(found.name):
        guess = second.predict(image)
        other, looks = guess.saliency, both_looks(guess, _mirrored(second.name, image, engines))
    else:
        return found
    opinions = [looks] if found.guess.by_color else [saliency, looks]  # what colours say is no chance
    figures = {"disagreement": disagreement(saliency, other), "doubted_share": doubted(saliency, *opinions)}
    facts = {name: round(figure, 4) for name, figure in figures.items()}
    return Opinion(found.name, replace(found.guess, facts={**found.guess.facts, **facts}))


def _with_exact_outline(found: Opinion, image: Image, config: MatteConfig, engines: Engines, trace: Trace) -> Opinion:
    """Return the network's object with the outline of a plain backdrop, where there is one and both mean one object."""
    if found.name == EMBEDDED_SEGMENTER or engines.settings.segmenter != "auto":
        return found
    with trace.stage("outline"):
        border = engines.segmenter(EMBEDDED_SEGMENTER)
        plain = border.predict_plain(image) if isinstance(border, BorderSegmenter) else None
        if plain is None:
            return found
        settled = replace(plain, saliency=settle_enclosed(plain.saliency, config.holes, found.guess.saliency)[0])
        chosen = with_exact_outline(found, settled)
        if not chosen.guess.exact:
            return chosen
        return Opinion(
            chosen.name, replace(chosen.guess, saliency=plain.saliency)
        )  # its enclosed areas are settled later


def _first_guess(segmenter: Segmenter, image: Image, options: MatteOptions, trace: Trace) -> FirstGuess:
    if isinstance(segmenter, InstanceSegmenter):
        wanted = frozenset(split_classes(options.classes))
        segmenter = segmenter.choosing(InstanceChoice(options.score_threshold, wanted, options.instances))
    elif options.model_fields_set & CHOICE_OPTIONS:
        trace.note(f"score_threshold and classes were ignored: {segmenter.name} knows no classes of objects.")
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
    luma = _luma(mask)
    by_alpha = mask.alpha is not None and (partly_clear(mask.alpha) or luma.min() == luma.max())
    alpha = mask.alpha if mask.alpha is not None and by_alpha else _told(luma, trace)
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


def _told(alpha: Alpha, trace: Trace) -> Alpha:
    """Return a mask's luma with values of 0 and 1 read as 0 and 255, and note what looks like a slip."""
    peak = round(float(alpha.max()) * 255)
    if peak == 1:
        trace.note("The mask's brightest value is 1 of 255: its 0 and 1 were read as black and white.")
        alpha = alpha * np.float32(255)
    elif 1 < peak < 128:
        trace.note(f"The mask's brightest value is {peak} of 255, so nothing in it is solid; white means object.")
    rim = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if (rim >= 0.5).mean() > WHITE_RIM and float(alpha.min()) < 0.5:
        trace.note(
            "The mask is white all around the rim. White means object: invert the mask if it is the other way round."
        )
    return alpha


def _luma(mask: Picture) -> Alpha:
    image = mask.image
    if np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2]):
        return image[..., 0].astype(np.float32) / np.float32(255)  # a grey mask keeps its exact values
    luma: Alpha = (image.astype(np.float32) @ GREY) / np.float32(255)
    return np.clip(luma, 0, 1)  # the weights add up to 1 only to rounding
