"""One folder, and nothing outside it: the way to files whose names or surroundings come from a stranger.

A name has neither `..` nor a root, and no link is followed below the folder. Each level is opened from the one above
it, so a folder that turns into a link in the middle of a call leads nowhere either.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Without descriptors of folders (Windows), each level is checked by its path, which a race can still win.
_BY_DESCRIPTOR = {os.open, os.mkdir, os.stat, os.unlink, os.rmdir, os.rename} <= os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# A pipe in place of a file must not stop the call.
_FILE = _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_REPARSE_POINT = 0x400  # Windows: a link or a junction


class LeadsOutError(OSError):
    """A name, or a link on its way, leads or may lead out of the folder."""


@dataclass(frozen=True)
class _Entry:
    """An entry by the descriptor of its folder and its last name, or by its whole path."""

    path: str
    dir_fd: int | None

    def facts(self) -> os.stat_result:
        return os.stat(self.path, dir_fd=self.dir_fd, follow_symlinks=False)


def parts_of(name: str) -> list[str]:
    """Return the folders and the file of a name relative to some folder, with "/".

    Raises ValueError for an absolute name, for one with `.`, `..` or an empty part, and for one no file can have.
    """
    parts = name.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise ValueError("not a name inside the folder")
    if "\0" in name or (os.name == "nt" and not {"\\", ":"}.isdisjoint(name)):
        raise ValueError("not a name of a file")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ValueError("not a name of a file") from error
    return parts


class ConfinedFolder:
    """Reads, writes, moves and removes files by their names relative to `path`, with "/".

    `path` may itself be a link; it is made when it is missing and followed once. All methods raise OSError, and
    LeadsOutError for a name or link that leads out.
    """

    def __init__(self, path: Path, drafts: str = "") -> None:
        """Open the folder. Files in work lie in its sub-folder `drafts`, by default in the folder itself."""
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, _FOLDER) if _BY_DESCRIPTOR else None
        self._drafts = f"{drafts}/" if drafts else ""

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def __enter__(self) -> "ConfinedFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`, whole or not at all, over what is there; folders on its way are made."""
        draft = f"{self._drafts}.{secrets.token_hex(8)}.part"
        with self._reach(name, make=True) as target, self._reach(draft, make=True) as source:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
                with os.fdopen(os.open(source.path, flags, 0o666, dir_fd=source.dir_fd), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(source.path, target.path, src_dir_fd=source.dir_fd, dst_dir_fd=target.dir_fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(source.path, dir_fd=source.dir_fd)
                raise

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return the first `max_bytes` of the file `name`."""
        with self._open(name, os.O_RDONLY, "rb") as file:
            return file.read(max_bytes)

    def append_to(self, name: str) -> BinaryIO:
        """Return the file `name`, unbuffered, to read and append to; it is made when it is missing.

        A file with a second name, which may be outside, is replaced by a copy first.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        file = self._open(name, flags, "ab+")
        if os.fstat(file.fileno()).st_nlink > 1:
            with file:
                file.seek(0)
                self.write(name, file.read())
            file = self._open(name, flags, "ab+")
        return file

    def move(self, name: str, to: str) -> None:
        """Move the file `name`; folders on the way are made, and removed where they are empty now."""
        with self._reach(to, make=True) as target, self._reach(name) as source:
            os.replace(source.path, target.path, src_dir_fd=source.dir_fd, dst_dir_fd=target.dir_fd)
        self._remove_empty(parts_of(name)[:-1])

    def remove(self, name: str) -> None:
        """Remove the file `name` and the folders that it leaves empty; a folder of that name stays."""
        with self._reach(name) as entry:
            if stat.S_ISDIR(entry.facts().st_mode):
                return
            os.unlink(entry.path, dir_fd=entry.dir_fd)
        self._remove_empty(parts_of(name)[:-1])

    def clear(self, folder: str) -> None:
        """Make the sub-folder `folder` where it is missing, and remove the files in it."""
        for each in self.listed(folder):
            with self._reach(f"{folder}/{each}") as entry:
                if not stat.S_ISDIR(entry.facts().st_mode):
                    os.unlink(entry.path, dir_fd=entry.dir_fd)

    def listed(self, folder: str) -> list[str]:
        """Return the names in the sub-folder `folder`, which is made where it is missing."""
        with self._reach(f"{folder}/x", make=True) as inside:
            entries = os.scandir(Path(inside.path).parent if inside.dir_fd is None else inside.dir_fd)
            with entries:
                return [each.name for each in entries]

    def size_of(self, name: str) -> int | None:
        """Return the bytes of the file `name`, None when there is no such file."""
        facts = self._facts(name)
        return facts.st_size if facts is not None and stat.S_ISREG(facts.st_mode) else None

    def has(self, name: str) -> bool:
        """Whether an entry of any kind is called `name`."""
        return self._facts(name) is not None

    def _facts(self, name: str) -> os.stat_result | None:
        try:
            with self._reach(name) as entry:
                return entry.facts()
        except OSError:
            return None

    def _open(self, name: str, flags: int, mode: str) -> BinaryIO:
        with self._reach(name, make=bool(flags & os.O_CREAT)) as entry:
            with suppress(FileNotFoundError):
                _check_file(entry.facts(), name)
            descriptor = os.open(entry.path, flags | _FILE, 0o666, dir_fd=entry.dir_fd)
        try:
            _check_file(os.fstat(descriptor), name)
        except OSError:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, mode, buffering=0)  # type: ignore[return-value]

    def _remove_empty(self, folders: list[str]) -> None:
        for depth in range(len(folders), 0, -1):
            try:
                with self._reach("/".join(folders[:depth])) as entry:
                    os.rmdir(entry.path, dir_fd=entry.dir_fd)
            except OSError:  # something is in it
                return

    @contextmanager
    def _reach(self, name: str, make: bool = False) -> Iterator[_Entry]:
        """Give the entry `name`, which need not exist; its folders must, or are made."""
        try:
            *folders, last = parts_of(name)
        except ValueError as error:
            raise LeadsOutError(errno.EINVAL, str(error)) from error
        above, descriptor = self.path, self._fd

        def entry(part: str) -> _Entry:
            return _Entry(str(above / part) if descriptor is None else part, descriptor)

        try:
            for depth, part in enumerate(folders, start=1):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(entry(part).path, dir_fd=descriptor)
                if _is_link(entry(part).facts()):
                    raise LeadsOutError(errno.ELOOP, f"{'/'.join(folders[:depth])} is a link")
                if descriptor is not None:
                    below = os.open(part, _FOLDER | _NO_LINK, dir_fd=descriptor)
                    if descriptor != self._fd:
                        os.close(descriptor)
                    descriptor = below
                above /= part
            yield entry(last)
        finally:
            if descriptor is not None and descriptor != self._fd:
                os.close(descriptor)


def _is_link(facts: os.stat_result) -> bool:
    return stat.S_ISLNK(facts.st_mode) or bool(getattr(facts, "st_file_attributes", 0) & _REPARSE_POINT)


def _check_file(facts: os.stat_result, name: str) -> None:
    if _is_link(facts):
        raise LeadsOutError(errno.ELOOP, f"{name} is a link")
    if not stat.S_ISREG(facts.st_mode):
        raise LeadsOutError(errno.EINVAL, f"{name} is not a file")
