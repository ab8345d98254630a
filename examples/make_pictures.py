"""Ray-cast the example pictures: a glazed jug, a toy robot, a potted cactus, a pumpkin and a wooden duck, each on a
table in soft light.

    python examples/make_pictures.py            # writes jug.jpg, robot.jpg, … beside this file

They are made here, so they may be committed; nothing in them comes from anybody's photo.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import solids
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]
Color = tuple[float, float, float]
WIDTH, HEIGHT, SAMPLES = 1200, 900, 2
LIGHT = np.float32((-0.55, 0.75, 0.6)) / np.float32(np.linalg.norm((-0.55, 0.75, 0.6)))


@dataclass(frozen=True)
class Part:
    """A solid with its paint: a base colour (or a function of the position) and how glossy it is."""

    distance: Callable[[Array], Array]
    color: Color | Callable[[Array], Array]
    gloss: float = 0.3


@dataclass(frozen=True)
class Scene:
    parts: list[Part]
    table: Color
    wall: Color
    camera: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_deg: float = 25.0


def jug() -> Scene:
    heights, radii = [0.0, 0.08, 0.45, 0.85, 1.08, 1.25], [0.30, 0.36, 0.50, 0.33, 0.24, 0.31]

    def glaze(p: Array) -> Array:
        bare = np.clip((0.30 - p[:, 1] + 0.03 * np.sin(9 * np.arctan2(p[:, 2], p[:, 0]))) * 25, 0, 1)[:, None]
        band = np.exp(-(((p[:, 1] - 0.80) / 0.035) ** 2))[:, None]
        blue = np.float32((0.05, 0.22, 0.42)) * (1 - band) + np.float32((0.85, 0.82, 0.70)) * band
        return blue * (1 - bare) + np.float32((0.55, 0.30, 0.17)) * bare

    def body(p: Array) -> Array:
        outer = np.float32(0.30) - np.hypot(p[:, 0], p[:, 2])  # the ring's inner half would stand in the milk
        ring = np.maximum(solids.torus(p, (0.43, 0.76, 0), 0.24, 0.045, 1.25), outer)
        handle = np.minimum(ring, solids.capsule(p, (0.24, 1.06, 0), (0.43, 1.06, 0), 0.05, 0.045))
        return solids.blend(solids.lathe(p, heights, radii, wall=0.035), handle, 0.04)

    return Scene([Part(body, glaze, 0.9)], (0.62, 0.50, 0.38), (0.80, 0.77, 0.72), (0.5, 1.25, 4.2), (0.06, 0.60, 0))


def robot() -> Scene:
    red, cream, dark, amber = (0.72, 0.10, 0.08), (0.86, 0.80, 0.66), (0.10, 0.11, 0.14), (0.95, 0.62, 0.10)
    return Scene(
        [
            Part(lambda p: solids.rounded_box(p, (0, 0.62, 0), (0.26, 0.27, 0.18), 0.07), red, 0.6),
            Part(lambda p: solids.rounded_box(p, (0, 1.09, 0), (0.20, 0.15, 0.16), 0.06), cream, 0.5),
            Part(lambda p: solids.capsule(p, (0, 0.86, 0), (0, 0.98, 0), 0.07, 0.07), dark),
            Part(
                lambda p: np.minimum(_pair(p, (0.085, 1.11, 0.15), 0.052), solids.sphere(p, (0, 1.40, 0), 0.045)),
                amber,
                0.9,
            ),
            Part(lambda p: solids.capsule(p, (0, 1.2, 0), (0, 1.38, 0), 0.014, 0.014), dark),
            Part(
                lambda p: np.minimum(
                    solids.capsule(p, (-0.30, 0.80, 0), (-0.50, 0.50, 0.06), 0.075, 0.06),
                    solids.capsule(p, (0.30, 0.80, 0), (0.55, 1.05, 0.08), 0.075, 0.06),
                ),
                cream,
                0.5,
            ),
            Part(
                lambda p: np.minimum(
                    solids.sphere(p, (-0.52, 0.45, 0.07), 0.095), solids.sphere(p, (0.58, 1.11, 0.09), 0.095)
                ),
                red,
                0.6,
            ),
            Part(
                lambda p: np.minimum(
                    solids.capsule(p, (-0.13, 0.42, 0), (-0.15, 0.12, 0), 0.085, 0.085),
                    solids.capsule(p, (0.13, 0.42, 0), (0.15, 0.12, 0), 0.085, 0.085),
                ),
                cream,
                0.5,
            ),
            Part(
                lambda p: np.minimum(
                    solids.rounded_box(p, (-0.16, 0.065, 0.05), (0.12, 0.065, 0.18), 0.05),
                    solids.rounded_box(p, (0.16, 0.065, 0.05), (0.12, 0.065, 0.18), 0.05),
                ),
                dark,
                0.6,
            ),
            Part(lambda p: solids.torus(p, (0, 0.66, 0.175), 0.09, 0.022), amber, 0.9),
        ],
        (0.36, 0.52, 0.56),
        (0.55, 0.68, 0.70),
        (-0.7, 1.2, 4.4),
        (0.0, 0.70, 0),
    )


def cactus() -> Scene:
    def green(p: Array) -> Array:
        ribs = 0.5 + 0.5 * np.cos(12 * np.arctan2(p[:, 2], p[:, 0]))
        return np.float32((0.10, 0.33, 0.13)) + ribs[:, None] * np.float32((0.10, 0.14, 0.06))

    def body(p: Array) -> Array:
        ribs = np.float32(0.012) * np.cos(12 * np.arctan2(p[:, 2], p[:, 0]))
        trunk = solids.capsule(p, (0, 0.5, 0), (0, 1.32, 0), 0.17, 0.15) - ribs
        left = solids.blend(
            solids.capsule(p, (-0.1, 0.78, 0), (-0.38, 0.84, 0.03), 0.07, 0.08),
            solids.capsule(p, (-0.38, 0.84, 0.03), (-0.40, 1.12, 0.03), 0.08, 0.07),
            0.05,
        )
        right = solids.blend(
            solids.capsule(p, (0.1, 0.95, 0), (0.34, 1.00, 0.02), 0.065, 0.07),
            solids.capsule(p, (0.34, 1.00, 0.02), (0.36, 1.20, 0.02), 0.07, 0.06),
            0.05,
        )
        return solids.blend(trunk, np.minimum(left, right), 0.05) * np.float32(0.9)

    def blossom(p: Array) -> Array:
        petals = [
            solids.ellipsoid(p, (0.07 * np.cos(a), 1.50, 0.07 * np.sin(a)), (0.06, 0.035, 0.06))
            for a in np.arange(6) * np.pi / 3
        ]
        return np.min(petals, axis=0)

    pot = Part(
        lambda p: solids.lathe(p, [0.0, 0.02, 0.36, 0.38, 0.46, 0.48], [0.22, 0.24, 0.32, 0.37, 0.38, 0.36], wall=0.04),
        (0.66, 0.29, 0.15),
        0.15,
    )
    soil = Part(
        lambda p: np.maximum(
            np.hypot(p[:, 0], p[:, 2]) - np.float32(0.33), np.abs(p[:, 1] - np.float32(0.40)) - np.float32(0.02)
        ),
        (0.13, 0.08, 0.05),
        0.0,
    )
    return Scene(
        [pot, soil, Part(body, green, 0.15), Part(blossom, (0.88, 0.20, 0.45), 0.2)],
        (0.83, 0.80, 0.76),
        (0.93, 0.86, 0.78),
        (0.3, 1.35, 4.6),
        (0, 0.72, 0),
    )


def pumpkin() -> Scene:
    def groove(p: Array) -> Array:
        return np.abs(np.sin(5 * np.arctan2(p[:, 2], p[:, 0])))

    def skin(p: Array) -> Array:
        blotch = 0.6 * mottle(p, 5) + 0.4 * mottle(p, 26)
        ripe = np.float32((0.80, 0.30, 0.035)) + (blotch[:, None] - 0.5) * np.float32((0.30, 0.26, 0.03))
        pale = np.clip((mottle(p, 60) - 0.78) * 6, 0, 1)[:, None]  # corky spots
        deep = np.clip(1.25 * groove(p) ** 0.6, 0.42, 1)[:, None]
        green = np.clip((p[:, 1] - 0.62) * 3.5, 0, 0.55)[:, None] * np.clip(1.3 - groove(p), 0, 1)[:, None]
        color = (ripe * (1 - pale) + np.float32((0.72, 0.52, 0.28)) * pale) * deep
        return color * (1 - green) + np.float32((0.22, 0.24, 0.06)) * green

    def body(p: Array) -> Array:
        around = np.hypot(p[:, 0], p[:, 2])
        dip = np.float32(0.10) * np.exp(-((around / 0.20) ** 2)) * np.sign(p[:, 1] - 0.38)
        lifted = np.stack([p[:, 0], p[:, 1] + dip, p[:, 2]], axis=1)
        ribs = np.float32(0.055) * (1 - groove(p)) ** 2 * np.clip(around / 0.3, 0, 1)
        return np.float32(0.6) * (solids.ellipsoid(lifted, (0, 0.38, 0), (0.56, 0.39, 0.56)) + ribs)

    def bark(p: Array) -> Array:
        lines = 0.5 + 0.5 * np.sin(9 * np.arctan2(p[:, 2], p[:, 0]) + 6 * p[:, 1])
        return np.float32((0.20, 0.17, 0.06)) + (0.6 * lines + 0.4 * mottle(p, 30))[:, None] * np.float32(
            (0.20, 0.16, 0.08)
        )

    def stem(p: Array) -> Array:
        foot = solids.capsule(p, (0, 0.62, 0), (0.02, 0.84, 0), 0.09, 0.055)
        return solids.blend(foot, solids.capsule(p, (0.02, 0.84, 0), (0.15, 0.98, 0.03), 0.055, 0.065), 0.03)

    parts = [Part(body, skin, 0.35), Part(stem, bark, 0.05)]
    return Scene(parts, (0.42, 0.33, 0.27), (0.62, 0.60, 0.55), (0.4, 1.35, 4.0), (0.02, 0.48, 0))


def duck() -> Scene:
    def wood(p: Array) -> Array:
        rings = np.hypot(p[:, 1] - 0.1, p[:, 2] + 0.35) * 34 + 3.2 * mottle(p, 3) + 0.5 * mottle(p, 11)
        late = np.clip(np.sin(rings) ** 3, 0, 1)[:, None]
        pores = np.clip((mottle(p * np.float32((0.25, 1, 1)), 90) - 0.66) * 4, 0, 1)[:, None]
        color = np.float32((0.66, 0.43, 0.22)) * (1 - late) + np.float32((0.46, 0.25, 0.10)) * late
        return color * (1 - 0.35 * pores)

    def body(p: Array) -> Array:
        hull = solids.ellipsoid(p, (0, 0.36, 0), (0.52, 0.30, 0.30))
        tail = solids.capsule(p, (-0.38, 0.46, 0), (-0.62, 0.66, 0), 0.15, 0.045)
        neck = solids.capsule(p, (0.32, 0.50, 0), (0.38, 0.82, 0), 0.15, 0.13)
        head = solids.sphere(p, (0.40, 0.92, 0), 0.20)
        trunk = solids.blend(solids.blend(hull, tail, 0.10), solids.blend(neck, head, 0.06), 0.08)
        return np.float32(0.9) * np.maximum(trunk, np.float32(0.09) - p[:, 1])

    def beak(p: Array) -> Array:
        return np.float32(0.8) * solids.ellipsoid(p, (0.62, 0.88, 0), (0.15, 0.045, 0.10))

    def stand(p: Array) -> Array:
        return solids.rounded_box(p, (0, 0.06, 0), (0.40, 0.06, 0.26), 0.03)

    def painted(p: Array) -> Array:
        worn = np.clip((mottle(p, 22) - 0.62) * 5, 0, 1)[:, None]
        return np.float32((0.74, 0.26, 0.07)) * (1 - 0.45 * worn) + wood(p) * 0.45 * worn

    eyes = Part(lambda p: _pair_across(p, (0.50, 0.98, 0.155), 0.032), (0.03, 0.03, 0.035), 0.9)
    parts = [Part(body, wood, 0.30), Part(beak, painted, 0.35), Part(stand, wood, 0.2), eyes]
    return Scene(parts, (0.30, 0.38, 0.36), (0.66, 0.72, 0.68), (0.9, 1.25, 4.2), (0.02, 0.56, 0))


def mottle(p: Array, frequency: float) -> Array:
    """Return smooth noise in [0, 1] at each place: random values on a lattice, blended between its corners."""
    at = p * np.float32(frequency) + np.float32(1000)
    corner = np.floor(at).astype(np.int64)
    share = at - corner
    share = share * share * (3 - 2 * share)
    total = np.zeros(len(p), np.float32)
    for offset in np.ndindex(2, 2, 2):
        key = (corner + np.array(offset)) @ np.array([73856093, 19349663, 83492791])
        key = (key ^ (key >> 13)) * 1274126177 & 0xFFFFFFFF
        weight = np.prod(np.where(np.array(offset) == 1, share, 1 - share), axis=1)
        total += weight * ((key ^ (key >> 16)) & 0xFFFF).astype(np.float32) / np.float32(0xFFFF)
    return total


def _pair_across(p: Array, center: tuple[float, float, float], radius: float) -> Array:
    mirrored = np.concatenate([p[:, :2], np.abs(p[:, 2:])], axis=1)
    return solids.sphere(mirrored, center, radius)


def _pair(p: Array, center: tuple[float, float, float], radius: float) -> Array:
    mirrored = np.concatenate([np.abs(p[:, :1]), p[:, 1:]], axis=1)
    return solids.sphere(mirrored, center, radius)


def distances(scene: Scene, p: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return the distance to the nearest part and its index; table and wall are no parts."""
    each = np.stack([part.distance(p) for part in scene.parts])
    return each.min(axis=0), each.argmin(axis=0)


def march(scene: Scene, origin: Array, direction: Array, far: float) -> Array:
    """Return the distance at which each ray hits a part; inf if it hits none before `far`."""
    travelled = np.zeros(len(direction), np.float32)
    active = np.arange(len(direction))
    for _ in range(96):
        step, _ = distances(scene, origin[active] + travelled[active, None] * direction[active])
        travelled[active] += step
        active = active[(step > 5e-4) & (travelled[active] < far)]
        if not len(active):
            break
    return np.where(travelled < far, travelled, np.inf)


def shade_factor(scene: Scene, p: Array) -> Array:
    """Return the share of the area light that reaches each point: soft shadows from the narrowest gap on the way."""
    light = np.ones(len(p), np.float32)
    travelled = np.full(len(p), 0.02, np.float32)
    for _ in range(70):  # short steps: long ones leave rings in the shadow
        gap, _ = distances(scene, p + travelled[:, None] * LIGHT)
        light = np.minimum(light, np.clip(0.5 + 0.5 * gap * 7 / travelled, 0, 1))
        travelled += np.clip(0.5 * gap, 0.012, 0.08)
    return light * light * (3 - 2 * light)


def occlusion(scene: Scene, p: Array, normal: Array) -> Array:
    """Return the ambient occlusion from five steps along the normal (near 0 in dark corners)."""
    shut = np.zeros(len(p), np.float32)
    for k in range(1, 6):
        reach = np.float32(0.05 * k)
        gap, _ = distances(scene, p + reach * normal)
        shut += np.maximum(reach - gap, 0) * np.float32(0.6**k)
    return np.clip(1 - 2.6 * shut, 0, 1)


def normals(scene: Scene, p: Array) -> Array:
    step = np.float32(1e-3)
    gradient = [
        distances(scene, p + step * axis)[0] - distances(scene, p - step * axis)[0]
        for axis in np.eye(3, dtype=np.float32)
    ]
    stacked = np.stack(gradient, axis=1)
    return stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-9)


def paint(scene: Scene, which: NDArray[np.int64], p: Array) -> tuple[Array, Array]:
    color = np.zeros((len(p), 3), np.float32)
    gloss = np.zeros(len(p), np.float32)
    for index, part in enumerate(scene.parts):
        here = which == index
        color[here] = part.color(p[here]) if callable(part.color) else np.float32(part.color)
        gloss[here] = part.gloss
    return color, gloss


def lit_object(scene: Scene, p: Array, direction: Array) -> Array:
    normal = normals(scene, p)
    _, which = distances(scene, p)
    color, gloss = paint(scene, which, p)
    diffuse = np.clip(normal @ LIGHT, 0, 1) * shade_factor(scene, p + 0.01 * normal)
    sky = (0.5 + 0.5 * normal[:, 1]) * occlusion(scene, p, normal)
    half = LIGHT - direction
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = gloss * np.clip((normal * half).sum(axis=1), 0, 1) ** 70 * diffuse
    rim = gloss * 0.25 * (1 - np.clip(-(normal * direction).sum(axis=1), 0, 1)) ** 4 * sky
    bounce = np.clip(-normal[:, 1], 0, 1)[:, None] * np.float32(scene.table) * 0.25
    return color * (0.95 * diffuse + 0.42 * sky)[:, None] + color * bounce + (shine + rim)[:, None]


def lit_room(scene: Scene, origin: Array, direction: Array, rng: np.random.Generator) -> Array:
    """The table (y = 0) and, far behind and out of focus, a wall that meets it in a soft curve."""
    down = np.minimum(direction[:, 1], -1e-4)
    reach = np.where(direction[:, 1] < -1e-4, -origin[:, 1] / down, np.float32(60))
    p = origin + np.minimum(reach, 60)[:, None] * direction
    wallness = np.clip((-p[:, 2] - 1.8) / 2.4, 0, 1)
    wallness = np.where(direction[:, 1] < -1e-4, wallness * wallness * (3 - 2 * wallness), 1).astype(np.float32)
    grain = 1 + 0.025 * np.sin(31 * p[:, 2] + 2.5 * np.sin(1.7 * p[:, 0])) * np.sin(3.1 * p[:, 0] + 5 * p[:, 2])
    color = (
        np.float32(scene.table) * grain[:, None] * (1 - wallness[:, None]) + np.float32(scene.wall) * wallness[:, None]
    )
    near = (wallness < 1) & (np.abs(p[:, 0]) < 4)
    light = np.ones(len(p), np.float32)
    up = np.broadcast_to(np.float32((0, 1, 0)), p[near].shape)
    light[near] = 0.35 * occlusion(scene, p[near], up) + 0.65 * shade_factor(scene, p[near])
    light = light * (1 - wallness) + wallness
    falloff = 1.12 - 0.10 * np.clip(p[:, 0] + 1, -2, 3)
    falloff = falloff * (1 - wallness) + (1.06 - 0.12 * direction[:, 0]) * wallness
    return color * (light * falloff * 0.98)[:, None] + rng.normal(0, 0.004, (len(p), 1)).astype(np.float32)


def cast(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the picture as (HEIGHT, WIDTH, 3) uint8 RGB."""
    eye, target = np.float32(scene.camera), np.float32(scene.target)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, np.float32((0, 1, 0)))
    right /= np.linalg.norm(right)
    upward = np.cross(right, forward)
    scale = np.tan(np.deg2rad(scene.fov_deg) / 2)
    width, height = WIDTH * SAMPLES, HEIGHT * SAMPLES
    picture = np.zeros((height, width, 3), np.float32)
    rows = 60
    for top in range(0, height, rows):
        v, u = np.mgrid[top : top + rows, 0:width].astype(np.float32) + np.float32(0.5)
        x = (u.ravel() / height - width / height / 2) * 2 * scale
        y = (0.5 - v.ravel() / height) * 2 * scale
        direction = (forward + x[:, None] * right + y[:, None] * upward).astype(np.float32)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        origin = np.broadcast_to(eye, direction.shape)
        reach = march(scene, origin, direction, 12.0)
        hit = np.isfinite(reach)
        color = np.empty_like(direction)
        color[hit] = lit_object(scene, origin[hit] + reach[hit, None] * direction[hit], direction[hit])
        color[~hit] = lit_room(scene, origin[~hit], direction[~hit], rng)
        picture[top : top + rows] = color.reshape(rows, width, 3)
    picture = picture.reshape(HEIGHT, SAMPLES, WIDTH, SAMPLES, 3).mean(axis=(1, 3))
    picture = np.clip(picture, 0, None) ** (1 / 2.2) + rng.normal(0, 0.006, picture.shape).astype(np.float32)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def main() -> None:
    here = Path(__file__).resolve().parent
    scenes = {"jug": jug, "robot": robot, "cactus": cactus, "pumpkin": pumpkin, "duck": duck}
    for name in sys.argv[1:] or scenes:
        scene = scenes[name]()
        Image.fromarray(cast(scene, np.random.default_rng(7))).save(here / f"{name}.jpg", quality=88)
        print(f"examples/{name}.jpg")


if __name__ == "__main__":
    main()
