"""A (reduced) picture -> a thumbnail and what can be judged on one: how much is on it, its object and its likes."""

from dataclasses import dataclass
from functools import cache

import cv2
import imagehash
import numpy as np
from PIL import Image as PillowImage

from backend.engines.border.border import BorderConfig, BorderSegmenter
from backend.images.arrays import Alpha, Image
from backend.images.resize import fit_longest_side

THUMBNAIL_PX = 120
GLANCE = BorderConfig(working_px=96, superpixels=100)  # coverage to about 0.02 on plain grounds, in 25 ms
SIGNATURE = (8, 8)  # colours of a picture, for telling near-duplicates from things that merely have one shape
_BEHIND = 200.0  # grey behind what is see-through


@dataclass(frozen=True)
class Look:
    """What a picture looks like."""

    thumbnail: bytes  # JPEG
    deviation: float  # standard deviation of its 8-bit colours about their mean; near 0: nothing is on it
    coverage: float  # share of the picture that the object covers
    measured: bool  # coverage: True from the file's own transparency, False an estimate by `border` at 96 px
    shape_hash: int  # 64 bits, imagehash's phash
    signature: bytes  # (8, 8, 3) uint8


def look_at(image: Image, alpha: Alpha | None) -> Look:
    """Return the look of `image` ((H, W, 3) uint8 RGB), laid on grey where it is see-through."""
    small = fit_longest_side(image, 2 * THUMBNAIL_PX)
    coverage = 0.0
    if alpha is not None:
        coverage = float(np.count_nonzero(alpha >= 0.5) / alpha.size)
        opacity = fit_longest_side(alpha, 2 * THUMBNAIL_PX)[..., None]
        small = np.rint(opacity * small + (1 - opacity) * _BEHIND).astype(np.uint8)
    else:
        coverage = float(np.mean(_glancer().predict(fit_longest_side(small, GLANCE.working_px)).saliency >= 0.5))
    return Look(
        thumbnail=jpeg(fit_longest_side(small, THUMBNAIL_PX)),
        deviation=float(small.reshape(-1, 3).std(axis=0).mean()),
        coverage=coverage,
        measured=alpha is not None,
        shape_hash=_bits(imagehash.phash(PillowImage.fromarray(small))),
        signature=cv2.resize(small, SIGNATURE, interpolation=cv2.INTER_AREA).tobytes(),
    )


def jpeg(image: Image, quality: int = 72) -> bytes:
    """Return `image` as a JPEG for a page."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("the JPEG encoder gave up")
    encoded: bytes = data.tobytes()
    return encoded


@cache
def _glancer() -> BorderSegmenter:
    return BorderSegmenter(GLANCE)


def _bits(found: imagehash.ImageHash) -> int:
    return int.from_bytes(np.packbits(found.hash.ravel()).tobytes(), "big")
