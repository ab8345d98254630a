"""manifest.jsonl: a line for each change of a picture's state; the last line of a picture counts.

Lines are only appended, so a killed run loses at most the line that it was writing; a truncated last line is ignored
and ended before the next one is written.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from backend.contract.files import translate_write_errors

NAME = "manifest.jsonl"
HEADER = {"manifest": "mattemesh batch", "version": 1}
State = Literal["working", "done", "failed", "refused"]


@dataclass(frozen=True)
class Record:
    """The state of one picture. Names are relative to their folder, with "/"."""

    input: str
    state: State
    name: str  # of the result, without the part of OUT_DIR (review/, outliers/)
    digest: str = ""  # blake2b of the input's bytes
    key: str = ""  # digest of the options, models and settings that the result depends on
    kind: str = ""
    options: dict[str, Any] = field(default_factory=dict)  # those that were given
    output: str | None = None  # path of the result in OUT_DIR
    output_bytes: int = 0
    grade: str | None = None
    points: int | None = None
    coverage: float | None = None
    size: tuple[int, int] | None = None  # (height, width), upright
    seconds: float | None = None
    code: str | None = None  # of the problem
    detail: str | None = None
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()  # of `analyze`; only with quality handling
    resize_plan: str = ""
    finished: str = ""  # UTC, ISO 8601


class Manifest:
    """The manifest of one output folder, in memory and on the disk. Appending is safe from several threads."""

    def __init__(self, folder: Path) -> None:
        """Read what is there. Raises InvalidParameterError or StorageFullError when it cannot be used."""
        self.records: dict[str, Record] = {}
        self._path = folder / NAME
        self._lock = threading.Lock()
        with translate_write_errors(self._path):
            self._file = self._path.open("ab+", buffering=0)
            self._file.seek(0)
            lines = self._file.read().split(b"\n")
            torn = lines.pop() != b""
            for line in lines:
                record = _read(line)
                if record is not None:
                    self.records[record.input] = record
            if torn:
                self._append(b"\n")
            if not lines:
                self._append(json.dumps(HEADER).encode() + b"\n")

    def append(self, record: Record) -> None:
        """Append `record`; unless its work has only begun, it is synced to the disk when this returns."""
        line = json.dumps({name: value for name, value in asdict(record).items() if value not in (None, "", (), {})})
        with self._lock, translate_write_errors(self._path):
            self._append(line.encode("ascii") + b"\n")
            if record.state != "working":
                os.fsync(self._file.fileno())
            self.records[record.input] = record

    def close(self) -> None:
        self._file.close()

    def _append(self, line: bytes) -> None:
        """Write the whole line or, when the disk is full, nothing."""
        before = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(before)
            raise


def is_manifest(path: Path) -> bool:
    """Whether the file at `path` is the manifest of a run."""
    try:
        with path.open("rb") as file:
            return b'"mattemesh batch"' in file.readline(200)
    except OSError:
        return False


_FIELDS = frozenset(each.name for each in fields(Record))
_TUPLES = ("advice", "notes", "findings", "size")


def _read(line: bytes) -> Record | None:
    """Return the record in `line`, None for a truncated line, the header, or another program's line."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("input", "state", "name")):
        return None
    known = {name: value for name, value in row.items() if name in _FIELDS}
    return Record(**{**known, **{name: tuple(known[name]) for name in _TUPLES if isinstance(known.get(name), list)}})
