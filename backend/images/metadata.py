"""What a file says beside its pixels: a stranger's EXIF in, one that is true of our own file out."""

import struct

from PIL import ExifTags
from PIL import Image as PillowImage

MAX_EXIF_BYTES = 60_000  # a JPEG's segment has 65,533
_UNTRUE = (  # of the pixels that we write
    ExifTags.Base.Orientation, ExifTags.Base.ImageWidth, ExifTags.Base.ImageLength, ExifTags.Base.XResolution,
    ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit,
)  # fmt: skip
# The sizes are another picture's; a maker's note is full of places in its own file.
_UNTRUE_INSIDE = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight, ExifTags.Base.MakerNote)
_INCH = 2
_TOLD_BY_A_TIFF = (  # its other tags say where its pixels are
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software,
    ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright,
)  # fmt: skip
_BROKEN = (ValueError, TypeError, KeyError, OverflowError, SyntaxError, OSError, struct.error)  # by a stranger's EXIF


def exif_to_keep(exif: bytes) -> bytes:
    """Return `exif` without orientation, sizes, thumbnail and maker's note; b"" where it cannot be read or is too long.

    The orientation is in our pixels already: with it a viewer would turn the picture twice.
    """
    kept = PillowImage.Exif()
    try:
        kept.load(exif)
        for tag in _UNTRUE:
            kept.pop(tag, None)
        inside = kept.get_ifd(ExifTags.IFD.Exif)
        for tag in _UNTRUE_INSIDE:
            inside.pop(tag, None)
        place = kept.get_ifd(ExifTags.IFD.GPSInfo)  # read, or it would be written as a place in the old file
        if not inside and not place and not set(kept) - {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}:
            return b""
        packed = kept.tobytes()  # the first directory and what hangs on it: the thumbnail's is the second
    except _BROKEN:
        return b""
    return packed if len(packed) <= MAX_EXIF_BYTES else b""


def exif_of_tiff(opened: PillowImage.Image) -> bytes:
    """Return what a TIFF says in its own directory of photo and place, as an EXIF block; b"" where nothing is."""
    kept, filled = PillowImage.Exif(), False
    try:
        told = opened.getexif()
        for tag in _TOLD_BY_A_TIFF:
            if tag in told:
                kept[tag] = told[tag]
        for group in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if found := told.get_ifd(group):
                kept.get_ifd(group).update(found)
                filled = True
        return kept.tobytes() if filled or len(kept) else b""
    except _BROKEN:
        return b""


def exif_of_density(density: tuple[int, int], kept: bytes = b"") -> bytes:
    """Return `kept`, an EXIF block, with the pixels per metre, across and down, as dots per inch."""
    exif = PillowImage.Exif()
    if kept:
        exif.load(kept)
        for group in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(group)
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = (value * 0.0254 for value in density)
    exif[ExifTags.Base.ResolutionUnit] = _INCH
    return exif.tobytes()
