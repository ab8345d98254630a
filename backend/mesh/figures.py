"""Mesh and the matte that it was made from -> the mesh figures of the report, and advice in words."""

import numpy as np
from numpy.typing import NDArray

from backend.contract.report import MeshFigures
from backend.images.arrays import Alpha, Mask, check_alpha
from backend.images.resize import resize_to
from backend.mesh.camera import project
from backend.mesh.export import TURNS, Up
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh
from backend.mesh.raster import fragments
from backend.mesh.topology import Topology, Welded, topology, weld

MAX_VIEW_PX, MIN_VIEW_PX = 1024, 512  # sides of the picture in which silhouettes are compared
MIN_FLATNESS = 0.06  # below it a mesh counts as paper-thin; a coin has 0.08
MIN_THICKNESS = 0.04  # mean thickness as a share of the extent; below it a mesh counts as paper-thin
MIN_IOU = 0.85  # below it the advice names the overlap; a good mesh and its matte differ in rim pixels only


def measure(mesh: Mesh, framed: Framed, up: Up = "y") -> MeshFigures:
    """Return the figures of a mesh that was made from a framed object, its bounds in the axes of a file with that `up`.

    Raises ValueError for a mesh without faces."""
    if len(mesh.faces) == 0:
        raise ValueError("a mesh to measure needs faces")
    welded = weld(mesh)
    found = topology(welded)
    points = welded.points[np.unique(welded.faces)]
    flatness = _flatness(welded)
    seen, thickness = _view(mesh, len(framed.alpha))
    iou = _iou(seen, framed.alpha)
    extent = float(np.ptp(points, axis=0).max())
    turned = points @ TURNS[up].T + 0.0
    low, high = (tuple(float(value) for value in bound) for bound in (turned.min(axis=0), turned.max(axis=0)))
    return MeshFigures(
        vertices=len(points),
        faces=len(mesh.faces),
        watertight=found.closed,
        winding_consistent=found.consistent,
        volume=_volume(welded) if found.closed else None,
        bounds=(low, high),
        components=found.components,
        flatness=flatness,
        mean_thickness=thickness,
        silhouette_iou=iou,
        advice=_advice(found, flatness, thickness / max(extent, 1e-9), iou),
    )


def silhouette_iou(mesh: Mesh, alpha: Alpha) -> float:
    """Return the overlap (intersection over union, 0 to 1) of the mesh, seen by the input camera, with a framed matte
    (n, n) cut at 0.5.

    They are compared at the matte's size between 512 and 1,024 px: a smaller matte is interpolated, a larger averaged.
    """
    check_alpha(alpha)
    return _iou(_view(mesh, len(alpha))[0], alpha)


def _view(mesh: Mesh, side: int) -> tuple[Mask, float]:
    """Return which pixels of the input camera's picture the mesh covers, and its mean thickness over them."""
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
    thickness = 1.0 / farthest[seen] - 1.0 / closest[seen]
    return seen.reshape(size, size), float(thickness.mean()) if seen.any() else 0.0


def _iou(seen: Mask, alpha: Alpha) -> float:
    matte = resize_to(alpha, (seen.shape[0], seen.shape[1]))
    inside = matte >= min(0.5, 0.5 * float(matte.max()))
    return float((seen & inside).sum() / max(1, (seen | inside).sum()))


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


def _advice(found: Topology, flatness: float, thickness: float, iou: float) -> tuple[str, ...]:
    advice = []
    if flatness < MIN_FLATNESS or thickness < MIN_THICKNESS:
        advice.append(
            "The mesh is paper-thin; a cleaner mask, a photo from an angle that shows the object's depth, "
            "or another mesh engine may help."
        )
    if not found.closed:
        advice.append(
            f"The mesh is cut open along {found.open_edges} edges, probably where the object leaves the engine's box; "
            "try a smaller foreground_ratio."
            if found.open_edges
            else "The mesh has edges that more than two faces share, so some programs will not accept it as a solid."
        )
    if iou < MIN_IOU:
        advice.append(
            f"Seen by the camera, the mesh covers the mask to only {iou:.0%}; check the mask and the mesh before you "
            "use it."
        )
    return tuple(advice)
