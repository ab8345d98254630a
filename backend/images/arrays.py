"""The arrays that the stages hand to each other, named once.

Signatures carry these names, and each means the same everywhere in `backend`. Every public stage calls `check_*` on
entry, so that a wrong array is refused there instead of failing somewhere in the middle.
"""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3), RGB; BGR exists only inside one call into cv2
Saliency = NDArray[np.float32]  # (H, W) in [0, 1]: a segmenter's first guess, never quantised
Mask = NDArray[np.bool_]  # (H, W): True on the object; never soft
Trimap = NDArray[np.uint8]  # (H, W) in {0, 128, 255}: background, unknown, foreground
Alpha = NDArray[np.float32]  # (H, W) in [0, 1]: opacity, not premultiplied
Disparity = NDArray[np.float32]  # (H, W): larger is nearer, no unit
Box = tuple[int, int, int, int]  # x0, y0, x1, y1, half open: image[y0:y1, x0:x1]

# Half a step of an 8-bit alpha. A guided filter leaves 1e-4 far from the object; what a PNG would store as 0 is not
# part of the object's box.
MIN_VISIBLE = 0.5 / 255.0


def visible_box(alpha: Alpha) -> Box | None:
    """Return the smallest box that holds every pixel of alpha > 0 (in 8 bits), or None for an empty alpha."""
    seen = alpha > MIN_VISIBLE
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def check_image(image: Image) -> None:
    """Raise ValueError unless `image` is (H, W, 3) uint8 with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"an image is (H, W, 3) uint8, not {image.shape} {image.dtype}")


def check_alpha(alpha: Alpha) -> None:
    """Raise ValueError unless `alpha` (or a saliency) is (H, W) float32, not empty, with values in [0, 1]."""
    if alpha.ndim != 2 or alpha.dtype != np.float32 or alpha.size == 0:
        raise ValueError(f"an alpha is (H, W) float32, not {alpha.shape} {alpha.dtype}")
    low, high = float(alpha.min()), float(alpha.max())
    if not (low >= 0.0 and high <= 1.0):  # written so that NaN fails
        raise ValueError(f"an alpha lies in [0, 1], not [{low}, {high}]")


def check_mask(mask: Mask) -> None:
    """Raise ValueError unless `mask` is (H, W) bool with at least one pixel."""
    if mask.ndim != 2 or mask.dtype != np.bool_ or mask.size == 0:
        raise ValueError(f"a mask is (H, W) bool, not {mask.shape} {mask.dtype}")


def check_same_size(first: NDArray[np.generic], second: NDArray[np.generic]) -> None:
    """Raise ValueError unless both arrays have the same height and width."""
    if first.shape[:2] != second.shape[:2]:
        raise ValueError(f"sizes differ: {first.shape[:2]} and {second.shape[:2]}")
