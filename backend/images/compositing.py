"""An object with its alpha over another picture or a plain colour (Porter and Duff's "over", 1984).

Done in plain sRGB, as browsers and picture editors do it, not in linear light: a soft edge then looks the same
everywhere.
"""

from typing import Literal

import numpy as np

from backend.images.arrays import Alpha, Image, check_alpha, check_image, check_same_size

ROWS = 256  # composited at a time: 12 Mpx in float32 would be 144 MB a copy


def plain(color: str, size: tuple[int, int]) -> Image:
    """Return a read-only image of `size` (height, width) in the one colour "#rrggbb". Raises ValueError for any other
    text."""
    if len(color) != 7 or color[0] != "#":
        raise ValueError(f"a colour is #rrggbb, not {color!r}")
    channels = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)], np.uint8)
    return np.broadcast_to(channels, (*size, 3))


def gradient(start: str, end: str, size: tuple[int, int], way: Literal["down", "across", "round"]) -> Image:
    """Return an image of `size` (height, width) that goes from the colour `start` to `end`, both "#rrggbb": from the
    top down, from left to right, or from the middle to the corners. Raises ValueError as `plain` does."""
    height, width = size
    rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    columns = (np.arange(width, dtype=np.float32)[None] + 0.5) / width
    if way == "round":
        share = np.hypot(2 * rows - 1, 2 * columns - 1) / np.float32(np.sqrt(2))
    else:
        share = rows if way == "down" else columns
    first, last = (plain(color, (1, 1)).astype(np.float32) for color in (start, end))
    colors = np.rint(first + share[..., None] * (last - first)).astype(np.uint8)
    return np.broadcast_to(colors, (height, width, 3))


def over(front: Image, alpha: Alpha, back: Image, opacity: Alpha | None) -> tuple[Image, Alpha | None]:
    """Return `front` over `back`, not premultiplied, and the opacity of both together; None where `back` is opaque
    (`opacity` None).

    Where alpha is 1 the colour is exactly the front's, where it is 0 the back's. Raises ValueError for arrays of two
    sizes or of the wrong kind.
    """
    for image in (front, back):
        check_image(image)
        check_same_size(image, alpha)
    check_alpha(alpha)
    colors = np.empty_like(front)
    together = None if opacity is None else np.empty_like(alpha)
    for top in range(0, len(front), ROWS):
        rows = slice(top, top + ROWS)
        above = alpha[rows, :, None]
        if opacity is None or together is None:
            colors[rows] = np.rint(front[rows] * above + back[rows] * (1 - above))
            continue
        below = opacity[rows, :, None] * (1 - above)
        whole = above + below
        mixed = front[rows] * above + back[rows] * below
        colors[rows] = np.rint(np.divide(mixed, whole, out=np.zeros_like(mixed), where=whole > 0))
        together[rows] = np.minimum(whole[..., 0], 1)
    return colors, together


def on_color(image: Image, alpha: Alpha, color: str) -> Image:
    """Return the (H, W, 3) object over the colour "#rrggbb". Raises ValueError as `over` and `plain` do."""
    return over(image, alpha, plain(color, (image.shape[0], image.shape[1])), None)[0]
