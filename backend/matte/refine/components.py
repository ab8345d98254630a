"""A mask of several parts in, the main object and its parts out, with a reason for each dropped part."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.contract.trace import Trace
from backend.images.arrays import Mask, Saliency, check_mask, check_same_size
from backend.images.geometry import dilate, distance_to
from backend.matte.refine.holes import label_holes

MAX_PARTS = 400  # judged one by one; a mask with more is noise, and the lightest parts are dropped
MIN_NOTED_SHARE = 0.001  # smallest dropped part with a note of its own, as a share of the object's area
MAX_NOTED = 5  # dropped parts with a note of their own; a sixth is only counted
MAX_ROUNDS = 12  # each judges what is left by its distance from what the rounds before kept


@dataclass(frozen=True)
class ComponentsConfig:
    """A part stays if it is near what is kept so far, or is far but large.

    Distances are shares of the diagonal of what is kept so far, areas shares of the main object's area. A part's
    colours do not count: on four sets of real photos and three networks, dropping what looks like its surroundings lost
    up to 0.02 IoU, because the second of two animals often does.
    """

    count: int | None = None  # keep this many parts, the most prominent first, and judge none
    near: float = 0.06  # distance up to which a part is near, a bird's beak tip for example
    near_area: float = 0.0005  # smallest near part that is kept
    touching: float = 0.02  # smaller parts up to this distance are kept too: hair or a spine of the object's own edge
    far: float = 3.0  # distance beyond which a part is dropped
    far_area: float = 0.02  # smallest part that is kept when it is not near
    twin_area: float = 0.1  # from this area on a part is kept however far it lies: the other earring
    band_reach: float = 1.5  # diagonal, in the main object's, from which a thin part is no part of it: the rim of a
    # turntable, a table's edge
    band_width: float = 0.35  # greatest mean width of such a band, in the main object's
    group: float = 0.008  # half the gap between parts that count as one, as letters of a word; of the longer side


@dataclass(frozen=True)
class DroppedPart:
    """A part that does not belong to the object."""

    area_share: float  # of the main object's area
    center: tuple[float, float]  # x and y as shares of the picture
    reason: str


def keep_object(mask: Mask, saliency: Saliency, config: ComponentsConfig) -> tuple[Mask, int, tuple[DroppedPart, ...]]:
    """Return the main object of `mask` with the parts that belong to it, how many parts that is, and the dropped ones.

    A part inside the outline of what is kept belongs to it. Raises ValueError for arrays of two sizes.
    """
    check_mask(mask)
    check_same_size(mask, saliency)
    count, labels, stats, centers = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count <= 2:
        return mask.copy(), count - 1, ()
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    order = [int(label) for label in np.argsort(-_weight(labels, areas, centers, saliency)[1:]) + 1]
    main = labels == order[0]
    reasons: dict[int, str] = dict.fromkeys(order[1:], "")
    if config.count is not None:
        kept = np.isin(labels, order[: config.count])
        reasons = dict.fromkeys(order[config.count :], "only the most prominent parts were asked for")
    else:
        shares = _grouped(labels, areas, order[0], config) / areas[order[0]]
        bands = _bands(mask, labels, stats, order[0], config)
        kept = _grow(
            _Scene(labels, stats, main, shares), reasons, [one for one in order[1:] if one not in bands], config
        )
        reasons.update(dict.fromkeys(bands, "it is a thin band that reaches past the object"))
    dropped = []
    for label, reason in reasons.items():
        center = (float(centers[label][0] / mask.shape[1]), float(centers[label][1] / mask.shape[0]))
        dropped.append(DroppedPart(float(areas[label] / areas[order[0]]), center, reason))
    return kept, count - 1 - len(dropped), tuple(dropped)


@dataclass(frozen=True)
class _Scene:
    """What every part is judged by."""

    labels: NDArray[np.int32]  # (H, W): the part of each pixel, 0 outside
    stats: NDArray[np.int32]  # a row for each part, as OpenCV gives it
    main: Mask
    shares: NDArray[np.float64]  # area over the main one's of each part with those that lie close beside it


def _grow(scene: _Scene, reasons: dict[int, str], order: list[int], config: ComponentsConfig) -> Mask:
    """Return the main object with all parts that belong to it; the others stay in `reasons`, with their reason."""
    kept = scene.main.copy()
    for label in order[MAX_PARTS:]:
        reasons[label] = "there are too many parts"
    for _ in range(MAX_ROUNDS):
        rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
        diagonal = float(np.hypot(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1))
        nearest = distance_to(kept)
        enclosed = label_holes(kept)[0] > 0
        added = False
        for label in order[:MAX_PARTS]:
            if label not in reasons:
                continue
            x, y, w, h = scene.stats[label, :4]
            tight = (slice(y, y + h), slice(x, x + w))
            part = scene.labels[tight] == label
            gap = 0.0 if enclosed[tight][part].all() else float(nearest[tight][part].min()) / diagonal
            reasons[label] = _why_stray(float(scene.shares[label]), gap, config)
            if not reasons[label]:
                kept[tight] |= part
                del reasons[label]
                added = True
        if not added:
            break
    return kept


def tell_dropped(dropped: tuple[DroppedPart, ...], trace: Trace) -> None:
    """Note each of the larger dropped parts, and the number of all."""
    for part in [part for part in dropped if part.area_share >= MIN_NOTED_SHARE][:MAX_NOTED]:
        across, down = (round(100 * place) for place in part.center)
        trace.note(
            f"Left out a part of {part.area_share:.1%} of the object's size at {across} % from the left and {down} % "
            f"from the top: {part.reason}. instances=all keeps every part."
        )
    if len(dropped) > MAX_NOTED:
        trace.note(f"Left out {len(dropped)} parts in all.")


def dropped_facts(dropped: tuple[DroppedPart, ...]) -> dict[str, float | int | str | bool]:
    """Return the figures of what was left out: how many parts, and their area over the main object's."""
    share = round(sum(part.area_share for part in dropped), 4)
    return {"parts_dropped": len(dropped), "parts_dropped_share": share}


def _weight(
    labels: NDArray[np.int32], areas: NDArray[np.float64], centers: NDArray[np.float64], saliency: Saliency
) -> NDArray[np.float64]:
    """Return how likely each part is the main object: the sum of its saliency, reduced toward the picture's rim."""
    height, width = labels.shape
    total = np.bincount(labels.ravel(), saliency.ravel(), minlength=len(areas))
    off = np.hypot(centers[:, 0] / width - 0.5, centers[:, 1] / height - 0.5) / np.sqrt(0.5)
    return np.asarray(total * (1 - 0.5 * off))


def _grouped(
    labels: NDArray[np.int32], areas: NDArray[np.float64], main: int, config: ComponentsConfig
) -> NDArray[np.float64]:
    """Return the area of each part with those close beside it, the main object left out."""
    others = (labels > 0) & (labels != main)
    _, groups = cv2.connectedComponents(dilate(others, round(config.group * max(labels.shape))).view(np.uint8))
    totals = np.bincount(groups[others], minlength=int(groups.max()) + 1).astype(np.float64)
    of = np.zeros(len(areas), np.intp)
    of[labels[others]] = groups[others]
    return np.where(of > 0, totals[of], areas)


def _bands(
    mask: Mask, labels: NDArray[np.int32], stats: NDArray[np.int32], main: int, config: ComponentsConfig
) -> list[int]:
    """Return the parts that are thin beside the main object and reach further than it does, with all its like.

    A band all around the main object is no such part: a wheel's rim, the ring of a badge.
    """
    diagonal = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    far = [int(one) for one in np.flatnonzero(diagonal >= config.band_reach * diagonal[main]) if one not in (0, main)]
    if not far:
        return []
    depth = np.bincount(labels.ravel(), distance_to(~mask).ravel()) / stats[:, cv2.CC_STAT_AREA]  # in from the outline
    stout = depth > config.band_width * depth[main]
    stout[0] = False
    corners = stats[stout][:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
    span = (corners + stats[stout][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]).max(axis=0) - corners.min(axis=0)
    reach = config.band_reach * float(np.hypot(*span))
    return [
        one
        for one in far
        if not stout[one] and diagonal[one] >= reach and not (label_holes(labels == one)[0] > 0)[labels == main].all()
    ]


def _why_stray(share: float, gap: float, config: ComponentsConfig) -> str:
    """Return why the part does not belong to the object, or an empty string."""
    if gap <= config.touching and share < config.near_area:
        return ""
    if share < (config.near_area if gap <= config.near else config.far_area):
        return "it is too small"
    if gap > config.far and share < config.twin_area:
        return "it is too far from the object"
    return ""
