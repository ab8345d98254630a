"""`edit_mask`: a mask, clicks and strokes in, the new mask of the same size out.

The mask is the caller's, else the photo's own transparency, else a segmenter's. Clicks come first because they settle
whole parts, then the strokes in order. If asked, the outlines that the strokes drew are snapped to the photo's edges.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.contract.errors import InvalidParameterError, MissingFileError
from backend.contract.options import EditOptions, MaskOptions
from backend.contract.report import EditFigures, EditReport, base_report
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.engines.registry import Engines, default_engines
from backend.images.arrays import Alpha, Image
from backend.images.encode import encode_mask_png
from backend.images.image_io import Picture
from backend.images.open_picture import Source, open_picture
from backend.matte.configs import scorecard_config
from backend.matte.editing.brush import paint
from backend.matte.editing.clicks import click_parts
from backend.matte.editing.snap import snap_strokes
from backend.matte.refine.scorecard import score_matte
from backend.matte.report import image_report
from backend.matte.subject import find_subject, mask_as_alpha


@dataclass(frozen=True)
class EditedMask:
    """The new alpha (H, W) and its 8-bit grey PNG."""

    alpha: Alpha
    file: File
    report: EditReport


def edit_mask(
    mask: Source | None,
    options: EditOptions,
    *,
    photo: Source | None = None,
    engines: Engines | None = None,
    trace: Trace | None = None,
) -> EditedMask:
    """Return `mask` (grey, or a cutout's transparency) with the options' clicks and strokes.

    Without a `mask` the photo's own transparency is used. A grey photo that is not a JPEG counts as a mask itself. For
    any other photo the mask is made as `/remove-bg` makes it by default. Raises MissingFileError when there is neither,
    or when clicks or `refine` have no photo, InvalidParameterError for a photo of another size, and the caller's errors
    of `open_picture` and `find_subject`.
    """
    engines, trace = engines or default_engines(), trace or Trace()
    image, picture, before, source = _open(mask, photo, options, engines, trace)
    trace.picture("mask before", before)
    facts: dict[str, Any] = {}
    alpha = before
    if options.clicks and image is not None:
        with trace.stage("clicks"):
            clicked = click_parts(image, alpha, options.clicks)
        alpha, facts["clicks"] = clicked.alpha, clicked.outcomes
        for sentence in clicked.notes:
            trace.note(sentence)
        trace.picture("clicks", alpha)
    with trace.stage("strokes"):
        painted, touched = paint(alpha, options.strokes)
    trace.picture("strokes", painted)
    if options.refine and image is not None and touched.any():
        with trace.stage("refine"):
            painted = snap_strokes(image, painted, touched, options.strokes)
        trace.picture("refined", painted)
    with trace.stage("score"):
        scorecard = score_matte(painted, scorecard_config(engines.settings))
    with trace.stage("encode"):
        data = encode_mask_png(painted)
    facts["changed_share"] = float(np.count_nonzero(painted != before)) / painted.size
    if not facts["changed_share"]:
        trace.note("Nothing was changed.")
    report = EditReport(
        image=image_report(picture),
        mask=scorecard,
        edit=EditFigures(mask_from=source, strokes=len(options.strokes), refine=options.refine, **facts),
        **base_report(trace),
    )
    return EditedMask(painted, File("mask.png", "image/png", data), report)


def _open(
    mask: Source | None, photo: Source | None, options: EditOptions, engines: Engines, trace: Trace
) -> tuple[Image | None, Picture, Alpha, str]:
    """Return the photo if there is one, the picture that the mask belongs to, the mask, and its source."""
    if mask is None:
        return _open_photo(photo, options, engines, trace)
    asks = "refine" if options.refine else "clicks" if options.clicks else None
    if asks and photo is None:
        raise MissingFileError(f"`{asks}` needs the photo; send it as the part `file`.", parameter="file")
    with trace.stage("decode"):
        drawn = open_picture(mask, engines.settings, as_data=True)
        alpha = _alpha_of(drawn, trace)
        image = None if photo is None else open_picture(photo, engines.settings).image
    if image is not None and image.shape[:2] != alpha.shape:
        (height, width), (own_height, own_width) = image.shape[:2], alpha.shape
        raise InvalidParameterError(
            f"The mask is {own_width} × {own_height} and the photo {width} × {height}; they must have one size.",
            parameter="mask",
        )
    return image, drawn, alpha, "own-mask"


def _open_photo(
    photo: Source | None, options: EditOptions, engines: Engines, trace: Trace
) -> tuple[Image | None, Picture, Alpha, str]:
    if photo is None:
        raise MissingFileError("Send a mask as the part `mask`, a photo as `file`, or both.", parameter="mask")
    with trace.stage("decode"):
        picture = open_picture(photo, engines.settings)
    for sentence in picture.notes:
        trace.note(sentence)
    if picture.alpha is not None:
        return picture.image, picture, picture.alpha, "own-alpha"
    if picture.facts.get("mode") == "RGBA":  # a cutout that keeps everything
        return picture.image, picture, np.ones(picture.image.shape[:2], np.float32), "own-alpha"
    is_grey = bool((picture.image == picture.image[..., :1]).all())
    if is_grey and picture.format != "jpeg":
        if options.refine or options.clicks:
            raise MissingFileError("This is a mask; send it as `mask`, and its photo as `file`.", parameter="mask")
        trace.note("A picture without colour counts as a mask; if it is a photo, send its `mask` too.")
        return None, picture, mask_as_alpha(picture, picture, trace), "own-mask"
    subject = find_subject(picture, None, MaskOptions(), engines, trace)
    return picture.image, picture, subject.alpha, subject.source


def _alpha_of(mask: Picture, trace: Trace) -> Alpha:
    # A cutout that keeps everything is opaque: only its mode and its colours show that it is not a mask.
    opaque = mask.alpha is None and mask.facts.get("mode") == "RGBA"
    if opaque and (mask.image != mask.image[..., :1]).any():
        return np.ones(mask.image.shape[:2], np.float32)
    return mask_as_alpha(mask, mask, trace)
