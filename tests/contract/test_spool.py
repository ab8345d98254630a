"""Spool files: read by their holder, without a name, and taken from a worker with mistrust."""

import os
from pathlib import Path

import pytest

from backend.contract.spool import WorkerSpool, spool_bytes, spool_path


@pytest.fixture
def spool(tmp_path: Path) -> WorkerSpool:
    spool = WorkerSpool(tmp_path / "spool", "mask-0")
    spool.clear()
    return spool


def test_a_file_that_a_worker_left_is_taken_and_loses_its_name(spool: WorkerSpool) -> None:
    spool_path(spool.folder, 7, 0).write_bytes(b"mask")
    file = spool.take(7, 0, "mask.png", "image/png")
    assert (file.name, file.media_type, file.size, file.data) == ("mask.png", "image/png", 4, b"mask")
    assert not list(spool.folder.iterdir())
    assert b"".join(file.pieces()) == b"mask"  # and read again


def test_a_link_or_a_pipe_in_place_of_a_result_is_refused(spool: WorkerSpool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    spool_path(spool.folder, 1, 0).symlink_to(secret)
    os.mkfifo(spool_path(spool.folder, 1, 1))
    for index in (0, 1, 2):
        with pytest.raises(OSError):
            spool.take(1, index, "mask.png", "image/png")
    assert secret.read_text() == "secret"


def test_what_a_dead_service_left_goes_and_a_running_ones_folder_stays(tmp_path: Path) -> None:
    dead, living = tmp_path / "999999999-mask-0", tmp_path / f"{os.getppid()}-mask-0"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "0-0").write_bytes(b"x")
    strange = [tmp_path / name for name in ("9x-mask-0", "1-", "9" * 200 + "-mask-0", "12")]
    for folder in strange:  # names that no worker has are none of its business
        folder.mkdir()
    own = WorkerSpool(tmp_path, "mask-0")
    own.clear()
    assert all(folder.is_dir() for folder in strange)
    spool_path(own.folder, 0, 0).write_bytes(b"half a result")
    own.clear()  # of a worker that was killed
    assert not dead.exists() and living.exists() and not list(own.folder.iterdir())
    own.remove()
    assert not own.folder.exists()


def test_bytes_are_spooled_without_a_name(tmp_path: Path) -> None:
    file = spool_bytes(tmp_path / "spool", "model.glb", "model/gltf-binary", b"glTF")
    assert file.data == b"glTF" and not list((tmp_path / "spool").iterdir())
    file.close()
    with pytest.raises(ValueError, match="closed"):
        _ = file.data
