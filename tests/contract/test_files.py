"""A file is whole or not there, whatever interrupts its writing."""

import errno
import os
from pathlib import Path

import pytest

from backend.contract.errors import InvalidParameterError, StorageFullError
from backend.contract.files import translate_write_errors, write_atomically


def test_a_file_replaces_the_one_before_it_and_leaves_no_draft(tmp_path: Path) -> None:
    for data in (b"one", b"two"):
        write_atomically(tmp_path / "a.png", data)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_keeps_the_old_file_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_: int) -> None:
        raise error

    write_atomically(tmp_path / "a.png", b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "a.png", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(errno.ENOSPC, StorageFullError), (errno.EACCES, InvalidParameterError), (errno.EROFS, InvalidParameterError)],
)
def test_an_error_of_the_disk_names_what_cannot_be_written(code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"out cannot be written: ."), translate_write_errors("out"):
        raise OSError(code, os.strerror(code))
