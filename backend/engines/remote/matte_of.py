"""The picture in a service's answer -> its matte. The bytes are untrusted and read like an upload's."""

import re
from dataclasses import dataclass

import numpy as np

from backend.contract.errors import CallerError
from backend.engines.remote.exchange import Exchange
from backend.images.arrays import Alpha
from backend.images.decoding.image_header import ImageLimits
from backend.images.image_io import read_picture

SAME_SHAPE = 0.02  # tolerance of the aspect ratio: the answer may have another size, with sides in whole pixels


@dataclass(frozen=True)
class RemoteMatte:
    """A service's answer: the alpha at its own size, and the credits charged where the service states them."""

    alpha: Alpha
    charged: float | None = None


def nothing_found(size: tuple[int, int]) -> RemoteMatte:
    """Return the answer of a service that sees no object."""
    return RemoteMatte(np.zeros(size, np.float32))


def matte_of(body: bytes, size: tuple[int, int], exchange: Exchange, *, grey: bool, charged: str = "") -> RemoteMatte:
    """Return the transparency of the picture in `body`; with `grey`, of one without any its brightness.

    Raises ModelUnavailableError for anything but a matte of a picture of `size` (height, width).
    """
    try:
        picture = read_picture(body, ImageLimits(max_pixels=4 * max(size) ** 2, max_side_px=2 * max(size)))
    except CallerError as error:
        raise exchange.failed("sends an answer that is not a picture") from error
    alpha = picture.alpha
    if alpha is None and grey and (picture.image == picture.image[..., :1]).all():
        alpha = np.divide(picture.image[..., 0], np.float32(255), dtype=np.float32)
    if alpha is None:
        raise exchange.failed("sends a picture without a matte")
    height, width = alpha.shape
    if abs(width * size[0] - height * size[1]) > SAME_SHAPE * width * size[0] + max(size):
        raise exchange.failed("sends a picture of another shape")
    credits = re.fullmatch(r"\d{1,6}(\.\d{1,6})?", charged)
    return RemoteMatte(alpha, float(charged) if credits else None)
