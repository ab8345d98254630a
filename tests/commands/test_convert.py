"""`convert`: another file of a finished mesh."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend.cli import main
from tests.helpers.small_meshes import small_glb


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.glb"
    path.write_bytes(small_glb(texture=False))
    return path


def test_the_suffix_names_the_format_and_options_frame_and_size(model: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.stl", tmp_path / "report.json"
    call = ["convert", str(model), "-o", str(out), "--height-mm", "60", "--up", "z", "--pivot", "foot"]
    assert main([*call, "--report", str(report)]) == 0
    found = trimesh.load(io.BytesIO(out.read_bytes()), file_type="stl")
    assert np.allclose(found.bounds, [[-20, -10, 0], [20, 10, 60]], atol=1e-3)
    assert np.allclose(json.loads(report.read_text())["mesh"]["bounds"], found.bounds, atol=1e-3)


def test_an_obj_has_its_material_and_texture_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.glb").write_bytes(small_glb())
    assert main(["convert", str(tmp_path / "model.glb"), "-o", str(tmp_path / "chair.obj")]) == 0
    names = {"chair.obj", "chair.mtl", "chair_texture.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"model.glb", *names}
    assert {Path(line).name for line in capsys.readouterr().out.splitlines()} == names
    assert main(["convert", str(tmp_path / "model.glb"), "-o", str(tmp_path / "chair.zip")]) == 0
    assert (tmp_path / "chair.zip").read_bytes().startswith(b"PK")


def test_what_lies_beside_an_obj_never_replaces_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "chair_texture.png"
    model.write_bytes(small_glb())
    assert main(["convert", str(model), "-o", str(tmp_path / "chair.obj")]) == 1
    assert "would be replaced" in capsys.readouterr().err
    assert model.read_bytes() == small_glb() and [path.name for path in tmp_path.iterdir()] == [model.name]


def test_a_converted_mesh_never_replaces_the_one_it_is_made_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.glb"
    model.write_bytes(small_glb())
    assert main(["convert", str(model), "-o", str(model), "--up", "z"]) == 1
    assert "would be replaced" in capsys.readouterr().err
    assert model.read_bytes() == small_glb()


def test_a_size_that_was_asked_for_stays_in_another_unit(tmp_path: Path) -> None:
    sized, out = tmp_path / "sized.glb", tmp_path / "out.stl"
    model = tmp_path / "model.glb"
    model.write_bytes(small_glb())
    assert main(["convert", str(model), "-o", str(sized), "--height-m", "0.06"]) == 0
    assert main(["convert", str(sized), "-o", str(out)]) == 0
    assert np.allclose(np.ptp(trimesh.load(str(out)).bounds, axis=0), [40, 60, 20], atol=1e-3)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (["-o", "out.fbx"], "names no format"),
        (["-o", "out"], "names no format"),
        (["-o", "out.glb", "--height-mm", "5", "--height-m", "1"], "not both"),
        (["-o", "nowhere/out.glb"], "cannot be written"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_writes_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    call: list[str], what: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["convert", "model.glb", *call]) == 1
    assert what in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.glb"]


def test_a_file_that_is_no_mesh_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.glb"
    photo.write_bytes(b"PK\x03\x04 a zip")
    assert main(["convert", str(photo), "-o", str(tmp_path / "out.stl")]) == 1
    assert "a zip" in capsys.readouterr().err
    assert not (tmp_path / "out.stl").exists()
