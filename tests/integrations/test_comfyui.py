"""The ComfyUI nodes by ComfyUI's contract, with a stand-in for what it gives them and a service of ours."""

import inspect
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import httpx
import numpy as np
import pytest
import trimesh

from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.main import create_app
from tests.helpers.drawn import iou, toy
from tests.helpers.on_a_socket import on_a_socket
from tests.helpers.packed import imported
from tests.helpers.scripted_runner import ScriptedRunner, endless
from tests.helpers.waiting import until

torch = pytest.importorskip("torch")
TYPES = {"IMAGE", "MASK", "STRING", "FLOAT"}
MESH = {
    "model": "border",
    "quality": "fast",
    "engine": "relief",
    "preset": "none",
    "format": "auto",
    "height_m": 0.0,
    "filename_prefix": "meshes/mug",
}
MASK = {"model": "border", "quality": "fast", "background": "transparent"}


class InterruptProcessingException(Exception):  # noqa: N818  # as ComfyUI calls it
    """What ComfyUI ends a node with."""


class Comfy:
    """What of ComfyUI the nodes use."""

    def __init__(self, output: Path) -> None:
        self.output, self.progress, self.is_interrupted = output, list[int](), False
        self.total = 0

    def modules(self) -> dict[str, Any]:
        utils = SimpleNamespace(ProgressBar=self._bar)
        management = SimpleNamespace(throw_exception_if_processing_interrupted=self._throw)
        comfy = ModuleType("comfy")
        comfy.utils, comfy.model_management = utils, management  # type: ignore[attr-defined]
        paths = SimpleNamespace(get_output_directory=lambda: str(self.output), get_save_image_path=self._numbered)
        return {"comfy": comfy, "comfy.utils": utils, "comfy.model_management": management, "folder_paths": paths}

    def _bar(self, total: int) -> Any:
        self.total = total
        return SimpleNamespace(update_absolute=self.progress.append)

    def _throw(self) -> None:
        if self.is_interrupted:
            raise InterruptProcessingException

    def _numbered(self, prefix: str, output: str) -> tuple[str, str, int, str, str]:
        """Number the next file after those there, name_00001_.png, as ComfyUI does."""
        place = Path(output, prefix)
        place.parent.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name[len(place.name) + 1 :].split("_")[0]) for path in place.parent.glob(f"{place.name}_*")]
        return str(place.parent), place.name, max(taken, default=0) + 1, str(Path(prefix).parent), prefix


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comfy:
    comfy = Comfy(tmp_path / "output")
    for name, module in comfy.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return comfy


@pytest.fixture
def nodes(comfy: Comfy, tmp_path: Path) -> Any:
    return imported("comfyui", tmp_path / "package")


@pytest.fixture
def _served(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATTEMESH_ADDRESS", address)
    monkeypatch.setenv("MATTEMESH_KEY", "secret")


def batch(count: int) -> Any:
    return torch.from_numpy(np.stack([toy()[0]] * count).astype(np.float32) / 255)


def make(nodes: Any, name: str, *arguments: Any, **options: Any) -> Any:
    kind = nodes.NODE_CLASS_MAPPINGS[f"Mattemesh{name}"]
    return getattr(kind(), kind.FUNCTION)(*arguments, **options)


@pytest.mark.parametrize("name", ["RemoveBackground", "GenerateMesh"])
def test_a_node_declares_what_it_takes_and_gives(nodes: Any, name: str) -> None:
    kind = nodes.NODE_CLASS_MAPPINGS[f"Mattemesh{name}"]
    inputs = kind.INPUT_TYPES()
    declared = {**inputs["required"], **inputs.get("optional", {})}
    assert list(inspect.signature(getattr(kind, kind.FUNCTION)).parameters) == ["self", *declared]
    for given, *options in declared.values():
        assert given in TYPES if isinstance(given, str) else options[0]["default"] in given
        assert given in ("IMAGE", "MASK") or "default" in options[0]
    assert set(kind.RETURN_TYPES) <= TYPES and len(kind.RETURN_TYPES) == len(kind.RETURN_NAMES)
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys()


def test_what_the_nodes_offer_is_in_the_service(nodes: Any) -> None:
    def choices(name: str) -> set[str]:
        field = MeshOptions.model_fields[name].annotation
        return {word for part in (field, *get_args(field)) for word in get_args(part) if isinstance(word, str)}

    ours = nodes.nodes
    assert set(ours.QUALITIES) <= choices("quality") and set(ours.ENGINES) <= choices("engine")
    assert set(ours.PRESETS) - {"none"} <= choices("preset") and set(ours.FORMATS) - {"auto"} <= choices("format")
    assert {"model", "quality", "output", "background"} <= MaskOptions.model_fields.keys()


@pytest.mark.usefixtures("_served")
def test_each_image_of_a_batch_is_cut_out(nodes: Any, comfy: Comfy) -> None:
    images, masks, notes = make(nodes, "RemoveBackground", batch(2), **MASK)
    assert (images.shape, masks.shape) == ((2, 120, 160, 4), (2, 120, 160))
    assert images.dtype == masks.dtype == torch.float32
    assert masks.min() == 0 and masks.max() == 1
    assert all(iou(mask.numpy() > 0.5, toy()[1]) > 0.9 for mask in masks)
    assert torch.equal(images[..., 3], masks)
    assert comfy.progress == sorted(comfy.progress) and comfy.progress[-1] == comfy.total == 200
    assert notes and len(set(notes.splitlines())) == len(notes.splitlines())


@pytest.mark.usefixtures("_served")
def test_a_colour_behind_gives_images_of_three_channels(nodes: Any) -> None:
    images, masks, _ = make(nodes, "RemoveBackground", batch(1), **{**MASK, "background": "#ff0000"})
    assert images.shape == (1, 120, 160, 3)
    assert images[0][masks[0] == 0].unique(dim=0).tolist() == [[1, 0, 0]]


@pytest.mark.usefixtures("_served")
def test_each_image_becomes_a_numbered_mesh_in_the_output_folder(nodes: Any, comfy: Comfy) -> None:
    first, previews, _ = make(nodes, "GenerateMesh", batch(2), **{**MESH, "preset": "blender", "height_m": 0.5})
    assert first == ["meshes/mug_00001_.glb", "meshes/mug_00002_.glb"]
    assert previews.dim() == 4 and len(previews) == 2 and previews.shape[-1] == 3
    assert 0 <= previews.min() < previews.max() <= 1
    bounds = trimesh.load(comfy.output / first[0]).bounds
    assert bounds[:, 1] == pytest.approx([0, 0.5], abs=0.005)
    (third,), _, _ = make(nodes, "GenerateMesh", batch(1), **{**MESH, "preset": "print"})
    assert third == "meshes/mug_00003_.3mf"
    assert sorted(path.name for path in comfy.output.rglob("*.*")) == [Path(name).name for name in (*first, third)]


@pytest.mark.usefixtures("_served")
def test_a_mask_says_what_the_object_is(nodes: Any, comfy: Comfy) -> None:
    half = torch.zeros(1, 120, 160)
    half[:, 30:90, 30:70] = 1
    paths, _, _ = make(nodes, "GenerateMesh", batch(2), **{**MESH, "format": "stl"}, mask=half)
    wide, high, _ = trimesh.load(comfy.output / paths[1]).extents
    assert high / wide == pytest.approx(60 / 40, rel=0.1)
    with pytest.raises(Exception, match="3 masks for 2 images"):
        make(nodes, "GenerateMesh", batch(2), **MESH, mask=half.expand(3, -1, -1))


@pytest.mark.usefixtures("_served")
def test_an_image_that_is_refused_is_named_and_what_is_done_stays(nodes: Any, comfy: Comfy) -> None:
    images = batch(2)
    images[1] = 1
    with pytest.raises(Exception, match=r"Image 2 of 2: .*object"):
        make(nodes, "GenerateMesh", images, **MESH)
    assert [path.name for path in comfy.output.rglob("*.*")] == ["mug_00001_.glb"]


@pytest.mark.usefixtures("_served")
def test_a_file_that_cannot_be_written_leaves_no_half(
    nodes: Any, comfy: Comfy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        make(nodes, "GenerateMesh", batch(1), **MESH)
    assert list(comfy.output.rglob("*.*")) == []


def test_an_interrupt_ends_the_node_and_the_job(
    nodes: Any, comfy: Comfy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data"), ScriptedRunner(endless))
    with on_a_socket(app) as address:
        monkeypatch.setenv("MATTEMESH_ADDRESS", address)
        comfy.is_interrupted = True
        with pytest.raises(InterruptProcessingException):
            make(nodes, "GenerateMesh", batch(2), **MESH)
        until(lambda: [job["state"] for job in httpx.get(f"{address}/jobs").json()["jobs"]] == ["cancelled"])


def test_no_service_is_said_with_its_address(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATTEMESH_ADDRESS", "http://127.0.0.1:1")
    with pytest.raises(Exception, match=r"No service answers at http://127\.0\.0\.1:1"):
        make(nodes, "RemoveBackground", batch(1), **MASK)
