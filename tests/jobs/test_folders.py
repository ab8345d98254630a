"""A job's folder appears whole or not at all, and nothing is left of what belongs to no job."""

import errno
import os
from pathlib import Path

import pytest

from backend.contract.errors import StorageFullError
from backend.contract.work import File
from backend.jobs.folders import JobFolders
from backend.jobs.records import Job, JobIds, Outcome, State, StoredFile, made_at


@pytest.fixture
def folders(tmp_path: Path) -> JobFolders:
    made = JobFolders(tmp_path)
    made.prepare()
    return made


def job(state: State, *files: StoredFile) -> Job:
    return Job(JobIds().next(), "remove-bg", "mask", state, {}, {}, 1, 0.0, outcome=Outcome(state, files=files))


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_what_was_kept_comes_back(folders: JobFolders) -> None:
    folders.keep_inputs("a", {"file": b"photo", "mask": b""})
    assert folders.inputs("a") == {"file": b"photo", "mask": b""}
    assert folders.inputs("b") is None


@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_a_full_disk_leaves_nothing_behind(
    folders: JobFolders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, full)
        with pytest.raises(StorageFullError):
            folders.keep_results("a", [File("mask.png", "image/png", b"x" * 1000)])
    assert names(tmp_path) == set()
    assert not (tmp_path / "results" / "a").exists()
    folders.keep_results("a", [File("mask.png", "image/png", b"x")])
    assert names(tmp_path) == {"results/a/mask.png"}


def test_sweeping_keeps_photos_of_unfinished_jobs_results_of_finished_ones_and_strangers_folders(
    folders: JobFolders, tmp_path: Path
) -> None:
    waiting, good, failed = job("queued"), job("succeeded"), job("failed")
    unknown = JobIds().next()
    made = made_at(unknown) or 0.0
    for one in (waiting.id, good.id, failed.id, unknown):
        folders.keep_inputs(one, {"file": b"photo"})
        folders.keep_results(one, [File("mask.png", "image/png", b"mask")])
    (tmp_path / "partial" / f"{good.id}-{'0' * 32}").mkdir()
    for place in ("inputs", "partial"):
        (tmp_path / place / "my holiday").mkdir()
        (tmp_path / place / "my holiday" / "photo.jpg").touch()
    assert folders.sweep({waiting.id}, {good.id}, {failed.id}, since=0.0, until=made - 1) == 1
    assert (tmp_path / "results" / unknown).is_dir() and not (tmp_path / "inputs" / unknown).exists()
    assert folders.sweep({waiting.id}, {good.id}, {failed.id}, since=made + 1, until=made + 1) == 1
    assert folders.sweep({waiting.id}, {good.id}, {failed.id}, since=0.0, until=made + 1) == 0
    strangers = {"inputs/my holiday/photo.jpg", "partial/my holiday/photo.jpg"}
    assert names(tmp_path) == {f"inputs/{waiting.id}/file", f"results/{good.id}/mask.png", *strangers}
    assert [path.name for path in (tmp_path / "partial").iterdir()] == ["my holiday"]


def test_the_reserve_is_not_written_through_a_link(folders: JobFolders, tmp_path: Path) -> None:
    (tmp_path / "reserve").symlink_to(tmp_path / "elsewhere")
    folders.reserve()
    assert not (tmp_path / "elsewhere").exists()
    folders.reserve()
    assert (tmp_path / "reserve").stat().st_size > 0


def test_a_finished_job_is_complete_only_with_every_file_at_its_size(folders: JobFolders) -> None:
    one = job("succeeded", StoredFile("mask.png", "image/png", 4), StoredFile("cutout.png", "image/png", 6))
    assert not folders.complete(one)
    folders.keep_results(one.id, [File("mask.png", "image/png", b"mask"), File("cutout.png", "image/png", b"cut")])
    assert not folders.complete(one)
    folders.remove(one.id)
    folders.keep_results(one.id, [File("mask.png", "image/png", b"mask"), File("cutout.png", "image/png", b"cutout")])
    assert folders.complete(one)


def test_only_the_owner_may_look_at_a_photo(folders: JobFolders, tmp_path: Path) -> None:
    folders.keep_inputs("a", {"file": b"photo"})
    assert all(not path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.is_dir())
