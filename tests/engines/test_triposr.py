"""The engine around the network: an object that is known, through every finishing step."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.cache.memoize import compute_always
from backend.contract.errors import ModelUnavailableError, NoSubjectError, OutOfMemoryError
from backend.contract.settings import REPOSITORY
from backend.contract.trace import Trace
from backend.engines import triposr
from backend.engines.micro_batch import MicroBatcher
from backend.engines.triposr import TripoSREngine, _codes
from backend.mesh.engine import MeshRequest
from backend.mesh.figures import measure
from backend.mesh.framing import Framed, frame_object
from tests.helpers.known_object import SEMI_AXES, known_state
from tsr import TripoSR, TripoSRConfig
from tsr.surface_mesh import Scene, SurfaceMesh

PUBLISHED = json.loads((REPOSITORY / "tests" / "golden" / "tsr_small.json").read_text())
REQUEST = MeshRequest(resolution=64)


@pytest.fixture(scope="module")
def engine() -> TripoSREngine:
    """The real engine around the small network."""
    model = TripoSR(TripoSRConfig.from_published(PUBLISHED["config"], PUBLISHED["vit"]))
    model.load_published(known_state(PUBLISHED["state"]))
    engine = TripoSREngine.__new__(TripoSREngine)
    engine._model, engine._weights = model, Path("nowhere")
    engine._memoize = compute_always
    engine._codes = MicroBatcher(partial(_codes, engine._model))
    return engine


@pytest.fixture(scope="module")
def framed() -> Framed:
    """A photo of the ellipsoid, in green, which the network's colours are not."""
    y, x = np.mgrid[0:300, 0:300]
    alpha = (((x - 150) / 75) ** 2 + ((y - 150) / 100) ** 2 < 1).astype(np.float32)
    image = np.zeros((300, 300, 3), np.uint8)
    image[..., 1] = 200
    return frame_object(image, alpha)


def test_the_ellipsoid_comes_out_in_the_world_frame(engine: TripoSREngine, framed: Framed) -> None:
    mesh = engine.build(framed, None, REQUEST, Trace()).mesh
    extents = mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)
    assert extents / 2 == pytest.approx(SEMI_AXES, abs=0.02)
    figures = measure(mesh, framed)
    assert figures.watertight
    right = mesh.vertices[:, 1] > 0.1
    assert mesh.colors is not None
    assert (mesh.colors[right, 0] > 0.9).all()
    assert (mesh.colors[mesh.vertices[:, 1] < -0.1, 2] > 0.9).all()


def test_times_device_and_precision_are_told_per_stage(engine: TripoSREngine, framed: Framed) -> None:
    trace = Trace()
    built = engine.build(framed, None, REQUEST, trace)
    assert [stage.name for stage in trace.stages] == ["encode", "extract"]
    assert all(stage.device == "cpu" for stage in trace.stages)
    assert built.facts["precision"] == {"encode": "cpu float32", "extract": "cpu float32"}
    json.dumps(built.facts)


def test_fewer_faces_are_asked_for_and_what_came_is_told(engine: TripoSREngine, framed: Framed) -> None:
    request = MeshRequest(resolution=64, target_faces=600)
    built = engine.build(framed, None, request, Trace())
    assert built.facts["faces_asked"] == 600
    assert built.facts["faces_got"] == len(built.mesh.faces) <= 620
    assert measure(built.mesh, framed).watertight


def test_a_baked_texture_has_the_fields_colours(engine: TripoSREngine, framed: Framed) -> None:
    request = MeshRequest(resolution=48, target_faces=600, texture="baked")
    mesh = engine.build(framed, None, request, Trace()).mesh
    assert mesh.texture is not None
    height, width = mesh.texture.image.shape[:2]
    column = np.clip((mesh.texture.uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip((mesh.texture.uv[:, 1] * height).astype(int), 0, height - 1)
    colors = mesh.texture.image[row, column].astype(int)
    right = mesh.vertices[:, 1] > 0.1
    assert (colors[right, 0] > 200).mean() > 0.95
    assert measure(mesh, framed).watertight


def test_the_photo_covers_what_the_camera_saw_and_nothing_else(engine: TripoSREngine, framed: Framed) -> None:
    request = MeshRequest(resolution=64, project_photo=True)
    mesh = engine.build(framed, None, request, Trace()).mesh
    assert mesh.colors is not None
    front = (mesh.vertices[:, 0] > 0.22) & (np.abs(mesh.vertices[:, 1]) > 0.05)
    assert front.sum() > 50
    assert (np.abs(mesh.colors[front] - (0, 200 / 255, 0)) < 0.1).all()
    back = mesh.vertices[:, 0] < -0.05
    assert (mesh.colors[back, 1] < 0.1).all()


def test_smoothing_stays_on_the_surface(engine: TripoSREngine, framed: Framed) -> None:
    mesh = engine.build(framed, None, MeshRequest(resolution=64, smooth=True), Trace()).mesh
    assert np.abs(((mesh.vertices / SEMI_AXES) ** 2).sum(axis=1) - 1).max() < 0.1
    assert mesh.colors is not None
    assert measure(mesh, framed).watertight


def test_a_threshold_above_every_density_is_no_subject(engine: TripoSREngine, framed: Framed) -> None:
    with pytest.raises(NoSubjectError, match="threshold"):
        engine.build(framed, None, MeshRequest(resolution=64, isovalue=1e7), Trace())


def test_when_memory_runs_out_less_is_tried_and_told(
    engine: TripoSREngine, framed: Framed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = triposr.mesh_of

    def small_memory(scene: Scene, *, resolution: int, isovalue: float) -> SurfaceMesh:
        if resolution > 100:
            raise torch.OutOfMemoryError("no room")
        return real(scene, resolution=resolution, isovalue=isovalue)

    monkeypatch.setattr(triposr, "mesh_of", small_memory)
    trace = Trace()
    built = engine.build(framed, None, MeshRequest(resolution=256), trace)
    assert built.facts["resolution"] == 64
    assert [d for d in trace.degradations if "128" in d]
    assert [d for d in trace.degradations if "64" in d]


def test_a_full_gpu_is_given_less_and_less_and_then_left(
    engine: TripoSREngine, framed: Framed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    field = SimpleNamespace(most_points=None)
    gpu = SimpleNamespace(device=torch.device("cuda"), config=engine._model.config, field=field, encode=no_room)
    gpu.stages = engine._model.stages
    crowded = TripoSREngine.__new__(TripoSREngine)
    crowded._model, crowded._memoize = gpu, compute_always  # type: ignore[assignment]
    crowded._codes = MicroBatcher(partial(_codes, crowded._model))
    monkeypatch.setattr(crowded, "_load", lambda device: engine._model)
    trace = Trace()
    built = crowded.build(framed, None, MeshRequest(resolution=128), trace)
    assert built.facts["resolution"] == 128
    released, lowered, moved = trace.degradations
    assert "released" in released
    assert "64" in lowered
    assert "CPU" in moved
    assert field.most_points is not None
    assert engine._model.field.most_points is None


def test_when_nothing_fits_the_error_says_so(
    engine: TripoSREngine, framed: Framed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(engine._model, "encode", no_memory)
    with pytest.raises(OutOfMemoryError):
        engine.build(framed, None, REQUEST, Trace())


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x80\x04}." * 10])
def test_weights_that_are_none_are_told_with_the_command_that_helps(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailableError, match="models fetch triposr"):
        TripoSREngine(path)
