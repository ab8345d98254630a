"""The store on disk: diskcache's SQLite file, with larger values in files beside it.

diskcache unpickles values that a row marks as pickles, and reads and removes any file that a row names. Rows are only
as trustworthy as everyone who can write to the folder, so this store refuses both.
"""

import contextlib
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW

from backend.cache.stores import StoreError

LOCK_TIMEOUT_S = 1.0  # longest wait for another process that is writing
MAX_ENTRY_SHARE = 1 / 8  # of the store for one entry: a huge one must not evict everything else
_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")
_PRAGMAS = {
    "sqlite_cache_size": 500,
    "sqlite_mmap_size": 0,
}  # in pages: 2 MB per thread, not 32


class _BytesOnly(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Rows of diskcache: text keys, values of bytes, and only files whose names it has made itself."""

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, str | None, Any]:
        if type(value) is not bytes:
            raise TypeError("the store keeps bytes only")
        stored: tuple[int, int, str | None, Any] = super().store(value, read, key)
        return stored

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        if mode == MODE_RAW and isinstance(value, bytes):
            return value
        if mode == MODE_BINARY and filename is not None and _FILE.fullmatch(filename):
            return (Path(self._directory) / filename).read_bytes()
        raise OSError("not a row of this store")  # diskcache treats it as a missing entry

    def get(self, key: Any, raw: bool) -> str:
        return str(key)

    def remove(self, file_path: str) -> None:
        if _FILE.fullmatch(file_path):
            super().remove(file_path)

    def _write(self, full_path: str, iterator: Iterator[bytes], mode: str, encoding: str | None = None) -> Any:
        try:
            return super()._write(full_path, iterator, mode, encoding)
        except OSError:  # disk full: nothing else removes the partial file
            Path(full_path).unlink(missing_ok=True)
            raise


class DiskStore:
    """A folder of at most `limit_bytes`; the oldest entries are evicted first. Processes and threads may share it.

    Reading writes nothing, so a reader never waits for a writer. The folder is opened at the first use.
    """

    name = "disk"

    def __init__(self, folder: Path, limit_bytes: int, ttl_s: float) -> None:
        self.folder, self.limit_bytes, self._ttl_s = folder, limit_bytes, ttl_s
        self.max_entry_bytes = int(limit_bytes * MAX_ENTRY_SHARE)
        self._cache: diskcache.Cache | None = None
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._store_errors("read"):
            data: bytes | None = self._opened().get(key)
            return data

    def put(self, key: str, data: bytes) -> None:
        with self._store_errors("written"):
            cache = self._opened()
            cache.set(key, data, expire=self._ttl_s)
            if cache.volume() > self.limit_bytes:  # `set` evicts ten entries at most, which may be small
                cache.cull()

    def tidy(self) -> None:
        """Remove expired entries, and files that a killed process left without a row. Raises StoreError."""
        with self._store_errors("tidied"):
            cache = self._opened()
            cache.expire()
            # diskcache's own check removes every file in the folder that it does not know.
            _remove_orphans(self.folder, cache)

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()
            self._cache = None

    def _opened(self) -> diskcache.Cache:
        with self._lock:
            if self._cache is None:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _discard_broken(self.folder)
                self._cache = diskcache.Cache(
                    str(self.folder),
                    timeout=LOCK_TIMEOUT_S,
                    disk=_BytesOnly,
                    size_limit=self.limit_bytes,
                    eviction_policy="least-recently-stored",
                    **_PRAGMAS,
                )
            return self._cache

    @contextlib.contextmanager
    def _store_errors(self, verb: str) -> Iterator[None]:
        """Raise the errors of the disk and of SQLite as StoreError."""
        try:
            yield
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            if type(error) is sqlite3.DatabaseError:  # the class itself, none of its subclasses: the file is broken
                self.close()
            reason = (
                error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
            )
            raise StoreError(f"the cache on disk cannot be {verb} ({reason})") from error


def _remove_orphans(folder: Path, cache: diskcache.Cache) -> None:
    """Remove files of this store without a row, and rows without their file. Raises sqlite3.Error and OSError."""
    found = {
        str(path.relative_to(folder)) for path in folder.glob("??/??/*.val")
    }  # before the rows: a file comes first
    with contextlib.closing(sqlite3.connect(folder / "cache.db", timeout=LOCK_TIMEOUT_S)) as database:
        rows = dict(database.execute("SELECT filename, key FROM Cache WHERE filename IS NOT NULL"))
    for name in found - rows.keys():
        if _FILE.fullmatch(name):
            (folder / name).unlink(missing_ok=True)
    for name in rows.keys() - found:
        if not (folder / name).is_file():
            cache.delete(rows[name])


def _discard_broken(folder: Path) -> None:
    """Remove a database that SQLite finds broken; the cached entries are lost. Raises sqlite3.Error."""
    try:
        with contextlib.closing(sqlite3.connect(folder / "cache.db", timeout=LOCK_TIMEOUT_S)) as database:
            sound = database.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        sound = False
    if not sound:
        for path in folder.glob("cache.db*"):
            path.unlink(missing_ok=True)
