"""Framed photo and matte -> one texture picture: the photo itself for the front, its rim's colours for the back.

The back is a guess: a blurred mirror of the front would put a ghost of the face on the back of the head. What the
front shows at its rim (hair, cloth, glaze) most likely continues around the corner, so its colours are spread inward
over the back; both sides then meet in the same colour.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha, Image, Mask
from backend.mesh.framing import object_box
from backend.mesh.poisson import domain_of, extend_inward
from backend.mesh.silhouette import lattice_of

MAX_TILE_PX = 2048  # longer side of the front tile
BACK_NODES = 128  # lattice nodes per side for the back, which is too smooth to need more
GAP_PX = 8  # between the tiles, so that mipmaps do not mix them
RIM_SHARE = 0.03  # how far the front's detail continues onto the back, as a share of the object's size
FRONT_SHARE = 0.35  # share of the low-passed front in the back's colour: large areas of colour keep their place


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


def make_atlas(image: Image, alpha: Alpha, back_image: Image | None = None) -> Atlas:
    """Return the atlas of a framed (n, n, 3) picture: the front at the photo's resolution, up to 2,048 px.

    `back_image` (k, k, 3) are known colours of the back in the same square, seen through the object; None: a guess.
    """
    x0, y0, x1, y1 = _crop_box(alpha)
    scale = min(1.0, MAX_TILE_PX / max(x1 - x0, y1 - y0))
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    crop = cv2.resize(np.ascontiguousarray(image[y0:y1, x0:x1]), size, interpolation=cv2.INTER_AREA)
    matte = cv2.resize(np.ascontiguousarray(alpha[y0:y1, x0:x1]), size, interpolation=cv2.INTER_AREA)
    front = _pull_outward(crop, sure_pixels(matte))
    guess = _guess(front, matte) if back_image is None else _cropped(back_image, (x0, y0, x1, y1), len(alpha))
    back = _back(front, matte, guess)
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
    near = np.flatnonzero((distance > 0.0) & (distance < 12 * edge_px))
    flat = pulled.reshape(-1, 3)
    flat[near] = palette[labels.ravel()[near]]
    # Blurred, because single rim pixels show as a comb of streaks from the side.
    flat[near] = cv2.GaussianBlur(pulled, (0, 0), 0.7 * edge_px).reshape(-1, 3)[near]
    return pulled


def _cropped(picture: Image, box: tuple[int, int, int, int], side: int) -> Image:
    """Return the box, in pixels of a square of `side`, out of a (k, k, 3) picture of the same square."""
    step = len(picture) / side
    x0, y0, x1, y1 = (round(edge * step) for edge in box)
    x0, y0 = min(x0, len(picture) - 1), min(y0, len(picture) - 1)
    return picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]


def _back(front: Image, matte: Alpha, guess_image: Image) -> Image:
    """Return the back's tile of the same box at half the resolution: the mirrored front at the rim, a guess inside."""
    size = max(1, front.shape[1] // 2), max(1, front.shape[0] // 2)
    guess = cv2.resize(guess_image, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    near = cv2.resize(front, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    ringed = np.pad(cv2.resize(matte, size, interpolation=cv2.INTER_AREA) > 0.5, 1)
    depth = cv2.distanceTransform(ringed.astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    mirrored = np.exp(-np.square(depth / (RIM_SHARE * max(size))))[..., None]
    back: Image = np.rint(guess + mirrored * (near - guess)).astype(np.uint8)
    return back


def _guess(front: Image, matte: Alpha) -> Image:
    """Return a guess of the back's colours, at most 128 px a side."""
    side = max(matte.shape)
    square = np.zeros((side, side), np.float32)
    square[: matte.shape[0], : matte.shape[1]] = matte
    nodes = min(BACK_NODES, max(8, side))
    lattice = lattice_of(square, nodes)
    colors = np.pad(front, ((0, side - front.shape[0]), (0, side - front.shape[1]), (0, 0)), mode="edge")
    small = cv2.resize(colors, (nodes, nodes), interpolation=cv2.INTER_AREA).astype(np.float64) / 255.0
    ringed = lattice.pad(small)
    rim = cv2.GaussianBlur(ringed, (0, 0), 1.0)
    spread = extend_inward(domain_of(lattice.field, lattice.level), rim)
    inside = lattice.inside.astype(np.float64)[..., None]
    # Blurred more across than up: bands (a hem, a belt, a rim of glaze) mostly run around an object.
    blurred, weight = (
        cv2.GaussianBlur(plane, (0, 0), nodes / 8, sigmaY=nodes / 40) for plane in (ringed * inside, inside)
    )
    depth = cv2.distanceTransform(lattice.inside.astype(np.uint8), cv2.DIST_L2, 5)
    share = FRONT_SHARE * np.clip(depth / (nodes / 10), 0.0, 1.0)[..., None]
    mixed = spread + share * (blurred / np.maximum(weight[..., None], 1e-3) - spread)
    tile = lattice.crop(cv2.GaussianBlur(mixed, (0, 0), 0.8))
    height, width = (max(1, round(length / side * nodes)) for length in matte.shape)
    guess: Image = np.rint(np.clip(tile[:height, :width], 0.0, 1.0) * 255.0).astype(np.uint8)
    return guess
