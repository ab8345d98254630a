"""Spool files: large results on disk and without a name, so that a result that a client does not read costs no memory.

A worker writes a result under a number into the spool folder of its process; the service opens the file and removes the
name at once. Space is freed when the last reader closes it, or with the process.
"""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import psutil

INLINE_BYTES = 64 * 1024  # up to here a result stays in memory
PIECE_BYTES = 32 * 1024  # of a result on its way to a client
NAME = re.compile(r"([0-9]{1,9})-[a-z0-9-]+")  # of a worker's folder: the process of the service, and the worker


class SpooledFile:
    """A finished file on disk; the counterpart of `File`. Threads may read it at the same time."""

    def __init__(self, name: str, media_type: str, file: BinaryIO) -> None:
        self.name, self.media_type = name, media_type
        self.size = os.fstat(file.fileno()).st_size
        self._file = file

    @property
    def data(self) -> bytes:
        """The whole content, in memory."""
        return os.pread(self._file.fileno(), self.size, 0)

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in order."""
        at = 0
        while at < self.size and (piece := os.pread(self._file.fileno(), PIECE_BYTES, at)):
            yield piece
            at += len(piece)

    def shared(self) -> "SpooledFile":
        """Return the file for another reader, who closes it on its own. Raises OSError."""
        return SpooledFile(self.name, self.media_type, os.fdopen(os.dup(self._file.fileno()), "rb"))

    def close(self) -> None:
        """Free the space."""
        self._file.close()


def open_spool(root: Path) -> BinaryIO:
    """Return a new file without a name under `root`, for a `SpooledFile`. Raises OSError."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    file: BinaryIO = tempfile.TemporaryFile(dir=root)  # noqa: SIM115  # who reads it closes it
    return file


def spool_bytes(root: Path, name: str, media_type: str, data: bytes | memoryview) -> SpooledFile:
    """Return `data` as a spooled file under `root`. Raises OSError."""
    file = open_spool(root)
    try:
        file.write(data)
        file.flush()
        return SpooledFile(name, media_type, file)
    except BaseException:
        file.close()
        raise


class WorkerSpool:
    """The folder in which one worker leaves results for the service. Only numbers cross the border, never names."""

    def __init__(self, root: Path, worker: str) -> None:
        self.folder = root / f"{os.getpid()}-{worker}"

    def clear(self) -> None:
        """Make the folder, empty; folders of services that have ended go."""
        for folder in self.folder.parent.glob("*"):
            named = NAME.fullmatch(folder.name)
            if named and (folder == self.folder or not psutil.pid_exists(int(named[1]))):
                shutil.rmtree(folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove the folder with what is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def take(self, number: int, index: int, name: str, media_type: str) -> SpooledFile:
        """Return result file `index` of work `number` and remove its name. Raises OSError unless it is a plain file."""
        path = spool_path(self.folder, number, index)
        # A worker that a picture took over may have left a link or a pipe there.
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        path.unlink()
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError("a worker's result is not a plain file")
        return SpooledFile(name, media_type, file)


def spool_path(folder: Path, number: int, index: int) -> Path:
    """Return where result file `index` of work `number` lies in a worker's spool folder."""
    return folder / f"{number}-{index}"
