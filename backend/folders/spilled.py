"""A dictionary on the disk, for what grows with the number of pictures: memory holds a few megabytes of it."""

import sqlite3
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

from backend.contract.errors import ServiceError, StorageFailedError, StorageFullError, is_disk_full

MEMORY_KIB = 8 * 1024
AT_ONCE = 1000  # entries that an iteration has in memory


class Spilled(MutableMapping[str, bytes]):
    """Names -> bytes, in the order in which the names came, in a temporary file that goes with the process.

    Safe from several threads; an iteration may see entries that come meanwhile. Methods raise StorageFullError and
    StorageFailedError when the folder of temporary files (TMPDIR) cannot be used, and from then on: nobody takes what
    is there for all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure: ServiceError | None = None
        # "": a database of its own, which SQLite removes; statements in one thread at a time.
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.execute("PRAGMA journal_mode = MEMORY")
        self._rows.execute(f"PRAGMA cache_size = -{MEMORY_KIB}")
        self._rows.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, value BLOB)")

    def __getitem__(self, name: str) -> bytes:
        found = self._done("SELECT value FROM entry WHERE name = ?", _key(name))
        if not found:
            raise KeyError(name)
        return bytes(found[0][0])

    def __setitem__(self, name: str, value: bytes) -> None:
        upsert = "INSERT INTO entry(name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._done(upsert, _key(name), value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._done("DELETE FROM entry WHERE name = ?", _key(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._done("SELECT 1 FROM entry WHERE name = ?", _key(name)))

    def __len__(self) -> int:
        return int(self._done("SELECT count(*) FROM entry")[0][0])

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.entries())

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """Yield each name with its value."""
        last = 0
        while rows := self._done("SELECT * FROM entry WHERE number > ? ORDER BY number LIMIT ?", last, AT_ONCE):
            yield from ((name.decode("utf-8", "surrogatepass"), value) for _, name, value in rows)
            last = rows[-1][0]

    def _done(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._failure is None:
                try:
                    return self._rows.execute(statement, values).fetchall()
                except sqlite3.DatabaseError as error:
                    full = isinstance(error, sqlite3.OperationalError) and is_disk_full(error)
                    sentence = f"The folder of temporary files cannot be used (TMPDIR names another): {error}."
                    self._failure = StorageFullError(sentence) if full else StorageFailedError(sentence)
            raise self._failure


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")  # any name, also one that the names of files here cannot spell
