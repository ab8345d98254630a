"""The store on disk: bounded, shared by processes, and safe against files and rows planted in its folder."""

import contextlib
import errno
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.cache.disk_store import DiskStore
from backend.cache.stores import StoreError
from backend.contract.settings import REPOSITORY

SMALL, LARGE = b"s" * 100, b"l" * 100_000  # in the database, and in a file of its own


@pytest.fixture
def disk(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "cache", 4_000_000, 3600)


def files_of(disk: DiskStore) -> list[Path]:
    return list(disk.folder.rglob("*.val"))


def bytes_of(disk: DiskStore) -> int:
    """Return the size of all but SQLite's log of the last writes, which has at most 4 MB of its own."""
    kept = [path for path in disk.folder.rglob("*") if path.is_file() and "cache.db-" not in path.name]
    return sum(path.stat().st_size for path in kept)


@pytest.mark.parametrize("data", [b"", SMALL, LARGE])
def test_bytes_come_back_as_they_were(disk: DiskStore, data: bytes) -> None:
    assert disk.get("key") is None
    disk.put("key", data)
    assert disk.get("key") == data
    disk.put("key", b"new")
    assert disk.get("key") == b"new"


def test_the_folder_is_closed_to_other_users(disk: DiskStore) -> None:
    disk.put("key", SMALL)
    assert disk.folder.stat().st_mode & 0o077 == 0


def test_two_processes_share_it(disk: DiskStore) -> None:
    disk.put("ours", LARGE)
    script = (
        "import sys; from pathlib import Path; from backend.cache.disk_store import DiskStore\n"
        "disk = DiskStore(Path(sys.argv[1]), 4_000_000, 3600)\n"
        "disk.put('theirs', disk.get('ours')[::-1] + b'!')"
    )
    subprocess.run([sys.executable, "-c", script, str(disk.folder)], check=True, cwd=REPOSITORY, timeout=60)
    assert disk.get("theirs") == LARGE + b"!"


def test_threads_share_it(disk: DiskStore) -> None:
    failed: list[BaseException] = []

    def use(number: int) -> None:
        try:
            for turn in range(10):
                disk.put(f"{number} {turn}", LARGE[: 20_000 + turn])
                assert disk.get(f"{number} {turn}") == LARGE[: 20_000 + turn]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_the_folder_never_outgrows_its_limit(disk: DiskStore) -> None:
    for number in range(300):  # small ones first, so that ten of them are not a large one
        disk.put(f"small {number}", SMALL)
    for number in range(12):
        disk.put(f"large {number}", bytes([number]) * 490_000)
        assert bytes_of(disk) <= disk.limit_bytes
    assert disk.get("small 0") is None
    assert disk.get("large 11") is not None


def test_expired_entries_are_forgotten(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put("key", LARGE)
    assert disk.get("key") == LARGE
    later = time.time() + 3601
    monkeypatch.setattr("diskcache.core.time.time", lambda: later)
    assert disk.get("key") is None
    disk.tidy()
    assert files_of(disk) == []


def test_tidying_removes_what_a_killed_process_left_and_no_other_file(disk: DiskStore) -> None:
    disk.put("kept", LARGE)
    disk.put("lost", LARGE[1:])
    lost, kept = sorted(files_of(disk), key=lambda path: path.stat().st_size)
    lost.unlink()
    half = disk.folder / "00" / "ff" / f"{'0' * 28}.val"
    others = [disk.folder / name for name in ("thesis.txt", "00/ff/notes.val", "Pictures/2026/one.jpg")]
    (disk.folder / "empty").mkdir()
    for path in (half, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    disk.tidy()
    assert all(path.exists() for path in (*others, kept, disk.folder / "empty"))
    assert not half.exists()
    assert disk.get("kept") == LARGE
    with contextlib.closing(sqlite3.connect(disk.folder / "cache.db")) as database:
        assert database.execute("SELECT key FROM Cache").fetchall() == [("kept",)]


class Planted:
    """An object whose pickle writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_planted_pickle_is_not_executed(disk: DiskStore, tmp_path: Path, in_a_file: bool) -> None:
    disk.put("key", LARGE)
    payload = pickle.dumps(Planted(tmp_path / "executed"))
    if in_a_file:
        files_of(disk)[0].write_bytes(payload)
    change(disk, "mode = 4" if in_a_file else "mode = 4, value = ?, filename = NULL", *([] if in_a_file else [payload]))
    assert disk.get("key") is None
    disk.tidy()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "aa/bb/../../../secret.txt"])
def test_a_planted_path_is_neither_read_nor_removed(disk: DiskStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    disk.put("key", LARGE)
    change(disk, "filename = ?", name)
    assert disk.get("key") is None
    disk.put("key", SMALL)
    assert (tmp_path / "secret.txt").exists()
    assert disk.get("key") == SMALL


@pytest.mark.parametrize("value", ["text", 3, None])
def test_a_row_of_another_kind_is_a_miss(disk: DiskStore, value: object) -> None:
    disk.put("key", SMALL)
    change(disk, "value = ?", value)
    assert disk.get("key") is None


def test_a_lost_file_is_a_miss(disk: DiskStore) -> None:
    disk.put("key", LARGE)
    files_of(disk)[0].unlink()
    assert disk.get("key") is None


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_broken_database_is_replaced(disk: DiskStore, content: bytes) -> None:
    disk.put("key", LARGE)
    disk.close()
    for path in disk.folder.glob("cache.db-*"):
        path.unlink()
    (disk.folder / "cache.db").write_bytes(content)
    again = DiskStore(disk.folder, 4_000_000, 3600)
    assert again.get("key") is None
    again.put("key", SMALL)
    assert again.get("key") == SMALL
    again.tidy()
    assert files_of(again) == []  # the files of the lost rows are gone, too


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    disk = DiskStore(tmp_path / "file" / "cache", 4_000_000, 3600)
    with pytest.raises(StoreError) as raised:
        disk.put("key", SMALL)
    assert str(tmp_path) not in str(raised.value)
    with pytest.raises(StoreError):
        disk.get("key")


def test_a_full_disk_leaves_no_partial_file(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put("before", LARGE)

    class Full:
        def __iter__(self) -> "Full":
            return self

        def __next__(self) -> bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("diskcache.core.io.BytesIO", lambda data: Full())
        with pytest.raises(StoreError, match="No space left"):
            disk.put("key", LARGE)
    assert len(files_of(disk)) == 1
    assert disk.get("before") == LARGE
    disk.put("key", LARGE)
    assert disk.get("key") == LARGE


def test_a_reader_does_not_wait_for_a_writer(disk: DiskStore) -> None:
    disk.put("key", SMALL)
    with sqlite3.connect(disk.folder / "cache.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert disk.get("key") == SMALL  # waiting for the lock would end as a StoreError
        other.execute("ROLLBACK")


def change(disk: DiskStore, assignment: str, *values: object) -> None:
    """Change the only row directly in the database."""
    with sqlite3.connect(disk.folder / "cache.db") as database:
        database.execute(f"UPDATE Cache SET {assignment}", values)
    database.close()
