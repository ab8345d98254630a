"""Ray-cast scenes with true depth, a network-like disparity, and segmentations spoiled in ways with names.

Two kinds. `settled`: errors that depth can put right (a background object taken along, a missing part at the object's
depth, a blob of wall or floor, a filled gap, an uncertain surround). `unsettled`: scenes where depth knows nothing
(flat relief, an object lying on its support, a neighbour as near as the object, something nearer in front of it), so
that the best a fusion can do is to leave the segmentation alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
HEIGHT, WIDTH, OVER = 360, 480, 2  # output pixels, and rays a side of a pixel
FAR = 1e9


@dataclass(frozen=True)
class Solid:
    """A unit sphere, box or upright cylinder, scaled by `half`, turned about the vertical, moved to `center`."""

    shape: str
    center: tuple[float, float, float]
    half: tuple[float, float, float]
    color: tuple[float, float, float]
    part: int  # 0 the surroundings, 1 the object, 2 a part of it that may go missing, 3 another object
    turn: float = 0.0


@dataclass(frozen=True)
class Scene:
    """One scene: `spoiled` is the segmentation to repair, `alpha` the truth, `disparity` what a network would say."""

    name: str
    settled: bool
    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    spoiled: NDArray[np.float32]
    disparity: NDArray[np.float32]


@dataclass(frozen=True)
class World:
    solids: list[Solid]
    eye: tuple[float, float, float] = (0.0, 1.1, -3.2)
    look: tuple[float, float, float] = (0.0, 0.45, 0.0)
    fov_deg: float = 42.0


# ---- casting -------------------------------------------------------------------------------------------------------


def cast(world: World) -> tuple[Float, Float, Float]:
    """Return (H, W) depth along the view axis, (H, W) solid hit (−1 none), (H, W, 3) colour, all oversampled."""
    eye, look = np.array(world.eye), np.array(world.look)
    ahead = (look - eye) / np.linalg.norm(look - eye)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    up = np.cross(ahead, right)
    y, x = np.mgrid[0 : HEIGHT * OVER, 0 : WIDTH * OVER] + 0.5
    scale = np.tan(np.radians(world.fov_deg) / 2) * 2 / (HEIGHT * OVER)
    u, v = (x - WIDTH * OVER / 2) * scale, (HEIGHT * OVER / 2 - y) * scale
    rays = (ahead + u[..., None] * right + v[..., None] * up).reshape(-1, 3)
    best, which = np.full(len(rays), FAR), np.full(len(rays), -1)
    color = np.full((len(rays), 3), 0.75)
    lengths = np.linalg.norm(rays, axis=1)
    for index, solid in enumerate(world.solids):
        toward = np.array(solid.center) - eye
        around = float(np.linalg.norm(solid.half))  # of the ball about the solid: rays that miss it are not cast
        if around < np.linalg.norm(toward):
            cosine = np.sqrt(1 - (around / np.linalg.norm(toward)) ** 2)
            cast_ = np.flatnonzero(rays @ (toward / np.linalg.norm(toward)) >= cosine * lengths)
        else:
            cast_ = np.arange(len(rays))
        distance, normal = _hit(solid, eye, rays[cast_])
        nearer = distance < best[cast_]
        hit, distance = cast_[nearer], distance[nearer]
        best[hit], which[hit] = distance, index
        color[hit] = _shade(solid, eye + distance[:, None] * rays[hit], normal[nearer])
    shape = (HEIGHT * OVER, WIDTH * OVER)
    return best.reshape(shape), which.reshape(shape).astype(float), color.reshape(*shape, 3)


def _hit(solid: Solid, eye: Float, rays: Float) -> tuple[Float, Float]:
    cos, sin = np.cos(solid.turn), np.sin(solid.turn)
    rotate = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    half = np.array(solid.half)
    start = (rotate @ (eye - np.array(solid.center))) / half
    step = (rays @ rotate.T) / half
    with np.errstate(all="ignore"):
        enter, local = {"sphere": _sphere, "box": _box, "cylinder": _cylinder}[solid.shape](start, step)
    enter = np.where(np.isfinite(enter) & (enter > 1e-3), enter, FAR)
    normal = (local / half) @ rotate
    return enter, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def _sphere(start: Float, step: Float) -> tuple[Float, Float]:
    a, b, c = (step**2).sum(1), step @ start, start @ start - 1
    enter = (-b - np.sqrt(b * b - a * c)) / a
    return enter, start + enter[:, None] * step


def _box(start: Float, step: Float) -> tuple[Float, Float]:
    first, second = (-1 - start) / step, (1 - start) / step
    low, high = np.minimum(first, second), np.maximum(first, second)
    enter = low.max(1)
    enter = np.where(enter < high.min(1), enter, np.nan)
    axis = np.eye(3)[low.argmax(1)]
    return enter, -np.sign(step) * axis


def _cylinder(start: Float, step: Float) -> tuple[Float, Float]:
    flat, slope = start[[0, 2]], step[:, [0, 2]]
    a, b, c = (slope**2).sum(1), slope @ flat, flat @ flat - 1
    side = (-b - np.sqrt(b * b - a * c)) / a
    height = start[1] + side * step[:, 1]
    cap = np.where(step[:, 1] < 0, 1.0, -1.0)
    top = (cap - start[1]) / step[:, 1]
    reach = flat + top[:, None] * slope
    on_top = (reach**2).sum(1) < 1
    on_side = np.abs(height) < 1
    enter = np.where(on_side, side, np.where(on_top, top, np.nan))
    around = flat + side[:, None] * slope
    normal = np.stack([around[:, 0], np.zeros(len(a)), around[:, 1]], 1)
    return enter, np.where(on_side[:, None], normal, cap[:, None] * np.array([0.0, 1.0, 0.0]))


def _shade(solid: Solid, point: Float, normal: Float) -> Float:
    light = np.array([-0.45, 0.75, -0.5])
    wave = np.sin(point @ np.array([9.0, 3.0, 7.0])) * np.sin(point @ np.array([-4.0, 8.0, 5.0]))
    bright = 0.45 + 0.55 * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    return np.clip(np.array(solid.color) * (bright * (1 + 0.10 * wave))[:, None], 0, 1)


# ---- worlds --------------------------------------------------------------------------------------------------------


def _room(rng: np.random.Generator, wall_z: float | None) -> list[Solid]:
    shade = rng.uniform(0.45, 0.85)
    tint = np.clip(shade + rng.uniform(-0.12, 0.12, 3), 0, 1)
    solids = [Solid("box", (0, -5.0, 0), (40, 5.0, 40), tuple(tint), 0)]
    if wall_z is not None:
        wall = np.clip(rng.uniform(0.4, 0.9) + rng.uniform(-0.12, 0.12, 3), 0, 1)
        solids.append(Solid("box", (0, 0, wall_z + 5), (60, 30, 5), tuple(wall), 0, float(rng.uniform(-0.15, 0.15))))
    return solids


def _color(rng: np.random.Generator) -> tuple[float, float, float]:
    return tuple(np.clip(rng.uniform(0.15, 0.95) + rng.uniform(-0.35, 0.35, 3), 0.03, 1))  # type: ignore[return-value]


def jug(rng: np.random.Generator, x: float = 0.0, z: float = 0.0, part: int = 1) -> list[Solid]:
    """A bellied vessel with a neck; the neck is the part that may go missing."""
    color, size = _color(rng), rng.uniform(0.8, 1.15)
    loose = 2 if part == 1 else part
    return [
        Solid("sphere", (x, 0.36 * size, z), (0.36 * size, 0.36 * size, 0.36 * size), color, part),
        Solid("cylinder", (x, 0.78 * size, z), (0.15 * size, 0.2 * size, 0.15 * size), color, loose),
    ]


def stool(rng: np.random.Generator, x: float = 0.0, z: float = 0.0, part: int = 1) -> list[Solid]:
    """A seat on four legs; one front leg is the part that may go missing."""
    color, turn = _color(rng), float(rng.uniform(0.1, 0.7))
    legs = _color(rng) if rng.random() < 0.4 else color
    width, height, thick = rng.uniform(0.33, 0.45), rng.uniform(0.6, 0.8), rng.uniform(0.045, 0.07)
    seat = Solid("box", (x, height, z), (width, 0.06, width), color, part, turn)
    feet = []
    for sx, sz in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        lx, lz = sx * (width - thick), sz * (width - thick)
        px, pz = lx * np.cos(turn) - lz * np.sin(turn), lx * np.sin(turn) + lz * np.cos(turn)
        feet.append((px, pz))
    front = min(range(4), key=lambda i: feet[i][1])
    return [seat] + [
        Solid("box", (x + px, height / 2, z + pz), (thick, height / 2, thick), legs,
              2 if i == front and part == 1 else part, turn)
        for i, (px, pz) in enumerate(feet)
    ]  # fmt: skip


def figure(rng: np.random.Generator, x: float = 0.0, z: float = 0.0, part: int = 1) -> list[Solid]:
    """A standing figure: body, head, two legs, two arms; one arm may go missing."""
    color, skin = _color(rng), _color(rng)
    loose = 2 if part == 1 else part
    return [
        Solid("box", (x, 0.62, z), (0.17, 0.22, 0.1), color, part),
        Solid("sphere", (x, 0.98, z), (0.13, 0.14, 0.13), skin, part),
        Solid("cylinder", (x - 0.09, 0.2, z), (0.065, 0.2, 0.065), color, part),
        Solid("cylinder", (x + 0.09, 0.2, z), (0.065, 0.2, 0.065), color, part),
        Solid("cylinder", (x - 0.24, 0.6, z), (0.06, 0.24, 0.06), color, part),
        Solid("cylinder", (x + 0.24, 0.6, z), (0.06, 0.24, 0.06), color, loose),
    ]


def chair(rng: np.random.Generator, x: float = 0.0, z: float = 0.0, part: int = 1) -> list[Solid]:
    """A chair with an open back; a post of the back may go missing."""
    color = _color(rng)
    loose = 2 if part == 1 else part
    solids = [Solid("box", (x, 0.48, z), (0.32, 0.045, 0.3), color, part)]
    for sx, sz in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        solids.append(Solid("box", (x + 0.27 * sx, 0.24, z + 0.25 * sz), (0.045, 0.24, 0.045), color, part))
    solids.append(Solid("box", (x, 1.0, z + 0.26), (0.32, 0.07, 0.04), color, part))
    solids.append(Solid("box", (x - 0.27, 0.72, z + 0.26), (0.045, 0.26, 0.04), color, part))
    solids.append(Solid("box", (x + 0.27, 0.72, z + 0.26), (0.045, 0.26, 0.04), color, loose))
    return solids


def crate(rng: np.random.Generator, x: float = 0.0, z: float = 0.0, part: int = 1) -> list[Solid]:
    """A box with a smaller one on top, which may go missing."""
    turn, size = float(rng.uniform(0.1, 0.8)), rng.uniform(0.28, 0.38)
    color = _color(rng)
    loose = 2 if part == 1 else part
    return [
        Solid("box", (x, size, z), (size, size, size * 0.8), color, part, turn),
        Solid("box", (x, size * 2.5, z), (size * 0.5, size * 0.5, size * 0.4), color, loose, turn),
    ]


OBJECTS: tuple[Callable[..., list[Solid]], ...] = (jug, stool, figure, chair, crate)


def _view(rng: np.random.Generator, solids: list[Solid], height: float | None = None) -> World:
    eye_y = rng.uniform(0.7, 1.7) if height is None else height
    eye = (float(rng.uniform(-0.5, 0.5)), float(eye_y), -float(rng.uniform(2.9, 3.6)))
    return World(solids, eye, (float(rng.uniform(-0.1, 0.1)), 0.48, 0.0), float(rng.uniform(36, 46)))


# ---- a network's view ----------------------------------------------------------------------------------------------


def network_disparity(depth: Float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Blur, bend and shift true disparity as a network's comes out: soft edges, warped outlines, unknown scale."""
    disparity = np.where(depth < FAR, 1.0 / depth, 0.0).astype(np.float32)
    disparity = cv2.resize(disparity, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    dx, dy = (_smooth(rng, 14) * 1.3 for _ in range(2))
    disparity = cv2.remap(disparity, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    disparity = cv2.GaussianBlur(disparity, (0, 0), float(rng.uniform(1.2, 3.0)))
    low, high = np.percentile(disparity, (1, 99))
    spread = max(float(high - low), 0.08 * float(high))  # a network does not see less than this
    unit = np.clip((disparity - low) / spread, 0, None) ** rng.uniform(0.85, 1.2)
    unit += 0.012 * _smooth(rng, 40) + rng.normal(0, 0.002, unit.shape)
    return ((unit + rng.uniform(0.05, 0.4)) * rng.uniform(1, 40)).astype(np.float32)


def _smooth(rng: np.random.Generator, sigma: float) -> NDArray[np.float32]:
    field_ = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), sigma)
    return np.asarray(field_ / field_.std(), np.float32)


def as_segmenter(mask: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Pass an alpha through a 320 px grid and soften it, as a segmentation network does."""
    grid = cv2.resize(mask, (320, 320), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(cv2.GaussianBlur(grid, (0, 0), float(rng.uniform(0.5, 1.2))), (WIDTH, HEIGHT))
    return np.clip(soft, 0, 1).astype(np.float32)


# ---- spoiling ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rendered:
    image: NDArray[np.uint8]
    parts: dict[int, NDArray[np.float32]]  # coverage of each part number
    depth: Float

    @property
    def alpha(self) -> NDArray[np.float32]:
        return np.clip(self.parts[1] + self.parts[2], 0, 1).astype(np.float32)


def render(world: World) -> Rendered:
    depth, which, color = cast(world)
    number = np.array([solid.part for solid in world.solids] + [0])
    part = number[which.astype(int)]
    small = {p: cv2.resize((part == p).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
             for p in range(4)}  # fmt: skip
    image = cv2.resize(color, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return Rendered(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8), small, depth)


def _ellipse(center: tuple[int, int], axes: tuple[int, int], angle: float) -> NDArray[np.float32]:
    canvas = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(canvas, center, axes, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
    return canvas


def _blob(alpha: NDArray[np.float32], rng: np.random.Generator, apart: bool) -> NDArray[np.float32]:
    """Add a patch of surroundings: on the object's outline, or apart from it."""
    ys, xs = np.nonzero(cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))))
    pick = int(rng.integers(len(ys)))
    side = np.sign(xs[pick] - xs.mean()) or 1.0
    x, y = int(xs[pick] + side * rng.uniform(15, 30) + side * 70 * apart), int(ys[pick])
    axes = (int(rng.uniform(24, 44)), int(rng.uniform(18, 36)))
    return np.maximum(alpha, _ellipse((x, y), axes, float(rng.uniform(0, 180))))


def _filled(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the gaps (between legs, in a chair's back) up to the outline's own closing."""
    closed = cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (121, 121)))
    return np.asarray(np.maximum(alpha, closed), np.float32)


def _scene(name: str, settled: bool, made: Rendered, spoiled: NDArray[np.float32], rng: np.random.Generator) -> Scene:
    soft = as_segmenter(np.clip(spoiled, 0, 1).astype(np.float32), rng)
    return Scene(name, settled, made.image, made.alpha, soft, network_disparity(made.depth, rng))


def _wall(rng: np.random.Generator) -> float | None:
    return None if rng.random() < 0.25 else float(rng.uniform(1.6, 4.5))


def settled_scene(kind: str, seed: int) -> Scene:
    """Return one scene whose segmentation has an error that depth can put right."""
    rng = np.random.default_rng([7, seed, sum(kind.encode())])
    if kind == "gap filled":
        builder = (stool, chair)[seed % 2]
    elif kind == "part missing":
        builder = (stool, figure, chair, jug, crate)[seed % 5]
    else:
        builder = OBJECTS[seed % 5]
    solids = _room(rng, _wall(rng)) + builder(rng)
    if kind == "object behind":
        other = OBJECTS[int(rng.integers(5))]
        solids += other(rng, float(rng.choice([-1, 1]) * rng.uniform(0.4, 0.7)), float(rng.uniform(0.9, 1.4)), 3)
    made = render(_view(rng, solids))
    alpha = made.alpha
    spoil: dict[str, Callable[[], NDArray[np.float32]]] = {
        "object behind": lambda: alpha + made.parts[3],
        "part missing": lambda: made.parts[1],
        "blob": lambda: _blob(alpha, rng, apart=seed % 3 == 2),
        "gap filled": lambda: _filled(alpha),
        "uncertain": lambda: _uncertain(alpha, rng),
    }
    return _scene(kind, True, made, spoil[kind](), rng)


def _uncertain(alpha: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a guess that is sure deep inside and far outside only, and wrong on one side of 0.5 in between."""
    wide = cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(8, 14)))
    return np.asarray(np.clip(wide + 0.12 * _smooth(rng, 12) * (wide > 0.02) * (wide < 0.98), 0, 1), np.float32)


def unsettled_scene(kind: str, seed: int) -> Scene:
    """Return one scene in which depth does not separate the object from its surroundings, or separates it wrongly."""
    rng = np.random.default_rng([11, seed, sum(kind.encode())])
    color = _color(rng)
    if kind == "flat relief":
        z = 0.3
        shape = ("cylinder", "box", "sphere")[seed % 3]
        half = (0.4, 0.35, 0.01) if shape == "box" else (0.4, 0.4, 0.012)
        relief = Solid("sphere" if shape == "cylinder" else shape, (0, 0.6, z), half, color, 1)
        knob = Solid("sphere", (0.15, 0.7, z), (0.16, 0.12, 0.02), _color(rng), 2)
        wall = Solid("box", (0, 0, z + 5), (60, 30, 5), (0.7, 0.68, 0.6), 0, 0.0)
        world = World([wall, relief, knob], (float(rng.uniform(-0.8, 0.8)), 0.7, -2.2), (0, 0.6, z), 40.0)
    elif kind == "lying":
        book = Solid("box", (0, 0.02, 0), (0.5, 0.02, 0.36), color, 1, float(rng.uniform(0, 1.5)))
        plate = Solid("cylinder", (0, 0.015, 0), (0.45, 0.015, 0.45), color, 1)
        inner = Solid("cylinder", (0, 0.02, 0), (0.2, 0.02, 0.2), _color(rng), 2)
        world = _view(rng, [*_room(rng, None), (book, plate)[seed % 2], inner], float(rng.uniform(1.3, 2.6)))
        world = World(world.solids, world.eye, (0, 0.0, 0), 34.0)
    elif kind == "near neighbour":
        side = float(rng.choice([-1, 1]))
        other = OBJECTS[int(rng.integers(5))](
            rng, side * float(rng.uniform(0.55, 0.8)), float(rng.uniform(-0.1, 0.1)), 3
        )
        world = _view(rng, _room(rng, _wall(rng)) + OBJECTS[seed % 5](rng) + other)
    elif kind == "close wall":
        side = float(rng.choice([-1, 1]))
        slab = Solid("box", (side * 1.75, 1.0, 0.0), (1.3, 1.6, float(rng.uniform(0.05, 0.3))), color, 0)
        world = _view(rng, [*_room(rng, _wall(rng)), slab, *OBJECTS[seed % 5](rng)])
    else:  # "in front": a post or a ledge nearer than the object
        post = Solid("cylinder", (float(rng.uniform(-0.35, 0.35)), 0.5, -1.1), (0.06, 0.8, 0.06), color, 3)
        ledge = Solid("box", (0, 0.05, -1.2), (3, float(rng.uniform(0.2, 0.3)), 0.1), color, 3)
        world = _view(rng, _room(rng, _wall(rng)) + OBJECTS[seed % 5](rng) + [(post, ledge)[seed % 2]], 0.9)
    made = render(world)
    alpha = made.alpha
    spoiled = (alpha, made.parts[1], _blob(alpha, rng, apart=False))[seed % 3 if kind in FLAT else 0]
    return _scene(kind, False, made, spoiled, rng)


FLAT = ("flat relief", "lying")  # here parts and blobs go wrong too, and depth has nothing to say about them
SETTLED = ("object behind", "part missing", "blob", "gap filled", "uncertain")
UNSETTLED = ("flat relief", "lying", "near neighbour", "close wall", "in front")


def all_scenes(per_kind: int = 8, first_seed: int = 0) -> list[Scene]:
    """Return `per_kind` scenes of each of the ten kinds; other seeds give other objects, rooms, views and noise."""
    seeds = range(first_seed, first_seed + per_kind)
    return [settled_scene(kind, seed) for kind in SETTLED for seed in seeds] + [
        unsettled_scene(kind, seed) for kind in UNSETTLED for seed in seeds
    ]
