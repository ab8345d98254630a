"""A bundle's run done again: the same bytes from every stage, and other options only where they can be followed."""

import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pytest

from backend.bundles import replay as replaying
from backend.bundles.debug_bundle import Bundle
from backend.bundles.replay import Replayed, replay
from backend.bundles.tape import RunTape
from backend.cli import main
from backend.contract.errors import InvalidParameterError, MattemeshError, ModelUnavailableError
from backend.contract.options import MaskOptions, MeshOptions
from backend.contract.run_inputs import HANDED_TO, RUN_STAGES, RunStage, first_reader
from backend.contract.settings import REPOSITORY, Settings
from backend.contract.trace import Trace
from backend.contract.work import KINDS, Work
from backend.engines.registry import Engines
from backend.pipeline import cut_out, reconstruct
from backend.workers.perform import perform
from tests.cache.test_identity import NEEDS, OTHERS
from tests.helpers.drawn import encoded, toy
from tests.helpers.stub_networks import stub_networks

PHOTO = encoded(toy()[0])
OWN_MASK = encoded((toy()[1] * 200).astype(np.uint8))
MASKED, MESHED = ("segment", "refine", "fuse"), RUN_STAGES


class FlatDepth:
    """A depth network that sees a ramp."""

    device = "cpu"

    def predict(self, image: np.ndarray) -> np.ndarray:
        return np.tile(np.linspace(0, 1, image.shape[1], dtype=np.float32), (image.shape[0], 1))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(checkpoints_dir=tmp_path / "weights", data_dir=tmp_path / "data", cache_bytes=0)


def bundle_of(
    path: Path, settings: Settings, kind: str, files: Mapping[str, bytes] | None = None, **options: Any
) -> Path:
    """Run a piece of work and keep its bundle as `path`."""
    work = Work(kind, files or {"file": PHOTO}, KINDS[kind].options(debug=True, **options), "zip")
    path.write_bytes(perform(work, Engines(settings), lambda stage: None).files[0].data)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def report_of(path: Path) -> dict[str, Any]:
    return json.loads(members(path)["report.json"])


def result_of(path: Path) -> bytes:
    return members(path)[report_of(path)["inputs"]["result"]["name"]]


def with_inputs(path: Path, **changes: Any) -> Path:
    """Write the bundle anew with other values among its inputs."""
    files = members(path)
    report = json.loads(files["report.json"])
    report["inputs"] |= changes
    files["report.json"] = json.dumps(report).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def said(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a report says of the result: all but times and caches."""
    options = {name: value for name, value in report["options"].items() if name != "debug"}
    unsaid = ("stages", "seconds", "inputs", "cached")
    return {**{name: value for name, value in report.items() if name not in unsaid}, "options": options}


def check_same(path: Path, stages: tuple[RunStage, ...], settings: Settings) -> list[Replayed]:
    made = [replay(path, stage, {}, settings) for stage in stages]
    for one in made:
        assert one.same and one.differences == () and one.file.data == result_of(path)
        assert said(json.loads(json.dumps(one.report.as_json()))) == said(report_of(path))
    return made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "border", "output": "cutout", "crop": True, "margin": 0.1},
        {"strategy": "auto", "feather_px": 2.0},
        {"mode": "document"},
        {"roi": "10%,10%,85%,85%", "quality": "best", "holes": "open"},
        {"background": "#336699", "shadow": "soft", "output_format": "jpeg"},
    ],
    ids=str,
)
def test_a_mask_has_the_same_bytes_from_every_stage(
    tmp_path: Path, settings: Settings, options: dict[str, Any]
) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", **options)
    check_same(path, MASKED, settings)


@pytest.mark.parametrize("files", [{"mask": OWN_MASK}, {"mask": OWN_MASK, "file": encoded(toy(320, 240)[0])}], ids=len)
@pytest.mark.parametrize("refine", [False, True])
def test_so_has_what_is_made_of_an_own_mask(
    tmp_path: Path, settings: Settings, files: dict[str, bytes], refine: bool
) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", {"file": PHOTO, **files}, refine=refine)
    check_same(path, MASKED, settings)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"engine": "relief", "texture": "vertex", "format": "ply"},
        {"engine": "form", "format": "obj", "feather_px": 1.0},
        {"preset": "print"},
    ],
    ids=str,
)
def test_a_mesh_has_the_same_bytes_from_every_stage(
    tmp_path: Path, settings: Settings, options: dict[str, Any]
) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "generate-mesh", **options)
    check_same(path, MESHED, settings)


def test_networks_need_not_be_here_for_the_stages_after_them(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.checkpoints_dir.mkdir()
    stub_networks(settings.checkpoints_dir)
    with monkeypatch.context() as patch:
        patch.setattr(Engines, "depth", lambda self: FlatDepth())
        options = {"model": "stub", "engine": "relief", "strategy": "union"}
        path = bundle_of(tmp_path / "debug.zip", settings, "generate-mesh", **options)
        check_same(path, MESHED, settings)
    shutil.rmtree(settings.checkpoints_dir)
    for stage in ("refine", "fuse", "mesh"):
        made = replay(path, stage, {}, settings)
        assert made.same and made.file.data == result_of(path) and "depth" in made.taken
    with pytest.raises(MattemeshError, match="model"):
        replay(path, "segment", {}, settings)


def test_two_real_opinions_are_taken_from_the_bundle(tmp_path: Path, settings: Settings) -> None:
    network = REPOSITORY / "checkpoints" / "u2netp.onnx"
    if not network.is_file():
        pytest.skip("u2netp is not here: ./setup.sh test takes it in where a registry of packages is reached")
    settings.checkpoints_dir.mkdir()
    shutil.copy(network, settings.checkpoints_dir)
    mask = bundle_of(tmp_path / "mask.zip", settings, "remove-bg", output="cutout")
    mesh = bundle_of(tmp_path / "mesh.zip", settings, "generate-mesh")
    check_same(mask, MASKED, settings)
    check_same(mesh, MESHED, settings)
    assert list(report_of(mask)["inputs"]["models"]["u2netp"]) == ["u2netp.onnx"]
    shutil.rmtree(settings.checkpoints_dir)
    assert all(replay(mask, stage, {}, settings).same for stage in MASKED[1:])
    again = replay(mask, "segment", {}, settings)  # `auto` is the embedded segmenter now
    assert "the network u2netp is not here" in again.differences


def test_several_views_have_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "weights"))
    photo, out, folder = tmp_path / "photo.png", tmp_path / "model.glb", tmp_path / "bundle"
    photo.write_bytes(PHOTO)
    views = ["--view", f"90:{photo}"]
    call = ["generate-mesh", str(photo), "-o", str(out), "--debug", str(folder), "--quiet", *views]
    assert main(call) == 0
    inputs = json.loads((folder / "report.json").read_text())["inputs"]
    assert inputs["azimuths"] == [90] and set(inputs["files"]) == {"file", "view-1"}
    assert {"guess", "guess-2", "subject-2", "fused-2"} <= set(inputs["handed"])
    for stage in ("refine", "mesh"):
        again = tmp_path / f"{stage}.glb"
        assert main(["replay", str(folder), "--from", stage, "-o", str(again), "--quiet"]) == 0
        assert again.read_bytes() == out.read_bytes()
        assert "same bytes" in capsys.readouterr().err


def test_the_report_says_every_input_of_every_stage(tmp_path: Path, settings: Settings) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "generate-mesh", quality="fast", engine="relief")
    inputs = report_of(path)["inputs"]
    assert {stage: part["handed"] for stage, part in inputs["stages"].items()} == {
        "segment": [], "refine": ["guess"], "fuse": ["subject", "depth"], "mesh": ["subject", "depth", "fused"],
    }  # fmt: skip
    named = [name for part in inputs["stages"].values() for name in part["options"]]
    assert sorted(named) == sorted(set(MeshOptions.model_fields) - {"debug"})
    assert inputs["options"] == {"quality": "fast", "engine": "relief"}
    files = members(path)
    assert files["inputs/file"] == PHOTO
    guess = np.load(io.BytesIO(files[inputs["handed"]["guess"]["file"]["name"]]), allow_pickle=False)
    assert guess.dtype == np.float32 and guess.shape == toy()[1].shape


def test_no_secret_is_in_the_report(tmp_path: Path, settings: Settings) -> None:
    secrets = {name: f"secret-of-the-{name}" for name in ("api_key", "removebg_api_key", "cache_secret")}
    path = bundle_of(tmp_path / "debug.zip", type(settings).model_validate({**dict(settings), **secrets}), "remove-bg")
    text = members(path)["report.json"].decode()
    assert "secret" not in text and str(tmp_path) not in text


class FramedError(Exception):
    """The mesh is about to be made: everything has been handed on."""


def handed_on(kind: str, engines: Engines, **options: Any) -> dict[str, Any]:
    """Return what the stages of a run hand on, arrays by their digests."""

    def stop(stage: str) -> None:
        if stage == "load engine":
            raise FramedError

    with closing(Bundle(Path(gettempdir()))) as bundle:
        tape = RunTape(bundle)
        function = cut_out if kind == "remove-bg" else reconstruct
        with suppress(FramedError):
            function(PHOTO, KINDS[kind].options(**options), engines=engines, trace=Trace(on_stage=stop, tape=tape))
    return {name: (one.file, one.values) for name, one in tape.handed.items()}


@pytest.mark.parametrize("kind", ["remove-bg", "generate-mesh"])
def test_what_an_option_changes_lies_at_or_after_its_stage(settings: Settings, kind: str) -> None:
    """The law on which --option rests."""
    settings.checkpoints_dir.mkdir()
    stub_networks(settings.checkpoints_dir)
    engines = Engines(settings.model_copy(update={"segmenter": "stub"}))
    base = handed_on(kind, engines)
    for name in KINDS[kind].options.model_fields:
        stage = first_reader(name)
        if name == "debug" or stage == "segment" or OTHERS[name] == "rembg":
            continue
        changed = handed_on(kind, engines, **{**NEEDS.get(name, {}), name: OTHERS[name]})
        before = {one for at in RUN_STAGES[: RUN_STAGES.index(stage) + 1] for one in HANDED_TO[at]}
        for one in before & base.keys():
            assert changed[one] == base[one], (name, one)


def test_an_option_changes_the_run_from_its_stage_on(tmp_path: Path, settings: Settings) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border")
    made = replay(path, "refine", {"output": "cutout", "crop": "true", "quality": "fast"}, settings)
    fresh = bundle_of(
        tmp_path / "fresh.zip", settings, "remove-bg", model="border", output="cutout", crop=True, quality="fast"
    )
    assert not made.same and made.file.data == result_of(fresh)


def test_another_preset_sets_what_the_first_one_had_set(tmp_path: Path, settings: Settings) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "generate-mesh", engine="relief", preset="print", up="y")
    made = replay(path, "mesh", {"preset": "unity"}, settings)
    fresh = bundle_of(tmp_path / "fresh.zip", settings, "generate-mesh", engine="relief", preset="unity", up="y")
    assert made.file.data == result_of(fresh)
    tall = replay(path, "mesh", {"height_m": "2"}, settings)
    assert tall.report.mesh.bounds[1][1] == pytest.approx(2000, rel=0.01)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        ("fuse", {"quality": "best"}, "read by `refine`, which is before `fuse`: use --from refine"),
        ("refine", {"model": "border"}, "read by `segment`"),
        ("refine", {"colour": "red"}, "no option `colour`"),
        ("refine", {"debug": "true"}, "no option `debug`"),
        ("fuse", {"feather_px": "wide"}, "feather_px"),
        ("fuse", {"output_format": "jpeg", "output": "cutout"}, "no transparency"),
        ("mesh", {}, "no stage `mesh`; it has segment, refine, fuse"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    tmp_path: Path, settings: Settings, start: RunStage, options: dict[str, str], message: str
) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border")
    with pytest.raises(InvalidParameterError, match=message):
        replay(path, start, options, settings)


def test_the_bundles_settings_hold_where_results_depend_on_them(tmp_path: Path, settings: Settings) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border", refiner="classic")
    here = settings.model_copy(update={"mask_threshold": 0.9, "morph_kernel_size": 31, "max_pixels": 100_000})
    assert replay(path, "refine", {}, here).same
    with_inputs(path, settings={"max_pixels": 10**12, "api_key": "theirs", "unheard_of": 1})
    made = replay(path, "refine", {}, settings)
    assert {"the setting unheard_of is not known here", "the setting api_key is not known here"} <= set(
        made.differences
    )
    with_inputs(path, settings={"morph_kernel_size": "wide"})
    with pytest.raises(InvalidParameterError, match="settings"):
        replay(path, "refine", {}, settings)


def test_what_differs_is_told(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border")
    inputs = report_of(path)["inputs"]
    with_inputs(path, build="0" * 64, machine={**inputs["machine"], "instructions": "none"})
    differences = replay(path, "refine", {}, settings).differences
    assert len(differences) == 2
    assert "code of Mattemesh" in differences[0] and "other instructions" in differences[1]
    monkeypatch.setattr(replaying, "versions", lambda: {**report_of(path)["versions"], "numpy": "9.9"})
    assert any(one.startswith("numpy is 9.9, and was ") for one in replay(path, "refine", {}, settings).differences)


def test_depth_that_the_bundle_lacks_is_made_and_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border")
    monkeypatch.setattr(Engines, "depth", lambda self: FlatDepth())
    made = replay(path, "fuse", {"strategy": "union"}, settings)
    assert "the bundle has no `depth`, so it was made here" in made.differences


def test_a_strangers_bundle_sends_nothing_to_a_remote_service(tmp_path: Path, settings: Settings) -> None:
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border")
    with_inputs(path, options={"model": "removebg"})
    with pytest.raises(InvalidParameterError, match="--option model=removebg"):
        replay(path, "segment", {}, settings)
    with pytest.raises(ModelUnavailableError):  # asked for by name: there is no key here
        replay(path, "segment", {"model": "removebg"}, settings)
    assert replay(path, "refine", {}, settings).same


def test_other_kinds_of_work_run_again_from_their_files(tmp_path: Path, settings: Settings) -> None:
    edit = bundle_of(
        tmp_path / "edit.zip", settings, "edit-mask", {"mask": OWN_MASK},
        strokes=[{"x": 20, "y": 20, "radius": 5, "mode": "add"}],
    )  # fmt: skip
    ground = bundle_of(
        tmp_path / "ground.zip", settings, "add-background", {"file": PHOTO, "mask": OWN_MASK}, color="#ff0000"
    )
    for path in (edit, ground):
        assert all(replay(path, stage, {}, settings).same for stage in MASKED)


def test_the_command_never_replaces_anything_unasked(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    path = bundle_of(tmp_path / "debug.zip", settings, "remove-bg", model="border")
    Path("mask.png").write_bytes(b"mine")
    assert main(["replay", str(path), "--quiet"]) == 1
    assert Path("mask.png").read_bytes() == b"mine" and "is there already" in capsys.readouterr().err
    assert main(["replay", str(path), "-o", "new.png", "--report", "new.json", "--debug", "again", "--quiet"]) == 0
    assert Path("new.png").read_bytes() == result_of(path)
    assert json.loads(Path("new.json").read_text())["inputs"] == report_of(path)["inputs"]
    assert main(["replay", "again", "-o", "third.png", "--quiet", "--option", "feather-px=3"]) == 0
    assert "another one, with feather_px=3" in capsys.readouterr().err
    for wrong in (["replay", "again", "--debug", "again"], ["replay", "nowhere.zip"]):
        assert main(wrong) == 1
    for wrong in (["replay"], ["replay", "again", "--option", "feather"], ["replay", "again", "--from", "start"]):
        with pytest.raises(SystemExit):
            main(wrong)


def test_a_run_that_fails_leaves_a_bundle_that_fails_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "weights"))
    photo, folder, out = tmp_path / "photo.png", tmp_path / "bundle", tmp_path / "model.glb"
    photo.write_bytes(encoded(np.full((40, 60, 3), 120, np.uint8)))
    call = ["generate-mesh", str(photo), "-o", str(out), "--debug", str(folder), "--quiet", "--model", "border"]
    assert main(call) == 1 and not out.exists()
    report = json.loads((folder / "report.json").read_text())
    assert report["error"]["code"] == "no-subject" and report["inputs"]["result"] is None
    assert {"guess", "subject", "fused"} <= set(report["inputs"]["handed"])
    capsys.readouterr()
    for stage in MESHED:
        assert main(["replay", str(folder), "--from", stage, "-o", str(out), "--quiet"]) == 1
        assert capsys.readouterr().err.startswith("no-subject: ") and not out.exists()


def test_a_bug_leaves_its_traceback_in_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "weights"))
    photo, folder, out = tmp_path / "photo.png", tmp_path / "bundle", tmp_path / "mask.png"
    photo.write_bytes(PHOTO)

    def broken(*_: object) -> bytes:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("backend.pipeline.encode_file", broken)
        with pytest.raises(ZeroDivisionError):
            main(["remove-bg", str(photo), "-o", str(out), "--debug", str(folder), "--quiet", "--model", "border"])
    error = json.loads((folder / "report.json").read_text())["error"]
    assert "ZeroDivisionError: a bug" in error["traceback"] and str(REPOSITORY) not in error["traceback"]
    made = replay(folder, "fuse", {}, Settings(checkpoints_dir=tmp_path / "weights"))
    assert made.same is None and made.file.name == "mask.png"


def test_options_without_a_stage_are_those_of_the_segmenter() -> None:
    fields = {**MaskOptions.model_fields, **MeshOptions.model_fields}
    assert {name for name in fields if first_reader(name) == "segment"} == {
        "debug", "model", "multi_scale", "roi", "use_alpha", "score_threshold", "classes", "instances", "cloth",
        "points", "mode",
    }  # fmt: skip
