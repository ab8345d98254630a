"""Mesh and the matte that made it -> the figures of the report, and in words what a person should know of them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.contract.report import MeshFigures
from backend.images.arrays import Alpha, Mask, check_alpha
from backend.mesh.camera import project
from backend.mesh.framing import Framed
from backend.mesh.mesh import Mesh
from backend.mesh.raster import fragments
from backend.mesh.topology import Topology, Welded, topology, weld

FINEST_PX, COARSEST_PX = 1024, 512  # the picture that silhouettes are compared in
PAPER_FLATNESS = 0.06  # a coin is 0.08
PAPER_THICKNESS = 0.04  # of the size
POOR_IOU = 0.85  # a matte and the solid of it should differ by rim pixels only


def measure(mesh: Mesh, framed: Framed) -> MeshFigures:
    """Return the figures of a mesh made from a framed object. Raises ValueError for a mesh without faces."""
    if len(mesh.faces) == 0:
        raise ValueError("a mesh to measure has faces")
    welded = weld(mesh)
    hangs = topology(welded)
    points = welded.points[np.unique(welded.faces)]
    flatness = _flatness(welded)
    seen, thickness = _view(mesh, len(framed.alpha))
    iou = _iou(seen, framed.alpha)
    extent = float(np.ptp(points, axis=0).max())
    low, high = (tuple(float(value) for value in bound) for bound in (points.min(axis=0), points.max(axis=0)))
    return MeshFigures(
        vertices=len(points),
        faces=len(mesh.faces),
        watertight=hangs.closed,
        winding_consistent=hangs.consistent,
        volume=_volume(welded) if hangs.closed else None,
        bounds=(low, high),
        components=hangs.components,
        flatness=flatness,
        mean_thickness=thickness,
        silhouette_iou=iou,
        advice=_advice(hangs, flatness, thickness / max(extent, 1e-9), iou),
    )


def silhouette_iou(mesh: Mesh, alpha: Alpha) -> float:
    """Return the overlap, 0 to 1, of the mesh seen by the input camera with the framed matte (n, n) at 0.5.

    Compared at the matte's own size between 512 and 1,024 px: a smaller matte is interpolated, a larger one averaged.
    """
    check_alpha(alpha)
    return _iou(_view(mesh, len(alpha))[0], alpha)


def _view(mesh: Mesh, side: int) -> tuple[Mask, float]:
    """Return the pixels that the mesh covers in the input camera's picture, and its mean thickness over them."""
    size = int(np.clip(side, COARSEST_PX, FINEST_PX))
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
    how = cv2.INTER_AREA if len(alpha) >= len(seen) else cv2.INTER_LINEAR
    matte = cv2.resize(alpha, seen.shape[::-1], interpolation=how)
    held = matte >= min(0.5, 0.5 * float(matte.max()))
    return float((seen & held).sum() / max(1, (seen | held).sum()))


def _flatness(welded: Welded) -> float:
    """Return the smallest over the largest extent along the axes of the surface's own scatter, weighted by area."""
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


def _advice(hangs: Topology, flatness: float, thickness: float, iou: float) -> tuple[str, ...]:
    said = []
    if flatness < PAPER_FLATNESS or thickness < PAPER_THICKNESS:
        said.append(
            "The mesh is paper-thin; a cleaner mask, a photo from an angle that shows the object's depth, "
            "or another mesh engine may help."
        )
    if not hangs.closed:
        said.append(
            f"The mesh is cut open along {hangs.open_edges} edges; the object may reach out of the engine's box: "
            "try a smaller foreground_ratio."
            if hangs.open_edges
            else "The mesh has edges that more than two faces share, so some programs will not take it for a solid."
        )
    if iou < POOR_IOU:
        said.append(
            f"Seen from the photo's side, the mesh covers the mask to {iou:.0%} only; look at the mask and the mesh "
            "before using it."
        )
    return tuple(said)
