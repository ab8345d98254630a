"""How far the layers of a network are from the truth, on true objects seen from four sides; quick, without a mesh."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend.engines.form.engine import inflated
from backend.images.resize import resize_to
from training.form.network import FormNetwork
from training.form.pack import Views
from training.form.train import batch_of
from training.form.views import NODES, Object, Pose, View, view_of

POSES = (Pose(0, 0), Pose(30, 0), Pose(0, 20), Pose(30, 20))


def true_objects(folder: Path) -> dict[str, Object]:
    """Return the objects in `folder`/objects.npz by name."""
    things = {}
    with np.load(folder / "objects.npz") as data:
        for name in sorted(key[:-2] for key in data.files if key.endswith("_v")):
            vertices = data[f"{name}_v"] - (data[f"{name}_v"].max(axis=0) + data[f"{name}_v"].min(axis=0)) / 2
            faces = data[f"{name}_f"].astype(np.int64)
            grey = np.full((len(faces), 3), 0.6, np.float32)
            things[name] = Object((vertices / np.abs(vertices).max()).astype(np.float32), faces, grey, True)
    return things


def true_views(folder: Path) -> Views:
    """Return views of the objects in `folder`/objects.npz, object by object from the four poses."""
    rows: list[View] = []
    for number, thing in enumerate(true_objects(folder).values()):
        for pose in POSES:
            view = view_of(thing, pose, np.random.default_rng(number))
            assert view is not None
            rows.append(view)
    arrays = {name: np.stack([getattr(row, name) for row in rows]) for name in View.__dataclass_fields__}
    halves = [inflated(resize_to(one[..., 3] / np.float32(255), (NODES, NODES))) for one in arrays["picture"]]
    return Views(half=np.stack(halves).astype(np.float16), **arrays)


def layer_errors(views: Views, network: FormNetwork | None) -> NDArray[np.float64]:
    """Return per view the mean error of both layers, world units, after the best shift; None: the inflated outline."""
    batch = batch_of(views, np.arange(len(views.picture)), None)
    if network is None:
        half = torch.from_numpy(views.half.astype(np.float32))[:, None]
        front, back = half, -half
    else:
        with torch.no_grad():
            layers = network(batch.inputs)
            mirrored = network(batch.inputs.flip(-1))
        front = (layers.front + mirrored.front.flip(-1)) / 2
        back = (layers.back + mirrored.back.flip(-1)) / 2
    known = batch.known[:, 0].numpy() > 0
    ahead, behind = (front - batch.front)[:, 0].numpy(), (back - batch.back)[:, 0].numpy()
    errors = []
    for index, inside in enumerate(known):
        both = np.concatenate([ahead[index][inside], behind[index][inside]])
        errors.append(np.abs(both - np.median(both)).mean())
    return np.array(errors)
