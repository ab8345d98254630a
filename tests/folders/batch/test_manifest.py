"""The manifest: what is written is found again, and a torn line costs itself alone."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract.errors import StorageFullError
from backend.folders.batch.manifest import Manifest, Record, is_manifest
from backend.folders.batch.out_folder import MANIFEST, OutFolder

RECORD = Record("a/x.jpg", "done", "a/x.png", digest="d", key="k", output="a/x.png", size=(3, 4), advice=("Look.",))


def opened(folder: Path) -> Manifest:
    out = OutFolder(folder)
    try:
        return Manifest(out)
    finally:
        out.close()


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    opened(tmp_path).append(RECORD)
    assert opened(tmp_path).records == {"a/x.jpg": RECORD}
    assert is_manifest(tmp_path / MANIFEST)


def test_the_last_record_of_a_picture_counts(tmp_path: Path) -> None:
    manifest = opened(tmp_path)
    manifest.append(RECORD)
    manifest.append(replace(RECORD, state="working"))
    assert opened(tmp_path).records["a/x.jpg"].state == "working"


@pytest.mark.parametrize("name", ["new\nline.jpg", 'quo"te.jpg', "lat\udce9.jpg", "日本\u202e.jpg"])
def test_any_name_is_kept_on_one_line(tmp_path: Path, name: str) -> None:
    opened(tmp_path).append(replace(RECORD, input=name))
    assert len((tmp_path / MANIFEST).read_bytes().splitlines()) == 2  # the header, and this
    assert list(opened(tmp_path).records) == [name]


def test_wherever_the_file_is_cut_off_only_the_last_record_is_lost(tmp_path: Path) -> None:
    manifest = opened(tmp_path)
    manifest.append(RECORD)
    whole = len((tmp_path / MANIFEST).read_bytes())
    manifest.append(replace(RECORD, input="b.jpg", name="b.png", output="b.png"))
    data = (tmp_path / MANIFEST).read_bytes()
    for length in range(whole, len(data), 7):
        (tmp_path / MANIFEST).write_bytes(data[:length])
        assert "a/x.jpg" in opened(tmp_path).records
        opened(tmp_path).append(
            replace(RECORD, input="c.jpg", name="c.png", output="c.png")
        )  # is not glued to the torn line
        assert {"a/x.jpg", "c.jpg"} <= set(opened(tmp_path).records)


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    manifest = opened(tmp_path)
    manifest.append(RECORD)
    tracemalloc.start()
    try:
        for number in range(500):
            manifest.append(replace(RECORD, input=f"{number}.jpg", state="working", advice=(f"Look at {number}." * 9,)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(manifest.records) == 501 and manifest.name_of("7.jpg") == RECORD.name
    assert kept < 200_000  # bytes; the lines have 300,000


def test_lines_of_others_are_passed_over(tmp_path: Path) -> None:
    opened(tmp_path).append(RECORD)
    with (tmp_path / MANIFEST).open("a") as file:
        file.write("not JSON\n[1, 2]\n" + json.dumps({"input": 3}) + "\n\x00\n")
    assert list(opened(tmp_path).records) == ["a/x.jpg"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    manifest = opened(tmp_path)
    manifest.append(RECORD)
    before = (tmp_path / MANIFEST).read_bytes()
    real = manifest._log._file

    class Full:
        def write(self, data: bytes) -> int:
            if len(data) > 10:
                return real.write(data[:10])
            raise OSError(28, "No space left on device")

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    manifest._log._file = Full()  # type: ignore[assignment]
    with pytest.raises(StorageFullError):
        manifest.append(replace(RECORD, input="b.jpg"))
    assert (tmp_path / MANIFEST).read_bytes() == before
    assert "b.jpg" not in manifest.records
