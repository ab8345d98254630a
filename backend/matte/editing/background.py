"""`add_background`: a cutout, or a photo and its mask, in; the object on a colour, a gradient or a
picture out, in a frame of any size."""

from dataclasses import dataclass

import numpy as np

from backend.contract.errors import InvalidParameterError, MissingFileError
from backend.contract.options import BackgroundOptions
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.contract.report import BackgroundReport, base_report
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.engines.registry import Engines, default_engines
from backend.images.arrays import Alpha, Image
from backend.images.blurred import blurred
from backend.images.compositing import gradient, over, plain
from backend.images.image_io import Picture
from backend.images.open_picture import Source, open_picture
from backend.images.picture_file import FileStyle, encode_file
from backend.images.shadow import shaded, shadow_of
from backend.matte.editing.canvas import Placing, place_object
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
    """Return the object of `source` in front of `background`, of the options' colours, or of its own blurred ground.

    `source` is a cutout, whose transparency marks the object, or a photo with a `mask`; a photo's rim first gets the
    object's own colours. Raises MissingFileError when neither marks the object, InvalidParameterError without a
    background, for a mask of another aspect ratio or a result of too many pixels, and the caller's errors of
    `open_picture`.
    """
    engines, trace = engines or default_engines(), trace or Trace()
    _check(options, has_mask=mask is not None, has_picture=background is not None, settings=engines.settings)
    with trace.stage("decode"):
        picture = open_picture(source, engines.settings)
        own_mask = None if mask is None else open_picture(mask, engines.settings, as_data=True)
        behind = None if background is None else open_picture(background, engines.settings)
    for sentence in (*picture.notes, *(() if behind is None else behind.notes)):
        trace.note(sentence)
    image, alpha = _object(picture, own_mask, trace)
    with trace.stage("compose"):
        behind_it = _behind(picture, behind, alpha, options)
        placing = Placing(options.size, options.margin, options.scale, (options.shift_x, options.shift_y))
        image, alpha = place_object(image, alpha, placing)
        back, opacity = _ground(behind_it, (alpha.shape[0], alpha.shape[1]), options)
        if options.shadow != "none":
            back, opacity = _shaded(back, opacity, shadow_of(alpha, options.shadow))
        image, opacity = over(image, alpha, back, opacity)
        if opacity is not None and not PICTURE_FORMATS[options.format].transparent:
            trace.note("A JPEG has no transparency, so the parts that the background leaves free are white.")
            image, opacity = over(image, opacity, plain(PAPER, (alpha.shape[0], alpha.shape[1])), None)
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


def _check(options: BackgroundOptions, *, has_mask: bool, has_picture: bool, settings: Settings) -> None:
    """Raise InvalidParameterError for options that do not go with the files."""
    has_own_ground = has_mask and options.color is None
    if not has_picture and options.blur is not None and not has_own_ground:
        raise InvalidParameterError(
            "There is no picture to blur; send a `background`, or the photo as `file` with its `mask` and no `color`.",
            parameter="blur",
        )
    if not has_picture and options.color is None and options.blur is None:
        raise InvalidParameterError("Send a `color`, or a picture as the part `background`.", parameter="color")
    if options.size is not None and options.size[0] * options.size[1] > settings.max_pixels:
        raise InvalidParameterError(
            f"The result may have {settings.max_pixels:,} pixels at most.",
            parameter="width_px",
            limit=settings.max_pixels,
            actual=options.size[0] * options.size[1],
        )


def _behind(
    picture: Picture, behind: Picture | None, alpha: Alpha, options: BackgroundOptions
) -> tuple[Image, Alpha | None] | None:
    """Return the picture behind the object and its opacity in its own size; None where there are only colours."""
    if behind is not None:
        image = behind.image if options.blur is None else blurred(behind.image, options.blur)
        return image, behind.alpha
    if options.blur is not None:
        return blurred(picture.image, options.blur, alpha), None
    return None


def _ground(
    behind: tuple[Image, Alpha | None] | None, size: tuple[int, int], options: BackgroundOptions
) -> tuple[Image, Alpha | None]:
    """Return what lies behind the object and its opacity, None where it is opaque everywhere."""
    color = None if options.color == "transparent" else options.color
    if color is None:
        free: tuple[Image, Alpha | None] = plain(PAPER, size), np.zeros(size, np.float32)
    elif options.color_to is None:
        free = plain(color, size), None
    else:
        free = gradient(color, options.color_to, size, options.gradient), None
    if behind is None:
        return free
    back, opacity = fit_picture(*behind, size, options.fit)
    return (back, None) if opacity is None else over(back, opacity, *free)


def _shaded(back: Image, opacity: Alpha | None, shadow: Alpha) -> tuple[Image, Alpha | None]:
    if opacity is None:
        return shaded(back, shadow), None
    return over(plain("#000000", (shadow.shape[0], shadow.shape[1])), shadow, back, opacity)
