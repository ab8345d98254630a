"""Image and alpha -> the object on one colour."""

import numpy as np

from backend.images.arrays import Alpha, Image, check_alpha, check_image, check_same_size

ROWS = 256  # composited at a time: 12 Mpx in float32 would be 144 MB a copy


def on_color(image: Image, alpha: Alpha, color: str) -> Image:
    """Return `image` over the colour "#rrggbb": image · alpha + colour · (1 − alpha), rounded, in sRGB as browsers do.

    Raises ValueError for arrays that do not fit together or a text that is no colour.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    if len(color) != 7 or color[0] != "#":
        raise ValueError(f"a colour is #rrggbb, not {color!r}")
    backdrop = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)], np.float32)
    composited = np.empty_like(image)
    for top in range(0, len(image), ROWS):
        rows = slice(top, top + ROWS)
        opacity = alpha[rows, :, None]
        composited[rows] = np.rint(image[rows] * opacity + backdrop * (1 - opacity))
    return composited
