"""docs/formats.md has a row for every format of the code, and its cells say what the code does."""

import io
from typing import get_args

import numpy as np
import pytest
from PIL import ExifTags, Image

from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.picture_formats import PICTURE_FORMATS
from backend.contract.settings import REPOSITORY
from backend.images.decoding.image_header import ImageFormat, ImageLimits
from backend.images.image_io import read_picture
from backend.images.metadata import exif_to_keep
from backend.images.picture_file import FileStyle, encode_file
from backend.mesh.export import export_mesh
from backend.mesh.placing import place
from tests.helpers.picture_files import saved, scene
from tests.helpers.small_meshes import figure

Rows = dict[str, dict[str, str]]


def table(heading: str) -> Rows:
    """Return the table below a heading: format -> column -> cell."""
    part = (REPOSITORY / "docs" / "formats.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.split("\n") if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): dict(zip(head[1:], row[1:], strict=True)) for row in rows}


READ, WRITTEN, MESHES = (
    table(f"{what} that are {done}")
    for what, done in (("Pictures", "read"), ("Mattes and cutouts", "written"), ("Meshes", "written"))
)


def test_the_promise_of_what_is_read_names_every_format() -> None:
    promise = (REPOSITORY / "SECURITY.md").read_text().partition("It reads pictures")[2].partition(". The header")[0]
    assert [name for name in get_args(ImageFormat) if name not in promise.lower()] == []


def test_every_format_has_its_row() -> None:
    assert set(READ) == set(get_args(ImageFormat))
    assert list(WRITTEN) == list(PICTURE_FORMATS)
    assert list(MESHES) == list(MESH_FORMATS)


def told(yes: bool) -> str:
    return "yes" if yes else "no"


def exif() -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.Make], made[ExifTags.Base.Orientation] = "Maker", 6
    return made


@pytest.mark.parametrize("format", sorted(set(READ) - {"heic"}))
def test_what_a_picture_carries_in(format: str) -> None:
    lying = np.ascontiguousarray(np.rot90(scene()))
    read = read_picture(saved(lying, format.upper(), exif=exif().tobytes(), dpi=(300, 150)), ImageLimits())
    turned = read.image.shape == scene().shape
    clear = np.dstack([scene(), np.where(scene()[..., 0] > 90, 255, 0).astype(np.uint8)])
    kind = "RGB" if format in ("jpeg", "bmp") else "RGBA"
    alpha = read_picture(saved(Image.fromarray(clear).convert(kind), format.upper()), ImageLimits()).alpha is not None
    assert (
        READ[format]
        | {
            "alpha": told(alpha),
            "orientation": told(turned),
            "density": told(read.density is not None),
            "EXIF to keep": told(exif_to_keep(read.exif) != b""),
        }
        == READ[format]
    )


@pytest.mark.parametrize("format", PICTURE_FORMATS)
def test_what_a_matte_carries_out(format: str) -> None:
    row, cells = PICTURE_FORMATS[format], WRITTEN[format]
    assert cells["names end in"].split(", ") == list(row.endings) and cells["media type"] == row.media_type
    assert cells["alpha"] == told(row.transparent)
    kept = exif_to_keep(exif().tobytes())
    data = encode_file(scene(), None, FileStyle(format, 90, (5906, 11811), kept))
    opened = Image.open(io.BytesIO(data))
    found = opened.getexif()
    dense = opened.info.get("dpi") or (found.get(ExifTags.Base.XResolution), found.get(ExifTags.Base.YResolution))
    assert cells["density"] == told([round(float(value)) for value in dense] == [150, 300])
    assert cells["EXIF kept"] == told(found.get(ExifTags.Base.Make) == "Maker")
    assert found.get(ExifTags.Base.Orientation, 1) == 1 and "icc_profile" not in opened.info
    if cells["lossless"] in ("yes", "no"):
        assert cells["lossless"] == told(bool((np.asarray(opened.convert("RGB")) == scene()).all()))


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_what_a_mesh_carries_out(format: str) -> None:
    row, cells = MESH_FORMATS[format], MESHES[format]
    assert (cells["names end in"], cells["media type"]) == (f".{ending_of(format)}", row.media_type)
    assert (cells["unit"], cells["up"], cells["texture"]) == (row.unit, row.up, told(row.textured))
    bare, colored = (export_mesh(place(figure(colors=colors)), format) for colors in (False, True))
    assert cells["colours"] == told(bare != colored)
