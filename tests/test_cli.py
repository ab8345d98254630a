"""The command line: the same results, options and error codes as over HTTP."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.contract.settings import REPOSITORY
from tests.helpers.drawn import encoded, iou, toy


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(tmp_path / "checkpoints"))
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(toy()[0]))
    return path


def test_remove_bg_writes_the_mask_and_the_report(photo: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "mask.png", tmp_path / "report.json"
    assert main(["remove-bg", str(photo), "-o", str(out), "--report", str(report)]) == 0
    assert iou(np.asarray(Image.open(out)) > 127, toy()[1]) > 0.9
    assert json.loads(report.read_text())["segmenter"]["name"] == "border"


def test_generate_mesh_takes_the_format_from_the_name(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "toy.stl"
    assert main(["generate-mesh", str(photo), "-o", str(out)]) == 0
    assert len(out.read_bytes()) > 1000
    assert not out.read_bytes().startswith(b"glTF")


@pytest.mark.parametrize("view", ["side.jpg", "x:side.jpg", "nan:side.jpg", "400:side.jpg", "90:"])
def test_a_view_without_angle_or_photo_is_a_usage_error(photo: Path, view: str) -> None:
    with pytest.raises(SystemExit) as wrong:
        main(["generate-mesh", str(photo), "--view", view])
    assert wrong.value.code == 2


def test_further_views_are_joined(photo: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "model.glb", tmp_path / "report.json"
    views = ["--view", f"90:{photo}", "--view", f"180:{photo}"]
    assert (
        main(["generate-mesh", str(photo), "-o", str(out), "--report", str(report), "--model", "border", *views]) == 0
    )
    assert json.loads(report.read_text())["engine"]["views"] == 3


def test_a_view_is_never_replaced(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    side = tmp_path / "side.png"
    side.write_bytes(photo.read_bytes())
    call = ["generate-mesh", str(photo), "--model", "border", "--view", f"90:{side}", "--report", str(side)]
    assert main([*call, "-o", str(tmp_path / "model.glb")]) == 1
    assert "would be replaced" in capsys.readouterr().err
    assert side.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("command", ["remove-bg", "generate-mesh"])
@pytest.mark.parametrize("mine", ["out", "report"])
def test_a_result_that_is_named_never_replaces_the_photo(
    photo: Path, tmp_path: Path, command: str, mine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = ".png" if command == "remove-bg" else ".glb"
    kept, other = tmp_path / f"kept{ending}", tmp_path / f"other{ending}"
    kept.write_bytes(photo.read_bytes())
    (tmp_path / "new").mkdir()
    same = str(tmp_path / "new" / ".." / kept.name)
    named = ["-o", same] if mine == "out" else ["-o", str(other), "--report", same]
    assert main([command, str(kept), "--model", "border", *named]) == 1
    assert "is your own file and would be replaced" in capsys.readouterr().err
    assert kept.read_bytes() == photo.read_bytes()


def test_debug_leaves_the_bundle_in_the_folder(photo: Path, tmp_path: Path) -> None:
    main(["remove-bg", str(photo), "-o", str(tmp_path / "m.png"), "--debug", str(tmp_path / "bundle")])
    assert (tmp_path / "bundle" / "overview.png").exists()


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        (b"", [], "empty-file"),
        (b"not a picture at all", [], "unsupported-image-type"),
        (encoded(toy()[0])[:300], [], "image-corrupt"),
        (encoded(toy()[0]), ["--model", "u2net"], "model-unavailable"),
        (encoded(toy()[0]), ["--feather-px", "1000"], "invalid-parameter"),
    ],
)
def test_an_error_has_the_same_code_a_failing_status_and_loses_nothing(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, options: list[str], code: str
) -> None:
    photo.write_bytes(content)
    out = tmp_path / "mask.png"
    out.write_bytes(b"an older result")
    assert main(["remove-bg", str(photo), "-o", str(out), *options]) == 1
    assert capsys.readouterr().err.startswith(f"{code}: ")
    assert out.read_bytes() == b"an older result"
    assert not list(tmp_path.glob(".*part"))


def test_a_missing_picture_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-bg", str(tmp_path / "nothing.jpg")]) == 1
    assert "invalid-parameter" in capsys.readouterr().err


def test_an_unwritable_result_is_an_error(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove-bg", str(photo), "-o", str(tmp_path / "no" / "such" / "folder.png")]) == 1
    assert "invalid-parameter" in capsys.readouterr().err


def test_models_list_names_every_licence(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["licence"] for row in rows)
    assert {"border", "form", "relief", "triposr", "isnet-general-use"} <= {row["name"] for row in rows}


def test_verify_says_what_to_do_about_what_is_not_there(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "triposr"]) == 1
    assert "models fetch triposr" in capsys.readouterr().out


def test_doctor_names_every_role(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    printed = capsys.readouterr().out
    for word in ("segmenter: border", "depth: none", "mesh: form", "torch"):
        assert word in printed


def test_doctor_takes_a_folder_that_will_be_made_for_writable(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOGS_DIR", str(tmp_path / "new" / "and" / "deeper"))
    main(["doctor"])
    assert "LOGS_DIR" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("remove-bg a.jpg --quality perfect", "remove-bg: argument --quality: invalid choice: 'perfect'"),
        ("batch photos --min-grade Z", "batch: argument --min-grade: invalid choice: 'Z'"),
        ("serve --prot 3", "serve: there is no --prot 3 here; did you mean --port?"),
        ("models list more --like=this", "models list: there is no more --like=this here."),
        ("", ": the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_call_is_told_in_two_lines(call: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(call.split())
    assert stopped.value.code == 2
    wrong, further = capsys.readouterr().err.splitlines()
    assert what in wrong
    assert further == f"All that it takes: {wrong.partition(':')[0]} --help"


def test_a_taken_port_names_itself_and_the_option(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"Port {port} is taken") and "--port" in printed
    assert "Try:" not in printed


def test_an_address_of_another_machine_is_refused_in_one_line(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", "192.0.2.1"]) == 1
    printed = capsys.readouterr().err
    assert "192.0.2.1" in printed and "--host" in printed and printed.count("\n") == 1


def test_an_option_that_is_a_number_or_a_word_takes_both(photo: Path, tmp_path: Path) -> None:
    for value, status in (("auto", 0), ("20", 0), ("200", 1)):
        asked = ["remove-bg", str(photo), "-o", str(tmp_path / "mask.png"), "--depth-percentile", value, "--quiet"]
        assert main(asked) == status
    with pytest.raises(SystemExit):
        main(["remove-bg", str(photo), "--quality", "perfect"])


@pytest.mark.parametrize("taken", ["photo.png", "photo.png/deeper"])
def test_an_unwritable_debug_folder_is_an_error(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    assert main(["remove-bg", str(photo), "-o", str(tmp_path / "m.png"), "--debug", str(tmp_path / taken)]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("invalid-parameter: ")


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_a_usage_error(port: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--port", port])
    assert stopped.value.code == 2


def test_a_pipe_is_written_to_and_not_replaced(photo: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert main(["remove-bg", str(photo), "-o", str(pipe)]) == 0
        assert os.read(reader, 8) == b"\x89PNG\r\n\x1a\n"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_picture_without_an_end_is_read_no_further_than_the_limit(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "2000")
    assert main(["remove-bg", "/dev/zero", "-o", str(photo.with_name("m.png"))]) == 1
    assert "upload-too-large" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "format"),
    [("m.jpg", "JPEG"), ("m.JPEG", "JPEG"), ("m.PNG", "PNG"), ("m.webp", "WEBP"), ("m.avif", "AVIF")],
)
def test_a_result_is_what_its_name_says(photo: Path, tmp_path: Path, name: str, format: str) -> None:
    assert main(["remove-bg", str(photo), "-o", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / name) as written:
        assert (written.format, written.mode) == (format, "RGB" if format == "WEBP" else "L")


@pytest.mark.parametrize(
    ("command", "endings"),
    [
        (["remove-bg", "-o", "m.tiff"], ".png, .webp, .jpg, .jpeg, .avif"),
        (["generate-mesh", "-o", "m.fbx"], ".glb, .obj, .ply, .stl"),
        (["remove-bg", "-o", "m.jpg", "--output-format", "webp"], "does not end like a WEBP"),
        (["remove-bg", "-o", "m.jpg", "--output", "cutout"], "name a background"),
    ],
)
def test_a_name_that_cannot_be_followed_is_refused_with_the_list(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], endings: str
) -> None:
    monkeypatch.chdir(photo.parent)
    before = sorted(photo.parent.iterdir())
    assert main([command[0], str(photo), *command[1:]]) == 1
    assert endings in capsys.readouterr().err
    assert sorted(photo.parent.iterdir()) == before


def test_a_result_without_a_name_ends_as_its_format_does(
    photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["remove-bg", str(photo), "--output-format", "webp"]) == 0
    assert Path("mask.webp").read_bytes()[8:12] == b"WEBP"


def test_a_setting_that_cannot_be_read_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASK_WORKERS", "many")
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("invalid setting MASK_WORKERS: ") and printed.count("\n") == 1


def test_a_default_name_never_replaces_an_input(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("mask.png")
    own.write_bytes(encoded((toy()[1] * 255).astype(np.uint8)))
    before = own.read_bytes()
    assert main(["remove-bg", str(photo), "--mask", "mask.png", "--output", "cutout"]) == 1
    assert "your own file" in capsys.readouterr().err
    assert own.read_bytes() == before
    assert main(["remove-bg", str(photo), "--mask", "mask.png", "-o", "cut.png", "--report", "mask.png"]) == 1
    assert own.read_bytes() == before and not Path("cut.png").exists()
    assert main(["remove-bg", str(photo), "--mask", "mask.png", "-o", "mask.png"]) == 0  # it was named


@pytest.mark.parametrize("color", ["white", "#FFF", "#ffffff"])
def test_an_opaque_result_is_a_jpeg_where_its_name_says_so(photo: Path, tmp_path: Path, color: str) -> None:
    out = tmp_path / "cut.jpg"
    assert main(["remove-bg", str(photo), "-o", str(out), "--background", color]) == 0
    with Image.open(out) as written:
        assert written.format == "JPEG"
        assert np.asarray(written)[0, 0].min() >= 253


def test_a_transparent_background_is_a_cutout(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "cut.png"
    assert main(["remove-bg", str(photo), "-o", str(out), "--background", "transparent"]) == 0
    with Image.open(out) as written:
        assert written.mode == "RGBA"


def test_a_python_without_the_libraries_is_said_with_what_to_do() -> None:
    command = [sys.executable, "-S", "-m", "backend", "--version"]  # -S: without its site-packages
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert "./setup.sh run" in done.stderr and "Traceback" not in done.stderr
