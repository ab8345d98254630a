"""The debug bundle: everything in it, in order, and readable."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.contract.trace import Trace
from backend.contract.work import File
from backend.workers.debug_bundle import bundle_files, overview, visible, write_folder, write_zip

MADE = File("mask.png", "image/png", b"result")
REPORT = {"seconds": 1.5}


def run_with_pictures() -> Trace:
    trace = Trace(keep_pictures=True)
    trace.picture("photo", np.full((30, 40, 3), 200, np.uint8))
    trace.picture("trimap", np.full((30, 40), 128, np.uint8))
    trace.picture("object mask", np.eye(30, 40, dtype=bool))
    trace.picture("alpha", np.full((30, 40), 0.5, np.float32))
    return trace


def test_the_bundle_has_the_result_the_report_and_every_picture_in_order() -> None:
    with zipfile.ZipFile(io.BytesIO(write_zip(bundle_files(MADE, REPORT, run_with_pictures())))) as archive:
        names = archive.namelist()
        assert names[:3] == ["mask.png", "report.json", "overview.png"]
        assert names[3:] == ["01-photo.png", "02-trimap.png", "03-object-mask.png", "04-alpha.png"]
        assert archive.read("mask.png") == b"result"
        assert json.loads(archive.read("report.json")) == {"seconds": 1.5}
        assert Image.open(io.BytesIO(archive.read("04-alpha.png"))).getpixel((3, 3)) == 128


def test_a_run_without_pictures_still_has_its_report() -> None:
    assert list(bundle_files(MADE, REPORT, Trace())) == ["mask.png", "report.json"]


def test_the_folder_holds_the_same_files(tmp_path: Path) -> None:
    files = bundle_files(MADE, REPORT, run_with_pictures())
    write_folder(files, tmp_path, "deep/request")
    assert {path.name: path.read_bytes() for path in (tmp_path / "deep" / "request").iterdir()} == files


def test_a_link_in_the_folder_is_replaced_or_refused_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "letter").write_bytes(b"dear")
    for name in ("out/request", "out/report.json", "out/link"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / ("letter" if name.endswith("json") else "home"))
    write_folder({"report.json": b"new"}, tmp_path / "out")
    for part in ("request", "link/below", "..", "../home"):
        with pytest.raises(OSError):
            write_folder({"report.json": b"new"}, tmp_path / "out", part)
    assert (tmp_path / "letter").read_bytes() == b"dear" and not list((tmp_path / "home").iterdir())
    assert (tmp_path / "out" / "report.json").read_bytes() == b"new"


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 3)])
def test_the_overview_takes_pictures_of_any_shape(size: tuple[int, int]) -> None:
    sheet = overview({"thin": np.zeros(size, np.float32), "colour": np.zeros((*size, 3), np.uint8)})
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3


def test_values_outside_the_unit_range_do_not_wrap_around() -> None:
    assert visible(np.float32([[-1.0, 0.0, 1.0, 2.0]])).tolist() == [[0, 0, 255, 255]]


def test_an_array_that_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="int64"):
        visible(np.zeros((2, 2), np.int64))
