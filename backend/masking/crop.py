"""Alpha -> the part of the picture that is worth keeping."""

import numpy as np

from backend.masking.arrays import Alpha, Box, check_alpha

FAINTEST = 0.5 / 255  # below it an 8-bit matte is 0


def crop_box(alpha: Alpha, margin: float = 0.0) -> Box:
    """Return the box of everything visible in `alpha`, widened on each side by `margin` of its longer side.

    It stays inside the picture; of an empty alpha it is the whole picture. Raises ValueError for a negative margin.
    """
    check_alpha(alpha)
    if not margin >= 0:
        raise ValueError(f"a margin is 0 or more, not {margin}")
    height, width = alpha.shape
    seen = alpha >= FAINTEST
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return 0, 0, width, height
    x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    room = round(margin * max(x1 - x0, y1 - y0))
    return max(0, x0 - room), max(0, y0 - room), min(width, x1 + room), min(height, y1 + room)
