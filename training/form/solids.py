"""Solids drawn by chance: animals and figures, turned pieces, tools, packages, blobs and aircraft.

The low-poly meshes are game pieces; scans and sculpts are rounder and busier. A solid here is a smooth union of simple
shapes with some relief on its surface, taken from a distance-like field by marching cubes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tsr.cell_table import CORNERS
from tsr.marching_cubes import Cells, edge_of_number, triangulate

Points = NDArray[np.float32]
Field = NDArray[np.float32]
Random = np.random.Generator
NODES = 58  # of the lattice, a side


class Shape:
    """A union that grows part by part on a lattice over [-1.25, 1.25]³; x toward the viewer, y right, z up."""

    def __init__(self, random: Random, blend: float) -> None:
        axis = np.linspace(-1.25, 1.25, NODES, dtype=np.float32)
        grid = np.meshgrid(axis, axis, axis, indexing="ij")
        self.points: Points = np.stack(grid, -1).reshape(-1, 3)
        self.field: Field = np.full(len(self.points), 4.0, np.float32)
        self.random, self.blend = random, blend

    def add(self, distance: Field) -> None:
        """Join `distance` (negative inside), rounded over about `blend`."""
        if self.blend <= 0:
            self.field = np.minimum(self.field, distance)
            return
        nearness = np.clip(0.5 + 0.5 * (self.field - distance) / self.blend, 0, 1)
        self.field = (self.field + (distance - self.field) * nearness - self.blend * nearness * (1 - nearness)).astype(
            np.float32
        )

    def ellipsoid(self, center: NDArray, radii: NDArray, turn: Rotation | None = None) -> None:
        local = self._local(center, turn)
        length = np.linalg.norm(local / radii, axis=1)
        self.add((length - 1) * float(np.min(radii)))

    def box(self, center: NDArray, halves: NDArray, rounding: float, turn: Rotation | None = None) -> None:
        beyond = np.abs(self._local(center, turn)) - (halves - rounding)
        outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
        self.add(outside + np.minimum(beyond.max(axis=1), 0) - rounding)

    def limb(self, start: NDArray, end: NDArray, first: float, last: float) -> None:
        """Add a round bar whose radius goes from `first` to `last`."""
        along = np.asarray(end - start, np.float32)
        share = np.clip((self.points - start) @ along / max(float(along @ along), 1e-9), 0, 1)
        distance = np.linalg.norm(self.points - start - share[:, None] * along, axis=1)
        self.add(distance - (first + share * (last - first)))

    def path(self, stops: NDArray, radii: NDArray) -> None:
        """Add a round bar through `stops` (N, 3)."""
        for index in range(len(stops) - 1):
            self.limb(stops[index], stops[index + 1], float(radii[index]), float(radii[index + 1]))

    def ring(self, center: NDArray, radius: float, thick: float, turn: Rotation) -> None:
        local = self._local(center, turn)
        flat = np.hypot(local[:, 0], local[:, 1]) - radius
        self.add(np.hypot(flat, local[:, 2]) - thick)

    def turned(self, heights: NDArray, radii: NDArray, section: float = 2.0, squash: float = 1.0) -> None:
        """Add a piece with the given radii at ascending heights; `section` 2 is round, more is squarer."""
        x, y, z = np.abs(self.points[:, 0]) / squash, np.abs(self.points[:, 1]), self.points[:, 2]
        around = (x**section + y**section) ** (1 / section)
        wanted = np.interp(z, heights, radii)
        self.add(np.maximum(around - wanted, np.maximum(heights[0] - z, z - heights[-1])) * 0.7)

    def carve(self, distance: Field) -> None:
        self.field = np.maximum(self.field, -distance)

    def relief(self, height: float, scale: float) -> None:
        """Raise and lower the surface by waves of about `height`."""
        waves = np.zeros(len(self.points), np.float32)
        for _ in range(4):
            direction = self.random.normal(size=3) * scale
            waves += np.sin(self.points @ direction.astype(np.float32) + self.random.uniform(0, 6.28))
        self.field = self.field + np.float32(height / 2) * waves

    def mesh(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return corners (V, 3) and faces (F, 3), counter-clockwise seen from outside."""
        density = torch.from_numpy(-self.field.astype(np.float32).reshape(NODES, NODES, NODES))
        for axis in range(3):
            density.index_fill_(axis, torch.tensor([0, NODES - 1]), -1.0)
        inside = (density > 0).to(torch.uint8)
        for axis in range(3):
            inside = inside.narrow(axis, 0, NODES - 1) + inside.narrow(axis, 1, NODES - 1)
        cells = ((inside > 0) & (inside < 8)).nonzero()
        corners = (cells[:, None] + torch.tensor(CORNERS)).unbind(-1)
        surface = triangulate(Cells(NODES, cells, density[corners]), 0.0)
        base, along = edge_of_number(surface.edge, NODES)
        places = base + torch.nn.functional.one_hot(along, 3) * surface.fraction[:, None]
        return (places.numpy() / (NODES - 1) * 2.5 - 1.25).astype(np.float32), surface.faces.numpy()

    def _local(self, center: NDArray, turn: Rotation | None) -> Points:
        moved = self.points - np.asarray(center, np.float32)
        return moved if turn is None else (moved @ turn.as_matrix().astype(np.float32))


def draw(random: Random) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return one solid: corners (V, 3) within ±1.25 and faces (F, 3)."""
    kinds = (_animal, _figure, _turned, _tool, _package, _blob, _aircraft, _shoe)
    weights = np.array([0.22, 0.16, 0.16, 0.12, 0.1, 0.12, 0.06, 0.06])
    while True:
        shape = Shape(random, random.choice([0.0, 0.05, 0.1, 0.16], p=[0.15, 0.35, 0.3, 0.2]))
        kinds[random.choice(len(kinds), p=weights)](shape, random)
        if random.random() < 0.6:
            shape.relief(random.choice([0.006, 0.015, 0.03]), random.uniform(3, 16))
        vertices, faces = shape.mesh()
        if len(faces) > 200:
            return vertices, faces


def _vector(*values: float) -> NDArray:
    return np.array(values, np.float32)


def _both(shape: Shape, stops: NDArray, radii: NDArray) -> None:
    """Add a limb on either side of the plane y = 0."""
    shape.path(stops, radii)
    shape.path(stops * _vector(1, -1, 1), radii)


def _animal(shape: Shape, random: Random) -> None:
    """Four legs, a body along x, a head in front, perhaps a tail, ears or horns."""
    length, height, width = random.uniform(0.35, 0.75), random.uniform(0.16, 0.4), random.uniform(0.14, 0.34)
    lift = random.uniform(-0.15, 0.3)
    pitch = Rotation.from_euler("y", random.normal(0, 18), degrees=True)
    shape.ellipsoid(_vector(0, 0, lift), _vector(length, width, height), pitch)
    head = _vector(length + random.uniform(-0.1, 0.25), 0, lift + random.uniform(-0.15, 0.55))
    size = random.uniform(0.15, 0.36)
    neck = _vector(length * 0.7, 0, lift + 0.05)
    shape.limb(neck, head, height * random.uniform(0.4, 0.8), size * random.uniform(0.5, 0.9))
    shape.ellipsoid(head, size * random.uniform(0.75, 1.25, 3).astype(np.float32))
    muzzle = head + _vector(size * random.uniform(0.5, 1.2), 0, -size * random.uniform(0, 0.5))
    shape.limb(head, muzzle, size * 0.6, size * random.uniform(0.15, 0.6))
    ground = lift - height - random.uniform(0.05, 0.5)
    for place in (length * random.uniform(0.5, 0.8), -length * random.uniform(0.5, 0.8)):
        thick, side = random.uniform(0.05, 0.14), width * random.uniform(0.5, 0.95)
        knee = _vector(place + random.normal(0, 0.06), side, (lift + ground) / 2)
        foot = _vector(place + random.normal(0, 0.1), side * random.uniform(0.8, 1.2), ground)
        toe = foot + _vector(random.uniform(0.02, 0.14), 0, 0)
        stops = np.stack([_vector(place, side * 0.8, lift), knee, foot, toe])
        _both(shape, stops, thick * np.array([1.4, 1.0, 0.8, 0.9]) * random.uniform(0.9, 1.1, 4))
    if random.random() < 0.8:
        start = _vector(-length * 0.9, 0, lift + 0.1)
        bends = np.cumsum(random.normal([-0.12, 0, 0.08], [0.06, 0.06, 0.12], (4, 3)), axis=0).astype(np.float32)
        shape.path(np.vstack([start, start + bends]), np.linspace(random.uniform(0.04, 0.1), 0.025, 5))
    if random.random() < 0.8:
        _ears(shape, random, head, size)


def _ears(shape: Shape, random: Random, head: NDArray, size: float) -> None:
    tip = head + size * _vector(random.uniform(-0.4, 0.2), random.uniform(0.3, 1.4), random.uniform(0.7, 2.0))
    root = head + size * _vector(0, random.uniform(0.3, 0.7), 0.6)
    _both(shape, np.stack([root, tip]), size * np.array([random.uniform(0.15, 0.4), random.uniform(0.06, 0.3)]))


def _figure(shape: Shape, random: Random) -> None:
    """Upright: a body, a head, arms and legs, alike on both sides or nearly so."""
    tall, wide, deep = random.uniform(0.25, 0.5), random.uniform(0.14, 0.42), random.uniform(0.12, 0.38)
    shape.ellipsoid(_vector(0, 0, 0), _vector(deep, wide, tall))
    if random.random() < 0.5:
        shape.ellipsoid(_vector(0, 0, -tall * 0.5), _vector(deep, wide, tall * 0.6) * random.uniform(0.8, 1.2))
    size = random.uniform(0.14, 0.38)
    head = _vector(random.uniform(0, 0.12), 0, tall + size * random.uniform(0.4, 0.9))
    shape.ellipsoid(head, size * random.uniform(0.8, 1.2, 3).astype(np.float32))
    if random.random() < 0.6:
        shape.limb(head, head + _vector(size * random.uniform(0.9, 1.8), 0, -size * 0.2), size * 0.5, size * 0.2)
    if random.random() < 0.5:
        _ears(shape, random, head, size)
    shoulder = _vector(0, wide * 0.8, tall * random.uniform(0.4, 0.75))
    for side in (1, -1):
        if side == 1 or random.random() < 0.3:
            elbow = shoulder + random.normal([0.03, 0.25, -0.15], [0.12, 0.08, 0.16]).astype(np.float32)
            hand = elbow + random.normal([0.12, 0.08, 0.0], [0.15, 0.12, 0.22]).astype(np.float32)
        flip = _vector(1, side, 1)
        arm = np.array([1.2, 0.9, 0.8]) * random.uniform(0.05, 0.12)
        shape.path(np.stack([shoulder, elbow, hand]) * flip, arm)
        hip = _vector(0, wide * random.uniform(0.35, 0.6), -tall * 0.6)
        if side == 1 or random.random() < 0.2:
            foot = hip + random.normal([0.0, 0.05, -0.5], [0.08, 0.06, 0.12]).astype(np.float32)
            thick, toe = random.uniform(0.07, 0.16), random.uniform(0.05, 0.22)
        knee = (hip + foot) / 2 + _vector(random.uniform(0, 0.08), 0, 0)
        stops = np.stack([hip, knee, foot, foot + _vector(toe, 0.02, 0)])
        shape.path(stops * flip, thick * np.array([1.2, 1.0, 0.8, 0.8]))


def _profile(random: Random, height: float) -> tuple[NDArray, NDArray]:
    stops = random.integers(3, 9)
    heights = np.sort(random.uniform(-height, height, stops))
    heights[0], heights[-1] = -height, height
    radii = random.uniform(0.12, 1.0, stops) * random.uniform(0.3, 0.8)
    if random.random() < 0.5:
        radii = np.convolve(np.pad(radii, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    fine = np.linspace(-height, height, 200)
    return fine, np.interp(fine, heights, radii) if random.random() < 0.5 else _smooth(fine, heights, radii)


def _smooth(fine: NDArray, heights: NDArray, radii: NDArray) -> NDArray:
    line = np.interp(fine, heights, radii)
    kernel = np.hanning(31) / np.hanning(31).sum()
    return np.convolve(np.pad(line, 15, mode="edge"), kernel, "valid")


def _turned(shape: Shape, random: Random) -> None:
    """A vase, a mushroom, a tower, a pot: turned, perhaps with a handle, a spout, a roof or windows."""
    height = random.uniform(0.4, 1.0)
    heights, radii = _profile(random, height)
    section = random.choice([2.0, 2.0, 2.0, 4.0, 8.0])
    shape.turned(heights, radii, section)
    widest, middle = float(radii.max()), float(np.interp(0, heights, radii))
    yaw = Rotation.from_euler("z", random.choice([90, 90, random.uniform(0, 180)]), degrees=True)
    upright = yaw * Rotation.from_euler("x", 90, degrees=True)
    if random.random() < 0.35:
        out = yaw.as_matrix()[:, 0] * middle * 1.05
        shape.ring(out.astype(np.float32), random.uniform(0.15, 0.35) * height + 0.05, 0.05, upright)
    if random.random() < 0.25:
        out = -yaw.as_matrix()[:, 0]
        stops = np.stack([out * middle * 0.7, out * (middle + 0.25) + [0, 0, 0.1], out * (middle + 0.45) + [0, 0, 0.4]])
        shape.path(stops.astype(np.float32), np.array([0.12, 0.07, 0.05]))
    if random.random() < 0.25:
        shape.ellipsoid(
            _vector(0, 0, height), _vector(1, 1, random.uniform(0.3, 1.0)) * widest * random.uniform(0.4, 1.2)
        )
    for _ in range(random.integers(0, 4) if random.random() < 0.3 else 0):
        angle, level = random.uniform(0, 6.28), random.uniform(-height, height)
        away = float(np.interp(level, heights, radii))
        place = _vector(np.cos(angle) * away, np.sin(angle) * away, level)
        shape.box(place, random.uniform(0.06, 0.22, 3).astype(np.float32), 0.02)


def _tool(shape: Shape, random: Random) -> None:
    """Bars and boxes that lie about in one plane: a hammer, a drill, a wrench, a tap."""
    place, angle = (
        _vector(0, random.normal(0, 0.1), random.normal(0, 0.1)),
        random.choice([0.0, 90.0, random.uniform(0, 180)]),
    )
    for _ in range(random.integers(2, 6)):
        turn = Rotation.from_euler("x", angle, degrees=True) * Rotation.from_euler(
            "z", random.normal(0, 6), degrees=True
        )
        along = turn.as_matrix()[:, 2].astype(np.float32)
        length, thick = random.uniform(0.2, 0.75), random.uniform(0.05, 0.25)
        flat = random.uniform(0.5, 1.0)
        if random.random() < 0.5:
            shape.box(place, _vector(thick * flat, thick, length), thick * flat * random.uniform(0.1, 0.9), turn)
        else:
            shape.limb(place - along * length, place + along * length, thick, thick * random.uniform(0.5, 1.3))
        place = place + along * length * random.uniform(-1, 1)
        angle += random.choice([90, random.uniform(-80, 80)])


def _package(shape: Shape, random: Random) -> None:
    """A box, a bottle of flat section, a machine of a few boxes."""
    if random.random() < 0.5:
        height = random.uniform(0.5, 1.0)
        heights, radii = _profile(random, height)
        shape.turned(heights, radii, random.choice([2.5, 4.0, 8.0]), random.uniform(0.35, 0.9))
        if random.random() < 0.7:
            cap = random.uniform(0.05, 0.2)
            shape.limb(_vector(0, 0, height), _vector(0, 0, height + 0.15), cap, cap * random.uniform(0.5, 1))
        return
    halves = random.uniform(0.15, 0.8, 3).astype(np.float32)
    shape.box(_vector(0, 0, 0), halves, float(halves.min()) * random.uniform(0.02, 0.6))
    for _ in range(random.integers(0, 5)):
        corner = random.uniform(-1, 1, 3).astype(np.float32) * halves
        small = random.uniform(0.05, 0.4, 3).astype(np.float32)
        shape.box(corner, small, float(small.min()) * random.uniform(0.05, 0.5))


def _blob(shape: Shape, random: Random) -> None:
    """Fruit, stones, plants: balls and bent bars, anyhow or alike on both sides."""
    mirrored = random.random() < 0.4
    for _ in range(random.integers(1, 7)):
        center = random.normal(0, 0.32, 3).astype(np.float32)
        turn = Rotation.random(random_state=random)
        radii = random.uniform(0.12, 0.55, 3).astype(np.float32)
        shape.ellipsoid(center, radii, turn)
        if mirrored:
            shape.ellipsoid(center * _vector(1, -1, 1), radii, turn)
    if random.random() < 0.4:
        bend = np.linspace(-1, 1, 7)
        stops = np.stack([0.1 * bend, bend * 0.7, random.uniform(-0.5, 0.5) * bend**2], -1).astype(np.float32)
        stops = stops @ Rotation.random(random_state=random).as_matrix().astype(np.float32)
        shape.path(stops, random.uniform(0.08, 0.25) * (1.05 - bend**2 * random.uniform(0.3, 0.9)))
    if random.random() < 0.2:
        shape.carve(np.linalg.norm(shape.points - random.normal(0, 0.4, 3), axis=1) - random.uniform(0.15, 0.4))


def _aircraft(shape: Shape, random: Random) -> None:
    """A hull along x or y with flat wings and fins, or a car's body with wheels."""
    length, wide = random.uniform(0.6, 1.0), random.uniform(0.08, 0.2)
    shape.ellipsoid(_vector(0, 0, 0), _vector(length, wide, wide * random.uniform(0.8, 1.2)))
    for place, span, chord in ((random.uniform(-0.1, 0.2), random.uniform(0.4, 1), 0.16), (-length * 0.85, 0.3, 0.1)):
        tip = _vector(place - random.uniform(0, 0.4), span, random.uniform(-0.05, 0.12))
        for side in (1, -1):
            for step in np.linspace(0.1, 1, 6):
                middle = _vector(place, 0, 0) * (1 - step) + tip * step * _vector(1, side, 1)
                size = chord * (1.3 - 0.8 * step)
                shape.ellipsoid(middle, _vector(size, span / 7, 0.035))
    for step in np.linspace(0.2, 1, 4):
        shape.ellipsoid(_vector(-length * (0.8 + 0.1 * step), 0, 0.35 * step), _vector(0.13, 0.03, 0.1))


def _shoe(shape: Shape, random: Random) -> None:
    """Long and low with an upright part at one end: shoes, irons, taps, beaks, seats."""
    length, wide, low = random.uniform(0.6, 0.95), random.uniform(0.2, 0.35), random.uniform(0.1, 0.25)
    shape.box(_vector(0, 0, -0.4), _vector(length, wide, low), low * random.uniform(0.2, 0.95))
    shape.ellipsoid(_vector(length * 0.6, 0, -0.35), _vector(length * 0.5, wide * 0.95, low * 1.4))
    back = -length * random.uniform(0.3, 0.7)
    tall = random.uniform(0.2, 0.8)
    shape.limb(
        _vector(back, 0, -0.4), _vector(back - random.uniform(-0.1, 0.2), 0, -0.4 + tall), wide * 0.95, wide * 0.8
    )
    if random.random() < 0.5:
        top = _vector(back, 0, -0.4 + tall + wide)
        shape.carve(np.linalg.norm((shape.points - top) / _vector(0.28, wide * 0.7, 0.45), axis=1) * 0.3 - 0.3)
