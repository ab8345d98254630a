"""A mesh and a camera -> what the network sees and what it should answer.

A view is framed as the product frames a photo: the object's box is 0.85 of a square picture. Depths are x in the world
of the input camera (`backend/mesh/camera.py`), whatever camera took the view: what counts is the shape for the size it
has in the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from backend.engines.form.engine import NODES, PICTURE, RATIO
from backend.mesh.camera import PICTURE_SIDE

Random = np.random.Generator
Paint = Callable[[NDArray, NDArray], NDArray]  # faces (N,) and places in them (N, 2) -> linear albedos (N, 3)
LEAST_SHARE = 0.02  # of the picture that the object covers; less is a view from the edge of a sheet
_FAR = 8.0


@dataclass(frozen=True)
class Object:
    """A mesh within ±1: corners (V, 3), faces (F, 3), sRGB colours (F, 3) in [0, 1], normals (F, 3, 3) per corner."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int64]
    colors: NDArray[np.float32]
    smooth: bool


@dataclass(frozen=True)
class View:
    """One view. Where `front` is `OUTSIDE` there is no object."""

    picture: NDArray[np.uint8]  # (side, side, 4) straight RGBA
    front: NDArray[np.float16]  # (NODES, NODES) x of the surface that the camera sees
    back: NDArray[np.float16]  # (NODES, NODES) x of the last surface behind it
    behind: NDArray[np.uint8]  # (NODES, NODES, 3) colours of that


OUTSIDE = np.float16(9)


class Caster:
    """Rays against triangles (Embree)."""

    def __init__(self, vertices: NDArray, faces: NDArray) -> None:
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(self._scene, np.ascontiguousarray(vertices[faces], np.float32))

    def cast(self, origins: NDArray, ways: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return of (N, 3) rays the face hit, −1 for none, the way to it in units of `ways`, its (N, 2) place in it."""
        ways = np.ascontiguousarray(ways, np.float32)
        origins = np.ascontiguousarray(np.broadcast_to(origins, ways.shape), np.float32)
        hit = self._scene.run(origins, ways, query="INTERSECT", output=1)
        return hit["primID"], hit["tfar"], np.stack([hit["u"], hit["v"]], -1)


def turn(azimuth: float, elevation: float, roll: float = 0.0) -> NDArray[np.float64]:
    """Return the rotation that brings a camera at these angles (degrees) onto +x, z up."""
    a, e, r = np.radians([azimuth, elevation, roll])
    around = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    down = np.array([[np.cos(e), 0, np.sin(e)], [0, 1, 0], [-np.sin(e), 0, np.cos(e)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(r), np.sin(r)], [0, -np.sin(r), np.cos(r)]])
    return tilt @ down @ around


@dataclass(frozen=True)
class Pose:
    """A camera: angles and field of view in degrees; `cut`: the share of the object below the photo's lower edge."""

    azimuth: float
    elevation: float
    roll: float = 0.0
    field: float = 40.0
    cut: float = 0.0


def any_pose(random: Random) -> Pose:
    """Return a camera: often on one of the four plain sides, at eye level or above."""
    plain = random.random() < 0.45
    azimuth = 90 * random.integers(4) + random.normal(0, 3) if plain else random.uniform(0, 360)
    elevation = random.normal(0, 2) if random.random() < 0.35 else random.uniform(-10, 40)
    roll = random.normal(0, 8) if random.random() < 0.15 else 0.0
    field = random.choice([40.0, random.uniform(25, 60)])
    return Pose(azimuth, elevation, roll, field, random.uniform(0.15, 0.45) if random.random() < 0.1 else 0.0)


@dataclass(frozen=True)
class Shot:
    """An object before a camera on +x; the picture shows `middle` ± `half` of the plane one unit before it."""

    vertices: NDArray[np.float32]  # (V, 3) turned to the camera
    distance: float  # of the camera
    middle: NDArray[np.float64]  # (2,) across, up
    half: float
    lowest: float  # up of the photo's lower edge

    @property
    def unit(self) -> float:
        """World units of the input camera to one of the object."""
        return PICTURE_SIDE / (2 * self.distance * self.half)

    def ways(self, count: int) -> NDArray[np.float64]:
        """Return the rays (count², 3) through the pixel centres of a picture; 1 along them is a depth of 1."""
        places = (np.arange(count) + 0.5) / count * 2 - 1
        down, right = np.meshgrid(places, places, indexing="ij")
        across, up = self.middle[0] + right * self.half, self.middle[1] - down * self.half
        return np.stack([-np.ones(down.shape), across, up], -1).reshape(-1, 3)


def shoot(thing: Object, pose: Pose) -> Shot | None:
    """Return the object as the camera stands to it; None where it would be too near."""
    turned = (thing.vertices @ turn(pose.azimuth, pose.elevation, pose.roll).T).astype(np.float32)
    distance = 1.15 / (RATIO * np.tan(np.radians(pose.field / 2)))
    corners = turned[np.unique(thing.faces)]
    if corners[:, 0].max() > 0.75 * distance:
        return None
    across, up = corners[:, 1] / (distance - corners[:, 0]), corners[:, 2] / (distance - corners[:, 0])
    low, high = np.array([across.min(), up.min()]), np.array([across.max(), up.max()])
    if pose.cut:
        low[1] += pose.cut * (high[1] - low[1])
        seen = up > low[1]
        low[0], high[0] = across[seen].min(), across[seen].max()
    return Shot(turned, distance, (low + high) / 2, float(max(high - low)) / 2 / RATIO, float(low[1]))


def view_of(thing: Object, pose: Pose, random: Random, side: int = PICTURE) -> View | None:
    """Return a view of `side` px with light and texture drawn by chance; None where too little is seen."""
    shot = shoot(thing, pose)
    if shot is None:
        return None
    turned, distance, unit = shot.vertices, shot.distance, shot.unit
    caster = Caster(turned, thing.faces)
    eye = np.array([distance, 0, 0])

    def inside(way: NDArray, face: NDArray) -> NDArray:
        return (face >= 0) & (way[:, 2] > shot.lowest - 1e-6)

    fine = shot.ways(2 * side)
    face, way, place = caster.cast(eye, fine)
    hit = np.flatnonzero(inside(fine, face))
    if len(hit) < LEAST_SHARE * len(fine):
        return None
    paint = _texture(thing, random)
    light = _light(random)
    colors = np.zeros((len(fine), 3), np.float32)
    where = eye + fine[hit] * way[hit, None]
    normals = _normals(thing, turned, face[hit], place[hit], fine[hit])
    shade = ~(caster.cast(where + normals * 2e-3, np.broadcast_to(light.way, where.shape))[0] >= 0)
    colors[hit] = light.on(paint(face[hit], place[hit]), normals, shade, -fine[hit])
    square = (side, 2, side, 2)
    alpha = np.bincount(hit, minlength=len(fine)).reshape(square).mean((1, 3))
    mean = colors.reshape(*square, 3).mean((1, 3)) / np.maximum(alpha, 1e-6)[..., None]
    picture = np.dstack([_srgb(mean) * (alpha > 0)[..., None], alpha])

    coarse = shot.ways(NODES)
    face, way, _ = caster.cast(eye, coarse)
    last, back, place = caster.cast(eye + coarse * _FAR * distance, -coarse)
    both = inside(coarse, face) & (last >= 0)
    front = np.where(both, (distance - way) * unit, OUTSIDE)
    rear = np.where(both, (distance - (_FAR * distance - back)) * unit, OUTSIDE)
    index = np.flatnonzero(both)
    normals = _normals(thing, turned, last[index], place[index], -coarse[index])
    behind = np.zeros((len(coarse), 3), np.float32)
    mirrored = _Light(light.way * [-1, 1, 1], light.ambient, light.sun, 0.0)  # the back in as good a light as the front
    behind[index] = mirrored.on(paint(last[index], place[index]), normals, np.ones(len(index)), coarse[index])
    return View(
        np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8),
        front.reshape(NODES, NODES).astype(np.float16),
        rear.reshape(NODES, NODES).astype(np.float16),
        np.rint(_srgb(behind).reshape(NODES, NODES, 3) * 255).astype(np.uint8),
    )


def _normals(thing: Object, vertices: NDArray, face: NDArray, place: NDArray, ways: NDArray) -> NDArray:
    """Return unit normals at the hits, toward the viewer."""
    corners = vertices[thing.faces[face]]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if thing.smooth:
        all_corners = vertices[thing.faces]
        areas = np.cross(all_corners[:, 1] - all_corners[:, 0], all_corners[:, 2] - all_corners[:, 0])
        sums = np.zeros_like(vertices)
        for corner in range(3):
            np.add.at(sums, thing.faces[:, corner], areas)
        round_ones = sums[thing.faces[face]]
        round_ones /= np.linalg.norm(round_ones, axis=2, keepdims=True) + 1e-12
        weights = np.column_stack([1 - place.sum(1), place])[..., None]
        flat = (round_ones * weights).sum(1)
    flat = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-12)
    return np.where((flat * ways).sum(1, keepdims=True) > 0, -flat, flat)


@dataclass(frozen=True)
class _Light:
    way: NDArray[np.float64]  # toward the sun
    ambient: float
    sun: float
    shine: float

    def on(self, albedo: NDArray, normals: NDArray, lit: NDArray, toward_eye: NDArray) -> NDArray:
        """Return linear colours (N, 3) of surfaces with these albedos and normals; `lit` where no shadow falls."""
        facing = np.clip(normals @ self.way, 0, 1) * lit
        sky = self.ambient + 0.18 * (0.5 + 0.5 * normals[:, 2])
        toward_eye = toward_eye / np.linalg.norm(toward_eye, axis=1, keepdims=True)
        halfway = toward_eye + self.way
        halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
        gloss = self.shine * np.clip((normals * halfway).sum(1), 0, 1) ** 30 * lit
        return albedo * (sky + self.sun * facing)[:, None] + gloss[:, None]


def _light(random: Random) -> _Light:
    way = np.array([random.uniform(0.15, 0.95), random.uniform(-0.9, 0.9), random.uniform(0.2, 1.0)])
    shine = random.uniform(0.1, 0.6) if random.random() < 0.3 else 0.0
    return _Light(way / np.linalg.norm(way), random.uniform(0.15, 0.5), random.uniform(0.4, 1.0), shine)


def _texture(thing: Object, random: Random) -> Paint:
    """Return a function from hits to linear albedos (N, 3)."""
    own = random.random() < 0.4
    palette = _linear(
        random.uniform(0.05, 1, (6, 3)) if random.random() < 0.7 else random.uniform(0.2, 0.9, (6, 1)) * np.ones(3)
    )
    planes = random.normal(size=(random.integers(0, 4), 4)) * [1, 1, 1, 0.3]
    spots = (
        random.uniform(-1, 1, (random.integers(0, 10), 3)),
        random.uniform(0.05, 0.35, 10),
        random.uniform(0.4, 2.5, (10, 3)),
    )
    stripes = (
        random.normal(size=3) * random.uniform(10, 60),
        random.choice([0, 0.05, 0.12, 0.4], p=[0.4, 0.3, 0.2, 0.1]),
    )
    grain = random.normal(size=(5, 3)) * random.uniform(4, 40), random.choice([0, 0.06, 0.2], p=[0.5, 0.3, 0.2])

    def paint(face: NDArray, place: NDArray) -> NDArray:
        corners = thing.vertices[thing.faces[face]]  # before the turn, so that front and back have one texture
        point = (
            corners[:, 0]
            + place[:, :1] * (corners[:, 1] - corners[:, 0])
            + place[:, 1:] * (corners[:, 2] - corners[:, 0])
        )
        albedo = _linear(thing.colors[face]) if own else np.broadcast_to(palette[0], point.shape).copy()
        if not own:
            for index, plane in enumerate(planes):
                albedo[point @ plane[:3] > plane[3]] = palette[index % 3 + 1]
            for index, center in enumerate(spots[0]):
                near = (((point - center) * spots[2][index]) ** 2).sum(1) < spots[1][index] ** 2
                albedo[near] = palette[4 + index % 2]
        tone = 1 + stripes[1] * np.sin(point @ stripes[0])
        tone = tone + grain[1] * np.sin(point @ grain[0].T).prod(1) * 2
        return albedo * np.clip(tone, 0.1, 2)[:, None]

    return paint


def _linear(color: NDArray) -> NDArray:
    return np.asarray(color, np.float32) ** np.float32(2.2)


def _srgb(color: NDArray) -> NDArray:
    return np.clip(color, 0, 1) ** (1 / 2.2)
