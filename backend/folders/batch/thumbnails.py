"""A picture and its result -> one thumbnail of both, side by side, for the report."""

import cv2
import numpy as np

from backend.images.arrays import Alpha, Image
from backend.images.encode import encode_pixels
from backend.images.resize import rescale
from backend.mesh.mesh import Mesh
from backend.mesh.preview import render_mesh

SIDE_PX = 88  # longer side of each
GAP_PX = 4
QUALITY = 60  # of WebP: 2 to 4 kB
VIEW_DEG = (30.0, 15.0)  # azimuth, elevation


def before_and_after(image: Image, alpha: Alpha) -> bytes:
    """Return a WebP: `image` ((H, W, 3) uint8) and, beside it, the same behind `alpha` ((H, W) float32)."""
    scale = SIDE_PX / max(alpha.shape)
    small, opacity = rescale(image, scale), np.clip(rescale(alpha, scale), 0, 1)
    return _side_by_side(small, np.dstack([small, np.rint(255 * opacity).astype(np.uint8)]))


def photo_and_mesh(image: Image, mesh: Mesh) -> bytes:
    """Return a WebP: `image` ((H, W, 3) uint8) and, beside it, a view of `mesh`."""
    view = render_mesh(mesh, *VIEW_DEG, size=SIDE_PX)
    small = rescale(image, SIDE_PX / max(image.shape[:2]), cv2.INTER_AREA)
    return _side_by_side(small, np.dstack([view, np.full(view.shape[:2], 255, np.uint8)]))


def _side_by_side(before: Image, after: Image) -> bytes:
    """Return RGB `before` and RGBA `after`, centred on one line, as a WebP with transparency."""
    height = max(len(before), len(after))
    sheet = np.zeros((height, before.shape[1] + GAP_PX + after.shape[1], 4), np.uint8)
    top = (height - len(before)) // 2
    sheet[top : top + len(before), : before.shape[1], :3] = before
    sheet[top : top + len(before), : before.shape[1], 3] = 255
    top = (height - len(after)) // 2
    sheet[top : top + len(after), before.shape[1] + GAP_PX :] = after
    return encode_pixels(cv2.cvtColor(sheet, cv2.COLOR_RGBA2BGRA), ".webp", [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
