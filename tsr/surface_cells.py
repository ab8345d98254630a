"""Finds the cells of the lattice that the surface crosses: at every point, or only where the surface can be.

`dense_cells` is the slow truth. `sparse_cells` looks at a coarse lattice first and halves the cells that may hold
surface until they are one step wide; it gives the same cells in about a fiftieth of the samples.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F

from tsr.cell_table import CORNERS
from tsr.marching_cubes import Cells

POINTS_AT_ONCE = 1 << 21  # samples held by the dense method: 50 MB of indices
CELLS_AT_ONCE = 1 << 17  # cells halved at once by the sparse method: 27 samples each, 30 MB of keys
MARKS_AT_ONCE = 1 << 25  # points among which those cells mark theirs: 300 MB
START_CELLS = (60, 128)  # cells along a side of the coarse lattice, see `sparse_cells`
BEND_MARGIN = 1.5  # see `sparse_cells`


@dataclass(frozen=True)
class PaddedLattice:
    """`resolution` points a side, with a rim of `rim` points around that are outside whatever the field says.

    `sample` takes (N, 3) int64 indices in [0, resolution) and returns the (N,) densities there.
    """

    resolution: int
    rim: int
    sample: Callable[[torch.Tensor], torch.Tensor]
    device: torch.device

    @property
    def size(self) -> int:
        """The points along a side, rim included."""
        return self.resolution + 2 * self.rim

    def outside(self, index: torch.Tensor) -> torch.Tensor:
        """Return which of the (N, 3) indices, counted from the rim, are not on the lattice proper: (N,) bool."""
        return ((index < self.rim) | (index >= self.rim + self.resolution)).any(-1)

    def density(self, index: torch.Tensor) -> torch.Tensor:
        """Return the (N,) densities at (N, 3) indices counted from the rim; off the lattice, of the nearest point."""
        return self.sample((index - self.rim).clamp(0, self.resolution - 1)).float()


def dense_cells(lattice: PaddedLattice, isovalue: float) -> Iterator[Cells]:
    """Yield the cells that the surface crosses, in slabs of bounded size, after sampling every point of the lattice."""
    size = lattice.size
    side = torch.arange(size, device=lattice.device)
    step = max(1, POINTS_AT_ONCE // size**2)
    last = torch.empty(0, size, size, device=lattice.device)  # the plane that a slab shares with the one before
    for start in range(0, size, step):
        index = torch.cartesian_prod(side[start : start + step], side, side)
        density = torch.where(lattice.outside(index), -torch.inf, lattice.density(index))
        slab = torch.cat([last, density.reshape(-1, size, size)])
        yield _crossed_in_slab(slab, start - len(last), isovalue)
        last = slab[-1:]


def _crossed_in_slab(slab: torch.Tensor, start: int, isovalue: float) -> Cells:
    size = slab.shape[1]
    inside = (slab > isovalue).to(torch.uint8)
    for axis in range(3):
        inside = inside.narrow(axis, 0, inside.shape[axis] - 1) + inside.narrow(axis, 1, inside.shape[axis] - 1)
    cell = ((inside > 0) & (inside < 8)).nonzero()  # (N, 3)
    corner = (cell[:, None] + torch.tensor(CORNERS, device=slab.device)).unbind(-1)
    return Cells(size, cell + torch.tensor([start, 0, 0], device=slab.device), slab[corner])


def sparse_cells(lattice: PaddedLattice, isovalue: float) -> Iterator[Cells]:
    """Yield the cells that the surface crosses, sampling only near the surface.

    What makes it safe for parts thinner than a coarse cell:

    * The test looks at the logarithm of the density. A density that a network makes as exp(d) falls to nothing within
      one coarse cell of a thin part, but d itself still leans toward it there.
    * A cell is kept when the isovalue lies between its corners' lowest and highest value, widened by `BEND_MARGIN`
      times the second differences of d along the three axes. Between samples h apart a smooth d leaves the range of
      its corners by at most h^2/8 of the second derivative an axis; a ridge that peaks midway between two samples,
      which is the sharpest that features interpolated on a grid no finer than the coarse lattice can make, rises above
      them by half to once the second difference measured at them for a plate, and by 1.5 times for a wire.
    * The coarse lattice has 60 to 128 cells a side (TripoSR's planes have 64 texels), and around every cell kept
      there its 26 neighbours are kept as well.
    * Whatever the test says, the surface is then followed: where it leaves the kept cells through a face, the cell
      behind that face is looked at too. So every sheet of the surface that is found at all is found whole.

    A part that leaves no trace in d at the coarse lattice's points can be missed; `dense_cells` is for that.
    """
    stride = _first_stride(lattice.size)
    if stride == 1:
        yield from dense_cells(lattice, isovalue)
        return
    cells = _first_cells(lattice, stride, isovalue)
    while stride > 2:
        cells = _halved(lattice, cells, stride, isovalue)
        stride //= 2
    known = torch.empty(0, dtype=torch.int64, device=lattice.device)
    while len(cells):
        count, beyond = -(-(lattice.size - 1) // 2), []
        for block, density, outside in _blocks(lattice, cells, 2):
            density = density.masked_fill(outside, -torch.inf)
            yield _crossed_in_blocks(block, density, lattice.size, isovalue)
            beyond.append(_entered(block, density > isovalue, count))
        known = torch.cat([known, _key(cells, count)]).sort().values
        wanted = torch.unique(torch.cat(beyond))
        cells = _point(wanted[known[torch.searchsorted(known, wanted).clamp(max=len(known) - 1)] != wanted], count)


def _first_stride(size: int) -> int:
    """Return the step of the coarse lattice: 4, or less where that leaves too few cells, or more where too many."""
    fewest, most = START_CELLS
    stride = 4
    while stride > 1 and (size - 1) / stride < fewest:
        stride //= 2
    while stride >= 4 and (size - 1) / stride > most:
        stride *= 2
    return stride


def _first_cells(lattice: PaddedLattice, stride: int, isovalue: float) -> torch.Tensor:
    """Return the cells (N, 3), in strides, of the whole coarse lattice that may hold surface, and their neighbours."""
    count = -(-(lattice.size - 1) // stride)
    side = torch.arange(count + 1, device=lattice.device)
    index = torch.cartesian_prod(side, side, side) * stride
    shape = (1, count + 1, count + 1, count + 1)
    kept = _may_cross(lattice.density(index).reshape(shape), lattice.outside(index).reshape(shape), isovalue)
    return F.max_pool3d(kept.float(), 3, 1, 1)[0].nonzero()


def _halved(lattice: PaddedLattice, cells: torch.Tensor, stride: int, isovalue: float) -> torch.Tensor:
    """Return the cells inside `cells` that may hold surface: (N, 3) in halves of `stride`, x ascending."""
    halves = [torch.empty(0, 3, dtype=torch.int64, device=lattice.device)]
    for block, density, outside in _blocks(lattice, cells, stride):
        cube = (len(block), 3, 3, 3)
        kept = _may_cross(density.reshape(cube), outside.reshape(cube), isovalue).nonzero()
        halves.append(2 * block[kept[:, 0]] + kept[:, 1:])
    half = torch.cat(halves)
    half = half[(half * (stride // 2) < lattice.size - 1).all(1)]
    return half[half[:, 0].argsort(stable=True)]


def _may_cross(density: torch.Tensor, outside: torch.Tensor, isovalue: float) -> torch.Tensor:
    """Return which cells may hold surface: (B, n, n, n) samples -> (B, n - 1, n - 1, n - 1) bool."""
    level = math.log(isovalue)
    depth = density.nan_to_num(nan=0.0).clamp(1e-37, 1e37).log()
    bend = torch.zeros_like(depth)
    for axis in (1, 2, 3):
        inner = depth.diff(n=2, dim=axis).abs()
        bend += torch.cat([inner.narrow(axis, 0, 1), inner, inner.narrow(axis, inner.shape[axis] - 1, 1)], axis)
    margin = BEND_MARGIN * _largest_corner(bend)
    # The rim is outside, but its samples are copies: only so does the test see no cliff where there is none.
    high = _largest_corner(depth) + margin
    low = -_largest_corner((-depth).masked_fill(outside, torch.inf)) - margin
    return (high >= level) & (low <= level)


def _largest_corner(values: torch.Tensor) -> torch.Tensor:
    for axis in (1, 2, 3):
        n = values.shape[axis] - 1
        values = torch.maximum(values.narrow(axis, 0, n), values.narrow(axis, 1, n))
    return values


def _blocks(
    lattice: PaddedLattice, cells: torch.Tensor, stride: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield some of `cells` (n, 3), the densities (n, 27) at the corners of their eighths, and which are on the rim.

    Cells come with x ascending, and go in runs of whole layers. A point that two runs share is sampled once: a density
    within rounding of the isovalue could fall on either side of it and tear the surface.
    """
    half, device = stride // 2, lattice.device
    size = 2 * -(-(lattice.size - 1) // stride) + 1  # points half a stride apart, in units of it
    third = torch.arange(3, device=device)
    around = _key(torch.cartesian_prod(third, third, third), size)
    held, held_density = torch.empty(0, dtype=torch.int64, device=device), torch.empty(0, device=device)
    for block in _runs_of_layers(cells, size):
        first = 2 * int(block[0, 0]) * size**2
        keys = _key(2 * block, size)[:, None] + around - first
        marked = torch.zeros(
            2 * int(block[-1, 0] + 1 - block[0, 0]) * size**2 + size**2, dtype=torch.bool, device=device
        )
        marked[keys] = True
        needed = marked.nonzero()[:, 0]
        slot = torch.empty(len(marked), dtype=torch.int64, device=device)
        slot[needed] = torch.arange(len(needed), device=device)

        points = _point(needed + first, size) * half
        density = torch.empty(len(needed), device=device)
        again = (held >= first) & marked[(held - first).clamp(min=0)]
        known = slot[held[again] - first]
        density[known] = held_density[again]
        fresh = torch.ones_like(density, dtype=torch.bool).index_fill_(0, known, False)
        density[fresh] = lattice.density(points[fresh])
        place = slot[keys]
        yield block, density[place], lattice.outside(points)[place]

        shared = points[:, 0] == (block[-1, 0] + 1) * stride
        held, held_density = needed[shared] + first, density[shared]


def _runs_of_layers(cells: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Cut cells with x ascending into runs of whole layers, as many as `CELLS_AT_ONCE` and `MARKS_AT_ONCE` allow."""
    layers, counts = torch.unique_consecutive(cells[:, 0], return_counts=True)
    cuts, start = [0], 0
    for layer, end in zip(layers.tolist(), counts.cumsum(0).tolist(), strict=True):
        marks = (2 * (layer + 1 - int(cells[cuts[-1], 0])) + 1) * size**2
        if start > cuts[-1] and (end - cuts[-1] > CELLS_AT_ONCE or marks > MARKS_AT_ONCE):
            cuts.append(start)
        start = end
    for start, stop in pairwise([*cuts, len(cells)]):
        if stop > start:
            yield cells[start:stop]


def _crossed_in_blocks(block: torch.Tensor, density: torch.Tensor, size: int, isovalue: float) -> Cells:
    """Return the cells of one step, out of cells of two with densities (N, 27), that the surface crosses."""
    corners = torch.tensor(CORNERS, device=block.device)
    places = _key(corners[:, None] + corners, 3)  # (8 cells, 8 corners)
    inside = (density > isovalue).to(torch.uint8)[:, places].sum(-1, dtype=torch.uint8)  # (N, 8)
    parent, child = ((inside > 0) & (inside < 8)).nonzero().unbind(1)
    index = 2 * block[parent] + corners[child]
    real = (index < size - 1).all(1)
    return Cells(size, index[real], density[parent[:, None], places[child]][real])


def _entered(block: torch.Tensor, inside: torch.Tensor, count: int) -> torch.Tensor:
    """Return the keys of the cells, `count` a side, that the surface enters from the cells of `block` (N, 3)."""
    cube = inside.reshape(-1, 3, 3, 3).to(torch.uint8)
    keys = [torch.empty(0, dtype=torch.int64, device=block.device)]
    for axis in range(3):
        for side in (0, 2):
            face = cube.select(axis + 1, side).sum((1, 2))
            beyond = block[(face > 0) & (face < 9)]
            beyond[:, axis] += side - 1
            keys.append(_key(beyond[(beyond[:, axis] >= 0) & (beyond[:, axis] < count)], count))
    return torch.cat(keys)


def _key(index: torch.Tensor, size: int) -> torch.Tensor:
    x, y, z = index.unbind(-1)
    return (x * size + y) * size + z


def _point(key: torch.Tensor, size: int) -> torch.Tensor:
    return torch.stack([key // size**2, key // size % size, key % size], -1)
