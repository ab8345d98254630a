"""The two packages hold what they need, and nothing of this machine."""

import zipfile
from pathlib import Path

import pytest

from backend.contract.settings import REPOSITORY
from tests.helpers.packed import packed


@pytest.mark.parametrize(("name", "place"), [("blender", ""), ("comfyui", "mattemesh/")])
def test_a_package_holds_its_folder_and_the_client(name: str, place: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed(name, tmp_path)) as archive:
        inside = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    folder = REPOSITORY / "integrations" / name
    files = [*folder.glob("*.*"), folder.parent / "service.py", REPOSITORY / "LICENSE"]
    assert inside == {place + path.name: path.read_bytes() for path in files}


def test_equal_files_make_equal_bytes(tmp_path: Path) -> None:
    assert packed("blender", tmp_path / "one").read_bytes() == packed("blender", tmp_path / "two").read_bytes()
