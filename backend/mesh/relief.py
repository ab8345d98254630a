"""Embedded mesh engine: silhouette and optional disparity -> a closed, textured solid, without weights.

A flat mesh of the matte becomes a front and a back that bulge away from each other and meet in the contour. Vertices
move along their camera rays, so the input camera sees exactly the matte, whatever the bulge.
"""

from dataclasses import replace
from math import sqrt

import numpy as np

from backend.cache.memoize import Memoize
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.images.arrays import Alpha, Disparity, Image, check_alpha, check_image, check_same_size
from backend.images.resize import fit_longest_side
from backend.mesh.camera import DISTANCE, HALF_HEIGHT
from backend.mesh.depth_relief import Relief, no_relief, relief_of
from backend.mesh.engine import Built, MeshRequest
from backend.mesh.framing import Framed
from backend.mesh.photo_texture import make_atlas
from backend.mesh.planar import PlanarMesh, triangulate
from backend.mesh.silhouette import Lattice, lattice_of
from backend.mesh.solid import Solid, close_solid
from backend.mesh.thickness import Sides, half_thickness

MAX_NODES, MIN_NODES = 512, 24  # lattice nodes per side; 512 is TripoSR's own picture size
MAX_FACES = 60_000
MAX_COORDINATE = 0.86  # world units along each axis, of the 0.87 that an object may have
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
            built = make_relief(framed.image, framed.alpha, disparity, framed.cut, request.target_faces or MAX_FACES)
        if disparity is not None and not built.facts["depth_used"]:
            trace.note("The depth map is flat or invalid over the object and is ignored: the front mirrors the back.")
        for option, asked in (("smooth", request.smooth), ("project_photo", request.project_photo)):
            if asked:
                trace.note(f"`{option}` is ignored: a mesh by `relief` is smooth and has the photo's colours already.")
        if request.target_faces is not None and len(built.mesh.faces) > 1.1 * request.target_faces:
            trace.note(f"`relief` needs {len(built.mesh.faces)} faces for this shape, more than `target_faces`.")
        if request.texture == "vertex":
            return Built(replace(built.mesh, texture=None), built.facts)
        return built


def make_relief(
    image: Image, alpha: Alpha, disparity: Disparity | None = None, cut: Sides = UNCUT, max_faces: int = MAX_FACES
) -> Built:
    """Return the solid of a framed picture (n, n, 3), its alpha (n, n) and, when known, its disparity (n, n).

    `cut` marks the sides (left, top, right, bottom) where the object continues beyond the photo: there it ends in a
    flat wall. The mesh has at most `max_faces` or 60,000 faces, whichever is less: the lattice gets coarser until they
    suffice, down to 24 nodes per side.
    Raises NoSubjectError for an alpha of zeros, ValueError for arrays that do not fit together.
    """
    check_image(image)
    check_alpha(alpha)
    check_same_size(image, alpha)
    if alpha.shape[0] != alpha.shape[1]:
        raise ValueError(f"a framed picture is square, not {alpha.shape}")
    if disparity is not None:
        check_same_size(disparity, alpha)
    atlas = make_atlas(image, alpha)
    matte = fit_longest_side(alpha, 2 * MAX_NODES)  # averaged once: several lattices are made from it
    lattice, planar = _within_budget(matte, cut, min(max_faces, MAX_FACES))
    domain, half = half_thickness(matte, lattice, cut)
    relief = None if disparity is None else relief_of(disparity, matte, lattice, half)
    facts = {"depth_used": relief is not None, "lattice_nodes": lattice.size}
    solid = _in_bounds(Solid(lattice, planar, domain, half, relief or no_relief(lattice)))
    return Built(close_solid(solid, atlas), facts)


def _within_budget(alpha: Alpha, cut: Sides, max_faces: int) -> tuple[Lattice, PlanarMesh]:
    """Return the finest lattice, and its planar mesh, whose solid has at most `max_faces` faces."""
    size = MAX_NODES
    while True:
        lattice = lattice_of(alpha, size)
        planar = triangulate(lattice.field, lattice.level)
        faces = 2 * len(planar.triangles) + 2 * size * sum(cut)  # front, back, and walls at most a side long
        if faces <= max_faces or size == MIN_NODES:
            return lattice, planar
        size = max(MIN_NODES, min(size - 8, int(size * sqrt(0.97 * max_faces / faces))))


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
