"""`add_background`: a cutout, or a photo and its mask -> the object on a colour or on another picture."""

from dataclasses import dataclass

import numpy as np

from backend.contract.errors import InvalidParameterError, MissingFileError
from backend.contract.options import BackgroundOptions
from backend.contract.report import BackgroundReport
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.engines.registry import Engines, default_engines
from backend.images.arrays import Alpha, Image
from backend.images.image_io import Picture
from backend.images.jpeg import encode_jpeg
from backend.images.open_picture import Source, open_picture
from backend.images.png import encode_cutout_png, encode_rgb_png
from backend.matte.editing.compositing import over
from backend.matte.editing.fitting import fit_picture
from backend.matte.refine.foreground import foreground_colors
from backend.matte.report import base_report, image_report
from backend.matte.subject import mask_as_alpha

PAPER = "#ffffff"  # behind what a JPEG cannot leave transparent


@dataclass(frozen=True)
class OnBackground:
    """The picture (H, W, 3), its opacity (None: opaque all over), and its file."""

    image: Image
    opacity: Alpha | None
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
    """Return the object of `source` before `background`, or before the options' colour.

    `source` is a cutout, whose transparency says what the object is, or a photo with a `mask`; of a photo the rim gets
    the object's own colours first. Raises MissingFileError when neither says what the object is,
    InvalidParameterError when there is nothing to put behind it or for a mask of another shape, and the caller's errors
    of `open_picture`.
    """
    engines, trace = engines or default_engines(), trace or Trace()
    if background is None and options.color is None:
        raise InvalidParameterError(
            "Say what to put behind: a `color`, or a picture as `background`.", parameter="color"
        )
    with trace.stage("decode"):
        picture = open_picture(source, engines.settings)
        own_mask, behind = (
            None if each is None else open_picture(each, engines.settings) for each in (mask, background)
        )
    for sentence in (*picture.notes, *(() if behind is None else behind.notes)):
        trace.note(sentence)
    image, alpha = _object(picture, own_mask, trace)
    with trace.stage("compose"):
        back, opacity = _backdrop(behind, alpha.shape, options, trace)
        image, opacity = over(image, alpha, back, opacity)
    with trace.stage("encode"):
        if options.format == "jpeg":
            data = encode_jpeg(image, options.quality)
        else:
            data = encode_rgb_png(image) if opacity is None else encode_cutout_png(image, opacity)
    report = BackgroundReport(
        image=image_report(picture),
        background=None if behind is None else image_report(behind),
        options=options.model_dump(),
        **base_report(trace),
    )
    name, kind = ("background.jpg", "image/jpeg") if options.format == "jpeg" else ("background.png", "image/png")
    return OnBackground(image, opacity, File(name, kind, data), report)


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
    """Return what lies behind the object, and its opacity; None where it is opaque all over."""
    if behind is None:
        return _plain(options.color or PAPER, size), None
    back, opacity = fit_picture(behind.image, behind.alpha, size, options.fit)
    if opacity is None or (options.color is None and options.format == "png"):
        return back, opacity
    if options.color is None:
        trace.note("A JPEG has no transparency; what the background leaves free is white.")
    return over(back, opacity, _plain(options.color or PAPER, size), None)


def _plain(color: str, size: tuple[int, int]) -> Image:
    return np.full((*size, 3), [int(color[start : start + 2], 16) for start in (1, 3, 5)], np.uint8)
