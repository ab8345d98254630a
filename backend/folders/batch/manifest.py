"""manifest.jsonl: a line for each change of a picture's state; the last line of a picture counts.

Lines are only appended, so a killed run loses at most the line that it was writing; a truncated last line is ignored
and ended before the next one is written. The file may come from elsewhere: a record that `Record` refuses is skipped.
There may be a million records: their lines are in memory one at a time.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from backend.contract.confined_folder import parts_of
from backend.folders.batch.names import Hashes, fold_name
from backend.folders.batch.out_folder import check_output_name, check_result_name, without_part
from backend.folders.batch.places import Out
from backend.folders.spilled import Spilled

HEADER = {"manifest": "mattemesh batch", "version": 1}
MAX_LINE_BYTES = 1024 * 1024  # of a record; a longer line is skipped unread
MAX_SENTENCES = 20  # on skipped records; the rest is counted
State = Literal["working", "done", "failed", "refused"]


def _check_input(name: str) -> str:
    parts_of(name)
    return name


def _check_options(options: dict[str, Any], depth: int = 6) -> dict[str, Any]:
    """Return `options`. Raises ValueError for nested lists and objects that copying or printing them would overrun."""
    inside = list(options.values())
    while inside:
        if not depth:
            raise ValueError("nested too deep")
        depth -= 1
        inside = [
            each
            for outer in inside
            if isinstance(outer, list | tuple | dict)
            for each in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return options


Digest = Annotated[str, Field(pattern=r"^[0-9a-z]{0,64}$")]
Side = Annotated[int, Field(ge=1, le=1_000_000)]


@dataclass(frozen=True, config=ConfigDict(allow_inf_nan=False))
class Record:
    """The state of one picture. Names are relative to their folder, with "/", and lead to nothing outside it."""

    input: Annotated[str, AfterValidator(_check_input)]
    state: State
    # Of the result, without the part of OUT_DIR (review/, outliers/).
    name: Annotated[str, AfterValidator(check_result_name)]
    digest: Digest = ""  # blake2b of the input's bytes
    stamp: Annotated[str, Field(max_length=300)] = ""  # what a bucket's listing says of the input's content
    key: Digest = ""  # digest of the options, models and settings that the result depends on
    kind: Literal["", "remove-bg", "generate-mesh"] = ""
    # Those that were given.
    options: Annotated[dict[str, Any], AfterValidator(_check_options)] = field(default_factory=dict)
    output: Annotated[str, AfterValidator(check_output_name)] | None = None  # path of the result in OUT_DIR
    output_bytes: Annotated[int, Field(ge=0, lt=2**63)] = 0
    grade: Annotated[str, Field(pattern=r"^[A-E]$")] | None = None
    points: Annotated[int, Field(ge=0, le=100)] | None = None
    coverage: Annotated[float, Field(ge=0, le=1.001)] | None = None
    size: tuple[Side, Side] | None = None  # (height, width), upright
    seconds: Annotated[float, Field(ge=0, le=1e7)] | None = None
    code: str | None = None  # of the problem
    detail: str | None = None
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()  # of `analyze`; only with quality handling
    resize_plan: Literal["", "reduce", "enlarge", "refuse"] = ""
    finished: str = ""  # UTC, ISO 8601


class _Records(Mapping[str, Record]):
    """Lines of the manifest, by picture, as records."""

    def __init__(self, lines: Spilled) -> None:
        self._lines = lines

    def __getitem__(self, name: str) -> Record:
        return Record(**json.loads(self._lines[name]))

    def __contains__(self, name: object) -> bool:
        return name in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


class Manifest:
    """The manifest of one output folder. Appending is safe from several threads.

    `records` are the last ones of each picture. `skipped` counts the records that are not used, and `sentences` says
    why, for the first `MAX_SENTENCES`. All methods raise InvalidParameterError, StorageFullError or StorageFailedError
    when it, or a temporary file, cannot be used.
    """

    def __init__(self, out: Out) -> None:
        """Read what is there."""
        self._lines = Spilled()
        self.records: Mapping[str, Record] = _Records(self._lines)
        self.skipped = 0
        self.sentences: list[str] = []
        self._lock = threading.Lock()
        self._log = out.open_manifest()
        ended, number = True, 0
        for file in self._log.files():
            for number, (line, ended) in enumerate(_lines(file), start=number + 1):  # noqa: B020  # goes on counting
                if ended:
                    self._take(number, line)
        self._drop_rivals()
        if not ended:
            self._log.append(b"\n", sync=False)
        if not number:
            self._log.append(_line_of(HEADER), sync=False)

    def append(self, record: Record) -> None:
        """Append `record`; unless its work has only begun, it is synced to the disk when this returns."""
        line = _line_of_record(record)
        with self._lock:
            self._log.append(line, sync=record.state != "working")
            self._lines[record.input] = line

    def announce(self, records: Sequence[Record]) -> None:
        """Append `records` of work that will begin: after a kill the next run knows whose its results are."""
        lines = [_line_of_record(record) for record in records]
        with self._lock:
            self._log.append(b"".join(lines), sync=True)
            self._log.flush()
            self._lines.update(zip((record.input for record in records), lines, strict=True))

    def name_of(self, picture: str) -> str | None:
        """Return the name of the picture's result, None without a record."""
        line = self._lines.get(picture)
        return None if line is None else str(json.loads(line)["name"])

    def names(self) -> Iterator[str]:
        """Yield the names of all results."""
        return (row["name"] for _, row in self._rows())

    def kinds(self) -> set[str]:
        """Return the kinds of work that are recorded."""
        return {row["kind"] for _, row in self._rows() if "kind" in row}

    def close(self) -> None:
        """End the writing. Raises InvalidParameterError or StorageFailedError where records are not stored yet."""
        self._log.close(line for _, line in self._lines.entries())

    def _take(self, number: int, line: bytes | None) -> None:
        """Keep the record in `line`; skip the header, a truncated line and another program's."""
        if line is None:
            self._skip(f"line {number}: it is too long")
            return
        try:
            row = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return
        if not isinstance(row, dict) or "input" not in row:
            return
        try:
            record = Record(**{name: value for name, value in row.items() if name in _FIELDS})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(each) for each in first["loc"])
            self._skip(f"line {number}: {where}: {first['msg'].removeprefix('Value error, ')}")
            return
        self._lines[record.input] = _line_of_record(record)

    def _drop_rivals(self) -> None:
        """Skip the records whose result has the name of another picture's: it would be removed with theirs."""
        doubtful = Hashes(name for _, row in self._rows() for name in _claims(row)).repeated()
        if not doubtful:
            return
        owners: dict[str, str] = {}
        for picture, row in self._rows():
            claims = {name for name in _claims(row) if hash(name) in doubtful}
            if all(owners.setdefault(name, picture) == picture for name in claims):
                continue
            self._skip(f"the record of {picture}: its result has the name of another picture's")
            del self._lines[picture]

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((picture, json.loads(line)) for picture, line in self._lines.entries())

    def _skip(self, sentence: str) -> None:
        self.skipped += 1
        if len(self.sentences) < MAX_SENTENCES:
            self.sentences.append(sentence)


def is_header(head: bytes) -> bool:
    """Whether a file that begins with `head` is the manifest of a run."""
    return b'"mattemesh batch"' in head.partition(b"\n")[0]


def is_manifest(path: Path) -> bool:
    """Whether the file at `path` is the manifest of a run."""
    try:
        with path.open("rb") as file:
            return is_header(file.readline(200))
    except OSError:
        return False


_FIELDS = tuple(each.name for each in fields(Record))


def _line_of(row: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in row.items() if value not in (None, "", (), {})}).encode() + b"\n"


def _line_of_record(record: Record) -> bytes:
    return _line_of({name: getattr(record, name) for name in _FIELDS})


def _claims(row: dict[str, Any]) -> set[str]:
    """Return the names that only the picture of a record may give, as far as they differ."""
    return {fold_name(row["name"]), fold_name(without_part(row.get("output") or row["name"]))}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number in JSON")


def _lines(file: BinaryIO) -> Iterator[tuple[bytes | None, bool]]:
    """Yield each line, None for one over `MAX_LINE_BYTES`, and whether it ends."""
    while line := file.readline(MAX_LINE_BYTES):
        last = line
        while not last.endswith(b"\n") and (more := file.readline(MAX_LINE_BYTES)):
            last = more
        yield line if last is line else None, last.endswith(b"\n")
