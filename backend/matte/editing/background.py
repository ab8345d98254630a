"""`add_background`: a cutout, or a photo and its mask, in; the object on a colour or on another picture out."""

from dataclasses import dataclass

import numpy as np

from backend.contract.errors import InvalidParameterError, MissingFileError
from backend.contract.options import BackgroundOptions
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.contract.report import BackgroundReport, base_report
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.engines.registry import Engines, default_engines
from backend.images.arrays import Alpha, Image
from backend.images.compositing import over, plain
from backend.images.image_io import Picture
from backend.images.open_picture import Source, open_picture
from backend.images.picture_file import FileStyle, encode_file
from backend.images.shadow import shaded, shadow_of
from backend.matte.editing.fitting import fit_picture
from backend.matte.refine.foreground import foreground_colors
from backend.matte.report import image_report
from backend.matte.subject import mask_as_alpha

PAPER = "#ffffff"  # behind parts that a JPEG cannot leave transparent


@dataclass(frozen=True)
class OnBackground:
    """The composed picture and its file."""

    image: Image  # (H, W, 3)
    opacity: Alpha | None  # None: opaque everywhere
    file: File
    report: BackgroundReport


def add_background(
    source: Source,
    options: BackgroundOptions,
    *,
    mask: Source | None = None,
    background: Source | None = None,
    engines: Engines | None = None,
    trace: Trace | None = None,
) -> OnBackground:
    """Return the object of `source` in front of `background`, or of the options' colour.

    `source` is a cutout, whose transparency marks the object, or a photo with a `mask`; a photo's rim first gets the
    object's own colours. Raises MissingFileError when neither marks the object, InvalidParameterError without a
    background or for a mask of another aspect ratio, and the caller's errors of `open_picture`.
    """
    engines, trace = engines or default_engines(), trace or Trace()
    if background is None and options.color is None:
        raise InvalidParameterError("Send a `color`, or a picture as the part `background`.", parameter="color")
    with trace.stage("decode"):
        picture = open_picture(source, engines.settings)
        own_mask = None if mask is None else open_picture(mask, engines.settings, as_data=True)
        behind = None if background is None else open_picture(background, engines.settings)
    for sentence in (*picture.notes, *(() if behind is None else behind.notes)):
        trace.note(sentence)
    image, alpha = _object(picture, own_mask, trace)
    with trace.stage("compose"):
        back, opacity = _backdrop(behind, alpha.shape, options, trace)
        if options.shadow != "none":
            back = shaded(back, shadow_of(alpha, options.shadow))
        image, opacity = over(image, alpha, back, opacity)
    with trace.stage("encode"):
        data = encode_file(image, opacity, FileStyle(options.format, options.quality, picture.density))
    report = BackgroundReport(
        image=image_report(picture),
        background=None if behind is None else image_report(behind),
        options=options.model_dump(),
        **base_report(trace),
    )
    row = PICTURE_FORMATS[options.format]
    return OnBackground(image, opacity, File(f"background{row.endings[0]}", row.media_type, data), report)


def _object(picture: Picture, mask: Picture | None, trace: Trace) -> tuple[Image, Alpha]:
    if mask is not None:
        alpha = mask_as_alpha(mask, picture, trace)
        with trace.stage("colors"):
            return foreground_colors(picture.image, alpha), alpha
    if picture.alpha is not None:
        return picture.image, picture.alpha
    if picture.facts.get("mode") == "RGBA":  # a cutout that keeps everything
        return picture.image, np.ones(picture.image.shape[:2], np.float32)
    raise MissingFileError(
        "The picture has no transparency; send a cutout, or the photo's mask as the part `mask`.", parameter="mask"
    )


def _backdrop(
    behind: Picture | None, size: tuple[int, int], options: BackgroundOptions, trace: Trace
) -> tuple[Image, Alpha | None]:
    """Return the picture behind the object and its opacity, None where it is opaque everywhere."""
    if behind is None:
        return plain(options.color or PAPER, size), None
    back, opacity = fit_picture(behind.image, behind.alpha, size, options.fit)
    if opacity is None or (options.color is None and PICTURE_FORMATS[options.format].transparent):
        return back, opacity
    if options.color is None:
        trace.note("A JPEG has no transparency, so the parts that the background leaves free are white.")
    return over(back, opacity, plain(options.color or PAPER, size), None)
