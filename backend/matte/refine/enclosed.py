"""Areas in the backdrop's colour that the object encloses: a ring's hole is open, a white label is printed on the box.

Colour cannot tell the two apart, so the shape does. What lies side by side with little between is judged as one: the
panes of a window, the gaps of a chair's back. An opening is wide beside the material around it, or has a thin wall as a
handle has, or is the round middle of a round thing; nothing floats in it. Whatever is done, the figures say it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from backend.images.arrays import Image, Mask, Saliency, check_alpha, check_same_size
from backend.images.geometry import dilate, distance_to, erode
from backend.images.resize import rescale, resize_to, scale_to_fit
from backend.matte.refine.holes import HolesConfig, label_holes

SIDE_PX = 1024  # longer side of the copy on which the areas are judged
WIDE = 1.2  # radius of an opening over that of the thickest material around it
WALL = (1.3, 0.36)  # thickness of a handle over the radius of its opening, and over that of the material
LINK_SHARE, LINKS = 0.6, 6  # the same beside the opening alone, for one of so many: a link of a chain
WALL_SHARE = 0.3  # least share of the area's outline along which the wall is that thin
SLAT = (
    0.75  # thickness of what lies between two areas over their radius, up to which they are one: spokes, slats, panes
)
FACING = 0.25  # least share of an area's outline that lies along the other: squares that meet at corners are not one
PINHOLE = 0.0003  # of the object: a smaller area is too small to be judged, and stays as it is
ALIKE_RADIUS = 0.25  # least radius of an area over that of the one that it is joined to
FLOATING = 2  # least number of pieces that float in an area: it is a surface with print on it
STROKE = 0.06  # half the wall over the radius of a disc as large as the area: less is a drawing, whose eyes float
ROUND = 1.2  # area over that of the inscribed circle, up to which a shape is round; a square has 1.27
CENTRED = 0.15  # of the object's radius: how far a round opening may be off its middle
SQUARE = 0.9  # area over that of the smallest rectangle around it, from which a shape is rectangular
EVEN = 2.0  # thickest wall of a frame over its thinnest; a label leaves more of the box on one side
ROUNDS = 4  # closing what is printed makes the material thicker, so that the rest is judged again
ALIKE = (4.0, 2.0)  # 8-bit Lab, and deviations of the backdrop: what `open` takes for the backdrop's colour
SAID = (0.2, 0.8)  # mean saliency up to which a network sees background in an area, and from which object
LEAST = 0.001  # of the object: smallest area that `open` opens


@dataclass(frozen=True)
class Enclosed:
    """What became of the enclosed areas; shares are of the object's area with all that it encloses."""

    closed: int = 0
    closed_share: float = 0.0
    opened: int = 0
    opened_share: float = 0.0
    doubtful: float = 0.0  # share of the areas for which no network agrees with what their shape says

    @property
    def facts(self) -> dict[str, float | int | str | bool]:
        """Figures for the report."""
        return {
            "enclosed_closed": self.closed,
            "enclosed_closed_share": round(self.closed_share, 4),
            "enclosed_open": self.opened,
            "enclosed_open_share": round(self.opened_share, 4),
        }


def settle_enclosed(saliency: Saliency, config: HolesConfig, said: Saliency | None = None) -> tuple[Saliency, Enclosed]:
    """Return a `saliency` told by colour alone with its enclosed areas closed by the policy, and what was done.

    `keep` and `open` close none, `fill` all up to its share, `auto` those that are printed by their shape. `said` is a
    network's saliency of the same picture: what it sees as background is open, what it sees as object may be an opening
    that it has filled. Raises ValueError for arrays of two sizes.
    """
    check_alpha(saliency)
    small = np.clip(rescale(saliency, scale_to_fit(saliency.shape, SIDE_PX)), 0, 1)
    mask = small >= 0.5
    labels, areas = label_holes(mask)
    if not len(areas):
        return saliency, Enclosed()
    doubtful = np.zeros(len(areas), np.bool_)
    if config.policy == "fill":
        closing = areas <= config.fill_share * np.count_nonzero(mask)
    elif config.policy == "auto":
        closing = _are_printed(mask, labels, areas)
        doubtful[:] = True
        if said is not None:
            check_same_size(saliency, said)
            mean = _means(resize_to(said, mask.shape), labels, areas)
            doubtful = np.where(closing, mean < SAID[1], mean > SAID[0])
            closing = closing & (mean > SAID[0])
    else:
        closing = np.zeros(len(areas), np.bool_)
    closed = np.concatenate([[False], closing])[labels]
    whole = np.count_nonzero(mask) + int(areas.sum())
    found = Enclosed(
        int(closing.sum()), float(np.count_nonzero(closed) / whole),
        int((~closing).sum()), float(areas[~closing].sum() / whole),
        float(areas[doubtful].sum() / whole),
    )  # fmt: skip
    return (_filled(saliency, mask, closed) if closed.any() else saliency), found


def _means(values: Saliency, labels: NDArray[np.int32], areas: NDArray[np.int32]) -> NDArray[np.float64]:
    total = np.bincount(labels.ravel(), values.ravel(), minlength=len(areas) + 1)[1:]
    return np.asarray(total / areas, np.float64)


def _filled(saliency: Saliency, mask: Mask, closed: Mask) -> Saliency:
    # The area's own rim is half covered; the object's other edges must stay as they are.
    solid = closed | (dilate(closed, 2) & erode(mask | closed, 2))
    full = cv2.resize(solid.view(np.uint8), saliency.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return np.where(full, np.float32(1), saliency)


def _are_printed(mask: Mask, labels: NDArray[np.int32], areas: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return for each enclosed area whether it belongs to the object."""
    printed = np.zeros(len(areas), np.bool_)
    least = PINHOLE * (np.count_nonzero(mask) + int(areas.sum()))
    groups = [group for group in _groups(labels, len(areas)) if areas[group.holes].sum() >= least]
    chain = len(groups) >= LINKS
    for _ in range(ROUNDS):
        material = mask | np.concatenate([[False], printed])[labels]
        around = _Around.of(material, labels)
        fresh = [group for group in groups if not printed[group.holes[0]] and not _is_open(group, around, chain)]
        for group in fresh:
            printed[group.holes] = True
        if not fresh or printed.all():
            break
    return printed


@dataclass(frozen=True)
class _Group:
    """Areas that are judged as one."""

    holes: list[int]
    window: "Window"
    area: Mask  # inside the window, with what lies between the areas
    radius: float  # of the largest disc in it


def _groups(labels: NDArray[np.int32], count: int) -> list[_Group]:
    windows = [_wider(window, labels.shape, 2) for window in find_objects(labels)]
    radii = [float(_depth(labels[window] == hole + 1).max()) for hole, window in enumerate(windows)]
    rim = (labels > 0) & ~erode(labels > 0, 1)
    lengths = np.bincount(labels[rim], minlength=count + 1)
    parent = list(range(count))
    for hole, window in enumerate(windows):
        reach = SLAT * radii[hole]
        wide = _wider(window, labels.shape, int(reach) + 1)
        near = rim[wide] & (labels[wide] != hole + 1) & (distance_to(labels[wide] == hole + 1) <= reach)
        along = np.bincount(labels[wide][near], minlength=count + 1)
        for other in np.flatnonzero(along >= FACING * np.maximum(lengths, 1)) - 1:
            if other >= 0 and ALIKE_RADIUS * radii[hole] <= radii[other] <= radii[hole]:
                parent[_root(parent, int(other))] = _root(parent, hole)
    members: dict[int, list[int]] = {}
    for hole in range(count):
        members.setdefault(_root(parent, hole), []).append(hole)
    return [_group(labels, holes, windows, radii) for holes in members.values()]


def _root(parent: list[int], one: int) -> int:
    while parent[one] != one:
        one = parent[one]
    return one


def _group(labels: NDArray[np.int32], holes: list[int], windows: list["Window"], radii: list[float]) -> _Group:
    if len(holes) == 1:
        return _Group(holes, windows[holes[0]], labels[windows[holes[0]]] == holes[0] + 1, radii[holes[0]])
    between = SLAT * max(radii[hole] for hole in holes) / 2 + 1
    rows, columns = zip(*(windows[hole] for hole in holes), strict=True)
    down, across = (slice(min(one.start for one in side), max(one.stop for one in side)) for side in (rows, columns))
    window = _wider((down, across), labels.shape, int(between) + 2)
    reached = distance_to(np.isin(labels[window], np.add(holes, 1))) <= between
    area = distance_to(~reached) > between
    return _Group(holes, window, area, float(_depth(area).max()))


Window = tuple[slice, slice]


def _wider(window: Window, shape: tuple[int, ...], by: int) -> Window:
    rows, columns = window
    return (
        slice(max(rows.start - by, 0), min(rows.stop + by, shape[0])),
        slice(max(columns.start - by, 0), min(columns.stop + by, shape[1])),
    )


@dataclass(frozen=True)
class _Around:
    """The material that the areas lie in."""

    parts: NDArray[np.int32]  # (H, W): the connected part of each pixel, 0 outside
    thickness: NDArray[np.float32]  # of each part: the radius of the largest disc in it
    wall: NDArray[np.float32]  # (H, W): distance to the outside
    areas: NDArray[np.float64]  # of each part, with what it encloses
    boxes: list[Window | None]

    @classmethod
    def of(cls, material: Mask, labels: NDArray[np.int32]) -> "_Around":
        count, parts = cv2.connectedComponents(material.view(np.uint8), connectivity=8)
        depth = _depth(material)
        thickness = np.zeros(count, np.float32)
        np.maximum.at(thickness, parts[material], depth[material])
        still = (labels > 0) & ~material
        nearest = _nearest_part(parts, still)
        open_areas = np.bincount(nearest[still], minlength=count).astype(np.float64)
        areas = np.bincount(parts[material], minlength=count) + open_areas
        outside = ~material & ~still
        return cls(parts, thickness, distance_to(outside), areas, find_objects(parts))


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


def _is_open(group: _Group, around: _Around, chain: bool) -> bool:
    parts = around.parts[group.window]
    filled = _filled_out(group.area)
    rim = dilate(filled, 1) & ~filled & (parts > 0)
    owners = np.bincount(parts[rim])
    if not len(owners):
        return True
    part = int(np.argmax(owners))
    thickness, wall = float(around.thickness[part]), around.wall[group.window][rim]
    pieces = np.setdiff1d(parts[filled], (0, part))
    if len(pieces) >= FLOATING and wall.mean() / 2 > STROKE * np.sqrt(np.count_nonzero(filled) / np.pi):
        return False
    wide = group.radius > WIDE * thickness
    if _is_rectangle(filled):
        return wide and not (_is_panel(part, around) and np.percentile(wall, 90) > EVEN * np.percentile(wall, 10))
    if wide or _is_middle(group, part, around):
        return True
    narrow = wall < WALL[0] * group.radius
    thin = narrow & (wall < WALL[1] * thickness)
    return float(thin.mean()) > WALL_SHARE or (chain and float(narrow.mean()) > LINK_SHARE)


def _filled_out(area: Mask) -> Mask:
    outlines, _ = cv2.findContours(area.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros(area.shape, np.uint8), outlines, -1, 1, cv2.FILLED) > 0)


def _is_rectangle(area: Mask) -> bool:
    points = cv2.findNonZero(area.view(np.uint8))
    (_, (width, height), _) = cv2.minAreaRect(points)
    return bool(np.count_nonzero(area) > SQUARE * (width + 1) * (height + 1))


def _is_panel(part: int, around: _Around) -> bool:
    """Return whether the part is a rectangle: a box, a sign, a picture frame."""
    box = around.boxes[part - 1]
    if box is None:
        return False
    sides = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
    return bool(around.areas[part] > SQUARE * sides)


def _is_middle(group: _Group, part: int, around: _Around) -> bool:
    """Return whether the area is the round middle of a round part: of a washer, a disc, a roll of tape."""
    box = around.boxes[part - 1]
    if box is None or np.count_nonzero(group.area) > ROUND * np.pi * group.radius**2:
        return False
    height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
    outer = (height + width) / 4
    if abs(height - width) > 0.1 * (height + width) or abs(around.areas[part] / (np.pi * outer**2) - 1) > ROUND - 1:
        return False
    rows, columns = np.nonzero(group.area)
    down = rows.mean() + group.window[0].start - (box[0].start + box[0].stop - 1) / 2
    across = columns.mean() + group.window[1].start - (box[1].start + box[1].stop - 1) / 2
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
