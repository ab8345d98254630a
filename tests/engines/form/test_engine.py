"""The engine `form`: its weights, its layers, and the closed solid over them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.cache.memoize import compute_always
from backend.contract.errors import ModelUnavailableError, NoSubjectError
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.form.engine import MAX_DEPTH, NODES, RATIO, WEIGHTS, FormEngine, load_form
from backend.images.arrays import Alpha
from backend.mesh.engine import Built, MeshRequest
from backend.mesh.figures import silhouette_iou
from backend.mesh.framing import Framed, frame_object
from backend.mesh.topology import topology, weld

MOST_BYTES = 12_000_000
SIDE = 300
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE] + 0.5
X, Y = COLUMNS - SIDE / 2, ROWS - SIDE / 2
SCENES = {
    "ball": np.hypot(X, Y) < 100,
    "ring": (np.hypot(X, Y) < 110) & (np.hypot(X, Y) > 60),
    "two blobs": (np.hypot(X + 60, Y) < 40) | (np.hypot(X - 70, Y - 20) < 30),
    "thin bar": (np.abs(X) < 2) & (np.abs(Y) < 120),
    "whole picture": np.ones_like(X, bool),
}


@pytest.fixture(scope="module")
def engine() -> FormEngine:
    return load_form(Settings(device="cpu"), compute_always)


def photo() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def framed(matte: np.ndarray, ratio: float = RATIO, image: np.ndarray | None = None) -> Framed:
    return frame_object(photo() if image is None else image, matte.astype(np.float32), ratio)


def built(engine: FormEngine, one: Framed, disparity: Alpha | None = None, trace: Trace | None = None) -> Built:
    return engine.build(one, disparity, MeshRequest(), trace or Trace())


@pytest.mark.parametrize("name", SCENES)
def test_it_is_a_closed_solid_that_the_camera_sees_as_the_matte(engine: FormEngine, name: str) -> None:
    one = framed(SCENES[name])
    mesh = built(engine, one).mesh
    hangs = topology(weld(mesh))
    assert hangs.closed and hangs.consistent
    assert silhouette_iou(mesh, one.alpha) > 0.97
    assert np.abs(mesh.vertices).max() <= 0.87


def test_the_front_is_before_the_back_and_the_middle_of_all_is_at_zero(engine: FormEngine) -> None:
    form = engine.layers(framed(SCENES["ball"]))
    assert form.front.shape == form.back.shape == form.doubt[0].shape == (NODES, NODES)
    assert (form.front > form.back).all() and (form.doubt > 0).all()
    nearest, farthest = form.front[form.known].max(), form.back[form.known].min()
    assert nearest == pytest.approx(-farthest, abs=1e-5) and nearest <= MAX_DEPTH + 1e-6


def test_a_mirrored_photo_gives_the_mirrored_layers(engine: FormEngine) -> None:
    matte = SCENES["two blobs"]
    form = engine.layers(framed(matte))
    other = engine.layers(framed(matte[:, ::-1].copy(), image=photo()[:, ::-1].copy()))
    known = form.known & other.known[:, ::-1]
    # Framing rounds to whole pixels, which a mirror does not keep.
    assert np.abs(form.front[known] - other.front[:, ::-1][known]).mean() < 0.02


def test_the_shape_does_not_depend_on_the_share_of_the_picture(engine: FormEngine) -> None:
    near, far = (built(engine, framed(SCENES["ball"], ratio)).mesh for ratio in (0.85, 0.6))
    size = [np.ptp(mesh.vertices.astype(float), axis=0) for mesh in (near, far)]
    assert size[1] / size[0] == pytest.approx([0.6 / 0.85] * 3, rel=0.06)


def test_a_disparity_is_used_and_a_flat_one_is_told(engine: FormEngine) -> None:
    one = framed(SCENES["ball"])
    side = len(one.alpha)
    slope = np.tile(np.linspace(1, 2, side, dtype=np.float32), (side, 1))
    flat, trace = np.full_like(slope, 3.0), Trace()
    leaning, told = built(engine, one, slope), built(engine, one, flat, trace)
    assert leaning.facts["depth_used"] and not told.facts["depth_used"]
    assert any("flat or invalid" in note for note in trace.notes)
    none = built(engine, one)
    assert np.array_equal(told.mesh.vertices, none.mesh.vertices)
    assert not np.array_equal(leaning.mesh.vertices, none.mesh.vertices)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_disparity_that_is_not_finite_is_told(engine: FormEngine, value: float) -> None:
    one, trace = framed(SCENES["ball"]), Trace()
    disparity = np.tile(np.linspace(1, 2, len(one.alpha), dtype=np.float32), (len(one.alpha), 1))
    disparity[len(disparity) // 2] = value
    assert not built(engine, one, disparity, trace).facts["depth_used"]
    assert trace.notes


def test_an_empty_matte_is_refused(engine: FormEngine) -> None:
    empty = np.zeros((SIDE, SIDE), np.float32)
    with pytest.raises(NoSubjectError):
        built(engine, Framed(photo(), empty, (0, 0, SIDE, SIDE), (0, 0), 1.0, (False,) * 4))


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("spoil", ["absent", "text", "cut off"])
def test_broken_weights_say_so(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "form.onnx"
    if spoil == "text":
        path.write_text("not weights")
    elif spoil == "cut off":
        path.write_bytes(WEIGHTS.read_bytes()[:-1000])
    with pytest.raises(ModelUnavailableError, match="form"):
        FormEngine(path, device="cpu")


def test_its_own_mesh_agrees_with_it_and_a_slab_does_not(engine: FormEngine) -> None:
    one = framed(SCENES["ball"])
    own = built(engine, one).mesh
    deep = replace(own, vertices=own.vertices * np.float32([6, 1, 1]))
    assert engine.disagreement(own, one) < 0.02
    assert engine.disagreement(deep, one) > 0.05
    beside = replace(own, vertices=own.vertices * np.float32(0.01) + np.float32([0, 0.8, 0.8]))
    assert engine.disagreement(beside, one) == 1.0
