"""remove.bg's API: what its clients ask for beyond a cutout: sizes, places, and another picture behind."""

from dataclasses import dataclass

import cv2
import numpy as np

from backend.contract.errors import NoSubjectError
from backend.contract.options import MaskOptions, MatteOptions
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.contract.removebg import MEGAPIXELS, RemoveBgOptions, RemoveBgReport, sides_px
from backend.contract.trace import Trace
from backend.contract.work import File
from backend.engines.registry import Engines, default_engines
from backend.images.arrays import Alpha, Box, Image, visible_box
from backend.images.compositing import over, plain
from backend.images.image_io import Picture
from backend.images.open_picture import Source, open_picture
from backend.images.picture_file import FileStyle, encode_file
from backend.images.resize import rescale
from backend.images.shadow import shaded, shadow_of
from backend.matte.editing.canvas import pasted
from backend.matte.editing.fitting import fit_picture
from backend.mesh.zipped import zipped
from backend.pipeline import cut_out

ZIP_QUALITY = 95
PAPER = "#ffffff"  # behind an object in a JPEG, where no background is named


@dataclass(frozen=True)
class Composed:
    """The finished picture."""

    file: File
    report: RemoveBgReport


def remove_background(
    source: Source,
    options: RemoveBgOptions,
    *,
    background: Source | None = None,
    engines: Engines | None = None,
    trace: Trace | None = None,
) -> Composed:
    """Return the object of `source` as remove.bg's parameters ask for it, on `background` where one is given.

    Raises NoSubjectError where nothing is found, and what `cut_out` raises.
    """
    engines, trace = engines or default_engines(), trace or Trace()
    behind = None if background is None else open_picture(background, engines.settings)
    shared = {name: getattr(options, name) for name in MatteOptions.model_fields if name in options.model_fields_set}
    wanted = MaskOptions(**shared, output="cutout", edges="auto" if options.semitransparency else "sharp")
    made = cut_out(source, wanted, engines=engines, trace=trace)
    box = visible_box(made.alpha)
    if not made.report.mask.found or box is None:
        raise NoSubjectError("No foreground was found in the picture.")
    with trace.stage("compose"):
        image, alpha = _placed(made.image, made.alpha, box, options)
        image, alpha = _within(image, alpha, MEGAPIXELS.get(options.size))
        back = _back(behind, options, alpha)
    with trace.stage("encode"):
        file = _packed(image, alpha, back) if options.format == "zip" else _picture(image, alpha, back, options)
    height, width = alpha.shape
    facts = {"width": width, "height": height, "foreground": visible_box(alpha) or (0, 0, width, height)}
    report = RemoveBgReport.model_validate({**made.report.as_json(), **facts})
    return Composed(file, report)


def _back(behind: Picture | None, options: RemoveBgOptions, alpha: Alpha) -> Image | None:
    """Return what lies behind the object, with its shadow; None where it stays transparent."""
    size = alpha.shape[0], alpha.shape[1]
    color = None if options.bg_color == "transparent" else options.bg_color
    if options.format == "jpg" and options.channels == "rgba":
        color = color or PAPER
    if behind is not None:
        back = fit_picture(behind.image, None, size, "cover")[0]
    elif color is not None:
        back = plain(color, size)
    else:
        return None
    return shaded(back, shadow_of(alpha, "soft")) if options.add_shadow else back


def _picture(image: Image, alpha: Alpha, back: Image | None, options: RemoveBgOptions) -> File:
    """Return the one picture: the mask, the cutout, or the object on what lies behind it."""
    format = _format(options, opaque=back is not None)
    shown: tuple[Image | None, Alpha | None] = (image, alpha)
    if options.channels == "alpha":
        shown = (None, alpha)
    elif back is not None:
        shown = over(image, alpha, back, None)[0], None
    row = PICTURE_FORMATS[format]
    return File(f"no-bg{row.endings[0]}", row.media_type, encode_file(*shown, FileStyle(format)))


def _packed(image: Image, alpha: Alpha, back: Image | None) -> File:
    """Return the zip that their tools put together again: colours without transparency, and the mask.

    Outside the object the colours are the photo's: a black ground would ring into the object's rim in a JPEG.
    """
    parts = {"color.jpg": encode_file(image, None, FileStyle("jpeg", ZIP_QUALITY))}
    parts["alpha.png"] = encode_file(None, alpha, FileStyle("png"))
    if back is not None:
        parts["background.jpg"] = encode_file(back, None, FileStyle("jpeg", ZIP_QUALITY))
    return File("no-bg.zip", "application/zip", zipped(parts))


def _placed(image: Image, alpha: Alpha, box: Box, options: RemoveBgOptions) -> tuple[Image, Alpha]:
    """Return picture and alpha cropped to the object, or with the object scaled and moved within the frame."""
    x0, y0, x1, y1 = box
    if options.crop:
        top, right, bottom, left = sides_px(options.crop_margin, y1 - y0, x1 - x0)
        size = (min(16_384, y1 - y0 + top + bottom), min(16_384, x1 - x0 + left + right))
        return pasted(image[y0:y1, x0:x1], alpha[y0:y1, x0:x1], size, (top, left))
    if options.scale == options.position == "original":
        return image, alpha
    height, width = alpha.shape
    factor = 1.0
    if options.scale != "original":
        share = float(np.clip(float(options.scale[:-1]), 10, 100)) / 100
        factor = share * min(height / (y1 - y0), width / (x1 - x0))
    part = rescale(image[y0:y1, x0:x1], factor, cv2.INTER_CUBIC)
    part_alpha = np.clip(rescale(alpha[y0:y1, x0:x1], factor, cv2.INTER_CUBIC), 0, 1)
    rows, columns = part_alpha.shape
    if options.position == "original" and options.scale == "original":
        top, left = y0, x0
    elif options.position in ("original", "center"):
        top, left = (height - rows) // 2, (width - columns) // 2
    else:
        across, *down = (float(share.rstrip("%")) / 100 for share in options.position.split())
        top = round((height - rows) * min(1, down[0] if down else across))
        left = round((width - columns) * min(1, across))
    return pasted(part, part_alpha, (height, width), (top, left))


def _within(image: Image, alpha: Alpha, megapixels: float | None) -> tuple[Image, Alpha]:
    """Return picture and alpha of at most that many megapixels."""
    if megapixels is None or alpha.size <= megapixels * 1e6:
        return image, alpha
    scale = float(np.sqrt(megapixels * 1e6 / alpha.size))
    return rescale(image, scale), np.clip(rescale(alpha, scale), 0, 1)


def _format(options: RemoveBgOptions, *, opaque: bool) -> str:
    if options.format == "auto":
        return "jpeg" if opaque and options.channels == "rgba" else "png"
    return {"jpg": "jpeg"}.get(options.format, options.format)
