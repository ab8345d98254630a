"""OUT_DIR: finished files under their names, never half a file, and nothing outside it.

A file is written in `.mattemesh/partial`, made safe on the disk and only then given its name. One run at a time. The
folder may come from elsewhere, so every access goes through one `ConfinedFolder`.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from backend.contract.confined_folder import ConfinedFolder, LeadsOutError, parts_of
from backend.contract.errors import InvalidParameterError
from backend.contract.files import translate_write_errors
from backend.contract.mesh_formats import MESH_FORMATS, ending_of
from backend.contract.picture_formats import PICTURE_FORMATS

OWN = ".mattemesh"
REVIEW, OUTLIERS, DEBUG = "review", "outliers", "debug"
MANIFEST, REPORT = "manifest.jsonl", "report.html"
RESERVED = frozenset({REVIEW, OUTLIERS, DEBUG, MANIFEST, REPORT})  # at the top of OUT_DIR
MAX_THUMBNAIL_BYTES = 64 * 1024  # a thumbnail has 2 to 20 kB
_PARTIAL, _THUMBNAILS, _LOCK = f"{OWN}/partial", f"{OWN}/thumbnails", f"{OWN}/lock"
_ENDINGS = tuple(
    [ending for row in PICTURE_FORMATS.values() for ending in row.endings]
    + [f".{ending_of(name)}" for name in MESH_FORMATS]
)


class PlaceError(Exception):
    """One result cannot be written: another entry has its name, a link is on its way, or the name is too long."""


# Errors of one name, not of the whole folder.
_OF_ONE_NAME = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG})


class OutFolder:
    """The folder of the results; thumbnails, drafts and the lock are in its hidden folder `.mattemesh`."""

    def __init__(self, folder: Path, joins: bool = False) -> None:
        """Make the folder, lock it for this run and remove the drafts of a killed run.

        `joins`: another process holds the lock, this one writes for it.
        Raises InvalidParameterError when it cannot be used, or another run uses it, and StorageFullError.
        """
        self.folder = folder
        self._lock: BinaryIO | None = None
        with translate_write_errors(folder):
            self._files = ConfinedFolder(folder, _PARTIAL)
            self._files.listed(_THUMBNAILS)
            if not joins:
                self._lock = _hold(self._files.append_to(_LOCK), folder)
                self._files.clear(_PARTIAL)

    def close(self) -> None:
        """Release the lock, and remove the drafts of machines that were lost."""
        if self._lock is not None:
            with suppress(OSError):
                self._files.clear(_PARTIAL)
            self._lock.close()
        self._files.close()

    def open_manifest(self) -> "ManifestFile":
        """Return the manifest, to read and append to. Raises InvalidParameterError or StorageFullError."""
        path = self.folder / MANIFEST
        with translate_write_errors(path):
            return ManifestFile(path, self._files.append_to(MANIFEST))

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`, whole or not at all. Raises InvalidParameterError, StorageFullError or
        PlaceError."""
        with translate_write_errors(self.folder / name):
            try:
                self._files.write(name, data)
            except OSError as error:
                raise _of_one_name(error) from error

    def address(self, name: str) -> str:
        """Return where the file `name` is, for a person."""
        return str(self.folder / name)

    def write_report(self, page: bytes) -> None:
        """Write the report. Raises InvalidParameterError or StorageFullError."""
        with translate_write_errors(self.folder / REPORT):
            self._files.write(REPORT, page)

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there, and the folders that it leaves empty. Behind a link there is none."""
        with translate_write_errors(self.folder / name):
            try:
                self._files.remove(name)
            except (FileNotFoundError, NotADirectoryError, LeadsOutError):
                return

    def move(self, name: str, to: str) -> None:
        """Move the file `name`. Raises InvalidParameterError, StorageFullError or PlaceError."""
        with translate_write_errors(self.folder / to):
            try:
                self._files.move(name, to)
            except OSError as error:
                raise _of_one_name(error) from error

    def size_of(self, name: str) -> int | None:
        """Return the bytes of the file `name`, None when there is no such file."""
        return self._files.size_of(name)

    def taken(self, name: str) -> bool:
        """Whether an entry called `name` is in any part of the folder."""
        return any(self._files.has(f"{part}{name}") for part in ("", f"{REVIEW}/", f"{OUTLIERS}/"))

    def read_thumbnail(self, digest: str, key: str) -> bytes:
        """Return the thumbnail of one result as WebP, b"" when it cannot be read."""
        try:
            return self._files.read(thumbnail_name(digest, key), MAX_THUMBNAIL_BYTES)
        except OSError:
            return b""


class ManifestFile:
    """manifest.jsonl in a folder. Raises InvalidParameterError or StorageFullError where it cannot be written."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file

    def files(self) -> Iterator[BinaryIO]:
        """Yield what there is to read, in order."""
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            lines.seek(0)
            yield lines

    def append(self, line: bytes, sync: bool) -> None:
        """Write the whole line or, when the disk is full, nothing; with `sync` it is on the disk then."""
        with translate_write_errors(self._path):
            before = os.fstat(self._file.fileno()).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                self._file.truncate(before)
                raise
            if sync:
                os.fsync(self._file.fileno())

    def flush(self) -> None:
        """Every line is in the file."""

    def close(self, lines: Iterator[bytes]) -> None:
        """End the writing; all `lines` are there already."""
        self._file.close()


def thumbnail_name(digest: str, key: str) -> str:
    """Return the name of the thumbnail of one result."""
    return f"{_THUMBNAILS}/{digest[:24]}-{key[:8]}.webp"


def check_result_name(name: str) -> str:
    """Return `name`. Raises ValueError unless a result may have it, in OUT_DIR and in its parts `review/` and so on."""
    first = parts_of(name)[0].casefold()
    if first == OWN or first in RESERVED:
        raise ValueError("a name that batch itself uses")
    if not name.endswith(_ENDINGS):
        raise ValueError("not a name of a result")
    return name


def check_output_name(name: str) -> str:
    """Return `name`. Raises ValueError unless it is a result's name, with or without `review/` or `outliers/`."""
    check_result_name(without_part(name))
    return name


def without_part(name: str) -> str:
    """Return the name of a result without `review/` or `outliers/`."""
    first, _, rest = name.partition("/")
    return rest if first in (REVIEW, OUTLIERS) else name


def _of_one_name(error: OSError) -> OSError | PlaceError:
    if isinstance(error, LeadsOutError) or error.errno in _OF_ONE_NAME:
        return PlaceError(f"Its result cannot be written: {error.strerror}.")
    return error


def _hold(file: BinaryIO, folder: Path) -> BinaryIO:
    """Return the file, locked; closing it or the end of the process releases the lock."""
    try:
        import fcntl
    except ImportError:  # Windows
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise InvalidParameterError(f"Another run is writing to {folder}.", parameter="out") from error
    return file
