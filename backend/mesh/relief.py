"""Embedded mesh engine: silhouette and optional disparity -> a closed, textured solid, without weights.

A flat mesh of the matte becomes a front and a back that bulge away from each other and meet in the contour. Vertices
move along their camera rays, so the input camera sees exactly the matte, whatever the bulge.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from backend.cache.memoize import Memoize
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.images.arrays import Alpha, Disparity, Image, check_alpha, check_image, check_same_size
from backend.images.resize import fit_longest_side
from backend.mesh.camera import DISTANCE, HALF_HEIGHT
from backend.mesh.depth_relief import Relief, no_relief, relief_of
from backend.mesh.engine import Built, MeshRequest, note_ignored
from backend.mesh.framing import Framed, object_box
from backend.mesh.layers import MAX_NODES, MIN_THICKNESS, Layers, close_layers, finish
from backend.mesh.planar import PlanarMesh, triangulate
from backend.mesh.poisson import Domain, Plane
from backend.mesh.silhouette import Lattice, lattice_of
from backend.mesh.thickness import Sides, half_thickness

MAX_COORDINATE = 0.86  # world units along each axis, of the 0.87 that an object may have
GUESSED = (  # without and with depth
    "Only the outline is known from the photo: the depth and the back are guessed.",
    "The outline is known from the photo and the front follows the depth map: the thickness and the back are guessed.",
)
UNCUT: Sides = (False, False, False, False)


def load_relief(settings: Settings, memoize: Memoize) -> "ReliefEngine":
    """Return the engine; the table of mesh engines names this function. It needs no weights and no setting."""
    return ReliefEngine()


class ReliefEngine:
    """The embedded mesh engine; it has no state, so threads may share it."""

    name = "relief"
    device = "cpu"

    def build(self, framed: Framed, disparity: Disparity | None, request: MeshRequest, trace: Trace) -> Built:
        """Return the relief of the framed object; `trace` gets the stage's time and a note for each ignored input."""
        with trace.stage("relief"):
            built = make_relief(framed.image, framed.alpha, disparity, framed.cut, request.target_faces)
        if disparity is not None and not built.facts["depth_used"]:
            trace.note("The depth map is flat or invalid over the object and is ignored: the front mirrors the back.")
        note_ignored(
            request,
            ("resolution", "isovalue", "smooth", "project_photo", "depth_guide"),
            "a mesh by `relief` comes from the mask, is smooth and has the photo's colours already.",
            trace,
        )
        if request.texture == "vertex":
            return replace(built, mesh=replace(built.mesh, texture=None))
        return built


def make_relief(
    image: Image, alpha: Alpha, disparity: Disparity | None = None, cut: Sides = UNCUT, max_faces: int | None = None
) -> Built:
    """Return the solid of a framed picture (n, n, 3), its alpha (n, n) and, when known, its disparity (n, n).

    `cut` marks the sides (left, top, right, bottom) where the object continues beyond the photo: there it ends in a
    flat wall. The mesh has at most `max_faces` faces; None: 12,000.
    Raises NoSubjectError for an alpha of zeros, ValueError for arrays that do not fit together.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    if alpha.shape[0] != alpha.shape[1]:
        raise ValueError(f"a framed picture is square, not {alpha.shape}")
    if disparity is not None:
        check_same_size(disparity, alpha)
    object_box(alpha)  # raises NoSubjectError for an empty one
    matte = fit_longest_side(alpha, 2 * MAX_NODES)  # averaged once: several lattices are made from it
    lattice = lattice_of(matte, MAX_NODES)
    planar = triangulate(lattice.field, lattice.level)
    domain, half = half_thickness(matte, lattice, cut)
    relief = None if disparity is None else relief_of(disparity, matte, lattice, half)
    facts = {"depth_used": relief is not None}
    solid = _in_bounds(Solid(lattice, planar, domain, half, relief or no_relief(lattice)))
    mesh = finish(close_layers(_layers(solid)), image, alpha, max_faces=max_faces)
    return Built(mesh, facts, GUESSED[relief is not None])


@dataclass(frozen=True)
class Solid:
    """The shape of a solid: (R, R) planes on the lattice, and the planar mesh over them."""

    lattice: Lattice  # the matte
    planar: PlanarMesh  # triangles of the matte, shared by front and back
    domain: Domain  # the inside nodes and the sides where the photo cut the object
    half: Plane  # half the thickness, world units
    relief: Relief  # the middle surface and the front's height above it


def _in_bounds(solid: Solid) -> Solid:
    """Return the solid, flattened if it would leave ±0.86 along some axis.

    A point that moves back also moves outward along its ray, the more the nearer it is to the picture's edge.
    """
    inside = solid.lattice.inside
    front = solid.relief.middle + solid.relief.front * solid.half
    back = solid.relief.middle - solid.half
    rows, columns = np.nonzero(inside)
    # The contour lies up to a cell beyond the nodes.
    offsets = [np.abs(2.0 * solid.lattice.over_picture(axis.astype(np.float64)) - 1.0) for axis in (rows, columns)]
    ray = HALF_HEIGHT * (np.maximum(*offsets) + 2.0 / solid.lattice.size)
    room = np.minimum(MAX_COORDINATE, MAX_COORDINATE / ray - DISTANCE)
    ahead, behind = np.maximum(front[inside], 1e-9), np.maximum(-back[inside], 1e-9)
    scale = min(1.0, MAX_COORDINATE / float(ahead.max()), float((room / behind).min()))
    relief = Relief(scale * solid.relief.middle, solid.relief.front)
    return Solid(solid.lattice, solid.planar, solid.domain, scale * solid.half, relief)


def _layers(solid: Solid) -> Layers:
    """Return the front and the back; they meet in the contour, except where the photo cut the object."""
    planar = solid.planar
    row, column = planar.owner.T
    half = np.maximum(solid.half[row, column], MIN_THICKNESS / 2.0)
    half[_closed_rim(solid)] = 0.0
    middle, front = (
        map_coordinates(plane, planar.points.T, order=1, mode="nearest")
        for plane in (solid.relief.middle, solid.relief.front)
    )
    ahead = np.where(half > 0.0, np.maximum(front * half, MIN_THICKNESS - half), 0.0)  # a hollow front is not too thin
    return Layers(solid.lattice, planar, middle + ahead, middle - half)


def _closed_rim(solid: Solid) -> NDArray[np.bool_]:
    """Return which points (P,) lie on the contour, but not where the photo cut the object."""
    planar = solid.planar
    row, column = planar.owner.T
    step = np.sign(planar.points - planar.owner).astype(int)  # (0, 0) for a node itself
    direction = np.select([step[:, 1] < 0, step[:, 1] > 0, step[:, 0] < 0], [0, 1, 2], 3)
    opened = np.isinf(solid.domain.reach[direction, row, column])
    closed: NDArray[np.bool_] = (np.arange(len(opened)) >= planar.inner) & ~opened
    return closed
