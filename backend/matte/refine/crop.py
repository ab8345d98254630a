"""Alpha -> the part of the picture that is worth keeping."""

from backend.images.arrays import Alpha, Box, check_alpha, visible_box


def crop_box(alpha: Alpha, margin: float = 0.0) -> Box:
    """Return the box of everything visible in `alpha`, widened on each side by `margin` of its longer side.

    It stays inside the picture; of an empty alpha it is the whole picture. Raises ValueError for a negative margin.
    """
    check_alpha(alpha)
    if not margin >= 0:
        raise ValueError(f"a margin is 0 or more, not {margin}")
    height, width = alpha.shape
    x0, y0, x1, y1 = visible_box(alpha) or (0, 0, width, height)
    room = round(margin * max(x1 - x0, y1 - y0))
    return max(0, x0 - room), max(0, y0 - room), min(width, x1 + room), min(height, y1 + room)
