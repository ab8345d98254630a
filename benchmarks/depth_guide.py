"""Measures what bending a predicted surface toward a disparity is worth, on true objects and the bench figure.

python -m benchmarks.depth_guide [../shared]

TripoSR's weights are not needed: its surface is the true one with the errors that such networks make. It is smoothed,
and `flattened` along the view to 0.60 to 0.85, or `bent` by a lean and a wave along the camera's rays, or both. The
disparity is the true one as a network's comes out: blurred, warped, bent in its values, with slow noise, without a
unit. Prints the means before and after, the worst single loss, and how often the disparity was followed; last, with
the disparities of other objects, which should not be. Needs `embreex` (training/README.md).
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array

from backend.engines.form.engine import RATIO
from backend.mesh.camera import DISTANCE, PICTURE_SIDE, lift, project
from backend.mesh.depth_guide import bend_to_depth
from backend.mesh.layers import depth_layers
from backend.mesh.mesh import Mesh
from backend.mesh.sampling import sample
from backend.mesh.topology import weld
from benchmarks.shape_scores import SAMPLES, Solid, f_scores
from tests.helpers.bench_figure import figure
from training.form.score import POSES, true_objects
from training.form.views import turn
from tsr.isosurface import extract_surface

REPOSITORY = Path(__file__).resolve().parent.parent
SIDE = 256  # of the disparities
KINDS = ("true", "flattened", "bent", "flattened and bent")
FIGURES = ("front F@0.05", "whole F@0.05", "whole F@0.1")
CAMERA = np.array([DISTANCE, 0.0, 0.0])
Points = NDArray[np.float64]
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """One object before the camera; (N, 3) corners in its world, (M, 3) faces, and its true front (SIDE, SIDE)."""

    vertices: Points
    faces: NDArray[np.int64]
    front: Plane
    disparity: Plane

    @property
    def size(self) -> float:
        return float(np.ptp(self.vertices, axis=0).max())


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", nargs="?", type=Path, default=REPOSITORY.parent / "shared")
    cases = list(all_cases(parser.parse_args().shared))
    others = [cases[(index + 5) % len(cases)].disparity for index in range(len(cases))]
    with ProcessPoolExecutor(2, initializer=_begin) as pool:
        rows = np.array(list(pool.map(measure, range(len(cases)), cases, others)))  # (case, kind, figure)
    count = len(FIGURES)
    head = "".join(f"{name:>24}" for name in FIGURES)
    print(f"{f'{len(cases)} views':22}{head}{'worst':>8}{'used':>6}{'wrong':>6}")
    for index, kind in enumerate(KINDS):
        before, after = rows[:, index, :count], rows[:, index, count : 2 * count]
        cells = "".join(
            f"{one:8.3f} {two:7.3f} {two - one:+7.3f}" for one, two in zip(before.mean(0), after.mean(0), strict=True)
        )
        used, wrong = rows[:, index, 2 * count :].sum(0)
        print(f"{kind:22}{cells}{(after - before)[:, 0].min():+8.3f}{used:6.0f}{wrong:6.0f}")


def all_cases(shared: Path) -> Iterator[Case]:
    """Yield each object from the front, and turned by 30° and from 20° above."""
    published = json.loads((REPOSITORY / "tests" / "golden" / "tsr_small.json").read_text())
    surface = extract_surface(figure(shared, published), resolution=96)
    bodies = {"bench figure": (surface.vertices.numpy().astype(np.float64), surface.faces.numpy().astype(np.int64))}
    bodies |= {name: (thing.vertices, thing.faces) for name, thing in true_objects(shared / "shape").items()}
    for number, (vertices, faces) in enumerate(bodies.values()):
        for pose in (POSES[0], POSES[-1]):
            placed = framed(vertices @ turn(pose.azimuth, pose.elevation).T)
            front, _ = depth_layers(Mesh(placed.astype(np.float32), faces), SIDE)
            random = np.random.default_rng([number, pose.azimuth])
            yield Case(placed, faces, front, network_disparity(front, random))


def framed(vertices: Points) -> Points:
    """Return the corners in the camera's world, where the object fills its usual share of the picture."""
    middle = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    placed = (vertices - middle) / np.ptp(vertices, axis=0).max()
    for _ in range(12):  # a nearer part is larger: size and place follow each other
        places = np.stack(project(placed)[:2])
        across, down = (places.max(axis=1) + places.min(axis=1)) / 2 - 0.5
        placed = placed - np.array([0.0, across, -down]) * PICTURE_SIDE
        placed *= RATIO / np.ptp(places, axis=1).max()
    return placed


def measure(number: int, case: Case, other: Plane) -> list[list[float]]:
    """Return for each kind the figures before and after, whether the disparity was followed, and whether the one of
    another object was."""
    truth = Solid(case.vertices, case.faces)
    alpha = np.isfinite(case.front).astype(np.float32)
    rows = []
    for index, kind in enumerate(KINDS):
        mesh = predicted(case, kind, np.random.default_rng([number, index]))
        guide = bend_to_depth(mesh, case.disparity, alpha)
        mended = mesh if guide.bend is None else Mesh(guide.bend.apply(mesh.vertices), mesh.faces)
        found = [value for one in (mesh, mended) for value in _figures(one, truth)]
        misled = bend_to_depth(mesh, other, alpha).bend is not None
        rows.append([*found, float(guide.bend is not None), float(misled)])
    return rows


def _figures(mesh: Mesh, truth: Solid) -> list[float]:
    solid = Solid(mesh.vertices.astype(np.float64), mesh.faces)
    front, _ = f_scores(solid.seen_from(CAMERA), truth.seen_from(CAMERA), truth.size, CAMERA)
    whole, _ = f_scores(solid.sample(SAMPLES, 3), truth.outer, truth.size, CAMERA)
    return [front["F@0.05"], whole["F@0.05"], whole["F@0.1"]]


def predicted(case: Case, kind: str, random: np.random.Generator) -> Mesh:
    """Return the object as a network might predict it: each point on its ray, at another depth."""
    vertices = _smoothed(case.vertices, case.faces)
    x = vertices[:, 0].copy()
    if "flattened" in kind:
        middle = (x.max() + x.min()) / 2
        x = middle + (x - middle) * random.uniform(0.6, 0.85)
    across, down, _ = project(vertices)
    if "bent" in kind:
        way = random.normal(size=2)
        way *= random.uniform(0.1, 0.3) / np.linalg.norm(way) / RATIO
        wave = sample(_slow(random, 64, 14.0), (np.stack([across, down], -1) * 64 - 0.5).astype(np.float32))
        x = x + case.size * (way[0] * (across - 0.5) + way[1] * (down - 0.5) + random.uniform(0.03, 0.06) * wave)
    return Mesh(lift(across, down, x).astype(np.float32), case.faces)


def _smoothed(vertices: Points, faces: NDArray[np.int64], rounds: int = 6) -> Points:
    """Return the corners after some rounds halfway to the mean of their neighbours."""
    welded = weld(Mesh(vertices.astype(np.float32), faces))
    points, count = welded.points.astype(np.float64), len(welded.points)
    sides = welded.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    sides = np.unique(np.concatenate([sides, sides[:, ::-1]]), axis=0)
    degree = np.bincount(sides[:, 0], minlength=count)
    mean = coo_array((1.0 / degree[sides[:, 0]], tuple(sides.T)), shape=(count, count)).tocsr()
    for _ in range(rounds):
        points = np.where(degree[:, None] > 0, (points + mean @ points) / 2, points)
    return points[welded.place]


def network_disparity(front: Plane, random: np.random.Generator) -> Plane:
    """Return what a network might say of a scene with this front before a wall."""
    known, k = np.isfinite(front), len(front) / 400
    wall = 1 / random.uniform(2.6, 4.5)
    disparity = np.where(known, 1 / np.where(known, front, 1), wall).astype(np.float32)
    places = np.indices(front.shape, np.float32)[::-1]
    warped = [place + 1.3 * k * _slow(random, len(front), 14 * k) for place in places]
    disparity = cv2.remap(disparity, *warped, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    disparity = cv2.GaussianBlur(disparity, (0, 0), k * random.uniform(1.2, 3.0))
    unit = np.clip((disparity - wall) / (np.percentile(disparity[known], 99) - wall), 0, None)
    unit = unit ** random.uniform(0.85, 1.2) + 0.012 * _slow(random, len(front), 40 * k)
    unit += random.normal(0, 0.002, unit.shape)
    return ((unit + random.uniform(0.05, 0.4)) * random.uniform(1, 40)).astype(np.float32)


def _slow(random: np.random.Generator, side: int, sigma: float) -> Plane:
    """Return slow noise (side, side) of mean 0 and deviation 1."""
    noise = cv2.GaussianBlur(random.normal(size=(side, side)).astype(np.float32), (0, 0), sigma)
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def _begin() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


if __name__ == "__main__":
    main()
