"""The engine around the network: an object that is known, through every finishing step."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.contract.errors import ModelUnavailableError, NoSubjectError, OutOfMemoryError
from backend.contract.settings import REPOSITORY
from backend.contract.trace import Trace
from backend.engines import triposr
from backend.engines.triposr import SMALL_PIECES, TripoSREngine, load_network
from backend.mesh.engine import MeshRequest
from backend.mesh.figures import measure
from backend.mesh.framing import Framed, frame_object
from backend.mesh.projection import seen_surface
from tests.helpers.known_object import SEMI_AXES, known_state
from tests.helpers.published_config import published_config
from tsr import TripoSR
from tsr.radiance_field import SceneField
from tsr.surface_mesh import Scene, SurfaceMesh

PUBLISHED = json.loads((REPOSITORY / "tests" / "golden" / "tsr_small.json").read_text())
REQUEST = MeshRequest(resolution=64)


@pytest.fixture(scope="module")
def engine() -> TripoSREngine:
    """The real engine around the small network."""
    model = TripoSR(published_config(PUBLISHED["config"], PUBLISHED["vit"]))
    model.load_published(known_state(PUBLISHED["state"]))
    return TripoSREngine(lambda device: model)


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


def test_times_device_and_precision_are_reported_per_stage(engine: TripoSREngine, framed: Framed) -> None:
    trace = Trace()
    built = engine.build(framed, None, REQUEST, trace)
    assert [stage.name for stage in trace.stages] == ["encode", "extract"]
    assert all(stage.device == "cpu" for stage in trace.stages)
    assert built.facts["precision"] == {"encode": "cpu float32", "extract": "cpu float32"}
    json.dumps(built.facts)


def test_fewer_faces_on_request_with_their_number_in_the_facts(engine: TripoSREngine, framed: Framed) -> None:
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
    outline = (seen_surface(engine.build(framed, None, REQUEST, Trace()).mesh)[0] > 0).astype(np.float32)
    side = len(outline)
    green = np.full((side, side, 3), (0, 200, 0), np.uint8)
    agreeing = Framed(green, outline, (0, 0, side, side), (0, 0), 1.0, (False,) * 4)
    mesh = engine.build(agreeing, None, request, Trace()).mesh
    assert mesh.colors is not None
    front = (mesh.vertices[:, 0] > 0.22) & (np.abs(mesh.vertices[:, 1]) > 0.05)
    assert front.sum() > 50
    assert (np.abs(mesh.colors[front] - (0, 200 / 255, 0)) < 0.1).all()
    back = mesh.vertices[:, 0] < -0.05
    assert (mesh.colors[back, 1] < 0.1).all()


def test_no_photo_is_projected_on_a_mesh_that_does_not_fit_its_mask(engine: TripoSREngine) -> None:
    side = 128
    whole = np.full((side, side, 3), (0, 200, 0), np.uint8), np.ones((side, side), np.float32)
    square = Framed(*whole, (0, 0, side, side), (0, 0), 1.0, (False,) * 4)
    trace = Trace()
    mesh = engine.build(square, None, MeshRequest(resolution=64, project_photo=True), trace).mesh
    assert mesh.colors is not None and mesh.colors[:, 1].max() < 0.1
    assert any("project_photo" in note and "covers the mask" in note for note in trace.notes)


def test_the_surface_follows_a_depth_map_and_keeps_outline_and_colours(engine: TripoSREngine, framed: Framed) -> None:
    plain = engine.build(framed, None, REQUEST, Trace()).mesh
    depth = seen_surface(plain)[0]
    outline = (depth > 0).astype(np.float32)
    side = len(outline)
    fitting = Framed(np.zeros((side, side, 3), np.uint8), outline, (0, 0, side, side), (0, 0), 1.0, (False,) * 4)
    lean = 0.4 * np.linspace(-0.5, 0.5, side, dtype=np.float32)  # the right is farther
    disparity = np.where(depth > 0, 20 / np.maximum(depth + lean, 1), 0).astype(np.float32)
    request = MeshRequest(resolution=64, depth_guide=1.0, target_faces=2000)
    trace = Trace()
    built = engine.build(fitting, disparity, request, trace)
    assert not trace.notes
    assert built.facts["depth_agreement"] > 0.5 and built.facts["depth_moved"] > 0.01
    mesh = built.mesh
    left, right = mesh.vertices[mesh.vertices[:, 1] < -0.2], mesh.vertices[mesh.vertices[:, 1] > 0.2]
    assert left[:, 0].mean() - right[:, 0].mean() > 0.05
    assert measure(mesh, fitting).silhouette_iou > 0.97
    assert mesh.colors is not None
    assert (mesh.colors[mesh.vertices[:, 1] > 0.1, 0] > 0.9).all()


def test_without_a_depth_map_or_with_another_outline_the_guide_is_ignored_and_told(
    engine: TripoSREngine, framed: Framed
) -> None:
    request = MeshRequest(resolution=64, depth_guide=1.0)
    side = len(framed.alpha)
    square = Framed(framed.image, np.ones((side, side), np.float32), (0, 0, side, side), (0, 0), 1.0, (False,) * 4)
    plain = engine.build(framed, None, REQUEST, Trace()).mesh
    for scene, disparity, why in ((framed, None, "weights"), (square, framed.alpha, "covers the mask")):
        trace = Trace()
        mesh = engine.build(scene, disparity, request, trace).mesh
        assert np.array_equal(mesh.vertices, plain.vertices)
        assert len(trace.notes) == 1 and "depth_guide" in trace.notes[0] and why in trace.notes[0]


def test_smoothing_stays_on_the_surface(engine: TripoSREngine, framed: Framed) -> None:
    mesh = engine.build(framed, None, MeshRequest(resolution=64, smooth=True), Trace()).mesh
    assert np.abs(((mesh.vertices / SEMI_AXES) ** 2).sum(axis=1) - 1).max() < 0.1
    assert mesh.colors is not None
    assert measure(mesh, framed).watertight


def test_a_threshold_above_every_density_is_no_subject(engine: TripoSREngine, framed: Framed) -> None:
    with pytest.raises(NoSubjectError, match="threshold"):
        engine.build(framed, None, MeshRequest(resolution=64, isovalue=1e7), Trace())


def test_when_memory_runs_out_less_is_tried_and_noted(
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


def test_a_full_gpu_is_given_less_and_less_and_then_left(engine: TripoSREngine, framed: Framed) -> None:
    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    model, loads = engine._model, []
    gpu = SimpleNamespace(device=torch.device("cuda"), config=model.config, encode=no_room, stages=model.stages)
    crowded = TripoSREngine(lambda device: loads.append(device) or (gpu if device == "cuda" else model), "cuda")
    for _ in range(2):
        trace = Trace()
        built = crowded.build(framed, None, MeshRequest(resolution=128), trace)
        assert (built.facts["resolution"], built.facts["device"]) == (128, "cpu")
        released, lowered, moved = trace.degradations
        assert "released" in released
        assert "64" in lowered
        assert "CPU" in moved
    assert loads == ["cuda", "cpu"]  # what was loaded for the first request serves the second


class Gpu(str):
    """A device that passes for a GPU and computes on the CPU."""

    type = "cuda"


def test_on_a_full_gpu_the_pieces_are_smaller_for_this_request_alone(engine: TripoSREngine, framed: Framed) -> None:
    model, asked = engine._model, []

    def scene(code: torch.Tensor, max_points: int | None = None) -> SceneField:
        asked.append(max_points)
        if max_points is None:
            raise torch.OutOfMemoryError("no room")
        return model.scene(code, max_points)

    gpu = SimpleNamespace(device=Gpu("cpu"), config=model.config, scene=scene, encode=model.encode, stages=model.stages)
    crowded = TripoSREngine(lambda device: gpu, "cuda")
    before = dict(vars(model.field))
    for _ in range(2):
        trace = Trace()
        assert crowded.build(framed, None, REQUEST, trace).facts["resolution"] == 64
        assert len(trace.degradations) == 1
    assert asked == [None, SMALL_PIECES] * 2
    assert vars(model.field) == before


def test_when_nothing_fits_the_error_says_so(
    engine: TripoSREngine, framed: Framed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(engine._model, "encode", no_memory)
    with pytest.raises(OutOfMemoryError):
        engine.build(framed, None, REQUEST, Trace())


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x80\x04}." * 10])
def test_weights_that_are_none_are_reported_with_the_command_that_helps(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailableError, match="models fetch triposr"):
        load_network(path, "cpu")
