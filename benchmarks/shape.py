"""Measures how near the meshes of the embedded engines are to true objects, each seen from four sides.

python -m benchmarks.shape [../shared/shape] [--engines form relief] [--sheets FOLDER]
python -m benchmarks.shape [../shared/shape] --views    # several photos instead: the first at eye level

The folder holds `objects.npz`: `NAME_v` (V, 3) and `NAME_f` (F, 3), x toward the viewer and z up. Pictures are drawn
here, with light and texture by chance. Needs `embreex` (training/README.md). Prints the means over objects and poses,
the front views alone, a table per object, and how sure the difference of the first two engines is (paired bootstrap
over objects, 95 %). `--engines form+depth` gives the engine the true disparity, blurred and without a unit.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.form.engine import FormEngine
from backend.engines.registry import Engines
from backend.images.arrays import Disparity
from backend.mesh.camera import DISTANCE, HALF_HEIGHT, project
from backend.mesh.engine import MeshRequest
from backend.mesh.framing import Framed, frame_object
from backend.mesh.mesh import Mesh
from backend.mesh.preview import contact_sheet
from benchmarks.shape_scores import Solid, in_truth, scores
from training.form.score import POSES, true_objects
from training.form.views import OUTSIDE, Caster, Object, Pose, Shot, shoot, view_of

REPOSITORY = Path(__file__).resolve().parent.parent
FIGURES = ("F@0.1", "F@0.05", "volume IoU", "side", "input")
SIDE = 384  # of the pictures
AZIMUTHS = ((0,), (0, 90), (0, 90, 180, 270))


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "shape")
    parser.add_argument("--engines", nargs="+", default=["form", "relief"])
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--views", action="store_true")
    options = parser.parse_args()
    names = list(true_objects(options.folder))
    with ProcessPoolExecutor(2, initializer=_begin) as pool:
        if options.views:
            rows = list(pool.map(measure_views, [options.folder] * len(names), names))
            _print(np.array(rows), [f"{len(azimuths)} photos" for azimuths in AZIMUTHS])
            return
        jobs = [(options.folder, name, engine, options.sheets) for name in names for engine in options.engines]
        rows = list(pool.map(measure, *zip(*jobs, strict=True)))
    # (engine, object, pose, figure)
    table = np.array(rows).reshape(len(names), len(options.engines), len(POSES), len(FIGURES)).swapaxes(0, 1)
    print("all four poses")
    _print(table.mean(2).swapaxes(0, 1), options.engines)
    print("front alone")
    _print(table[:, :, 0].swapaxes(0, 1), options.engines)
    print(f"{'F@0.05':<16}" + "".join(f"{engine:>14}" for engine in options.engines))
    for name, values in zip(names, table[..., 1].mean(2).T, strict=True):
        print(f"{name:<16}" + "".join(f"{value:14.3f}" for value in values))
    if len(options.engines) > 1:
        random = np.random.default_rng(0)
        gains = (table[0] - table[1]).mean(1)  # (object, figure)
        drawn = gains[random.integers(len(names), size=(10_000, len(names)))].mean(1)
        low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
        print(f"\n{options.engines[0]} over {options.engines[1]}")
        for figure, gain, *span in zip(FIGURES, gains.mean(0), low, high, strict=True):
            print(f"{figure:<16}{gain:+.3f} [{span[0]:+.3f}, {span[1]:+.3f}]")


def _print(table: NDArray[np.float64], rows: list[str]) -> None:
    """Print the means over objects of a table (object, row, figure)."""
    print(f"{'':<16}" + "".join(f"{figure:>12}" for figure in FIGURES))
    for name, values in zip(rows, table.mean(0), strict=True):
        print(f"{name:<16}" + "".join(f"{value:12.3f}" for value in values))
    print()


def measure(folder: Path, name: str, engine: str, sheets: Path | None) -> list[list[float]]:
    """Return the figures of one object's mesh from each pose; an engine called `NAME+depth` is given a disparity."""
    thing = true_objects(folder)[name]
    rows = []
    for number, pose in enumerate(POSES):
        shot, framed, disparity = photo(thing, pose, len(name) + number)
        given = disparity if engine.endswith("+depth") else None
        maker = Engines(Settings()).mesh_engine(engine.removesuffix("+depth"))
        mesh = maker.build(framed, given, MeshRequest(), Trace()).mesh
        rows.append(figures(mesh, framed, shot, thing))
        if sheets is not None:
            sheets.mkdir(parents=True, exist_ok=True)
            sheet = contact_sheet(mesh)
            cv2.imwrite(str(sheets / f"{name}_{number}_{engine}.png"), np.ascontiguousarray(sheet[..., ::-1]))
    return rows


def measure_views(folder: Path, name: str) -> list[list[float]]:
    """Return the figures of one object's mesh from one, two and four photos at eye level."""
    thing = true_objects(folder)[name]
    shots = {azimuth: photo(thing, Pose(azimuth, 0), len(name)) for azimuth in AZIMUTHS[-1]}
    shot, framed, _ = shots[0]
    maker = FormEngine(device="cpu")
    rows = []
    for azimuths in AZIMUTHS:
        views = [(shots[azimuth][1], None, float(azimuth)) for azimuth in azimuths]
        one = maker.build(framed, None, MeshRequest(), Trace())
        built = maker.build_views(views, MeshRequest(texture="vertex"), Trace()) if len(views) > 1 else one
        rows.append(figures(built.mesh, framed, shot, thing))
    return rows


def photo(thing: Object, pose: Pose, seed: int) -> tuple[Shot, Framed, Disparity]:
    """Return where the camera stood, the framed object, and its true disparity, blurred, without a unit."""
    shot, view = shoot(thing, pose), view_of(thing, pose, np.random.default_rng(seed), SIDE)
    assert shot is not None and view is not None
    framed = frame_object(np.ascontiguousarray(view.picture[..., :3]), (view.picture[..., 3] / 255).astype(np.float32))
    known = view.front < OUTSIDE
    disparity = np.where(known, 1 / (DISTANCE - view.front.astype(np.float32)), 0).astype(np.float32)
    total, count = (cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.5) for plane in (disparity, known))
    blurred = cv2.resize(total / np.maximum(count, 1e-3), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return shot, framed, framed.place(blurred)


def figures(mesh: Mesh, framed: Framed, shot: Shot, thing: Object) -> list[float]:
    """Return the FIGURES of a mesh of the framed object that `shot` shows."""
    # Of the framed square to the drawn picture: places first, then the size along the view.
    across, down, _ = project(mesh.vertices)
    side = len(framed.alpha)
    places = [
        ((share * side - framed.corner[1 - axis]) / framed.scale + framed.box[axis]) / SIDE
        for axis, share in enumerate((across, down))
    ]
    x = mesh.vertices[:, 0].astype(np.float64) * side / framed.scale / SIDE
    depth = (DISTANCE - x) * HALF_HEIGHT
    world = np.stack([x, (2 * places[0] - 1) * depth, (1 - 2 * places[1]) * depth], -1)
    solid = Solid(in_truth(world, shot, HALF_HEIGHT, DISTANCE), mesh.faces)
    truth = Solid(shot.vertices.astype(np.float64), thing.faces)
    found = scores(solid, truth, np.array([shot.distance, 0.0, 0.0]))
    return [*(found[figure] for figure in FIGURES[:-1]), _seen(mesh, framed.alpha)]


def _seen(mesh: Mesh, alpha: np.ndarray) -> float:
    """Return the IoU of the mesh's outline from the input camera and the matte."""
    places = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    down, across = np.meshgrid(places, places, indexing="ij")
    ways = np.stack([-np.ones(down.size), across.ravel() * HALF_HEIGHT, -down.ravel() * HALF_HEIGHT], -1)
    hit = Caster(mesh.vertices, mesh.faces).cast(np.array([DISTANCE, 0.0, 0.0]), ways)[0].reshape(SIDE, SIDE) >= 0
    matte = cv2.resize(alpha, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 0.5
    return float((hit & matte).sum() / max(1, (hit | matte).sum()))


def _begin() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


if __name__ == "__main__":
    main()
