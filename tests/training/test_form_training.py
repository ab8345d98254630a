"""What the network of `form` learns from: solids, views of them with the truth, and the loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("embreex", reason="embreex, which draws the views, is not installed")

from backend.engines.form.engine import OUTPUTS, PICTURE, inflated
from backend.engines.onnx_segmenter import open_session
from backend.mesh.mesh import Mesh
from backend.mesh.topology import topology, weld
from training.form.__main__ import export
from training.form.network import CHANNELS, FormNetwork, Layers
from training.form.pack import Views
from training.form.solids import draw
from training.form.train import Batch, batch_of, form_loss
from training.form.views import NODES, OUTSIDE, RATIO, Object, Pose, View, any_pose, view_of

MOST_PARAMETERS = 10_000_000
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
SIDES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
FACES = np.concatenate([SIDES[:, [0, 1, 2]], SIDES[:, [0, 2, 3]]])


def box(deep: float, wide: float, tall: float) -> Object:
    vertices = (CORNERS * [deep, wide, tall]).astype(np.float32)
    return Object(vertices, FACES, np.full((len(FACES), 3), 0.6, np.float32), False)


def seen(thing: Object, pose: Pose, seed: int = 0) -> View:
    view = view_of(thing, pose, np.random.default_rng(seed))
    assert view is not None
    return view


@pytest.mark.parametrize("seed", range(6))
def test_a_drawn_solid_is_closed_and_the_same_for_the_same_seed(seed: int) -> None:
    vertices, faces = draw(np.random.default_rng(seed))
    again, _ = draw(np.random.default_rng(seed))
    assert np.array_equal(vertices, again)
    assert np.abs(vertices).max() <= 1.25
    assert topology(weld(Mesh(vertices, faces))).closed


def test_a_box_before_the_camera_has_its_true_depth() -> None:
    view = seen(box(0.3, 0.6, 0.6), Pose(0, 0))
    known = view.front < OUTSIDE
    middle = np.s_[28:36, 28:36]
    thick = (view.front - view.back)[middle].astype(float)
    # The front is nearer and looks larger: its 1.2 fill 0.85 of the picture that is 1.3831 wide at x = 0.
    wide = np.count_nonzero(known[32]) / NODES
    assert wide == pytest.approx(RATIO, abs=0.02)
    assert np.ptp(thick) < 1e-2
    distance = 1.15 / (RATIO * np.tan(np.radians(20)))
    assert thick.mean() == pytest.approx(0.6 * 1.9 / distance * (distance - 0.3) / distance * 1.15 / 0.6, rel=0.02)


def test_the_picture_and_the_depths_show_the_same_outline() -> None:
    for seed in range(4):
        random = np.random.default_rng(seed)
        vertices, faces = draw(random)
        thing = Object(vertices, faces, np.full((len(faces), 3), 0.5, np.float32), True)
        view = seen(thing, replace(any_pose(random), azimuth=40.0))
        alpha = view.picture[..., 3].reshape(NODES, 2, NODES, 2).mean((1, 3)) / 255
        known = view.front < OUTSIDE
        assert np.count_nonzero(known != (alpha > 0.5)) < 0.03 * known.size
        assert (view.front[known] >= view.back[known]).all()


def test_a_cut_view_ends_at_the_photos_edge() -> None:
    whole, cut = (seen(box(0.3, 0.4, 0.9), Pose(0, 0, cut=share)) for share in (0.0, 0.4))
    share = [
        np.ptp(np.nonzero(view.picture[..., 3].max(1))[0]) / np.ptp(np.nonzero(view.picture[..., 3].max(0))[0])
        for view in (whole, cut)
    ]
    assert share[1] < 0.75 * share[0]


def test_one_seed_gives_one_view() -> None:
    first, again = (seen(box(0.5, 0.5, 0.5), Pose(30, 20), seed=4) for _ in range(2))
    assert np.array_equal(first.picture, again.picture) and np.array_equal(first.behind, again.behind)


def some_views() -> Views:
    rows = [seen(box(0.2 + 0.1 * index, 0.5, 0.5), Pose(10.0 * index, 10), index) for index in range(4)]
    arrays = {name: np.stack([getattr(row, name) for row in rows]) for name in View.__dataclass_fields__}
    halves = [inflated((row.front < OUTSIDE).astype(np.float32)) for row in rows]
    return Views(half=np.stack(halves).astype(np.float16), **arrays)


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_whole_whatever_chance_does_to_it(seed: int) -> None:
    views = some_views()
    batch = batch_of(views, np.arange(4), np.random.default_rng(seed))
    assert batch.inputs.shape == (4, CHANNELS, PICTURE, PICTURE)
    assert torch.isfinite(batch.inputs).all() and batch.inputs[:, :4].min() >= 0 and batch.inputs[:, :4].max() <= 1
    alpha = torch.nn.functional.avg_pool2d(batch.inputs[:, 3:4], 2)
    assert ((alpha > 0.5) != (batch.known > 0)).float().mean() < 0.08


def answer(batch: Batch, shift: float, error: float) -> Layers:
    doubt = torch.full((len(batch.front), 2, NODES, NODES), 0.1)
    front = batch.front + shift + error * torch.linspace(-1, 1, NODES)
    return Layers(front, batch.back + shift, doubt, batch.behind)


def test_the_loss_is_least_for_the_truth_at_any_distance() -> None:
    batch = batch_of(some_views(), np.arange(4), None)
    right, moved, wrong = (float(form_loss(answer(batch, *how), batch)) for how in ((0, 0), (0.4, 0), (0, 0.2)))
    assert moved == pytest.approx(right, abs=1e-4)
    assert wrong > right + 0.05


def test_training_never_moves_a_shape_as_a_whole() -> None:
    batch = batch_of(some_views(), np.arange(4), None)
    given = answer(batch, 0.3, 0.2)
    front, back = given.front.requires_grad_(), given.back.requires_grad_()
    form_loss(Layers(front, back, given.doubt, given.behind), batch).backward()
    assert front.grad is not None and back.grad is not None
    push = (front.grad + back.grad).sum((1, 2, 3))
    assert push.abs().max() < 1e-4 * front.grad.abs().sum()


def test_the_network_is_small() -> None:
    assert sum(values.numel() for values in FormNetwork().parameters()) <= MOST_PARAMETERS


def test_what_is_written_answers_as_the_network_does(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = FormNetwork().eval()
    inputs = batch_of(some_views(), np.arange(2), None).inputs
    export(network, tmp_path / "form.onnx")
    session = open_session("form", tmp_path / "form.onnx", 1, "cpu")
    with torch.no_grad():
        layers = network(inputs)
    for name, values in zip(OUTPUTS, session.run(OUTPUTS, {"inputs": inputs.numpy()}), strict=True):
        assert np.allclose(values, getattr(layers, name).numpy(), atol=2e-3)


def test_before_training_the_answer_is_near_the_inflated_outline() -> None:
    batch = batch_of(some_views(), np.arange(4), None)
    with torch.no_grad():
        layers = FormNetwork().eval()(batch.inputs)
    assert (layers.front > layers.back).all()
    assert ((layers.front + layers.back).abs() < 0.5).all()
