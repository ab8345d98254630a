"""Sessions of rembg over our own files: cloth parts, SAM's points, and no way out of this machine."""

import hashlib
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from backend.cli import main
from backend.contract.errors import InvalidParameterError, MattemeshError, ModelUnavailableError
from backend.contract.marks import Click
from backend.contract.options import MaskOptions
from backend.contract.report import ModelUse
from backend.contract.settings import Settings
from backend.engines.registry import Engines
from backend.engines.rembg_session import MAX_SIDE_PX, Prompt, RembgSegmenter
from backend.images.arrays import Image
from backend.pipeline import cut_out
from backend.weights.catalogue import CATALOGUE
from backend.weights.listing import list_models
from backend.weights.on_disk import find_model, require_model
from tests.helpers.tiny_onnx import write_network

CLOTH, SAM = "rembg:u2net_cloth_seg", "rembg:sam"
COLORS = {"upper": (255, 0, 0), "lower": (0, 255, 0), "full": (0, 0, 255)}


@pytest.fixture(autouse=True)
def without_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No socket connects; what tried is in the list."""
    tried: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def save(path: Path, inputs: dict[str, list[int]], outputs: dict[str, list[int]], nodes: Any, **constants: Any) -> None:
    """Write a network of float tensors."""
    values = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in them.items()]
              for them in (inputs, outputs)]  # fmt: skip
    kept = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", *values, kept)
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(network)
    onnx.save(network, str(path))


def list_as_published(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the catalogue hold the files of the folder as those that are published."""
    model = CATALOGUE[name]
    files = tuple(replace(file, md5=hashlib.md5((folder / file.path).read_bytes()).hexdigest()) for file in model.files)
    monkeypatch.setitem(CATALOGUE, name, replace(model, files=files))


@pytest.fixture
def cloth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """A network that calls red the upper, green the lower and blue the full body's clothes."""
    kernel = np.zeros((4, 3, 1, 1))
    kernel[1:, :, 0, 0] = np.eye(3)
    save(tmp_path / "u2net_cloth_seg.onnx", {"input.1": [1, 3, 768, 768]}, {"d0": [1, 4, 768, 768]},
         [helper.make_node("Conv", ["input.1", "kernel", "bias"], ["d0"])],
         kernel=kernel, bias=[0.5, 0, 0, 0])  # fmt: skip
    list_as_published(CLOTH, tmp_path, monkeypatch)
    return Engines(Settings(checkpoints_dir=tmp_path))


@pytest.fixture
def sam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """A network whose mask is a diamond of 100 px around the first point, inverted for a point off the object."""
    across, down = np.meshgrid(np.arange(1024), np.arange(684))
    image = [684, 1024, 3]
    save(tmp_path / "sam_vit_b_01ec64.encoder.onnx", {"image": image}, {"embedding": image},
         [helper.make_node("Identity", ["image"], ["embedding"])])  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["point_coords", "first"], ["point"], axis=1),
        helper.make_node("Split", ["point", "ones"], ["x", "y"], axis=2),
        helper.make_node("Sub", ["across", "x"], ["dx"]),
        helper.make_node("Sub", ["down", "y"], ["dy"]),
        helper.make_node("Abs", ["dx"], ["adx"]),
        helper.make_node("Abs", ["dy"], ["ady"]),
        helper.make_node("Add", ["adx", "ady"], ["far"]),
        helper.make_node("Sub", ["radius", "far"], ["inside"]),
        helper.make_node("Gather", ["point_labels", "first"], ["label"], axis=1),
        helper.make_node("Sub", ["label", "half"], ["sign"]),
        helper.make_node("Mul", ["inside", "sign"], ["flat"]),
        helper.make_node("Unsqueeze", ["flat", "batch"], ["masks"]),
        helper.make_node("Identity", ["label"], ["iou"]),
        helper.make_node("Identity", ["label"], ["low"]),
    ]
    whole = {"first": [0], "ones": [1, 1], "batch": [0]}
    inputs = {"image_embeddings": image, "point_coords": [1, "n", 2], "point_labels": [1, "n"],
              "mask_input": [1, 1, 256, 256], "has_mask_input": [1], "orig_im_size": [2]}  # fmt: skip
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
               for name, shape in {"masks": [1, 1, 684, 1024], "iou": [1, 1], "low": [1, 1]}.items()]  # fmt: skip
    kept = [numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in whole.items()]
    floats = {"across": across[None], "down": down[None], "radius": [100], "half": [0.5]}
    kept += [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in floats.items()]
    network = helper.make_model(helper.make_graph(nodes, "tiny", values, outputs, kept),
                                opset_imports=[helper.make_opsetid("", 17)], ir_version=9)  # fmt: skip
    onnx.save(network, str(tmp_path / "sam_vit_b_01ec64.decoder.onnx"))
    list_as_published(SAM, tmp_path, monkeypatch)
    return Engines(Settings(checkpoints_dir=tmp_path))


def dressed(height: int = 240, width: int = 160) -> Image:
    """Three bands of one colour each on black."""
    image = np.zeros((height, width, 3), np.uint8)
    for index, color in enumerate(COLORS.values()):
        top = height * (2 + 2 * index) // 10
        image[top : top + height // 10, width // 4 : 3 * width // 4] = color
    return image


def segmenter(engines: Engines, name: str) -> RembgSegmenter:
    found = engines.segmenter(name)
    assert isinstance(found, RembgSegmenter)
    return found


@pytest.mark.parametrize("part", [*COLORS, "attire"])
def test_clothes_are_taken_part_by_part(part: Any, cloth: Engines) -> None:
    image = dressed()
    saliency = segmenter(cloth, CLOTH).prompted(Prompt(part)).predict(image).saliency
    colors = list(COLORS.values()) if part == "attire" else [COLORS[part]]
    truth = np.any([(image == color).all(2) for color in colors], axis=0)
    assert saliency.dtype == np.float32 and saliency.shape == truth.shape
    assert ((saliency > 0.5) & truth).sum() / ((saliency > 0.5) | truth).sum() > 0.9


@pytest.mark.parametrize("size", [(300, 450), (2500, 1500)])
def test_sam_looks_where_the_points_are(size: tuple[int, int], sam: Engines) -> None:
    """Also in a picture that is reduced before the session sees it."""
    height, width = size
    assert max(size) < MAX_SIDE_PX or max(size) == 2500
    image = np.zeros((height, width, 3), np.uint8)
    click = Click(x=width * 0.3, y=height * 0.6, mode="keep")
    asked = segmenter(sam, SAM).prompted(Prompt(points=(click,)))
    rows, columns = np.nonzero(asked.predict(image).saliency > 0.5)
    assert rows.mean() == pytest.approx(height * 0.6, abs=height / 100)
    assert columns.mean() == pytest.approx(width * 0.3, abs=width / 100)
    off = asked.prompted(Prompt(points=(Click(x=click.x, y=click.y, mode="remove"),))).predict(image).saliency
    assert off[int(height * 0.6), int(width * 0.3)] == 0 < off[0, -1]


def test_without_points_sam_takes_the_middle_and_says_so(sam: Engines) -> None:
    guess = segmenter(sam, SAM).predict(np.zeros((200, 300, 3), np.uint8))
    assert guess.saliency[100, 150] == 1
    assert any("points" in remark for remark in guess.remarks)


def test_the_options_reach_the_session_and_the_report_names_it(cloth: Engines) -> None:
    options = MaskOptions(model=CLOTH, cloth="lower", points=[Click(x=1, y=1, mode="keep")], multi_scale=True)
    result = cut_out(dressed(), options, engines=cloth)
    report = result.report
    truth = (dressed() == COLORS["lower"]).all(2)
    assert ((result.alpha > 0.5) & truth).sum() / ((result.alpha > 0.5) | truth).sum() > 0.8
    assert ModelUse(id=CLOTH, licence="MIT", commercial_use=True) in report.models
    assert any("points was ignored" in note for note in report.notes)
    assert any("multi_scale was ignored" in note for note in report.notes)
    assert not any("cloth was ignored" in note for note in report.notes)
    other = cut_out(dressed(), MaskOptions(cloth="lower"), engines=cloth).report
    assert any("cloth was ignored" in note for note in other.notes)


@pytest.mark.parametrize("name", ["rembg:withoutbg", "rembg:atlascloud"])
def test_sessions_that_send_pictures_away_are_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name.removeprefix('rembg:')}.onnx").write_bytes(b"anything")
    with pytest.raises(InvalidParameterError, match="remote service"):
        Engines(Settings(checkpoints_dir=tmp_path, allow_noncommercial=True)).segmenter(name)


def test_a_remote_session_that_this_list_does_not_know_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rembg.sessions import sessions
    from rembg.sessions.withoutbg import WithoutBgSession

    monkeypatch.setitem(sessions, "newer", WithoutBgSession)
    (tmp_path / "newer.onnx").write_bytes(b"anything")
    with pytest.raises(InvalidParameterError, match="remote service"):
        Engines(Settings(checkpoints_dir=tmp_path, allow_noncommercial=True)).segmenter("rembg:newer")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (CLOTH, f"models fetch {CLOTH}"),
        (SAM, f"models fetch {SAM}"),
        ("rembg:birefnet-general-fp16", "Put birefnet-general-fp16.onnx into the checkpoints folder"),
        ("rembg:nothing", "Put nothing.onnx into the checkpoints folder"),
        ("rembg:u2net", "model=u2net"),
        ("rembg:../x", "not the name"),
    ],
)
def test_without_its_file_a_session_says_what_to_do_and_downloads_nothing(
    name: str, words: str, tmp_path: Path, without_network: list[Any]
) -> None:
    engines = Engines(Settings(checkpoints_dir=tmp_path, allow_noncommercial=True))
    with pytest.raises(MattemeshError) as caught:
        engines.segmenter(name)
    assert words in caught.value.detail
    assert not without_network and not list(tmp_path.iterdir())


def test_a_session_of_a_newer_rembg_runs_over_a_file_put_there_by_hand(tmp_path: Path) -> None:
    write_network(tmp_path / "birefnet-general-fp16.onnx", size=(1024, 1024))
    with pytest.raises(ModelUnavailableError, match="ALLOW_NONCOMMERCIAL=1"):
        Engines(Settings(checkpoints_dir=tmp_path)).segmenter("rembg:birefnet-general-fp16")
    engines = Engines(Settings(checkpoints_dir=tmp_path, allow_noncommercial=True))
    image = dressed()
    image[:120] = 255
    saliency = engines.segmenter("rembg:birefnet-general-fp16").predict(image).saliency
    assert saliency[:110].min() > 0.9 and saliency[220:].max() < 0.1
    report = cut_out(image, MaskOptions(model="rembg:birefnet-general-fp16"), engines=engines).report
    assert ModelUse(id="rembg:birefnet-general-fp16", licence="unknown", commercial_use=False) in report.models


def test_a_session_that_rembg_does_not_have_is_an_unknown_name(tmp_path: Path) -> None:
    (tmp_path / "nothing.onnx").write_bytes(b"anything")
    with pytest.raises(InvalidParameterError, match="no session called nothing"):
        Engines(Settings(checkpoints_dir=tmp_path, allow_noncommercial=True)).segmenter("rembg:nothing")


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "u2net_cloth_seg.onnx").write_bytes(b"anything")
    with pytest.raises(ModelUnavailableError, match="not the published files"):
        require_model(CLOTH, tmp_path)


@pytest.mark.parametrize("content", [b"no network", None])
def test_a_network_of_another_kind_is_unavailable(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "birefnet-general-fp16.onnx"
    if content is None:
        write_network(path, size=(64, 64))
    else:
        path.write_bytes(content)
    engines = Engines(Settings(checkpoints_dir=tmp_path, allow_noncommercial=True))
    with pytest.raises(ModelUnavailableError, match="birefnet-general-fp16"):
        engines.segmenter("rembg:birefnet-general-fp16").predict(dressed())


def test_the_sessions_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path))
    rows = {row.name: row for row in list_models(tmp_path)}
    assert rows[CLOTH].state == rows[SAM].state == "absent" and rows[SAM].licence == "Apache-2.0"
    assert main(["models", "list"]) == 0
    assert CLOTH in capsys.readouterr().out
    assert find_model(SAM, tmp_path).runner == "rembg"
