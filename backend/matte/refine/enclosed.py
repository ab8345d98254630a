"""Areas in the backdrop's colour that the object encloses: a ring's hole is open, a white label is printed on the box.

Colour cannot tell the two apart, so the shape does. An opening is wide beside the material around it, or has a thin
wall as a handle has, or is the round middle of a round thing. Whatever is done, the figures say it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from backend.images.arrays import Image, Mask, Saliency, check_alpha, check_same_size
from backend.images.geometry import dilate, distance_to, erode
from backend.images.resize import rescale, scale_to_fit
from backend.matte.refine.holes import HolesConfig, label_holes

SIDE_PX = 1024  # longer side of the copy on which the areas are judged
WIDE = 1.2  # radius of an opening over that of the thickest material around it
WALL = (1.3, 0.36)  # thickness of a handle over the radius of its opening, and over that of the material
WALL_SHARE = 0.3  # least share of the area's outline along which the wall is that thin
SLAT = 0.9  # thickness of what lies between two openings over their radius: spokes, slats, a grid
SLAT_SHARE = 0.6  # least share of the area's outline along which that is so
ROUND = 1.3  # area over that of the inscribed circle, up to which a shape is round
CENTRED = 0.15  # of the object's radius: how far a round opening may be off its middle
SQUARE = 0.9  # area over that of the smallest rectangle around it, from which a shape is rectangular
FRAME = 0.5  # share of a rectangle that its rectangular areas take up, from which it is a frame
ROUNDS = 4  # closing what is printed makes the material thicker, so that the rest is judged again
ALIKE = (4.0, 2.0)  # 8-bit Lab, and deviations of the backdrop: what `open` takes for the backdrop's colour
LEAST = 0.001  # of the object: smallest area that `open` opens


@dataclass(frozen=True)
class Enclosed:
    """What became of the enclosed areas; shares are of the object's area with all that it encloses."""

    closed: int = 0
    closed_share: float = 0.0
    opened: int = 0
    opened_share: float = 0.0

    @property
    def facts(self) -> dict[str, float | int | str | bool]:
        """Figures for the report."""
        return {
            "enclosed_closed": self.closed,
            "enclosed_closed_share": round(self.closed_share, 4),
            "enclosed_open": self.opened,
            "enclosed_open_share": round(self.opened_share, 4),
        }


def settle_enclosed(saliency: Saliency, config: HolesConfig) -> tuple[Saliency, Enclosed]:
    """Return a `saliency` told by colour alone with its enclosed areas closed by the policy, and what was done.

    `keep` and `open` close none, `fill` all up to its share, `auto` those that are printed by their shape.
    """
    check_alpha(saliency)
    small = np.clip(rescale(saliency, scale_to_fit(saliency.shape, SIDE_PX)), 0, 1)
    mask = small >= 0.5
    labels, areas = label_holes(mask)
    if not len(areas):
        return saliency, Enclosed()
    if config.policy == "fill":
        closing = areas <= config.fill_share * np.count_nonzero(mask)
    elif config.policy == "auto":
        closing = _are_printed(mask, labels, areas)
    else:
        closing = np.zeros(len(areas), np.bool_)
    closed = np.concatenate([[False], closing])[labels]
    whole = np.count_nonzero(mask) + int(areas.sum())
    found = Enclosed(
        int(closing.sum()), float(np.count_nonzero(closed) / whole),
        int((~closing).sum()), float(areas[~closing].sum() / whole),
    )  # fmt: skip
    return (_filled(saliency, mask, closed) if closed.any() else saliency), found


def _filled(saliency: Saliency, mask: Mask, closed: Mask) -> Saliency:
    # The area's own rim is half covered; the object's other edges must stay as they are.
    solid = closed | (dilate(closed, 2) & erode(mask | closed, 2))
    full = cv2.resize(solid.view(np.uint8), saliency.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return np.where(full, np.float32(1), saliency)


def _are_printed(mask: Mask, labels: NDArray[np.int32], areas: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return for each enclosed area whether it belongs to the object."""
    printed = np.zeros(len(areas), np.bool_)
    windows = [_wider(window, labels.shape) for window in find_objects(labels)]
    radii = [float(_depth(labels[window] == hole + 1).max()) for hole, window in enumerate(windows)]
    for _ in range(ROUNDS):
        material = mask | np.concatenate([[False], printed])[labels]
        around = _Around.of(material, labels, printed)
        fresh = [
            hole
            for hole in np.flatnonzero(~printed)
            if not _is_open(labels[windows[hole]] == hole + 1, windows[hole], radii[hole], around)
        ]
        printed[fresh] = True
        if not fresh or printed.all():
            break
    return printed


Window = tuple[slice, slice]


def _wider(window: Window, shape: tuple[int, ...]) -> Window:
    rows, columns = window
    return (
        slice(max(rows.start - 2, 0), min(rows.stop + 2, shape[0])),
        slice(max(columns.start - 2, 0), min(columns.stop + 2, shape[1])),
    )


@dataclass(frozen=True)
class _Around:
    """The material that the areas lie in."""

    parts: NDArray[np.int32]  # (H, W): the connected part of each pixel, 0 outside
    thickness: NDArray[np.float32]  # of each part: the radius of the largest disc in it
    wall: NDArray[np.float32]  # (H, W): distance to the outside
    areas: NDArray[np.float64]  # of each part, with what it encloses
    boxes: list[Window | None]
    open_areas: NDArray[np.float64]  # of each part: pixels of the enclosed areas that are not closed

    @classmethod
    def of(cls, material: Mask, labels: NDArray[np.int32], printed: NDArray[np.bool_]) -> "_Around":
        count, parts = cv2.connectedComponents(material.view(np.uint8), connectivity=8)
        depth = _depth(material)
        thickness = np.zeros(count, np.float32)
        np.maximum.at(thickness, parts[material], depth[material])
        still = (labels > 0) & ~material
        nearest = _nearest_part(parts, still)
        open_areas = np.bincount(nearest[still], minlength=count).astype(np.float64)
        areas = np.bincount(parts[material], minlength=count) + open_areas
        outside = ~material & ~still
        return cls(parts, thickness, distance_to(outside), areas, find_objects(parts), open_areas)


def _nearest_part(parts: NDArray[np.int32], where: Mask) -> NDArray[np.int32]:
    """Return `parts` with each pixel of `where` given to the nearest part."""
    if not where.any():
        return parts
    free = (parts == 0).view(np.uint8)
    _, cells = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    of_cell = np.zeros(int(cells.max()) + 1, np.int32)
    of_cell[cells[parts > 0]] = parts[parts > 0]
    return np.asarray(np.where(where, of_cell[cells], parts), np.int32)


def _depth(mask: Mask) -> NDArray[np.float32]:
    """Return each pixel's distance to the outside of `mask`; the picture's frame is not outside."""
    return distance_to(~mask)


def _is_open(area: Mask, window: Window, radius: float, around: _Around) -> bool:
    rim = dilate(area, 1) & (around.parts[window] > 0)
    owners = np.bincount(around.parts[window][rim])
    if not len(owners):
        return True
    part = int(np.argmax(owners))
    thickness = float(around.thickness[part])
    if _is_rectangle(area) and _is_panel(part, around):
        return False
    if radius > WIDE * thickness or _is_middle(area, window, radius, part, around):
        return True
    thin = around.wall[window][rim] < min(WALL[0] * radius, WALL[1] * thickness)
    return float(thin.mean()) > WALL_SHARE or _is_in_a_grid(area, window, radius, around)


def _is_in_a_grid(area: Mask, window: Window, radius: float, around: _Around) -> bool:
    room = int(radius) + 2
    rows, columns = (slice(max(side.start - room, 0), side.stop + room) for side in window)
    beside = around.parts[rows, columns] == 0
    here = np.zeros(beside.shape, np.bool_)
    down, across = window[0].start - rows.start, window[1].start - columns.start
    here[down : down + area.shape[0], across : across + area.shape[1]] = area
    rim = dilate(here, 1) & ~here
    return float((distance_to(beside & ~here)[rim] < SLAT * radius).mean()) > SLAT_SHARE


def _is_rectangle(area: Mask) -> bool:
    points = cv2.findNonZero(area.view(np.uint8))
    (_, (width, height), _) = cv2.minAreaRect(points)
    return bool(np.count_nonzero(area) > SQUARE * (width + 1) * (height + 1))


def _is_panel(part: int, around: _Around) -> bool:
    """Return whether the part is a rectangle with little of it in question: a box or a sign, not a picture frame."""
    box = around.boxes[part - 1]
    if box is None or around.open_areas[part] > FRAME * around.areas[part]:
        return False
    sides = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
    return bool(around.areas[part] > SQUARE * sides)


def _is_middle(area: Mask, window: Window, radius: float, part: int, around: _Around) -> bool:
    """Return whether the area is the round middle of a round part: of a washer, a disc, a roll of tape."""
    box = around.boxes[part - 1]
    if box is None or np.count_nonzero(area) > ROUND * np.pi * radius**2:
        return False
    height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
    outer = (height + width) / 4
    if abs(height - width) > 0.1 * (height + width) or abs(around.areas[part] / (np.pi * outer**2) - 1) > ROUND - 1:
        return False
    rows, columns = np.nonzero(area)
    down = rows.mean() + window[0].start - (box[0].start + box[0].stop - 1) / 2
    across = columns.mean() + window[1].start - (box[1].start + box[1].stop - 1) / 2
    return bool(np.hypot(down, across) < CENTRED * outer)


def open_enclosed(image: Image, saliency: Saliency) -> tuple[Saliency, Enclosed]:
    """Return `saliency` with every area opened that lies inside the object in the colour of the backdrop around it.

    Raises ValueError for arrays of two sizes.
    """
    check_alpha(saliency)
    check_same_size(image, saliency)
    scale = scale_to_fit(saliency.shape, SIDE_PX)
    small = np.clip(rescale(saliency, scale), 0, 1)
    lab = cv2.cvtColor(np.ascontiguousarray(rescale(image, scale)), cv2.COLOR_RGB2LAB).astype(np.float32)
    mask, backdrop = small >= 0.5, erode(small < 0.05, 2)
    if not mask.any() or not backdrop.any():
        return saliency, Enclosed()
    color = np.median(lab[backdrop], axis=0)
    spread = float(np.median(np.abs(lab[backdrop] - color)))
    alike = np.linalg.norm(cv2.GaussianBlur(lab, (0, 0), 0.7) - color, axis=2) < ALIKE[0] + ALIKE[1] * spread
    whole = np.count_nonzero(mask)
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alike & erode(mask, 2)).view(np.uint8), connectivity=4)
    wide = stats[:, cv2.CC_STAT_AREA] >= max(9, LEAST * whole)
    wide[0] = False
    chosen = wide[labels]
    if not chosen.any():
        return saliency, Enclosed()
    # The area's half-covered rim is opened with it: its alpha is made again by the edge stage.
    full = cv2.resize(dilate(chosen, 1).view(np.uint8), saliency.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    done = Enclosed(opened=int(wide.sum()), opened_share=np.count_nonzero(chosen) / whole)
    return np.where(full, np.float32(0), saliency), done
