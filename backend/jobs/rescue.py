"""The file of the job store, should something else damage, remove or exchange it while the service runs.

An open connection often still reads everything: from a file without a name, from SQLite's log, from its page cache.
Then the store is written anew from it.
"""

import contextlib
import sqlite3
from pathlib import Path

from backend.jobs.database import DataFolderError, connect

# What a damaged or unreadable file raises; a mistake of ours in SQL raises other classes. sqlite3 may fail to decode
# its own message.
DAMAGE = (sqlite3.OperationalError, sqlite3.InternalError, UnicodeDecodeError)
Stamp = tuple[tuple[int, ...] | None, ...]


def is_damage(error: BaseException) -> bool:
    """Whether `error` says that the file is damaged or cannot be read."""
    return isinstance(error, DAMAGE) or type(error) is sqlite3.DatabaseError


def stamp(path: Path) -> Stamp:
    """Return what changes when the file at `path` or its log is written or exchanged."""
    return tuple(_stamp(file) for file in (path, _beside(path, "-wal")))


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def after_use(before: Stamp, now: Stamp) -> Stamp:
    """Return the stamp after a transaction: `now`, or still `before` where `now` is of other files, which something
    else has put there meanwhile."""
    same = all(old is None or (new is not None and old[:2] == new[:2]) for old, new in zip(before, now, strict=True))
    return now if same else before


def write_anew(connection: sqlite3.Connection, path: Path, before: Stamp) -> bool:
    """Put all that `connection` reads, which is closed then, in the place of the file at `path`; whether it was whole.

    `before` is the file's stamp of the last use. What stands there becomes `path`.damaged. Another store that has been
    put there stays, and what `connection` reads becomes `path`.replaced.
    """
    copy = _beside(path, ".saved")
    try:
        whole = _save(connection, copy)
    finally:
        with contextlib.suppress(*DAMAGE, sqlite3.DatabaseError):
            connection.close()
    if not whole:
        return False
    mine = before[0]
    if mine is not None and _is_another_store(path, inode=mine[:2]):
        copy.replace(_beside(path, ".replaced"))
        log, now = before[1], _stamp(_beside(path, "-wal"))
        if log is not None and now is not None and log[:2] == now[:2]:  # it would be applied to the other store
            _beside(path, "-wal").unlink()
        return False
    for end in ("", "-wal"):  # a log would be applied to whatever file stands beside it
        with contextlib.suppress(FileNotFoundError):
            _beside(path, end).replace(_beside(path, ".damaged" + end))
    copy.replace(path)
    return True


def _save(connection: sqlite3.Connection, copy: Path) -> bool:
    """Write what `connection` reads to the new file `copy`; False, and no file, where that is no whole job store."""
    whole = False
    try:
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove(copy)
        with contextlib.closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
            whole = _has_jobs(target)
        if whole:
            connect(copy).close()  # checks it
    except (OSError, sqlite3.Error, UnicodeDecodeError, DataFolderError):
        whole = False
    if not whole:
        _remove(copy)
    return whole


def _is_another_store(path: Path, inode: tuple[int, ...]) -> bool:
    """Whether a job store stands at `path` that is not the file of `inode` (device and number)."""
    found = _stamp(path)
    if found is None or found[:2] == inode:
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as other:
            return _has_jobs(other)
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def _has_jobs(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone() is not None


def _remove(copy: Path) -> None:
    for end in ("", "-wal", "-journal"):
        with contextlib.suppress(OSError):
            _beside(copy, end).unlink(missing_ok=True)


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)
