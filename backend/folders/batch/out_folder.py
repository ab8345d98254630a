"""OUT_DIR: finished files under their names, never half a file.

A file is written in `.mattemesh/partial`, made safe on the disk and only then given its name. One run at a time.
"""

import errno
import os
from itertools import count
from pathlib import Path
from typing import BinaryIO

from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors, write_atomically

OWN = ".mattemesh"
REVIEW, OUTLIERS = "review", "outliers"


class PlaceError(Exception):
    """One result cannot be written: another entry has its name, or the name is too long."""


# Errors of one name, not of the whole folder.
_OF_ONE_NAME = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG})


class OutFolder:
    """The folder of the results; thumbnails, drafts and the lock are in its hidden folder `.mattemesh`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, lock it for this run and remove the drafts of a killed run.

        Raises InvalidParameterError when it cannot be used, or another run uses it, and StorageFullError.
        """
        self.folder = folder
        self._numbers = count()  # of files in work
        self._partial, self._thumbnails = folder / OWN / "partial", folder / OWN / "thumbnails"
        with translate_write_errors(folder):
            for each in (self._partial, self._thumbnails):
                each.mkdir(parents=True, exist_ok=True)
            self._lock = _hold(folder / OWN / "lock")
            for left in self._partial.iterdir():
                left.unlink()

    def close(self) -> None:
        self._lock.close()

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`, whole or not at all. Raises InvalidParameterError, StorageFullError or
        PlaceError."""
        path = self.folder / name
        with translate_write_errors(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._check_inside(path.parent)
                write_atomically(path, data, draft=self._partial / str(next(self._numbers)))
            except OSError as error:
                if error.errno in _OF_ONE_NAME:
                    raise PlaceError(f"Its result cannot be written: {error.strerror}.") from error
                raise

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there, and the folders that it leaves empty."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        for parent in path.relative_to(self.folder).parents[:-1]:
            try:
                (self.folder / parent).rmdir()
            except OSError:  # something is in it
                return

    def move(self, name: str, to: str) -> None:
        """Move the file `name`. Raises InvalidParameterError or StorageFullError."""
        with translate_write_errors(self.folder / to):
            (self.folder / to).parent.mkdir(parents=True, exist_ok=True)
            self._check_inside((self.folder / to).parent)
            (self.folder / name).replace(self.folder / to)
        self.remove(name)

    def size_of(self, name: str) -> int | None:
        """Return the bytes of the file `name`, None when there is no such file."""
        path = self.folder / name
        return path.stat().st_size if path.is_file() else None

    def taken(self, name: str) -> bool:
        """Whether an entry called `name` is in any part of the folder."""
        return any(os.path.lexists(self.folder / part / name) for part in ("", REVIEW, OUTLIERS))

    def thumbnail(self, digest: str, key: str) -> str:
        """Return the name of the thumbnail of one result."""
        return f"{OWN}/thumbnails/{digest[:24]}-{key[:8]}.webp"

    def read(self, name: str) -> bytes:
        """Return a file's bytes, b"" when it cannot be read."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return b""

    def _check_inside(self, parent: Path) -> None:
        if not parent.resolve().is_relative_to(self.folder.resolve()):
            raise InvalidParameterError(f"{parent} is a link that leads out of {self.folder}.", parameter="out")


def _hold(path: Path) -> BinaryIO:
    """Return the locked file; closing it or the end of the process releases the lock."""
    file = path.open("ab")
    try:
        import fcntl
    except ImportError:  # Windows
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise InvalidParameterError(f"Another run is writing to {path.parent.parent}.", parameter="out") from error
    return file
