"""An object with its alpha over a picture that may be see-through itself (Porter and Duff's "over", 1984).

In plain sRGB, as browsers and picture editors do it, not in linear light: a soft edge then looks the same everywhere.
"""

import numpy as np

from backend.images.arrays import Alpha, Image, check_alpha, check_image, check_same_size

ROWS = 256  # at a time: 12 Mpx in float32 would be 144 MB a copy


def over(front: Image, alpha: Alpha, back: Image, opacity: Alpha | None) -> tuple[Image, Alpha | None]:
    """Return `front` over `back`, not premultiplied, and what opacity the two have together; None where `back` has none
    of its own, for it is opaque then.

    Where alpha is 1 the colour is the front's, where it is 0 the back's, to the bit. Raises ValueError for arrays that
    do not fit together.
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
