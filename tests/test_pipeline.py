"""The pipeline as a library: what goes in, what comes out, and what is said on the way."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract.errors import InvalidParameterError, MattemeshError, NoSubjectError, UploadTooLargeError
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.settings import Settings
from backend.contract.trace import Trace
from backend.engines.first_guess import FirstGuess
from backend.engines.registry import Engines
from backend.mesh import export
from backend.pipeline import cut_out, reconstruct
from tests.helpers.drawn import encoded, iou, toy
from tests.helpers.picture_files import exif_block, saved, stored_as


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(Settings(checkpoints_dir=tmp_path))


@dataclass
class Fixed:
    """A segmenter that always sees the same."""

    saliency: np.ndarray
    name: str = "fixed"
    one_scale: str = ""
    seen: list[np.ndarray] = field(default_factory=list)

    def predict(self, image: np.ndarray) -> FirstGuess:
        self.seen.append(image)
        return FirstGuess(self.saliency, notes=("Said by the segmenter.",), facts={"number": 7})


class FixedDepth:
    """A depth network that always sees the same."""

    device = "cpu"

    def __init__(self, disparity: np.ndarray) -> None:
        self.disparity = disparity

    def predict(self, image: np.ndarray) -> np.ndarray:
        return self.disparity


def with_segmenter(engines: Engines, saliency: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Fixed:
    fixed = Fixed(saliency)
    monkeypatch.setattr(engines, "segmenter", lambda name: fixed)
    return fixed


def test_a_picture_may_come_as_bytes_a_path_or_an_array(engines: Engines, tmp_path: Path) -> None:
    image, _ = toy()
    path = tmp_path / "toy.png"
    path.write_bytes(encoded(image))
    masks = [cut_out(source, engines=engines).alpha for source in (image, encoded(image), path, str(path))]
    assert all(np.array_equal(masks[0], other) for other in masks[1:])


def test_the_alpha_stays_continuous_until_the_png(engines: Engines) -> None:
    alpha = cut_out(toy()[0], engines=engines).alpha
    assert alpha.dtype == np.float32
    assert np.count_nonzero(np.abs(alpha * 255 - np.rint(alpha * 255)) > 1e-3) > 10


def test_the_input_is_not_written_to(engines: Engines) -> None:
    image, _ = toy()
    before = image.copy()
    reconstruct(image, engines=engines)
    cut_out(image, MaskOptions(output="cutout", feather_px=3), engines=engines)
    assert np.array_equal(image, before)


def test_the_same_picture_gives_the_same_bytes(engines: Engines) -> None:
    image, _ = toy()
    assert reconstruct(image, engines=engines).file.data == reconstruct(image, engines=engines).file.data


def test_what_the_segmenter_says_reaches_the_report(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = toy()
    with_segmenter(engines, mask.astype(np.float32), monkeypatch)
    report = cut_out(image, engines=engines).report.as_json()
    assert report["segmenter"]["name"] == "fixed"
    assert report["segmenter"]["number"] == 7
    assert "Said by the segmenter." in report["notes"]
    json.dumps(report)


def test_a_mesh_report_can_be_written_as_json(engines: Engines) -> None:
    report = reconstruct(toy()[0], engines=engines).report.as_json()
    json.dumps(report)
    assert report["mesh"]["watertight"] is True
    assert report["stages"][0]["name"] == "decode"
    assert {"frame", "form", "export", "measure"} <= {stage["name"] for stage in report["stages"]}


def test_nothing_found_is_an_empty_mask_and_no_mesh(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    image, _ = toy()
    with_segmenter(engines, np.zeros(image.shape[:2], np.float32), monkeypatch)
    result = cut_out(image, MaskOptions(crop=True, output="cutout"), engines=engines)
    assert result.alpha.max() == 0
    assert result.box == (0, 0, 160, 120)
    with pytest.raises(NoSubjectError):
        reconstruct(image, engines=engines)


@pytest.mark.parametrize("alpha", ["one pixel of many", "a haze"])
def test_masks_and_meshes_agree_on_what_is_empty(engines: Engines, alpha: str) -> None:
    values = np.zeros((1500, 2000), np.uint8)
    if alpha == "a haze":
        values[300:900, 300:900] = 90
    else:
        values[700, 900] = 255
    image, mask = np.full((1500, 2000, 3), 120, np.uint8), encoded(values)
    made = cut_out(image, MaskOptions(model="border"), mask=mask, engines=engines)
    assert not made.report.mask.found
    with pytest.raises(NoSubjectError):
        reconstruct(image, MeshOptions(engine="relief"), mask=mask, engines=engines)


def test_depth_takes_away_what_stands_behind_the_object(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two discs; the segmenter took both, and one of them is far behind."""
    y, x = np.mgrid[0:240, 0:320]
    near, far = np.hypot(x - 100, y - 120) < 60, np.hypot(x - 235, y - 120) < 40
    image = np.full((240, 320, 3), 200, np.uint8)
    image[near], image[far] = (60, 90, 160), (150, 70, 60)
    disparity = np.where(near, 3.0, 1.0).astype(np.float32) + (0.2 * y / 240).astype(np.float32)
    with_segmenter(engines, (near | far).astype(np.float32), monkeypatch)
    monkeypatch.setattr(engines, "depth", lambda: FixedDepth(disparity))
    alone = reconstruct(image, MeshOptions(strategy="segmentation"), engines=engines)
    fused = cut_out(image, MaskOptions(strategy="depth_guided"), engines=engines)
    assert iou(fused.alpha >= 0.5, near) > 0.95
    assert alone.report.fusion.strategy == "segmentation"
    assert fused.report.fusion.strategy == "depth_guided"
    assert fused.report.fusion.reasons
    assert any(model.id == "depth-anything-v2-vits" for model in fused.report.models)


def test_a_mask_without_a_strategy_asks_no_depth(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("depth was asked")

    monkeypatch.setattr(engines, "depth", refuse)
    assert cut_out(toy()[0], engines=engines).alpha.max() > 0.9


def test_a_strategy_that_cannot_be_followed_is_reported(engines: Engines) -> None:
    report = reconstruct(toy()[0], MeshOptions(strategy="union"), engines=engines).report.as_json()
    assert report["fusion"]["strategy"] == "segmentation"
    assert any("strategy=union" in note for note in report["notes"])


def test_a_run_can_be_stopped_between_stages(engines: Engines) -> None:
    begun: list[str] = []

    def stop_at_segment(stage: str) -> None:
        begun.append(stage)
        if stage == "segment":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        cut_out(toy()[0], engines=engines, trace=Trace(on_stage=stop_at_segment))
    assert begun[-1] == "segment"


def test_a_bad_source_raises_the_error_that_fits(tmp_path: Path) -> None:
    small = Engines(Settings(checkpoints_dir=tmp_path, max_upload_bytes=2000))
    with pytest.raises(InvalidParameterError):
        cut_out(tmp_path / "nothing.png", engines=small)
    with pytest.raises(UploadTooLargeError):
        cut_out(encoded(toy()[0]), engines=small)
    with pytest.raises(ValueError, match="uint8"):
        cut_out(np.zeros((5, 5), np.float64), engines=small)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless device")
def test_a_source_without_end_is_refused_at_the_limit(tmp_path: Path) -> None:
    small = Engines(Settings(checkpoints_dir=tmp_path, max_upload_bytes=2000))
    with pytest.raises(UploadTooLargeError) as refused:
        cut_out(Path("/dev/zero"), engines=small)
    assert refused.value.numbers["actual"] == 2001


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (17, 5)])
def test_pictures_of_any_shape_get_a_mask_of_their_size(engines: Engines, size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    result = cut_out(image, engines=engines)
    assert result.alpha.shape == size
    assert Image.open(io.BytesIO(result.file.data)).size == size[::-1]


def test_a_broken_default_model_is_replaced_and_a_named_one_is_not(engines: Engines, tmp_path: Path) -> None:
    from backend.contract.errors import ModelUnavailableError
    from backend.weights.catalogue import CATALOGUE, DEFAULT_SEGMENTER

    file = CATALOGUE[DEFAULT_SEGMENTER].files[0]
    with (tmp_path / file.path).open("wb") as stream:
        stream.truncate(file.size_bytes or 0)  # the right size and the wrong content, without taking the disk
    assert cut_out(toy()[0], engines=engines).report.segmenter.name == "border"
    assert "not the published files" in engines.describe()["segmenter"]["why"]
    with pytest.raises(ModelUnavailableError):
        cut_out(toy()[0], MaskOptions(model=DEFAULT_SEGMENTER), engines=engines)


def test_multi_scale_asks_a_network_three_times_and_is_ignored_for_border(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = toy()
    report = cut_out(image, MaskOptions(multi_scale=True), engines=engines).report.as_json()
    assert any("multi_scale was ignored" in note for note in report["notes"])

    class Red(Fixed):
        def predict(self, picture: np.ndarray) -> FirstGuess:
            self.seen.append(picture)
            return FirstGuess(np.float32(picture[..., 1] < 120))

    network = Red(image)
    monkeypatch.setattr(engines, "segmenter", lambda name: network)
    report = cut_out(image, MaskOptions(multi_scale=True), engines=engines).report.as_json()
    assert len(network.seen) == 3
    assert report["segmenter"]["scales"] == "0.8, 1.0, 1.2"
    assert not any("multi_scale" in note for note in report["notes"])


def test_the_operators_strategy_holds_where_the_request_names_none(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Engines(Settings(checkpoints_dir=tmp_path, strategy="union"))
    image, _ = toy()
    assert reconstruct(image, engines=own).report.fusion.asked == "union"
    named = reconstruct(image, MeshOptions(strategy="segmentation"), engines=own).report.as_json()
    assert named["fusion"]["asked"] == "segmentation"
    assert reconstruct(image, engines=engines).report.fusion.asked == "auto"


def test_every_report_gives_reasons_for_the_fusion(engines: Engines) -> None:
    image, _ = toy()
    for report in (
        cut_out(image, engines=engines).report.as_json(),
        reconstruct(image, engines=engines).report.as_json(),
    ):
        assert report["fusion"]["reasons"]


def test_an_own_networks_licence_is_in_the_report(engines: Engines, tmp_path: Path) -> None:
    from tests.helpers.tiny_onnx import write_network

    write_network(tmp_path / "shoes.onnx", size=(32, 32), weights=(3.0, -3.0, -3.0))
    (tmp_path / "models.toml").write_text(
        '[shoes]\nfile = "shoes.onnx"\ninput_size = 32\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'
        'activation = "none"\nlicence = "ours"\ncommercial_use = true\n'
    )
    report = cut_out(toy()[0], MaskOptions(model="shoes"), engines=engines).report.as_json()
    assert {"id": "shoes", "licence": "ours", "commercial_use": True} in report["models"]


def test_a_finished_mesh_file_is_read_back_under_debug_only(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(export, "check_reads_back", lambda data, format, mesh: read.append(format))
    reconstruct(toy()[0], MeshOptions(format="ply"), engines=engines)
    assert read == []
    reconstruct(toy()[0], MeshOptions(format="ply"), engines=engines, trace=Trace(lambda name, picture: None))
    assert read == ["ply"]


def test_refine_fits_a_mask_that_is_given_to_the_photo(engines: Engines) -> None:
    image, truth = toy()
    rough = cv2.dilate(truth.astype(np.uint8), np.ones((7, 7), np.uint8)) * 255
    as_it_is = cut_out(image, engines=engines, mask=encoded(rough))
    refined = cut_out(image, MaskOptions(refine=True), engines=engines, mask=encoded(rough))
    assert np.array_equal(as_it_is.alpha, rough / np.float32(255))
    assert refined.report.segmenter.name == "own-mask" and "level" in refined.report.segmenter.model_dump()
    assert np.abs(refined.alpha - truth).mean() < np.abs(as_it_is.alpha - truth).mean()
    assert not refined.report.notes


def test_options_that_a_given_mask_makes_idle_are_named(engines: Engines) -> None:
    image, truth = toy()
    given = encoded(truth.astype(np.uint8) * 255)
    assert "quality was ignored" in " ".join(
        cut_out(image, MaskOptions(quality="best"), engines=engines, mask=given).report.notes
    )
    assert "refine was ignored" in " ".join(cut_out(image, MaskOptions(refine=True), engines=engines).report.notes)


@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_the_framing_does_not_change_the_size_of_a_mesh(engines: Engines, ratio: float) -> None:
    usual = reconstruct(toy()[0], MeshOptions(strategy="segmentation"), engines=engines).report.mesh
    framed = reconstruct(toy()[0], MeshOptions(strategy="segmentation", foreground_ratio=ratio), engines=engines)
    low, high = np.array(framed.report.mesh.bounds)
    assert np.abs(high - low - np.ptp(usual.bounds, axis=0)).max() < 0.08 * np.ptp(usual.bounds, axis=0).max()
    file = trimesh.load(io.BytesIO(framed.file.data), file_type="glb", force="mesh")
    assert np.allclose(file.bounds, framed.report.mesh.bounds, atol=1e-5)


def test_a_stand_in_says_that_it_guessed_and_is_not_ready(engines: Engines) -> None:
    trace = Trace()
    report = reconstruct(toy()[0], engines=engines, trace=trace).report.mesh
    assert report.guessed and report.guessed in trace.notes and not report.ready
    assert report.verdict.endswith("the back is guessed")


def test_unlit_is_followed_in_a_glb_and_noted_elsewhere(engines: Engines) -> None:
    data = reconstruct(toy()[0], MeshOptions(shading="unlit"), engines=engines).file.data
    assert b"KHR_materials_unlit" in data
    trace = Trace()
    reconstruct(toy()[0], MeshOptions(shading="unlit", format="stl"), engines=engines, trace=trace)
    assert any("shading=unlit" in note for note in trace.notes)


def test_a_second_view_changes_the_mesh_and_is_told(engines: Engines) -> None:
    options = MeshOptions(model="border", quality="fast")
    alone = reconstruct(toy()[0], options, engines=engines)
    both = reconstruct(toy()[0], options, views=[(toy()[0], 90.0)], engines=engines)
    assert both.report.as_json()["engine"]["views"] == 2
    assert any("joined the views" in note for note in both.report.notes)
    assert not np.array_equal(alone.mesh.vertices, both.mesh.vertices)
    assert np.array_equal(alone.alpha, both.alpha)


def test_a_view_that_cannot_be_used_says_which_and_why(engines: Engines, tmp_path: Path) -> None:
    options = MeshOptions(model="border", quality="fast")
    with pytest.raises(MattemeshError):
        reconstruct(toy()[0], options, views=[(tmp_path / "absent.jpg", 90.0)], engines=engines)
    named = MeshOptions(model="border", quality="fast", engine="relief")
    with pytest.raises(InvalidParameterError, match="form"):
        reconstruct(toy()[0], named, views=[(toy()[0], 90.0)], engines=engines)


@pytest.mark.parametrize(("output_format", "media_type"), [("webp", "image/webp"), ("avif", "image/avif")])
def test_a_cutout_comes_in_the_format_that_was_asked_for(engines: Engines, output_format: str, media_type: str) -> None:
    options = MaskOptions(model="border", output="cutout", output_format=output_format)
    file = cut_out(toy()[0], options, engines=engines).file
    assert (file.name, file.media_type) == (f"cutout.{output_format}", media_type)
    assert Image.open(io.BytesIO(file.data)).mode == "RGBA"


def test_a_jpeg_has_a_background_and_no_orientation_to_turn_it_again(engines: Engines) -> None:
    turned = saved(stored_as(toy()[0], 6), "JPEG", quality=95, exif=b"Exif\0\0" + exif_block(6))
    options = MaskOptions(model="border", background="white", output_format="jpeg", keep_metadata=True)
    made = cut_out(turned, options, engines=engines)
    with Image.open(io.BytesIO(made.file.data)) as written:
        assert made.file.name == "cutout.jpg"
        assert written.size == (160, 120) and 274 not in written.getexif()


@pytest.mark.parametrize(
    "options",
    [
        {"output": "cutout", "output_format": "jpeg"},
        {"background": "transparent", "output_format": "jpeg"},
        {"shadow": "soft"},
        {"shadow": "contact", "background": "transparent"},
        {"output_format": "gif"},
        {"output_quality": 0},
    ],
)
def test_what_a_format_cannot_hold_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        MaskOptions.model_validate(options)


def test_a_shadow_darkens_the_background_and_not_the_object(engines: Engines) -> None:
    image, truth = toy()
    pictures = [
        np.asarray(Image.open(io.BytesIO(cut_out(image, MaskOptions(model="border", background="white", shadow=shadow),
                                                 engines=engines).file.data))).astype(int)
        for shadow in ("none", "soft")
    ]  # fmt: skip
    inside = cut_out(image, MaskOptions(model="border"), engines=engines).alpha == 1
    assert (pictures[0][inside] == pictures[1][inside]).all()
    assert pictures[1][~truth].mean() < pictures[0][~truth].mean() - 2
