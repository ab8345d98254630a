"""One picture -> its result in its place, and the record of what came of it."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from backend.cache.identity import NEUTRAL, models_of
from backend.contract.errors import (
    INTERNAL_DETAIL,
    InvalidParameterError,
    MattemeshError,
    ModelUnavailableError,
    OverloadedError,
    StorageFailedError,
    StorageFullError,
    problem_of,
)
from backend.contract.options import MatteOptions
from backend.contract.runner import Runner
from backend.contract.settings import Settings
from backend.contract.work import Done
from backend.folders.batch.manifest import Manifest, Record
from backend.folders.batch.out_folder import DEBUG, OUTLIERS, REVIEW, PlaceError, thumbnail_name
from backend.folders.batch.places import Out, Source
from backend.folders.batch.work import BatchWork
from backend.workers.messages import WorkerFaultError

GRADES = "ABCDE"
ANNOUNCED = 500  # pictures at a time: each time is a part of the manifest in a bucket
# Errors that every other picture would meet too: they end the run.
FATAL = (ModelUnavailableError, StorageFullError, StorageFailedError, InvalidParameterError, OverloadedError)


@dataclass(frozen=True)
class BatchConfig:
    """What is done with each picture of a run."""

    kind: Literal["remove-bg", "generate-mesh"]  # row of KINDS that is run on every picture
    options: MatteOptions  # of the kind; they apply to every picture
    min_grade: str | None = None  # results with a worse grade go to review/
    quality_handling: bool = False  # handle the outliers that `analyze` finds by their findings
    small_pictures: Literal["enlarge", "refuse"] = "enlarge"  # how quality handling treats pictures that are too small


@dataclass(frozen=True)
class Item:
    """One picture to do."""

    input: str
    name: str  # of its result
    unreadable: str = ""  # why it cannot even be opened
    stamp: str = ""  # what a bucket's listing says of its content
    findings: tuple[str, ...] = ()  # of `analyze`
    outlier: bool = False  # whether the result goes to outliers/
    resize_plan: Literal["", "reduce", "enlarge", "refuse"] = ""


def place_of(config: BatchConfig, item: Item, grade: str | None) -> str:
    """Return the name of the result in the place of all results, by its grade."""
    if item.outlier:
        return f"{OUTLIERS}/{item.name}"
    low = config.min_grade is not None and GRADES.index(grade or "E") > GRADES.index(config.min_grade)
    return f"{REVIEW}/{item.name}" if low else item.name


def is_settled(config: BatchConfig, key: str, out: Out, item: Item, before: Record | None) -> bool:
    """Whether a listing already tells that the picture is done, and that its result lies where it is wanted."""
    if before is None or not item.stamp or item.stamp != before.stamp or before.state != "done":
        return False
    if (before.key, before.resize_plan, before.findings) != (key, item.resize_plan, item.findings):
        return False
    place = place_of(config, item, before.grade)
    return before.output == place and out.size_of(place) == before.output_bytes


def begun(config: BatchConfig, key: str, item: Item, before: Record | None) -> Record:
    """Return the record of a picture whose work begins; the result of the run `before` stays until there is another."""
    return Record(item.input, "working", item.name, key=key, kind=config.kind,
                  options=config.options.model_dump(mode="json", exclude_defaults=True), stamp=item.stamp,
                  findings=item.findings, resize_plan=item.resize_plan,
                  output=None if before is None else before.output)  # fmt: skip


def announced(config: BatchConfig, key: str, items: Iterable[Item], manifest: Manifest) -> Iterator[Item]:
    """Yield `items`; the names of new ones are in the manifest before any of their results can be written.

    For runs whose manifest is behind their results: else those of a killed run would look like another program's files.
    """
    rest = iter(items)
    while some := list(islice(rest, ANNOUNCED)):
        new = [item for item in some if item.input not in manifest.records]
        if new:
            manifest.announce([begun(config, key, item, None) for item in new])
        yield from some


def failed(record: Record, code: str, detail: str) -> Record:
    """Return `record` with the problem that ended its work."""
    return replace(record, state="failed", code=code, detail=detail, finished=_now())


class PictureRun:
    """Does a picture with `runner` unless it is done already, reading from `source` and writing to `out`."""

    def __init__(
        self,
        config: BatchConfig,
        key: str,
        max_bytes: int,
        source: Source,
        out: Out,
        runner: Runner,
        on_record: Callable[[Record], None],
    ) -> None:
        """`key`: `result_key` of the run; `max_bytes`: of a picture; `on_record` gets each new record."""
        self.config, self.key, self.runner = config, key, runner
        self._max_bytes, self._source, self._out, self._on_record = max_bytes, source, out, on_record

    async def do(self, item: Item, before: Record | None) -> tuple[Record, bool]:
        """Return the picture's record, and whether it is new.

        Raises errors that every picture would meet: a missing model, a full disk, a place that is out of reach.
        """
        if is_settled(self.config, self.key, self._out, item, before):
            assert before is not None
            return before, False
        record = begun(self.config, self.key, item, before)
        if item.unreadable:
            return self._fail(record, "unreadable", item.unreadable), True
        try:
            data, digest = await asyncio.to_thread(self._read, item.input)
        except OSError as error:
            return self._fail(record, "unreadable", f"It cannot be read: {error.strerror}."), True
        record = replace(record, digest=digest)
        if before is not None and self._is_done(record, before):
            try:
                return await asyncio.to_thread(self._settle, item, before), False
            except PlaceError as error:
                return self._fail(record, "unwritable", str(error)), True
        if item.resize_plan == "refuse":
            return await asyncio.to_thread(self._refuse, record), True
        return await self._do(item, record, data), True

    async def _do(self, item: Item, record: Record, data: bytes) -> Record:
        self._on_record(record)
        work = BatchWork(self.config.kind, {"file": data}, self.config.options, resize_plan=item.resize_plan)
        try:
            done = await self.runner.run(work)
        except FATAL:
            raise
        except MattemeshError as error:
            return self._fail(record, problem_of(error).code, error.detail)
        except WorkerFaultError as error:
            return self._fail(record, "internal", f"{INTERNAL_DETAIL} {str(error).strip().splitlines()[-1]}")
        try:
            return await asyncio.to_thread(self._store, item, record, done)
        except PlaceError as error:
            return self._fail(record, "unwritable", str(error))

    def _read(self, name: str) -> tuple[bytes, str]:
        """Return the file's bytes, at most one over the limit, and their digest."""
        data = self._source.read(name, self._max_bytes + 1)
        return data, hashlib.blake2b(data, digest_size=20).hexdigest()

    def _is_done(self, record: Record, before: Record) -> bool:
        same = (before.digest, before.key, before.resize_plan) == (record.digest, record.key, record.resize_plan)
        if before.state == "refused":
            return same
        there = before.output is not None and self._out.size_of(before.output) == before.output_bytes
        return same and before.state == "done" and there

    def _settle(self, item: Item, before: Record) -> Record:
        """Keep a finished result; move it where the present options want it."""
        place = place_of(self.config, item, before.grade)
        if before.output is None:  # refused
            return before
        record = replace(before, output=place, findings=item.findings, stamp=item.stamp)
        if before.output != place:
            self._out.move(before.output, place)
        if record != before:
            self._on_record(record)
        return record

    def _refuse(self, record: Record) -> Record:
        """Refuse a picture that is too small, and remove its earlier result."""
        if record.output is not None:
            self._out.remove(record.output)
        detail = "The picture is too small. Use --small-pictures enlarge to process it."
        return self._keep(replace(record, state="refused", output=None, code="small-picture", detail=detail))

    def _fail(self, record: Record, code: str, detail: str) -> Record:
        return self._keep(failed(record, code, detail))

    def _store(self, item: Item, record: Record, done: Done) -> Record:
        """Store the result of one picture. An earlier result elsewhere is removed first: there is only ever one."""
        score = done.report["mask"]
        place = place_of(self.config, item, score["grade"])
        if record.output not in (None, place):
            self._out.remove(str(record.output))
        self._out.write(place, done.files[0].data)
        self._out.write(thumbnail_name(record.digest, record.key), done.files[1].data)
        for bundle in done.files[2:]:
            self._out.write(f"{DEBUG}/{item.name}.zip", bundle.data)
        height, width = done.report["upright_size"]
        return self._keep(replace(
            record, state="done", output=place, output_bytes=len(done.files[0].data), grade=score["grade"],
            points=score["points"], coverage=score["coverage"], size=(height, width), advice=tuple(score["advice"]),
            notes=done.notes, seconds=round(done.report["seconds"], 3),
        ))  # fmt: skip

    def _keep(self, record: Record) -> Record:
        record = replace(record, finished=_now())
        self._on_record(record)
        return record


def result_key(config: BatchConfig, settings: Settings) -> str:
    """Return a digest of everything but the picture that a result depends on: options, models and settings."""
    work = BatchWork(config.kind, {}, config.options)
    asked = {
        "kind": config.kind,
        "options": config.options.model_dump(mode="json"),
        "models": models_of(work, settings),
        "settings": settings.model_dump(mode="json", exclude={*NEUTRAL, "threads"}),
    }
    return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=12).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
