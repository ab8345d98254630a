"""A mask of several parts in, the main object and its parts out, with a reason for each dropped part."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Image, Mask, Saliency, check_image, check_mask, check_same_size
from backend.images.geometry import dilate, distance_to, erode

MAX_PARTS = 60  # judged one by one; a mask with more is noise, and the lightest parts are dropped


@dataclass(frozen=True)
class ComponentsConfig:
    """A part stays if it contrasts with its surroundings and is near the main object, or is far but large or alike.

    Distances are shares of the main object's diagonal, areas shares of its area.
    """

    near: float = 0.06  # distance up to which a part is near, a bird's beak tip for example
    near_area: float = 0.0005  # smallest near part that is kept
    touching: float = 0.02  # smaller parts up to this distance are kept too: hair or a spine of the object's own edge
    far: float = 1.0  # distance beyond which a part is dropped; the second of two cherries is nearer
    far_area: float = 0.02  # smallest part that is kept when it is not near
    alike: float = 0.45  # overlap of colour histograms, 0 to 1, that a far part needs
    twin_area: float = 0.05  # from this area on a far part is kept whatever its colours
    contrast_lab: float = 7.0  # smallest distance of mean colours inside and outside a part, in 8-bit Lab
    contrast_spread: float = 0.6  # smallest such distance in deviations of the colours outside; the larger bound counts
    margin_px: int = 7  # how far the first guess may reach beyond the thing itself


@dataclass(frozen=True)
class DroppedPart:
    """A part that does not belong to the object."""

    area_share: float  # of the main object's area
    center: tuple[float, float]  # x and y as shares of the picture
    reason: str


def keep_object(
    image: Image, mask: Mask, saliency: Saliency, config: ComponentsConfig
) -> tuple[Mask, int, tuple[DroppedPart, ...]]:
    """Return the main object of `mask` with the parts that belong to it, how many parts that is, and the dropped ones.

    Raises ValueError for arrays of two sizes.
    """
    check_image(image)
    check_mask(mask)
    check_same_size(image, mask)
    check_same_size(mask, saliency)
    count, labels, stats, centers = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count <= 2:
        return mask.copy(), count - 1, ()
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    order = np.argsort(-_weight(labels, areas, centers, saliency)[1:]) + 1
    main = labels == order[0]
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    width, height = stats[order[0], cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1]
    diagonal, distance = float(np.hypot(width, height)), distance_to(main)
    kept, dropped, total = main.copy(), [], 1
    for rank, label in enumerate(order[1:]):
        x, y, w, h = stats[label, :4]
        room = config.margin_px * 3
        window = (slice(max(y - room, 0), y + h + room), slice(max(x - room, 0), x + w + room))
        part = labels[window] == label
        share = areas[label] / areas[order[0]]
        gap = float(distance[window][part].min()) / diagonal
        reason = "there are too many parts" if rank >= MAX_PARTS else ""
        reason = reason or _why_stray(lab, lab[window], part, mask[window], main, share, gap, config)
        if reason:
            center = (float(centers[label][0] / mask.shape[1]), float(centers[label][1] / mask.shape[0]))
            dropped.append(DroppedPart(float(share), center, reason))
        else:
            kept[window] |= part
            total += 1
    return kept, total, tuple(dropped)


def _weight(
    labels: NDArray[np.int32], areas: NDArray[np.float64], centers: NDArray[np.float64], saliency: Saliency
) -> NDArray[np.float64]:
    """Return how likely each part is the main object: the sum of its saliency, reduced toward the picture's rim."""
    height, width = labels.shape
    total = np.bincount(labels.ravel(), saliency.ravel(), minlength=len(areas))
    off = np.hypot(centers[:, 0] / width - 0.5, centers[:, 1] / height - 0.5) / np.sqrt(0.5)
    return np.asarray(total * (1 - 0.5 * off))


def _why_stray(
    lab: NDArray[np.uint8], near_lab: NDArray[np.uint8], part: Mask, others: Mask, main: Mask,
    share: float, gap: float, config: ComponentsConfig,
) -> str:  # fmt: skip
    """Return why the part does not belong to the object, or an empty string."""
    if gap <= config.touching and share < config.near_area:
        return ""
    close = gap <= config.near
    if share < (config.near_area if close else config.far_area):
        return "it is too small"
    if not close and gap > config.far:
        return "it is too far from the object"
    if not _stands_out(near_lab, part, others, config):
        return "it looks like the background around it"
    if close or share >= config.twin_area:
        return ""
    return "" if _overlap(lab[main], near_lab[part]) >= config.alike else "its colours are not the object's"


def _stands_out(lab: NDArray[np.uint8], part: Mask, others: Mask, config: ComponentsConfig) -> bool:
    # Compare the part's middle with a ring clear of it: the guess may be a few pixels too wide or too narrow.
    margin = config.margin_px
    inside = next(core for radius in (margin, 3, 1, 0) if (core := erode(part, radius)).any())
    ring = dilate(part, 2 * margin) & ~dilate(part, 2) & ~others
    if not ring.any():
        return True
    here, there = lab[inside].astype(np.float32), lab[ring].astype(np.float32)
    apart = float(np.linalg.norm(here.mean(axis=0) - there.mean(axis=0)))
    spread = float(np.linalg.norm(there.std(axis=0)))
    return apart > max(config.contrast_lab, config.contrast_spread * spread)


def _overlap(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the intersection of two colour histograms (8 x 8 x 8 bins of Lab), each summing to 1."""
    histograms = []
    for pixels in (first, second):
        bins = (pixels >> 5).astype(np.int32) @ np.array([64, 8, 1], np.int32)
        histograms.append(np.bincount(bins, minlength=512) / len(pixels))
    return float(np.minimum(*histograms).sum())
