"""The debug bundle: everything in it, in order, and readable."""

import errno
import io
import json
import shutil
import zipfile
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pytest
from PIL import Image

from backend.bundles import debug_bundle
from backend.bundles.debug_bundle import Bundle, overview, tile, visible
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import File, Work
from backend.engines.registry import Engines
from backend.workers.perform import perform
from tests.helpers.drawn import encoded, toy
from tests.helpers.small_disk import fill, small_disk

MADE = File("mask.png", "image/png", b"result")
REPORT = {"seconds": 1.5}


def finished(*pictures: tuple[str, np.ndarray]) -> Bundle:
    bundle = Bundle(Path(gettempdir()))
    for name, picture in pictures:
        bundle.add(name, picture)
    bundle.finish(MADE, REPORT)
    return bundle


def four_pictures() -> Bundle:
    return finished(
        ("photo", np.full((30, 40, 3), (200, 100, 0), np.uint8)),
        ("trimap", np.full((30, 40), 128, np.uint8)),
        ("object mask", np.eye(30, 40, dtype=bool)),
        ("alpha", np.full((30, 40), 0.5, np.float32)),
    )


def contents(bundle: Bundle) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle.as_file("debug.zip").data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_bundle_has_the_result_the_report_and_every_picture_in_order() -> None:
    files = contents(four_pictures())
    pictures = ["01-photo.png", "02-trimap.png", "03-object-mask.png", "04-alpha.png"]
    assert list(files) == [*pictures, "overview.png", "report.json", "mask.png"]
    assert files["mask.png"] == b"result"
    assert json.loads(files["report.json"]) == {"seconds": 1.5}
    seen = [np.asarray(Image.open(io.BytesIO(files[name]))) for name in pictures]
    assert seen[0].shape == (30, 40, 3) and (seen[0] == (200, 100, 0)).all()
    assert (seen[2] == np.eye(30, 40) * 255).all()
    assert (seen[3] == 128).all()


def test_a_picture_is_shown_as_it_was_when_it_was_made() -> None:
    alpha = np.zeros((30, 40), np.float32)
    bundle = Bundle(Path(gettempdir()))
    bundle.add("alpha", alpha)
    alpha[:] = 1
    bundle.add("alpha", alpha)
    bundle.finish(MADE, REPORT)
    files = contents(bundle)
    assert [np.asarray(Image.open(io.BytesIO(files[f"0{n}-alpha.png"]))).max() for n in (1, 2)] == [0, 255]


def test_a_run_without_pictures_still_has_its_report() -> None:
    assert list(contents(finished())) == ["report.json", "mask.png"]


def test_the_folder_holds_the_same_files(tmp_path: Path) -> None:
    bundle = four_pictures()
    bundle.unpack(tmp_path, "deep/request")
    assert {path.name: path.read_bytes() for path in (tmp_path / "deep" / "request").iterdir()} == contents(bundle)


def test_a_link_in_the_folder_is_replaced_or_refused_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "letter").write_bytes(b"dear")
    for name in ("out/request", "out/report.json", "out/link"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / ("letter" if name.endswith("json") else "home"))
    bundle = finished()
    bundle.unpack(tmp_path / "out")
    for part in ("request", "link/below", "..", "../home"):
        with pytest.raises(OSError):
            bundle.unpack(tmp_path / "out", part)
    assert (tmp_path / "letter").read_bytes() == b"dear" and not list((tmp_path / "home").iterdir())
    assert json.loads((tmp_path / "out" / "report.json").read_bytes()) == REPORT


def test_a_full_disk_is_reported_at_the_end_and_not_to_the_run() -> None:
    bundle = Bundle(Path(gettempdir()))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(debug_bundle, "png_pieces", full)
        bundle.add("photo", np.zeros((3, 3), np.uint8))
    bundle.add("alpha", np.zeros((3, 3), np.uint8))
    with pytest.raises(OSError, match="No space"):
        bundle.finish(MADE, REPORT)
    bundle.close()


def test_a_finished_run_leaves_nothing_in_the_spool_folder(tmp_path: Path) -> None:
    settings = Settings(checkpoints_dir=tmp_path, data_dir=tmp_path / "data", cache_bytes=0)
    work = Work("remove-bg", {"file": encoded(toy()[0])}, MaskOptions(model="border", debug=True), "zip")
    done = perform(work, Engines(settings), lambda stage: None)
    assert not list((tmp_path / "data" / "spool").iterdir())
    with zipfile.ZipFile(io.BytesIO(done.files[0].data)) as archive:
        assert {"mask.png", "report.json", "overview.png", "01-photo.png"} <= set(archive.namelist())


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 3)])
def test_the_overview_takes_pictures_of_any_shape(size: tuple[int, int]) -> None:
    pictures = np.zeros(size, np.float32), np.zeros((*size, 3), np.uint8), np.ones(size, bool)
    sheet = overview([tile("thin", picture) for picture in pictures])
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    assert sheet.max() == 255


def test_values_outside_the_unit_range_do_not_wrap_around() -> None:
    assert visible(np.float32([[-1.0, 0.0, 1.0, 2.0]])).tolist() == [[0, 0, 255, 255]]


def test_an_array_that_is_no_picture_is_refused() -> None:
    bundle = Bundle(Path(gettempdir()))
    with pytest.raises(ValueError, match="int64"):
        bundle.add("count", np.zeros((2, 2), np.int64))
    bundle.close()


def test_a_disk_without_room_for_the_last_bytes_does_not_stop_the_end(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 200_000) as disk:
        bundle = Bundle(disk)
        fill(disk)
        bundle.add("photo", np.full((30, 40, 3), 9, np.uint8))
        with pytest.raises(OSError, match="No space"):
            bundle.finish(File("mask.png", "image/png", b"mask"), {})
        bundle.close()
        (disk / "ballast").unlink()
        assert shutil.disk_usage(disk).used == 0
