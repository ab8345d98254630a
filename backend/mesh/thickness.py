"""Silhouette -> the solid's thickness at each lattice node: narrow parts thin, wide parts thick, round everywhere.

With −∇²u = 4 and u = 0 on the contour, √u over a disc is a half ball and over a bar a half cylinder: the thickness
follows the local width without a skeleton.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.images.arrays import Alpha
from backend.mesh.camera import PICTURE_SIDE
from backend.mesh.framing import object_box
from backend.mesh.poisson import STEPS, Domain, Plane, domain_of, solve_poisson
from backend.mesh.silhouette import RING, Lattice, lattice_of

Sides = tuple[bool, bool, bool, bool]  # left, top, right, bottom
DIRECTIONS = (0, 2, 1, 3)  # for each side the index in poisson.STEPS of the step that leads out of it
ROUNDNESS = 0.9  # depth as a share of a ball's: objects in photos are more often flatter than deeper than their width
MAX_HALF = 0.55  # world units that half the thickness approaches; twice that and a relief fit into ±0.87


def half_thickness(alpha: Alpha, lattice: Lattice, cut: Sides) -> tuple[Domain, Plane]:
    """Return the domain and half the thickness (R, R) in world units, 0 outside.

    `cut` marks the sides where the object touches the photo's frame: there the solid ends in a flat wall.
    """
    coarse = lattice_of(alpha, max(8, lattice.size // 4))
    squared = solve_poisson(cut_domain(coarse, alpha, cut), 4.0)
    for finer in (lattice_of(alpha, max(8, lattice.size // 2)), lattice):
        domain = cut_domain(finer, alpha, cut)
        squared = solve_poisson(domain, 4.0, _carried(coarse, squared, finer))
        coarse = finer
    height = ROUNDNESS * np.sqrt(squared) * PICTURE_SIDE / lattice.size
    limited: Plane = MAX_HALF * np.tanh(height / MAX_HALF)
    return domain, limited


def cut_domain(lattice: Lattice, alpha: Alpha, cut: Sides) -> Domain:
    """Return the lattice's domain, open where the object's box meets a cut side."""
    if not any(cut):
        return domain_of(lattice.field, lattice.level)
    x0, y0, x1, y1 = object_box(alpha)
    rows, columns = np.mgrid[0 : len(lattice.field), 0 : len(lattice.field)]
    lines = []
    for side, (plane, edge) in enumerate(((columns, x0), (rows, y0), (columns, x1), (rows, y1))):
        line = edge / len(alpha) * lattice.size + RING - 0.5
        if cut[side]:
            lines.append((DIRECTIONS[side], np.abs(plane - line) < 1.6))
    domain = domain_of(lattice.field, lattice.level, tuple(lines))
    return domain if _has_rim(domain) else domain_of(lattice.field, lattice.level)


def _has_rim(domain: Domain) -> bool:
    """Return whether every part keeps a quarter of its contour closed: a part open all around has no thickness."""
    count, parts = cv2.connectedComponents(domain.inside.astype(np.uint8), connectivity=4)
    closed, opened = np.zeros(count), np.zeros(count)
    for k, step in enumerate(STEPS):
        crossing = domain.inside & ~np.roll(domain.inside, (-step[0], -step[1]), (0, 1))
        endless = np.isinf(domain.reach[k])
        closed += np.bincount(parts[crossing & ~endless], minlength=count)
        opened += np.bincount(parts[crossing & endless], minlength=count)
    return bool((closed >= 0.25 * (closed + opened)).all())


def _carried(coarse: Lattice, plane: Plane, fine: Lattice) -> NDArray[np.float64]:
    """Return a coarser lattice's answer (in cells²) on a finer lattice."""
    carried = np.zeros(fine.field.shape)
    fine.crop(carried)[:] = cv2.resize(coarse.crop(plane), (fine.size, fine.size), interpolation=cv2.INTER_LINEAR)
    return carried * (fine.size / coarse.size) ** 2
