"""Meshes and drawn solids -> packs of views on disk, in parallel; a second run makes only missing packs."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from backend.engines.form.engine import inflated
from backend.images.resize import resize_to
from training.form.solids import draw
from training.form.views import NODES, Object, View, any_pose, view_of

MESH_VIEWS, SOLID_VIEWS = 5, 4
THINGS_A_PACK = 50
HELD_OUT_EVERY = 20  # of the meshes, one of so many is never trained on


@dataclass(frozen=True)
class Round:
    """Views of meshes and of solids, drawn from one seed."""

    name: str
    seed: int
    solids: range
    meshes: int  # how many at most, in an order by the seed


ROUNDS = (Round("", 5, range(2600), 10_000), Round("again_", 6, range(10_000, 11_300), 1300))


@dataclass(frozen=True)
class Views:
    """Views in one array each, as `View` has them, and the inflated outline's half thickness (N, NODES, NODES)."""

    picture: NDArray[np.uint8]
    front: NDArray[np.float16]
    back: NDArray[np.float16]
    behind: NDArray[np.uint8]
    half: NDArray[np.float16]


def make_packs(meshes: Path, folder: Path, workers: int = 2) -> list[Path]:
    """Return the paths of all packs, after making those that `folder` lacks from the meshes' file and drawn solids."""
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(meshes) as data:
        count = len(data["vertex_offsets"]) - 1
    learned = [number for number in range(count) if number % HELD_OUT_EVERY]
    jobs = []
    for one in ROUNDS:
        for kind, numbers in (("mesh", learned), ("solid", list(one.solids))):
            mixed = np.random.default_rng(one.seed).permutation(numbers).tolist()
            mixed = mixed[: one.meshes] if kind == "mesh" else mixed
            chunks = [mixed[at : at + THINGS_A_PACK] for at in range(0, len(mixed), THINGS_A_PACK)]
            named = [(folder / f"{one.name}{kind}_{index:03d}.npz", chunk) for index, chunk in enumerate(chunks)]
            jobs += [(path, kind, one.seed, chunk) for path, chunk in named]
    with ProcessPoolExecutor(workers, initializer=_begin, initargs=(meshes,)) as pool:
        return list(pool.map(_make, *zip(*jobs, strict=True)))


def read_packs(paths: list[Path]) -> Views:
    """Return the views of all `paths`."""
    loaded = [np.load(path) for path in paths]
    return Views(*(np.concatenate([one[name] for one in loaded]) for name in Views.__dataclass_fields__))


def held_out(meshes: Path) -> list[Object]:
    """Return the meshes that are never trained on."""
    _begin(meshes)
    return [_mesh(number) for number in range(0, len(_DATA["vertex_offsets"]) - 1, HELD_OUT_EVERY)]


_DATA: dict[str, NDArray] = {}


def _begin(meshes: Path) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if not _DATA:
        with np.load(meshes) as data:
            _DATA.update({name: data[name] for name in data.files})


def _mesh(number: int) -> Object:
    first, last = _DATA["vertex_offsets"][number : number + 2]
    vertices = _DATA["vertices"][first:last].astype(np.float32)[:, [2, 0, 1]]  # glTF's y up and z front to ours
    vertices -= (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    first, last = _DATA["face_offsets"][number : number + 2]
    colors = _DATA["colors"][first:last].astype(np.float32) / 255
    return Object(
        vertices / np.abs(vertices).max(), _DATA["faces"][first:last].astype(np.int64), colors, last - first > 1500
    )


def _solid(number: int, seed: int) -> Object:
    vertices, faces = draw(np.random.default_rng([seed, 1, number]))
    vertices = vertices - (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    return Object(vertices / np.abs(vertices).max(), faces, np.full((len(faces), 3), 0.6, np.float32), True)


def _make(path: Path, kind: str, seed: int, numbers: list[int]) -> Path:
    if path.exists():
        return path
    solid = kind == "solid"
    rows: list[View] = []
    for number in numbers:
        thing = _solid(number, seed) if solid else _mesh(number)
        random = np.random.default_rng([seed, 2, solid, number])
        made = (view_of(thing, any_pose(random), random) for _ in range(SOLID_VIEWS if solid else MESH_VIEWS))
        rows += [view for view in made if view is not None]
    arrays = {name: np.stack([getattr(row, name) for row in rows]) for name in View.__dataclass_fields__}
    halves = [inflated(resize_to(picture[..., 3] / np.float32(255), (NODES, NODES))) for picture in arrays["picture"]]
    part = path.with_suffix(".part.npz")
    np.savez(part, half=np.stack(halves).astype(np.float16), **arrays)
    part.rename(path)
    return path
