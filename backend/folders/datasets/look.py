"""A (reduced) picture -> its thumbnail, colour spread, coverage, and the hash and colours that find near-duplicates."""

from dataclasses import dataclass
from functools import cache

import cv2
import imagehash
import numpy as np
from PIL import Image as PillowImage

from backend.engines.border.border import BorderConfig, BorderSegmenter
from backend.images.arrays import Alpha, Image
from backend.images.encode import encode_jpeg
from backend.images.resize import fit_longest_side

THUMBNAIL_PX = 120
JPEG_QUALITY = 72  # of the thumbnail
COVERAGE_CONFIG = BorderConfig(working_px=96, superpixels=100)  # coverage to about 0.02 on plain grounds, in 25 ms
SIGNATURE = (8, 8)  # size of the colour grid that separates near-duplicates from other things of the same shape
_BEHIND = 200.0  # grey behind transparent parts


@dataclass(frozen=True)
class Look:
    """The look of a picture."""

    thumbnail: bytes  # JPEG
    deviation: float  # standard deviation of its 8-bit colours about their mean; near 0: an empty picture
    coverage: float  # share of the picture that the object covers
    measured: bool  # coverage: True from the file's own transparency, False an estimate by `border` at 96 px
    shape_hash: int  # 64 bits, imagehash's phash
    signature: bytes  # (8, 8, 3) uint8


def describe_look(image: Image, alpha: Alpha | None) -> Look:
    """Return the look of `image` ((H, W, 3) uint8 RGB), on grey where it is transparent."""
    small = fit_longest_side(image, 2 * THUMBNAIL_PX)
    coverage = 0.0
    if alpha is not None:
        coverage = float(np.count_nonzero(alpha >= 0.5) / alpha.size)
        opacity = fit_longest_side(alpha, 2 * THUMBNAIL_PX)[..., None]
        small = np.rint(opacity * small + (1 - opacity) * _BEHIND).astype(np.uint8)
    else:
        coverage = float(
            np.mean(_coverage_segmenter().predict(fit_longest_side(small, COVERAGE_CONFIG.working_px)).saliency >= 0.5)
        )
    return Look(
        thumbnail=encode_jpeg(fit_longest_side(small, THUMBNAIL_PX), JPEG_QUALITY),
        deviation=float(small.reshape(-1, 3).std(axis=0).mean()),
        coverage=coverage,
        measured=alpha is not None,
        shape_hash=_bits(imagehash.phash(PillowImage.fromarray(small))),
        signature=cv2.resize(small, SIGNATURE, interpolation=cv2.INTER_AREA).tobytes(),
    )


@cache
def _coverage_segmenter() -> BorderSegmenter:
    return BorderSegmenter(COVERAGE_CONFIG)


def _bits(found: imagehash.ImageHash) -> int:
    return int.from_bytes(np.packbits(found.hash.ravel()).tobytes(), "big")
