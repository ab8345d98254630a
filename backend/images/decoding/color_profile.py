"""Colours in an embedded profile in, sRGB out: our own files carry no profile.

Phones save Display P3. Read as sRGB, its colours turn dull in the cutout and on the mesh.
"""

import io
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

ProfileUse = Literal["none", "srgb", "converted", "ignored"]

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's mode -> the profile's own word
_SAME_WITHIN = 3  # of 255; encoders write sRGB in many slightly different ways


def to_srgb(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, ProfileUse]:
    """Return `picture` (mode L, RGB or CMYK) as sRGB in mode RGB, and how its profile was used.

    A profile that is broken, or made for another pixel mode, is ignored; a grey picture may have one for RGB.
    """
    if not profile:
        return _plain_rgb(picture), "none"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if picture.mode == "L" and space == "RGB":  # programs leave the profile where they take the colours away
            picture = picture.convert("RGB")
        if space != _SPACES[picture.mode]:
            return _plain_rgb(picture), "ignored"
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), picture.mode, "RGB")
        if _changes_nothing(transform, picture.mode):
            return _plain_rgb(picture), "srgb"
        converted = ImageCms.applyTransform(picture, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # raised for broken profiles
        return _plain_rgb(picture), "ignored"
    return (converted, "converted") if converted is not None else (_plain_rgb(picture), "ignored")


def _plain_rgb(picture: Image.Image) -> Image.Image:
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # convert() would copy an RGB picture


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Return whether a grid of colours is transformed as a plain conversion does; profile names prove nothing."""
    bands = Image.getmodebands(mode)
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    grid = np.stack(np.meshgrid(*[levels] * bands), axis=-1).reshape(-1, bands)
    probe = Image.frombytes(mode, (len(grid), 1), grid.tobytes())
    through = ImageCms.applyTransform(probe, transform)
    if through is None:
        return False
    drift = np.asarray(through).astype(np.int16) - np.asarray(probe.convert("RGB"))
    return int(np.abs(drift).max()) <= _SAME_WITHIN
