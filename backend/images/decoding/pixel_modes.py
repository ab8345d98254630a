"""A decoded file of any pixel mode in, its colour and its transparency out.

All three transparencies of a PNG are handled: an alpha channel, a palette with alpha, one colour declared invisible.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_ALPHA_OF_VISIBLE = np.uint8(255)
_STRAIGHT = {"RGBa": "RGBA", "La": "LA", "PA": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}  # what others are read as


def split_alpha(decoded: Image.Image, bit_depth: int) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    """Return the colour (mode L, RGB or CMYK) and the alpha (H, W) uint8, None where every pixel is opaque.

    `bit_depth` is the file's own, per channel, in which an invisible colour is declared.
    """
    key = decoded.info.get("transparency")
    if decoded.mode in _STRAIGHT:
        decoded = decoded.convert(_STRAIGHT[decoded.mode])
    if decoded.mode == "P":
        decoded, key = decoded.convert("RGB" if key is None else "RGBA"), None
    if decoded.mode.startswith("I;16"):
        return _split_grey_16(decoded, key)
    if decoded.mode in ("RGBA", "LA"):
        alpha = np.asarray(decoded.getchannel("A"))
        return decoded.convert(decoded.mode[:-1]), _if_transparent(alpha)
    color = decoded.convert("L") if decoded.mode == "1" else decoded
    if key is None:
        return color, None
    return color, _if_transparent(_invisible_where(np.asarray(color), _key_in_8_bits(key, decoded.mode, bit_depth)))


def _split_grey_16(decoded: Image.Image, key: int | None) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    wide = np.asarray(decoded)  # Pillow's own conversion to 8 bits clips at 255: everything turns white
    alpha = None if key is None else _if_transparent(_invisible_where(wide, np.array(key)))
    return Image.fromarray(cv2.convertScaleAbs(wide, alpha=1 / 257)), alpha


def _key_in_8_bits(key: int | tuple[int, int, int], mode: str, bit_depth: int) -> NDArray[np.int64]:
    """Return the invisible colour as decoded: 16 bits lose their low byte, fewer than 8 are stretched to 0 to 255."""
    if mode == "1":
        return np.array(key)  # 0 or 255 already
    levels = np.array(key) & ((1 << bit_depth) - 1)
    return levels >> 8 if bit_depth == 16 else levels * 255 // ((1 << bit_depth) - 1)


def _invisible_where(pixels: NDArray[np.generic], key: NDArray[np.int64]) -> NDArray[np.uint8]:
    same = pixels == key
    if pixels.ndim == 3:
        same = same.all(axis=2)
    return np.where(same, np.uint8(0), _ALPHA_OF_VISIBLE)


def _if_transparent(alpha: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    return alpha if alpha.min() < _ALPHA_OF_VISIBLE else None
