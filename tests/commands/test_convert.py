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
