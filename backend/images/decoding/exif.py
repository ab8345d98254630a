"""An EXIF block's orientation, and the turn that puts a picture upright.

Only this number is read, by hand: the block is untrusted, and a broken one must cost no more than the turn.
"""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112
_INTEGER_BYTES = {1: 1, 3: 2, 4: 4}  # TIFF types BYTE, SHORT and LONG

# The inverse of each orientation of the EXIF standard (CIPA DC-008): a flip along an axis, a turn, or both.
_HORIZONTAL, _VERTICAL = 1, 0  # codes of cv2.flip
_FLIPS = {2: _HORIZONTAL, 4: _VERTICAL}
_TURNS = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}


def orientation_of(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in the first directory of `exif`; 1 if it is missing or invalid.

    `exif` is a TIFF block, with or without the six bytes that a JPEG puts before it.
    """
    tiff = exif.removeprefix(b"Exif\x00\x00")
    if tiff[:4] not in (b"II*\x00", b"MM\x00*"):
        return 1
    order: Literal["little", "big"] = "little" if tiff.startswith(b"II") else "big"

    def number(start: int, count: int) -> int:
        return int.from_bytes(tiff[start : start + count], order)

    directory = number(4, 4)
    for index in range(number(directory, 2)):
        entry = directory + 2 + 12 * index
        if entry + 12 > len(tiff):
            break
        if number(entry, 2) == _ORIENTATION:
            value = number(entry + 8, _INTEGER_BYTES.get(number(entry + 2, 2), 0))
            return value if 1 <= value <= 8 else 1
    return 1


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return `pixels`, (H, W) or (H, W, C), turned upright; 5 to 8 swap height and width.

    Orientation 1 gives back the same array. Raises ValueError outside 1 to 8.
    """
    if not 1 <= orientation <= 8:
        raise ValueError(f"an orientation lies in 1 to 8, not {orientation}")
    if orientation in _FLIPS:
        return np.asarray(cv2.flip(pixels, _FLIPS[orientation]))
    if orientation in _TURNS:
        return np.asarray(cv2.rotate(pixels, _TURNS[orientation]))
    if orientation == 5:
        return np.asarray(cv2.transpose(pixels))
    if orientation == 7:
        return np.asarray(cv2.flip(cv2.transpose(pixels), -1))
    return pixels
