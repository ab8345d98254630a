"""Framed photo and matte -> one texture picture: the photo itself for the front, its softened mirror for the back.

The back is a guess. Measured on objects whose back is known, the mirrored front is nearer to its colours than the rim's
colours spread inward, a blurred front or one colour. Where the camera saw the surface at a grazing angle, a pixel is
stretched over a long way: such places get the colours of what lies beside them.
"""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, Mask
from backend.mesh.framing import object_box

T = TypeVar("T", bound=np.generic)
MAX_TILE_PX = 2048  # longer side of the front tile
GAP_PX = 8  # between the tiles, so that mipmaps do not mix them
RIM_SHARE = 0.03  # how far the front's detail continues onto the back, as a share of the object's size
SOFT_SHARE = 0.01  # blur of the back, as a share of its size: its detail is a guess
STEEP, STREAKED = 0.34, 0.17  # cosines of 70° and 80° between normal and ray: from there to there the photo fades out


@dataclass(frozen=True)
class Atlas:
    """The texture picture and the places of its two tiles."""

    image: Image
    box: tuple[float, float, float, float]  # shown by both tiles: x0, y0, x1, y1 as shares of the framed picture
    front: tuple[int, int, int, int]  # the front's tile: x0, y0, x1, y1 in the atlas
    back: tuple[int, int, int, int]  # the back's tile

    def uv(self, across: NDArray[np.float64], down: NDArray[np.float64], back: bool) -> NDArray[np.float32]:
        """Return the (N, 2) texture coordinates of places in the framed picture (0 to 1 from its left and top)."""
        tile = self.back if back else self.front
        x = (across - self.box[0]) / (self.box[2] - self.box[0])
        y = (down - self.box[1]) / (self.box[3] - self.box[1])
        inset = 0.5  # half a texel, so that a linear filter stays in the tile
        column = np.clip(tile[0] + x * (tile[2] - tile[0]), tile[0] + inset, tile[2] - inset)
        row = np.clip(tile[1] + y * (tile[3] - tile[1]), tile[1] + inset, tile[3] - inset)
        height, width = self.image.shape[:2]
        return np.stack([column / width, row / height], axis=-1).astype(np.float32)


def make_atlas(
    image: Image, alpha: Alpha, back_image: Image | None = None, facing: NDArray[np.float32] | None = None
) -> Atlas:
    """Return the atlas of a framed (n, n, 3) picture: the front at the photo's resolution, up to 2,048 px.

    `back_image` (k, k, 3) are known colours of the back in the same square, seen through the object; None: a guess.
    `facing` (m, m) is the cosine between the surface's normal and the camera's ray there; None: not known.
    """
    x0, y0, x1, y1 = _crop_box(alpha)
    scale = min(1.0, MAX_TILE_PX / max(x1 - x0, y1 - y0))
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    crop = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    matte = cv2.resize(alpha[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    sure = sure_pixels(matte)
    front = _pull_outward(crop, sure)
    if facing is not None:
        front = _without_streaks(front, sure, cv2.resize(_cropped(facing, (x0, y0, x1, y1), len(alpha)), size))
    back = _back(front, matte, None if back_image is None else _cropped(back_image, (x0, y0, x1, y1), len(alpha)))
    wide, high = size
    atlas = np.empty((high, wide + GAP_PX + back.shape[1], 3), np.uint8)
    atlas[:, :wide] = front
    atlas[:, wide : wide + GAP_PX] = front[:, -1:]
    atlas[: len(back), wide + GAP_PX :] = back
    atlas[len(back) :, wide + GAP_PX :] = back[-1:]
    side = len(alpha)
    return Atlas(
        atlas,
        (x0 / side, y0 / side, x1 / side, y1 / side),
        (0, 0, wide, high),
        (wide + GAP_PX, 0, wide + GAP_PX + back.shape[1], len(back)),
    )


def sure_pixels(alpha: Alpha) -> Mask:
    """Return the pixels whose colour is the object's own: opaque, and a little away from the matte's edge.

    A matte that is a pixel too wide would give the whole rim the background's colour. Parts too thin to erode count
    as they are.
    """
    peak = float(alpha.max())
    opaque = alpha > 0.9 * min(1.0, peak)
    radius = _edge_px(alpha)
    eroded = _eroded(opaque, radius)
    reached = cv2.dilate(eroded.astype(np.uint8), np.ones((2 * radius + 3, 2 * radius + 3), np.uint8)) > 0
    # Glass and gauze show the background everywhere; away from their edge that is their colour.
    sheer = _eroded(alpha > 0.5 * min(1.0, peak), 3 * radius)
    sure: Mask = eroded | (opaque & ~reached) | sheer
    return sure


def _eroded(mask: Mask, radius: int) -> Mask:
    """Return the mask's pixels farther than `radius` from the outside; the picture's frame is not outside."""
    if mask.all():
        return mask
    # A distance map, because the time of an erosion grows with its radius.
    deep: Mask = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) > radius
    return deep


def _edge_px(plane: NDArray[np.generic]) -> int:
    """Return the width of the band at a matte's edge whose colours are not trusted."""
    return max(2, round(float(max(plane.shape[:2])) / 200.0))


def _crop_box(alpha: Alpha) -> tuple[int, int, int, int]:
    """Return the object's box with a margin of two pixels, inside the picture."""
    x0, y0, x1, y1 = object_box(alpha)
    return max(0, x0 - 2), max(0, y0 - 2), min(len(alpha), x1 + 2), min(len(alpha), y1 + 2)


def _pull_outward(image: Image, sure: Mask) -> Image:
    """Return the image with the colours of the sure pixels spread over all others, blurred."""
    distance, labels = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # The nearest sure pixel always lies at the border of the sure ones: only those few are looked up.
    inner = cv2.erode(sure.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    border = np.flatnonzero(sure & ~inner)
    palette = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    palette[labels.ravel()[border]] = image.reshape(-1, 3)[border]
    edge_px = _edge_px(image)
    pulled = image.copy()
    # Pixels farther out are sampled by a viewer's smallest mipmaps only.
    pulled[distance >= 12 * edge_px] = np.rint(cv2.mean(image, sure.astype(np.uint8))[:3])
    near = (distance > 0.0) & (distance < 12 * edge_px)
    pulled[near] = palette[labels[near]]
    # Blurred, because single rim pixels show as a comb of streaks from the side.
    pulled[near] = cv2.GaussianBlur(pulled, (0, 0), 0.7 * edge_px)[near]
    return pulled


def _without_streaks(front: Image, sure: Mask, facing: NDArray[np.float32]) -> Image:
    """Return the front with the colours of what the camera saw well spread over what it saw at a grazing angle."""
    seen = np.clip((facing - STREAKED) / (STEEP - STREAKED), 0.0, 1.0)
    well = sure & (seen >= 1.0)
    if not well.any():
        return front
    filled = _pull_outward(front, well)
    weight = (seen * seen * (3.0 - 2.0 * seen)).astype(np.float32)
    mixed: Image = cv2.blendLinear(front, filled, weight, 1.0 - weight)  # in floats, a tile of 2,048 px takes 200 MB
    return mixed


def _cropped(picture: NDArray[T], box: tuple[int, int, int, int], side: int) -> NDArray[T]:
    """Return the box, in pixels of a square of `side`, out of a (k, k, …) picture of the same square."""
    step = len(picture) / side
    x0, y0, x1, y1 = (round(edge * step) for edge in box)
    x0, y0 = min(x0, len(picture) - 1), min(y0, len(picture) - 1)
    return picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]


def _back(front: Image, matte: Alpha, known: Image | None) -> Image:
    """Return the back's tile of the same box at half the resolution: the mirrored front at the rim, `known` or the
    softened front inside."""
    size = max(1, front.shape[1] // 2), max(1, front.shape[0] // 2)
    near = cv2.resize(front, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    if known is None:
        inner = cv2.GaussianBlur(near, (0, 0), max(0.3, SOFT_SHARE * max(size)))
    else:
        inner = cv2.resize(known, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    ringed = np.pad(cv2.resize(matte, size, interpolation=cv2.INTER_AREA) > 0.5, 1)
    depth = cv2.distanceTransform(ringed.astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    mirrored = np.exp(-np.square(depth / (RIM_SHARE * max(size))))[..., None]
    back: Image = np.rint(inner + mirrored * (near - inner)).astype(np.uint8)
    return back
