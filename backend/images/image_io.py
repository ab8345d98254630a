"""Untrusted bytes in, an upright RGB image out, or one of the caller's errors.

The order keeps it safe: an empty file is refused first, then a wrong type by the first bytes, then too large a size by
the header; only then a decoder runs. Everything works on bytes in memory, so an OSError from here is never the disk's.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from backend.contract.errors import ImageCorruptError, UnsupportedImageTypeError
from backend.images.arrays import Alpha, Image
from backend.images.decoding.color_profile import ProfileUse, to_srgb
from backend.images.decoding.exif import orientation_of, turn_upright
from backend.images.decoding.image_header import ImageFormat, ImageHeader, ImageLimits, read_header
from backend.images.decoding.jpeg_header import check_jpeg_scans
from backend.images.decoding.pixel_modes import split_alpha
from backend.images.decoding.png_color import PngColor, color_of_cicp, png_to_srgb, read_png_color
from backend.images.metadata import exif_of_tiff


def _open_avif(file: io.BytesIO) -> ImageFile:
    # Of an animation the still picture is taken: its size stands in the boxes that are judged, a track's does not.
    file.getbuffer()[8:12] = b"avif"
    return AvifImageFile(file)


def _open_heic(file: io.BytesIO) -> ImageFile:
    from pi_heif import HeifImageFile  # LGPL libraries of their own, which load with the first HEIC

    opened: ImageFile = HeifImageFile(file)
    return opened


# The decoders by name, instead of Image.open: no other format is tried, an MPO is read as its first JPEG, and Pillow's
# global size limit does not apply (except in its WebP reader, beyond 179 Mpx).
_DECODERS: dict[ImageFormat, Callable[[io.BytesIO], ImageFile]] = {
    "jpeg": JpegImageFile, "png": PngImageFile, "webp": WebPImageFile, "avif": _open_avif, "heic": _open_heic,
    "tiff": TiffImageFile, "gif": GifImageFile, "bmp": BmpImageFile,
}  # fmt: skip
_PHOTOMETRIC = 262  # a TIFF's tag: 0 where zero is white
_WIDE_MODES = {"F": "floating-point values", "I": "32-bit values", "LAB": "L*a*b* colours"}  # of a TIFF

# Pillow prints warnings about odd metadata to stderr. This is the only process-wide setting changed here.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True)
class Picture:
    """A decoded upload."""

    image: Image  # (H, W, 3) uint8, sRGB, upright; the colour under a transparent pixel is kept
    alpha: Alpha | None  # (H, W) float32 where the file has any transparency, else None
    format: ImageFormat
    source_size: tuple[int, int]  # (height, width) as stored, before the EXIF turn
    facts: dict[str, float | int | str | bool] = field(default_factory=dict)  # for the report
    notes: tuple[str, ...] = ()  # sentences for the sender
    density: tuple[int, int] | None = None  # pixels per metre, across and down, where the file says it
    exif: bytes = b""  # as it is stored, untrusted; b"" without one


def read_picture(data: bytes, limits: ImageLimits, *, as_data: bool = False) -> Picture:
    """Return the first frame of the JPEG (MPO counts), PNG, WebP, AVIF, HEIC, TIFF, GIF or BMP in `data`, upright.

    16 bits a channel become 8, palette, grey and CMYK become RGB, an embedded colour profile is converted to sRGB,
    as are a PNG's gAMA and the cICP of PNG, AVIF and HEIC. `as_data` leaves all values as they are stored: a mask is no
    colour.

    Raises EmptyFileError, UnsupportedImageTypeError, TooManyPixelsError (see `read_header`) or ImageCorruptError, also
    for a file that ends too early. MemoryError passes.
    """
    header = read_header(data, limits)
    if header.format == "jpeg":
        check_jpeg_scans(data, header.height, header.width)
    decoded = _decode(data, header)
    png_color = None if as_data else _told_color(data, header, decoded)
    profile = None if as_data or png_color is not None else decoded.metadata.get("icc_profile")
    color, profile_use = to_srgb(decoded.color, profile)
    # The decoders of HEIC and TIFF turn the picture themselves.
    turned = header.format in ("heic", "tiff")
    orientation = 1 if turned else orientation_of(decoded.metadata.get("exif", b""))
    image = turn_upright(np.array(color), orientation)
    if png_color is not None:
        image, profile_use = png_to_srgb(image, png_color), "converted"
    alpha = None
    if decoded.alpha is not None:
        alpha = np.divide(turn_upright(decoded.alpha, orientation), np.float32(255), dtype=np.float32)
    facts: dict[str, float | int | str | bool] = {
        "bytes": len(data),
        "mode": decoded.mode,
        "bit_depth": header.bit_depth,
        "orientation": max(orientation, header.orientation),
        "frames": decoded.frames,
        "color_profile": profile_use,
    }
    source_size = (header.height, header.width)
    if header.format in ("avif", "heic"):  # the boxes may give a padded size
        source_size = color.size[1], color.size[0]
    lying = max(orientation, header.orientation if header.format == "tiff" else 1) >= 5
    density = decoded.density[::-1] if lying and decoded.density is not None else decoded.density
    notes = _notes(decoded.frames, profile_use)
    exif = decoded.metadata.get("exif", b"")
    return Picture(image, alpha, header.format, source_size, facts, notes, density, exif)


@dataclass(frozen=True)
class _Decoded:
    """The first frame as stored, without its decoder, which may hold two more canvases."""

    color: PillowImage.Image  # mode L, RGB or CMYK
    alpha: NDArray[np.uint8] | None
    mode: str
    frames: int
    metadata: dict[str, bytes]
    density: tuple[int, int] | None


def _decode(data: bytes, header: ImageHeader) -> _Decoded:
    try:
        frame = _DECODERS[header.format](io.BytesIO(data))
        _check_frame(frame, header)
        frame.load()
        _check_frame(frame, header)
        color, alpha = split_alpha(frame, header.bit_depth)
        if _shows_white_as_zero(frame):
            color = ImageOps.invert(color)
    except (MemoryError, UnsupportedImageTypeError):
        raise
    except Exception as error:  # a decoder may raise anything for untrusted bytes
        if isinstance(error, SyntaxError) and "unknown pixel mode" in str(error):
            raise UnsupportedImageTypeError(
                "This is a TIFF of values that are not read here; save it as RGB or grey with 8 or 16 bits a channel."
            ) from error
        raise ImageCorruptError("The picture is truncated or broken and cannot be decoded.") from error
    frames = int(getattr(frame, "n_frames", 1)) if header.frames is None else header.frames
    return _Decoded(color, alpha, frame.mode, frames, _metadata(frame), _density(frame))


def _check_frame(frame: ImageFile, header: ImageHeader) -> None:
    """Raise ValueError for another size than the checked one, UnsupportedImageTypeError for values of another kind."""
    if header.format in ("avif", "heic"):  # cropped and turned as their boxes say
        fits = max(frame.size) <= max(header.width, header.height) and min(frame.size) <= min(
            header.width, header.height
        )
    elif header.orientation >= 5:
        fits = frame.size == (header.height, header.width)
    else:
        fits = frame.size == (header.width, header.height)
    if not fits:  # a second header contradicts the one that was checked
        raise ValueError("the size changed after the header")
    if frame.mode in _WIDE_MODES:
        raise UnsupportedImageTypeError(
            f"This is a TIFF of {_WIDE_MODES[frame.mode]}; save it as RGB or grey with 8 or 16 bits a channel."
        )


def _shows_white_as_zero(frame: ImageFile) -> bool:
    """Whether a TIFF's grey of 16 bits is stored as ink: Pillow turns that of 8 bits around and leaves this."""
    return isinstance(frame, TiffImageFile) and frame.mode == "I;16" and frame.tag_v2.get(_PHOTOMETRIC) == 0


def _told_color(data: bytes, header: ImageHeader, decoded: "_Decoded") -> PngColor | None:
    """Return the colours that the file names by numbers, where they are not sRGB's."""
    if header.format == "png":
        return read_png_color(data)
    if header.cicp is None or "icc_profile" in decoded.metadata:
        return None
    return color_of_cicp(*header.cicp)


def _metadata(frame: ImageFile) -> dict[str, bytes]:
    # A PNG's text chunks are in the same dictionary, as str, under names that their writer chose.
    found = {key: frame.info[key] for key in ("exif", "icc_profile") if isinstance(frame.info.get(key), bytes)}
    return {**found, "exif": exif_of_tiff(frame)} if isinstance(frame, TiffImageFile) else found


def _density(frame: ImageFile) -> tuple[int, int] | None:
    """Return pixels per metre, across and down; None for the 72 or 1 dpi that programs write without a thought."""
    dpi: Any = frame.info.get("dpi")
    try:
        across, down = (float(value) for value in dpi)
    except (TypeError, ValueError):
        return None
    if not 1 <= min(across, down) <= max(across, down) <= 100_000 or round(across) == round(down) in (1, 72):
        return None
    return round(across / 0.0254), round(down / 0.0254)


def _notes(frames: int, profile_use: ProfileUse) -> tuple[str, ...]:
    notes = []
    if frames > 1:
        notes.append(f"The file has {frames} frames; only the first was used.")
    if profile_use == "ignored":
        notes.append("The picture's colour profile could not be used, so its colours were read as sRGB.")
    return tuple(notes)
