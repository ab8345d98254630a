"""How near a mesh is to a true object: surface, volume and outlines, whatever its distance and size.

One photo tells neither how far an object is nor how large, so a mesh is first scaled about the camera and shifted along
the view for the least Chamfer distance. The world is that of the input camera; lengths are in longest sides of the
object.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from training.form.views import Caster, Shot, turn

Points = NDArray[np.float64]
Place = Callable[[Points], Points]
SAMPLES, ROUGH, NODES, SIDE = 10_000, 1_000, 64, 256


@dataclass
class Solid:
    """A mesh in the object's own frame as the camera sees it: corners (V, 3), faces (F, 3)."""

    vertices: Points
    faces: NDArray[np.int64]
    caster: Caster = field(init=False)

    def __post_init__(self) -> None:
        self.caster = Caster(self.vertices, self.faces)

    def sample(self, count: int, seed: int) -> Points:
        """Return points (count, 3) spread evenly over the surface."""
        random = np.random.default_rng(seed)
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        chosen = random.choice(len(area), count, p=area / area.sum())
        u, v = random.random((2, count, 1))
        over = u + v > 1
        u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
        return a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]

    @cached_property
    def outer(self) -> Points:
        """Points of the surface from which some of 48 directions lead out: inner sheets of a model do not count."""
        points, random = self.sample(16_000, 0), np.random.default_rng(0)
        free = np.zeros(len(points), bool)
        for way in random.normal(size=(48, 3)):
            hidden = np.flatnonzero(~free)
            way /= np.linalg.norm(way)
            free[hidden] = self.caster.cast(points[hidden] + 1e-3 * way, np.tile(way, (len(hidden), 1)))[0] < 0
        return points[free][:SAMPLES]

    def seen_from(self, camera: Points) -> Points:
        """Return up to SAMPLES points of the surface that a camera sees."""
        points = self.sample(3 * SAMPLES, 5)
        ways = camera - points
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        seen = self.caster.cast(points + 1e-3 * ways, ways)[0] < 0
        return points[seen][:SAMPLES]

    @cached_property
    def size(self) -> float:
        return float(np.ptp(self.vertices, axis=0).max())

    def silhouette(self, angle: float, middle: Points, reach: float) -> NDArray[np.bool_]:
        """Return the outline (SIDE, SIDE) by parallel rays from `angle` degrees around, of `middle` ± `reach`."""
        places = ((np.arange(SIDE) + 0.5) / SIDE * 2 - 1) * reach
        down, right = np.meshgrid(-places, places, indexing="ij")
        rotation = turn(angle, 0)
        starts = np.stack([np.full(SIDE * SIDE, 3 * reach), right.ravel(), down.ravel()], -1) @ rotation + middle
        ways = np.tile(rotation.T @ [-1.0, 0, 0], (SIDE * SIDE, 1))
        return (self.caster.cast(starts, ways)[0] >= 0).reshape(SIDE, SIDE)

    def filled(self, low: Points, side: float) -> NDArray[np.bool_]:
        """Return which nodes (NODES³) of a cube are inside, by the majority of three parity counts."""
        votes = np.zeros((NODES,) * 3, int)
        places = (np.arange(NODES) + 0.5) / NODES * side
        for axis in range(3):
            first, second = (other for other in range(3) if other != axis)
            one, two = np.meshgrid(places, places, indexing="ij")
            starts = np.zeros((NODES * NODES, 3))
            starts[:, first], starts[:, second] = low[first] + one.ravel() + 1.1e-5, low[second] + two.ravel() + 0.7e-5
            starts[:, axis] = low[axis] - 0.1 * side
            way = np.eye(3)[axis]
            crossings = np.zeros((len(starts), NODES), int)
            live, gone = np.arange(len(starts)), np.zeros(len(starts))
            for _ in range(64):
                hit, step, _ = self.caster.cast(starts[live] + gone[live, None] * way, np.tile(way, (len(live), 1)))
                live, step = live[hit >= 0], step[hit >= 0]
                if not len(live):
                    break
                gone[live] += step
                crossings[live] += places + 0.1 * side > gone[live, None]
                gone[live] += 2e-5
            votes += np.moveaxis((crossings % 2).reshape((NODES,) * 3), 2, axis)
        return votes >= 2


def scores(mesh: Solid, truth: Solid, camera: Points) -> dict[str, float]:
    """Return F-scores, volume IoU and the outline's IoU from the side, after the best scale and shift."""
    found, place = f_scores(mesh.sample(SAMPLES, 3), truth.outer, truth.size, camera)
    fitted = Solid(place(mesh.vertices), mesh.faces)
    low = np.minimum(fitted.vertices.min(0), truth.vertices.min(0))
    high = np.maximum(fitted.vertices.max(0), truth.vertices.max(0))
    middle, side = (low + high) / 2, float((high - low).max()) * 1.001
    found["volume IoU"] = _iou(*(one.filled(middle - side / 2, side) for one in (fitted, truth)))
    found["side"] = _iou(*(one.silhouette(90.0, middle, 0.75 * side) for one in (fitted, truth)))
    return found


def f_scores(points: Points, truth: Points, size: float, camera: Points) -> tuple[dict[str, float], Place]:
    """Return the F-scores of two surfaces' points (N, 3), after the best scale and shift, and these."""
    place = _best_place(points, truth, size, camera)
    moved = place(points)
    there, back = (cKDTree(cloud) for cloud in (truth, moved))
    near, far = there.query(moved)[0] / size, back.query(truth)[0] / size
    found: dict[str, float] = {}
    for limit in (0.1, 0.05):
        precise, complete = float((near < limit).mean()), float((far < limit).mean())
        found[f"F@{limit}"] = 2 * precise * complete / max(precise + complete, 1e-9)
    return found, place


def in_truth(points: Points, shot: Shot, half_height: float, distance: float) -> Points:
    """Return points of the input camera's world, (N, 3), in the frame of the truth that `shot` shows."""
    depth = distance - points[:, 0]
    across, up = points[:, 1] / depth / half_height, points[:, 2] / depth / half_height
    x = points[:, 0] / shot.unit
    away = shot.distance - x
    return np.stack(
        [x, (shot.middle[0] + across * shot.half) * away, (shot.middle[1] + up * shot.half) * away], axis=-1
    )


def _best_place(points: Points, truth: Points, size: float, camera: Points) -> Place:
    random = np.random.default_rng(1)
    few, some = (cloud[random.choice(len(cloud), ROUGH, replace=False)] for cloud in (points, truth))
    tree = cKDTree(some)

    def moved(how: NDArray[np.float64], cloud: Points) -> Points:
        return camera + np.exp(how[1]) * (cloud - camera) + [how[0], 0, 0]

    def cost(how: NDArray[np.float64]) -> float:
        placed = moved(how, few)
        apart = tree.query(placed)[0].mean() + cKDTree(placed).query(some)[0].mean()
        return float(apart) / size + 10 * max(0.0, abs(how[1]) - 0.4)

    shift = float(truth[:, 0].mean() - points[:, 0].mean())
    tries = []
    for start in ((0.0, 0.0), (shift, 0.0)):
        around = np.array([start, (start[0] + 0.06, 0.0), (start[0], 0.06)])
        tries.append(minimize(cost, start, method="Nelder-Mead", options={"initial_simplex": around, "maxfev": 50}))
    best = min(tries, key=lambda one: one.fun).x
    return lambda cloud: moved(best, cloud)


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
