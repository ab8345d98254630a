"""Mesh and the matte that it was made from -> the mesh figures of the report, with its scorecard."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.contract.report import MeshFigures, SolidFigures
from backend.images.arrays import Alpha, Mask, check_alpha
from backend.images.resize import resize_to
from backend.mesh.camera import project
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh
from backend.mesh.placing import Placed, place
from backend.mesh.raster import fragments
from backend.mesh.scorecard import MIN_WALL, Facts, judge
from backend.mesh.topology import Topology, Welded, topology, weld
from backend.mesh.walls import wall_thickness

WALL_RAYS = 192  # along the longest side
MAX_VIEW_PX, MIN_VIEW_PX = 1024, 512  # sides of the picture in which silhouettes are compared
PART_SHARE = 0.001  # smallest place of the matte that a mesh may not lose, as a share of the matte's area
RIM_PX = 2  # pixels of the matte that are nearer to the mesh than this are not lost: rims differ
DEEP_SHARE = 0.01  # of the picture's side: how far a lost place reaches away from the mesh at least
ADDED_SHARE, FAR_SHARE = 0.005, 0.02  # as PART_SHARE and DEEP_SHARE, of what the mesh has beyond the matte


def measure_solid(placed: Placed) -> SolidFigures:
    """Return the figures of a mesh as its file has it."""
    return _solid(placed)[0]


def measure(
    mesh: Mesh, framed: Framed, placed: Placed | None = None, guessed: str = "", doubted: bool = False
) -> MeshFigures:
    """Return the figures and the scorecard of a mesh that was made from a framed object.

    Lengths and bounds are those of the mesh as it is `placed` in its file; None: with y up and in world units.
    `guessed` says what of the shape is a guess; `doubted`, that the matte's own segmenter distrusts it.
    Raises ValueError for a mesh without faces."""
    placed = placed or place(mesh)
    solid, found = _solid(placed)
    welded = weld(mesh)
    points = welded.points[np.unique(welded.faces)]
    flatness = _flatness(welded)
    thickness = _thickness(mesh, len(framed.alpha))
    seen = thickness > 0.0
    matte = _matte(framed.alpha, len(seen))
    lost_parts, lost_share = _apart(matte, seen, PART_SHARE, DEEP_SHARE)
    added_parts, added_share = _apart(seen, matte, ADDED_SHARE, FAR_SHARE)
    extent = max(float(np.ptp(points, axis=0).max()), 1e-9)
    mean = float(thickness[seen].mean()) if seen.any() else 0.0
    facts = Facts(
        found=found,
        inside_out=solid.volume is not None and solid.volume < 0.0,
        flatness=flatness,
        thickness=mean / extent,
        thin_share=float((thickness[seen] < MIN_WALL * extent).mean()) if seen.any() else 0.0,
        iou=_iou(seen, matte),
        loose_parts=max(0, found.components - max(1, _count(matte, seen))),
        lost_parts=lost_parts,
        lost_share=lost_share,
        guessed=guessed,
        added_parts=added_parts,
        added_share=added_share,
        doubted=doubted,
    )
    if judge(facts)["ready"]:  # the camera sees no wall from its edge, and these rays cost time
        wall = wall_thickness(mesh, WALL_RAYS)
        facts = replace(facts, wall=None if wall is None else wall / extent)
    return MeshFigures(
        **solid.model_dump(),
        **judge(facts),
        guessed=guessed,
        loose_parts=facts.loose_parts,
        lost_parts=lost_parts,
        lost_share=lost_share,
        thin_share=facts.thin_share,
        flatness=flatness,
        mean_thickness=mean * placed.scale,
        silhouette_iou=facts.iou,
    )


def _solid(placed: Placed) -> tuple[SolidFigures, Topology]:
    welded = weld(placed.mesh)
    found = topology(welded)
    points = welded.points[np.unique(welded.faces)]
    low, high = (tuple(float(value) for value in bound) for bound in (points.min(axis=0), points.max(axis=0)))
    solid = SolidFigures(
        vertices=len(points),
        faces=len(placed.mesh.faces),
        watertight=found.closed,
        winding_consistent=found.consistent,
        volume=_volume(welded) if found.closed else None,
        bounds=(low, high),
        components=found.components,
        wall_mm=_wall_mm(placed) if placed.sized else None,
    )
    return solid, found


def _wall_mm(placed: Placed) -> float | None:
    wall = wall_thickness(placed.mesh)
    return None if wall is None else wall * (1000.0 if placed.unit == "m" else 1.0)


def silhouette_iou(mesh: Mesh, alpha: Alpha) -> float:
    """Return the overlap (intersection over union, 0 to 1) of the mesh, seen by the input camera, with a framed matte
    (n, n) cut at 0.5.

    They are compared at the matte's size between 512 and 1,024 px: a smaller matte is interpolated, a larger averaged.
    """
    check_alpha(alpha)
    seen = _thickness(mesh, len(alpha)) > 0.0
    return _iou(seen, _matte(alpha, len(seen)))


def _thickness(mesh: Mesh, side: int) -> NDArray[np.float64]:
    """Return the distance of nearest and farthest surface at each pixel of the input camera's picture; 0 where it sees
    none, and at least a trifle where it sees one."""
    size = int(np.clip(side, MIN_VIEW_PX, MAX_VIEW_PX))
    across, down, depth = project(mesh.vertices)
    faces = mesh.faces[(depth[mesh.faces] > 0.01).all(axis=1)]
    closest, farthest = np.zeros(size * size), np.full(size * size, np.inf)  # of 1 / depth
    inverse = 1.0 / depth
    for part in fragments(np.stack([across, down], axis=-1) * size, faces, size, size):
        near = sum(part.weights[:, k] * inverse[faces[part.face, k]] for k in range(3))
        np.maximum.at(closest, part.pixel, near)
        np.minimum.at(farthest, part.pixel, near)
    seen = closest > 0.0
    thickness = np.zeros(size * size)
    thickness[seen] = np.maximum(1.0 / farthest[seen] - 1.0 / closest[seen], 1e-9)
    return thickness.reshape(size, size)


def _matte(alpha: Alpha, size: int) -> Mask:
    """Return the matte, cut at 0.5, at the size of a view."""
    matte = resize_to(alpha, (size, size))
    inside: Mask = matte >= min(0.5, 0.5 * float(matte.max()))
    return inside


def _iou(seen: Mask, inside: Mask) -> float:
    return float((seen & inside).sum() / max(1, (seen | inside).sum()))


def _apart(shape: Mask, other: Mask, least_share: float, least_depth: float) -> tuple[int, float]:
    """Return how many places of `shape` the `other` does not cover, and their share of the shape's area. They have
    `least_share` of it at least, and reach away from the other by `least_depth` of the picture's side."""
    away = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, 5)
    far = shape & (away > RIM_PX)
    _, places, stats, _ = cv2.connectedComponentsWithStats((shape & ~other).astype(np.uint8), connectivity=8)
    deep = np.zeros(len(stats), bool)
    deep[np.unique(places[shape & (away > least_depth * len(other))])] = True
    deep[0] = False
    areas = np.bincount(places[far], minlength=len(stats))[deep]
    large = areas >= least_share * np.count_nonzero(shape)
    return int(large.sum()), float(areas[large].sum() / max(1, np.count_nonzero(shape)))


def _count(inside: Mask, seen: Mask) -> int:
    """Return the number of the matte's parts that the mesh covers somewhere, however small: a speck that it does not
    have is no reason for a loose piece elsewhere."""
    parts = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)[1]
    return int(np.count_nonzero(np.unique(parts[inside & seen])))


def _flatness(welded: Welded) -> float:
    """Return the smallest over the largest extent along the principal axes of the surface, weighted by area."""
    corners = welded.points[welded.faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not areas.sum() > 0.0:
        return 0.0
    centres = corners.mean(axis=1)
    offset = centres - np.average(centres, axis=0, weights=areas)
    scatter = np.einsum("ni,nj,n->ij", offset, offset, areas)
    _, axes = np.linalg.eigh(scatter)
    along = np.stack([(welded.points * axis).sum(axis=1) for axis in axes.T])
    extents = np.ptp(along[:, np.unique(welded.faces)], axis=1)
    return float(extents.min() / extents.max())


def _volume(welded: Welded) -> float:
    a, b, c = (welded.points[welded.faces[:, k]].astype(np.float64) for k in range(3))
    volume: NDArray[np.float64] = (a * np.cross(b, c)).sum() / 6.0
    return float(volume)
