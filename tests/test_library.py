"""`import mattemesh`: what it returns can be saved under a name that fits, and shows itself in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mattemesh import MaskOptions, MattemeshError, MeshOptions, PhotoMatte, PhotoMesh, cut_out, reconstruct
from tests.helpers.drawn import iou, toy


@pytest.fixture(scope="module")
def matte() -> PhotoMatte:
    return cut_out(toy()[0], MaskOptions(model="border", quality="fast"))


@pytest.fixture(scope="module")
def model() -> PhotoMesh:
    return reconstruct(toy()[0], MeshOptions(model="border", quality="fast", engine="relief", format="obj"))


def test_a_matte_is_saved_as_png(matte: PhotoMatte, tmp_path: Path) -> None:
    matte.save(tmp_path / "mask.PNG")
    saved = np.asarray(Image.open(tmp_path / "mask.PNG"))
    assert iou(saved > 127, toy()[1]) > 0.9
    assert np.abs(saved / 255 - matte.alpha).max() < 0.01


@pytest.mark.parametrize(("suffix", "start"), [("obj", b"#"), ("glb", b"glTF"), ("ply", b"ply"), ("STL", b"")])
def test_a_mesh_is_saved_in_the_format_of_its_name(model: PhotoMesh, tmp_path: Path, suffix: str, start: bytes) -> None:
    model.save(str(tmp_path / f"toy.{suffix}"))
    assert (tmp_path / f"toy.{suffix}").read_bytes().startswith(start)
    assert len(list(tmp_path.iterdir())) == (3 if suffix == "obj" else 1)  # its material and its texture


@pytest.mark.parametrize("suffix", ["jpg", "webp", "AVIF"])
def test_a_matte_is_saved_in_the_format_of_its_name(matte: PhotoMatte, tmp_path: Path, suffix: str) -> None:
    matte.save(tmp_path / f"mask.{suffix}")
    with Image.open(tmp_path / f"mask.{suffix}") as saved:
        assert saved.format == {"jpg": "JPEG"}.get(suffix, suffix.upper())
        assert iou(np.asarray(saved.convert("L")) > 127, toy()[1]) > 0.9


def test_a_cutout_is_no_jpeg_and_the_reason_is_told(tmp_path: Path) -> None:
    cutout = cut_out(toy()[0], MaskOptions(model="border", output="cutout"))
    with pytest.raises(MattemeshError, match="no transparency; name a background"):
        cutout.save(tmp_path / "cut.jpg")
    cutout.save(tmp_path / "cut.webp")
    with Image.open(tmp_path / "cut.webp") as saved:
        assert (saved.format, saved.mode) == ("WEBP", "RGBA")


@pytest.mark.parametrize("name", ["mask.tiff", "mask", "no/such/folder/mask.png"])
def test_a_matte_that_cannot_be_saved_says_why(matte: PhotoMatte, tmp_path: Path, name: str) -> None:
    with pytest.raises(MattemeshError, match=r"has to end in one of \.png, \.webp, \.jpg|cannot be written"):
        matte.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["toy.fbx", "toy", "toy.png"])
def test_a_mesh_that_cannot_be_saved_names_the_formats(model: PhotoMesh, tmp_path: Path, name: str) -> None:
    with pytest.raises(MattemeshError, match=r"\.glb, \.obj, \.ply, \.stl"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_result_shows_itself_in_one_line(matte: PhotoMatte, model: PhotoMesh) -> None:
    height, width = matte.alpha.shape
    assert repr(matte).startswith(f"<matte of {width} × {height} pixels by border, grade ")
    assert repr(model).startswith("<mesh of ") and repr(model).endswith(" faces by relief>")


def test_your_own_mask_is_used(tmp_path: Path) -> None:
    image, mask = toy()
    matte = cut_out(image, mask=np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255)
    assert iou(matte.alpha > 0.5, mask) > 0.98
