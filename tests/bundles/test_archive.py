"""Bundles from strangers: one that is not as we write it is refused in one sentence, and costs next to nothing."""

import hashlib
import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pytest

from backend.bundles.archive import Archive, read_inputs
from backend.bundles.replay import replay
from backend.contract.errors import InvalidParameterError
from backend.contract.options import MaskOptions
from backend.contract.settings import Settings
from backend.contract.work import Work
from backend.engines.registry import Engines
from backend.workers.perform import perform
from tests.helpers.drawn import encoded, toy

Files = dict[str, bytes]
UNPICKLED = Path(gettempdir(), f"unpickled-{os.getpid()}")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("good")
    settings = Settings(checkpoints_dir=folder / "weights", data_dir=folder / "data", cache_bytes=0)
    work = Work("remove-bg", {"file": encoded(toy()[0])}, MaskOptions(model="border", debug=True), "zip")
    data = perform(work, Engines(settings), lambda stage: None).files[0].data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(checkpoints_dir=tmp_path / "weights", data_dir=tmp_path / "data", cache_bytes=0)


def written(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def with_report(good: Files, change: Callable[[dict[str, Any]], object]) -> Files:
    report = json.loads(good["report.json"])
    change(report)
    return {**good, "report.json": json.dumps(report).encode()}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype == object)
    return file.getvalue()


def lying_npy(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def with_guess(good: Files, data: bytes) -> Files:
    def change(report: dict[str, Any]) -> None:
        file = report["inputs"]["handed"]["guess"]["file"]
        file |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    return {**with_report(good, change), "inputs/guess.npy": data}


def refusal(path: Path, settings: Settings) -> str:
    with pytest.raises(InvalidParameterError) as wrong:
        replay(path, "refine", {}, settings)
    assert wrong.value.detail.endswith(".") and "\n" not in wrong.value.detail
    return wrong.value.detail


def test_a_good_one_is_read_as_zip_and_as_folder(tmp_path: Path, settings: Settings, good: Files) -> None:
    for name, data in good.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
    for path in (written(tmp_path / "bundle.zip", good), tmp_path / "folder"):
        assert replay(path, "refine", {}, settings).same
    (tmp_path / "folder" / "inputs" / "file").unlink()
    (tmp_path / "folder" / "inputs" / "file").symlink_to("/etc/passwd")
    assert "inputs/file cannot be read" in refusal(tmp_path / "folder", settings)


def test_a_folder_that_somebody_zipped_is_read(tmp_path: Path, settings: Settings, good: Files) -> None:
    plain = replay(written(tmp_path / "plain.zip", good), "refine", {}, settings)
    for top in ("", "kept/"):
        path = written(tmp_path / "zipped.zip", {top + name: data for name, data in good.items()})
        with zipfile.ZipFile(path, "a") as archive:
            for folder in {top, f"{top}inputs/"} - {""}:
                archive.writestr(zipfile.ZipInfo(folder), b"")
        assert replay(path, "refine", {}, settings).file.data == plain.file.data
    two = {f"{top}/{name}": data for top in ("a", "b") for name, data in good.items()}
    with pytest.raises(InvalidParameterError, match=r"report\.json"):
        replay(written(tmp_path / "two.zip", two), "refine", {}, settings)


@pytest.mark.parametrize("name", ["report.json", "inputs/file", "inputs/guess.npy"])
def test_a_missing_file_is_named(tmp_path: Path, settings: Settings, good: Files, name: str) -> None:
    files = {other: data for other, data in good.items() if other != name}
    assert f"has no {name}" in refusal(written(tmp_path / "bundle.zip", files), settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: report.pop("inputs"), "does not say what its run was given"),
        (lambda report: report.update(inputs=[]), "does not say what its run was given"),
        (lambda report: report["inputs"].update(form=2), "Another version of Mattemesh wrote this bundle (form 2"),
        (lambda report: report["inputs"].pop("kind"), "inputs.kind"),
        (lambda report: report["inputs"].update(kind="shell"), "`shell`, the bundle's kind"),
        (lambda report: report["inputs"].update(files={}), "lacks a file"),
        (lambda report: report["inputs"].update(azimuths=[90]), "lacks a file"),
        (lambda report: report["inputs"].update(azimuths=["left"]), "inputs.azimuths"),
        (lambda report: report["inputs"]["files"]["file"].update(name="../secret"), "another place"),
        (lambda report: report["inputs"]["files"]["file"].update(name="report.json"), "another place"),
        (lambda report: report["inputs"]["handed"]["guess"]["file"].update(name="/etc/passwd"), "another place"),
        (lambda report: report["inputs"]["files"]["file"].update(sha256="0" * 64), "not the file that its report"),
        (lambda report: report["inputs"]["handed"]["guess"].update(file=None), "`guess` cannot be used"),
        (lambda report: report["inputs"]["handed"]["guess"].update(values={}), "`guess` cannot be used"),
        (lambda report: report["inputs"]["handed"]["guess"]["values"].update(facts=[1]), "`guess` cannot be used"),
        (lambda report: report["inputs"].update(options={"shell": "rm"}), "no option `shell`"),
        (lambda report: report["inputs"].update(options={"feather_px": 1e9}), "feather_px"),
        (lambda report: report["inputs"].update(settings={"holes": 7}), "settings cannot be used"),
        (lambda report: report["inputs"].update(handed={str(n): None for n in range(999)}), "inputs.handed"),
    ],
)
def test_a_report_that_is_not_ours_is_refused(
    tmp_path: Path, settings: Settings, good: Files, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert message in refusal(written(tmp_path / "bundle.zip", with_report(good, change)), settings)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"inputs": NaN}', b"9" * 10_000, b'{"inputs": {"form": -Infinity}}'],
)
def test_what_is_no_json_is_refused(tmp_path: Path, settings: Settings, good: Files, text: bytes) -> None:
    assert "no JSON" in refusal(written(tmp_path / "bundle.zip", {**good, "report.json": text}), settings)


class Pickled:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (UNPICKLED, "gone wrong")


@pytest.mark.parametrize(
    "data",
    [
        npy(np.full((120, 160), np.nan, np.float32)),
        npy(np.full((120, 160), 2, np.float32)),
        npy(np.zeros((120, 160), np.float64)),
        npy(np.zeros((160, 120), np.float32)),
        npy(np.asfortranarray(np.zeros((120, 160), np.float32))),
        npy(np.array([[Pickled()]], object)),
        npy(np.zeros((120, 160), np.float32))[:-4],
        lying_npy("(120, 160)"),
        lying_npy("(10**6, 10**6)"),
        lying_npy("(1000000, 1000000)"),
        b"no array",
        b"",
    ],
    ids=range(12),
)
def test_an_array_of_another_kind_is_refused(tmp_path: Path, settings: Settings, good: Files, data: bytes) -> None:
    message = refusal(written(tmp_path / "bundle.zip", with_guess(good, data)), settings)
    assert "guess" in message and not UNPICKLED.exists()


@pytest.mark.parametrize("name", ["inputs/file", "inputs/guess.npy", "report.json"])
def test_a_bomb_is_refused_before_it_is_in_memory(tmp_path: Path, settings: Settings, good: Files, name: str) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, data in good.items():
            if other != name:
                archive.writestr(other, data)
        with archive.open(name, "w", force_zip64=True) as out:
            for _ in range(256):
                out.write(bytes(2**20))
    tracemalloc.start()
    assert "too large" in refusal(path, settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20
    shrunk = path.read_bytes().replace(struct.pack("<I", 2**28), struct.pack("<I", 100))  # a header that lies
    path.write_bytes(shrunk)
    assert name in refusal(path, settings)


def test_what_a_zip_may_hide_is_refused(tmp_path: Path, settings: Settings, good: Files) -> None:
    path = written(tmp_path / "bundle.zip", good)
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("report.json", "{}")
    assert "a name twice" in refusal(path, settings)
    link = zipfile.ZipInfo("inputs/file")
    link.external_attr = 0o120777 << 16
    path = written(path, {name: data for name, data in good.items() if name != "inputs/file"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "a link" in refusal(path, settings)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("report.json", good["report.json"])
    assert "packed in another way" in refusal(path, settings)
    path = written(path, {**good, "../../escaped": b"out", "/rooted": b"out"})
    assert replay(path, "refine", {}, settings).same  # such names are of no interest: nothing is unpacked
    assert not (tmp_path.parent.parent / "escaped").exists()


def test_a_directory_of_many_files_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    written(path, {f"{number:05d}": b"" for number in range(1001)})
    with pytest.raises(InvalidParameterError, match="more than 1000 files"):
        Archive(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, len(data) - 14, 3, 3)  # fewer, says the end: the directory's length tells
    path.write_bytes(data)
    with Archive(path) as archive, pytest.raises(InvalidParameterError):
        read_inputs(archive)


@pytest.mark.parametrize("cut", [0, 10, 1000, -1, -30, -300])
def test_a_truncated_one_is_refused(tmp_path: Path, settings: Settings, good: Files, cut: int) -> None:
    path = written(tmp_path / "bundle.zip", good)
    path.write_bytes(path.read_bytes()[:cut])
    refusal(path, settings)


def test_a_damaged_one_is_refused_or_as_good_as_whole(tmp_path: Path, settings: Settings, good: Files) -> None:
    kept = {name: data for name, data in good.items() if name.startswith("inputs") or name == "report.json"}
    data = written(tmp_path / "bundle.zip", kept).read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(60):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            broken[at] ^= int(rng.integers(1, 256))
        (tmp_path / "bundle.zip").write_bytes(broken)
        try:
            replay(tmp_path / "bundle.zip", "fuse", {}, settings)
        except InvalidParameterError:
            continue


def test_another_file_is_no_bundle(tmp_path: Path, settings: Settings) -> None:
    for name, data in (("photo.png", encoded(toy()[0])), ("empty.zip", b""), ("no.zip", b"PK\5\6" + bytes(18))):
        (tmp_path / name).write_bytes(data)
        assert "bundle" in refusal(tmp_path / name, settings)
    assert "cannot be read" in refusal(tmp_path / "nowhere.zip", settings)
    (tmp_path / "folder").mkdir()
    assert "has no report.json" in refusal(tmp_path / "folder", settings)
