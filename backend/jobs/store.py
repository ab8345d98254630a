"""The durable queue: every job is a row with its events. `JobStore` has the transactions, `AsyncJobStore` awaits them.

A job goes queued -> running -> succeeded, failed or cancelled. A change that comes from a state which the job has left
in the meantime does nothing and returns so.
"""

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial, wraps
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from backend.contract.errors import (
    IdempotencyConflictError,
    MattemeshError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    StorageFailedError,
    StorageFullError,
    translate_disk_full,
)
from backend.contract.settings import MAX_STORE_BYTES, MAX_TTL_S
from backend.contract.work import Lane
from backend.jobs.database import DataFolderError, UnreadableRowError, connect, event_of, job_of, transaction
from backend.jobs.home import Counts
from backend.jobs.records import (
    DISK_FULL,
    MAX_TIME_S,
    STATES,
    STORE_FAILED,
    Event,
    Job,
    NewJob,
    Outcome,
    made_at,
)
from backend.jobs.rescue import Stamp, after_use, is_damage, stamp, write_anew

P = ParamSpec("P")
T = TypeVar("T")
ROW_BYTES = 8 * 1024  # size of a finished job in this file: its report, its events and its index entries
# These run after every job, so an index alone has to answer them. TOTAL returns a float: SUM fails on an overflow.
EXPIRED = "SELECT id FROM jobs WHERE finished_at IS NOT NULL AND expires_at <= ?"
TAKEN = "SELECT COUNT(*), TOTAL(size) FROM jobs WHERE finished_at IS NOT NULL"
BY_STATE = "SELECT state, COUNT(*), TOTAL(size) FROM jobs GROUP BY state"
OLDEST = "SELECT id, size FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at, id LIMIT ?"
logger = logging.getLogger("mattemesh")
NOT_EXPIRED = "(expires_at IS NULL OR expires_at > ?)"  # an expired job is invisible before its row is removed


class JobStore:
    """The rows of all jobs in the SQLite file at `path`; not thread-safe. All methods raise StorageFullError, and the
    errors of sqlite3 where the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = connect(path)
        self._reported: set[str] = set()

    def close(self) -> None:
        self._db.close()

    def write_anew(self, before: Stamp) -> bool:
        """Put all that can still be read in the place of the file, and go on with it; whether that worked. The store
        is closed otherwise. `before`: the file's stamp of the last use."""
        if not write_anew(self._db, self._path, before):
            return False
        self._db = connect(self._path)
        return True

    def find_key(self, key: str, fingerprint: str, now: float) -> Job | None:
        """Return the job with this Idempotency-Key. Raises IdempotencyConflictError where its request was another."""
        with translate_disk_full(DISK_FULL):
            row = self._db.execute(f"SELECT * FROM jobs WHERE request_key = ? AND {NOT_EXPIRED}", (key, now)).fetchone()
        if row is not None and row["fingerprint"] != fingerprint:
            raise IdempotencyConflictError("This Idempotency-Key came with another request before; use a new one.")
        return None if row is None else self._read(row)

    def add(self, new: NewJob, now: float, max_queued: int, max_size: int) -> Job:
        """Queue `new` and return it, or return the job that already has its key.

        Raises OverloadedError when `max_queued` jobs wait or their photos take more than `max_size` bytes, and
        IdempotencyConflictError.
        """
        with transaction(self._db):
            if new.key is not None:
                known = self.find_key(new.key, new.fingerprint, now)
                if known is not None:
                    return known
                # An expired or unreadable job gives up its key; its row stays until its files are removed with it.
                self._db.execute("UPDATE jobs SET request_key = NULL WHERE request_key = ?", (new.key,))
            waiting, size = self._db.execute("SELECT COUNT(*), TOTAL(size) FROM jobs WHERE state = 'queued'").fetchone()
            if waiting >= max_queued or size + new.size > max_size:
                raise OverloadedError("Too many jobs are waiting; try again later.", limit=max_queued, actual=waiting)
            asked, options = json.dumps(new.asked), json.dumps(new.options)
            self._db.execute(
                "INSERT INTO jobs (id, kind, lane, state, created_at, size, request_key, fingerprint, asked, options)"
                " VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
                (new.id, new.kind, new.lane, now, new.size, new.key, new.fingerprint, asked, options),
            )
            self._add_event(new.id, "state", {"state": "queued"})
        return self.get(new.id, now)

    def get(self, job_id: str, now: float) -> Job:
        """Return the job. Raises NotFoundError."""
        with translate_disk_full(DISK_FULL):
            row = self._db.execute(f"SELECT * FROM jobs WHERE id = ? AND {NOT_EXPIRED}", (job_id, now)).fetchone()
        job = None if row is None else self._read(row)
        if job is None:
            raise NotFoundError("There is no such job; it may have expired.")
        return job

    def page(self, limit: int, before: str | None, now: float) -> list[Job]:
        """Return up to `limit` jobs older than the id `before`, newest first."""
        query = f"SELECT * FROM jobs WHERE {NOT_EXPIRED} AND id < ? ORDER BY id DESC"
        with translate_disk_full(DISK_FULL):
            # No LIMIT: rows that cannot be read do not count.
            readable = filter(None, map(self._read, self._db.execute(query, (now, before or "~"))))
            return list(islice(readable, limit))

    def claim(self, lane: Lane) -> Job | None:
        """Return the oldest queued job of `lane`, claimed so that no other call returns it; None when none waits."""
        query = (
            "UPDATE jobs SET claimed = 1 WHERE id = (SELECT id FROM jobs WHERE state = 'queued' AND lane = ?"
            " AND NOT claimed ORDER BY id LIMIT 1) RETURNING *"
        )
        with transaction(self._db):
            while (row := self._db.execute(query, (lane,)).fetchone()) is not None:
                job = self._read(row)
                if job is not None:
                    return job  # an unreadable one stays claimed, out of the way
        return None

    def begin(self, job_id: str, now: float) -> None:
        """Mark a claimed job as running, which counts as an attempt."""
        with transaction(self._db):
            begun = self._db.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = ?"
                " WHERE id = ? AND state = 'queued'",
                (now, job_id),
            ).rowcount
            if begun:
                self._add_event(job_id, "state", {"state": "running"})

    def requeue(self, job_id: str, count_attempt: bool) -> None:
        """Let a claimed job wait again. `count_attempt`: whether its run, where it had begun, stays an attempt."""
        with transaction(self._db):
            self._db.execute("UPDATE jobs SET claimed = 0 WHERE id = ?", (job_id,))
            was_running = self._db.execute(
                "UPDATE jobs SET state = 'queued', started_at = NULL, attempts = attempts - ?"
                " WHERE id = ? AND state = 'running'",
                (0 if count_attempt else 1, job_id),
            ).rowcount
            if was_running:
                self._add_event(job_id, "state", {"state": "queued"})

    def finish(self, job_id: str, outcome: Outcome, now: float, ttl_s: float) -> bool:
        """Store the outcome of a job; False where the job was already finished, cancelled or removed."""
        with transaction(self._db):
            finished = self._db.execute(
                "UPDATE jobs SET state = ?, claimed = 0, finished_at = ?, expires_at = ?, size = ?, outcome = ?"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (outcome.state, now, now + ttl_s, outcome.size, json.dumps(asdict(outcome)), job_id),
            ).rowcount
            if finished:
                self._add_event(job_id, "state", {"state": outcome.state})
                self._add_event(job_id, "done", {})
        return bool(finished)

    def taken_over(self, job_id: str) -> bool:
        """Return whether another service has a job that this one claimed, or has ended it; a cancelled or removed job
        was not taken over. No other service shares this file."""
        return False

    def remove(self, job_id: str) -> None:
        """Delete a job with its events."""
        with transaction(self._db):
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def add_stages(self, job_id: str, stages: Iterable[dict[str, Any]]) -> None:
        """Add the stages that a running job has begun to its events."""
        with transaction(self._db):
            row = self._db.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
            for data in stages if row is not None and row["state"] == "running" else ():
                self._add_event(job_id, "stage", data)

    def events(self, job_id: str, after: int) -> list[Event]:
        """Return the events of a job that follow event number `after`."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(
                "SELECT number, event, data FROM events WHERE job_id = ? AND number > ? ORDER BY number",
                (job_id, after),
            ).fetchall()
        found = []
        for row in rows:
            try:
                found.append(event_of(row))
            except UnreadableRowError as error:
                self._report(f"event {row['number']!a} of job {job_id}", error)
        return found

    def _add_event(self, job_id: str, event: str, data: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO events SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ? FROM events WHERE job_id = ?",
            (job_id, event, json.dumps(data), job_id),
        )

    def stage_times(self, profile: str) -> dict[str, float]:
        """Return the usual seconds of each stage of such work, in order; empty before its first run."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(
                "SELECT stage, seconds FROM stage_times WHERE profile = ? ORDER BY place", (profile,)
            ).fetchall()
        return {row["stage"]: row["seconds"] for row in rows if _is_duration(row["seconds"])}

    def keep_stage_times(self, profile: str, usual: dict[str, float]) -> None:
        """Replace the usual seconds of each stage."""
        with transaction(self._db):
            self._db.execute("DELETE FROM stage_times WHERE profile = ?", (profile,))
            rows = [(profile, place, stage, seconds) for place, (stage, seconds) in enumerate(usual.items())]
            self._db.executemany("INSERT INTO stage_times VALUES (?, ?, ?, ?)", rows)

    def recover(self, max_attempts: int, now: float, ttl_s: float) -> list[str]:
        """Requeue what a killed service left running, and return the ids that have had `max_attempts`.

        Jobs that would outlive every RESULT_TTL_S, which an earlier version allowed, expire `ttl_s` after `now`.
        """
        with transaction(self._db):
            # One huge size would have every other job removed to make room.
            self._db.execute(
                "UPDATE jobs SET size = 0 WHERE typeof(size) != 'integer' OR size NOT BETWEEN 0 AND ?",
                (MAX_STORE_BYTES,),
            )
            self._db.execute("UPDATE jobs SET expires_at = ? WHERE expires_at > ?", (now + ttl_s, now + MAX_TTL_S))
            for row in self._db.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall():
                self._add_event(row["id"], "state", {"state": "queued"})
            self._db.execute(
                "UPDATE jobs SET state = 'queued', claimed = 0, started_at = NULL"
                " WHERE state = 'running' OR (state = 'queued' AND claimed)"
            )
            rows = self._db.execute(
                "SELECT id FROM jobs WHERE state = 'queued' AND attempts >= ?", (max_attempts,)
            ).fetchall()
        return [row["id"] for row in rows]

    def all_jobs(self) -> Iterator[tuple[str, Job | None]]:
        """Yield each id with its job, None for one that cannot be read; expired ones too. One at a time, because all
        of them may not fit into memory."""
        with translate_disk_full(DISK_FULL):
            for row in self._db.execute("SELECT * FROM jobs ORDER BY id"):
                yield str(row["id"]), self._read(row)

    def created_at(self) -> float:
        """Return when this store was made, in seconds since 1970; 0 for one that an earlier version made."""
        with translate_disk_full(DISK_FULL):
            row = self._db.execute("SELECT created_at FROM store").fetchone()
        return float(row[0]) if row is not None and _is_duration(row[0]) else 0.0

    def to_remove(self, now: float, max_size: int) -> list[str]:
        """Return the ids of the finished jobs that have expired, and of the oldest ones beyond `max_size` bytes.

        A job counts with its files and its row. The newest one stays, whatever its size.
        """
        with translate_disk_full(DISK_FULL):
            found = [row["id"] for row in self._db.execute(EXPIRED, (now,))]
            count, size = self._db.execute(TAKEN).fetchone()
            excess = size + count * ROW_BYTES - max_size
            for row in self._db.execute(OLDEST, (count - 1,)) if excess > 0 else ():
                found.append(row["id"])
                excess -= row["size"] + ROW_BYTES
                if excess <= 0:
                    break
        return list(dict.fromkeys(found))

    def counts(self) -> Counts:
        """Return the number of jobs by state and the bytes they take."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(BY_STATE).fetchall()
        found = {row[0]: row[1] for row in rows}
        return Counts(
            {state: found.get(state, 0) for state in STATES}, int(min(sum(row[2] for row in rows), MAX_STORE_BYTES))
        )

    def last_id(self) -> str | None:
        """Return the greatest id; None while there is no job."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute("SELECT id FROM jobs ORDER BY id DESC")
            return next((row["id"] for row in rows if made_at(str(row["id"])) is not None), None)

    def _read(self, row: sqlite3.Row) -> Job | None:
        """Return the job in `row`; None, with a line in the log, for one that cannot be read."""
        try:
            return job_of(row)
        except UnreadableRowError as error:
            self._report(f"job {row['id']!a}", error)
            return None

    def _report(self, what: str, error: UnreadableRowError) -> None:
        """Log once that `what` is skipped: every list of jobs meets it again."""
        if what not in self._reported:
            self._reported.add(what)
            logger.error("%s cannot be read and is skipped: %s", what, error)


def _is_duration(value: object) -> bool:
    """Whether a column holds a number of seconds; SQLite stores any type in any column."""
    return isinstance(value, int | float) and 0 <= value < MAX_TIME_S


def _awaitable(
    method: Callable[Concatenate[JobStore, P], T],
) -> Callable[Concatenate["AsyncJobStore", P], Coroutine[Any, Any, T]]:
    """Return `method` of the store as a coroutine method of its asynchronous face."""

    @wraps(method)
    async def call(self: "AsyncJobStore", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(method, *args, **kwargs)

    return call


class AsyncJobStore:
    """`JobStore` for the event loop: one thread runs its methods one at a time, so that no disk blocks the loop.

    A file that something else has damaged, removed or exchanged is written anew from what the connection still reads.
    If that is not all, the store closes. All methods raise StorageFullError, also before `open` has succeeded,
    StorageFailedError from then on until `open` succeeds again, and NotReadyError after `close`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: JobStore | None = None
        self._why: MattemeshError = StorageFullError(DISK_FULL)  # while there is no store
        self._stamp: Stamp = ()
        self._ended = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")

    @property
    def is_open(self) -> bool:
        return self._store is not None

    def open(self, prepare: Callable[[JobStore], T]) -> T:
        """Open the store, or create it, and return what `prepare` makes of it before others use it. Blocks.

        Raises DataFolderError and the errors of `prepare`; the store is closed then.
        """
        store = JobStore(self._path)
        try:
            prepared = prepare(store)
        except BaseException:
            store.close()
            raise
        self._store, self._stamp = store, stamp(self._path)
        return prepared

    async def close(self) -> None:
        """Close the store after the calls that wait already; later ones raise NotReadyError."""
        self._ended = True
        await self._on_thread(self._end)
        self._thread.shutdown(wait=False)

    def _end(self) -> None:
        with contextlib.suppress(StorageFullError, StorageFailedError):
            self._call(JobStore.close)
        self._store = None

    async def run(self, function: Callable[Concatenate[JobStore, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns, called with the store and the arguments on the store's thread."""
        if self._ended:
            raise NotReadyError("The service is stopping; send the request again in a moment.")
        return await self._on_thread(partial(self._call, function, *args, **kwargs))

    def _call(self, function: Callable[Concatenate[JobStore, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._store is not None and stamp(self._path) != self._stamp:
            self._rescue(self._store, "something else changed it")
        try:
            try:
                return function(self._usable(), *args, **kwargs)
            except Exception as error:
                if self._store is None or not is_damage(error):
                    raise
                self._rescue(self._store, str(error))
                return function(self._usable(), *args, **kwargs)
        except Exception as error:
            if self._store is not None and is_damage(error):
                self._close(self._store, str(error))
                raise self._why from None
            raise
        finally:
            if self._store is not None:
                self._stamp = after_use(self._stamp, stamp(self._path))

    def _usable(self) -> JobStore:
        if self._store is None:
            raise self._why
        return self._store

    def _rescue(self, store: JobStore, reason: str) -> None:
        try:
            saved = store.write_anew(self._stamp)
        except (OSError, sqlite3.Error, DataFolderError, StorageFullError) as error:
            saved, reason = False, str(error)
        if saved:
            self._stamp = stamp(self._path)
            logger.warning("%s was damaged (%s) and has been written anew; nothing is lost", self._path, reason)
        else:
            self._close(store, reason)

    def _close(self, store: JobStore, reason: str) -> None:
        logger.error("%s cannot be used any more (%s): no jobs until it is mended", self._path, reason)
        self._store, self._why = None, StorageFailedError(STORE_FAILED)
        with contextlib.suppress(sqlite3.Error):
            store.close()

    async def _on_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    find_key = _awaitable(JobStore.find_key)
    add = _awaitable(JobStore.add)
    get = _awaitable(JobStore.get)
    page = _awaitable(JobStore.page)
    claim = _awaitable(JobStore.claim)
    begin = _awaitable(JobStore.begin)
    requeue = _awaitable(JobStore.requeue)
    finish = _awaitable(JobStore.finish)
    taken_over = _awaitable(JobStore.taken_over)
    remove = _awaitable(JobStore.remove)
    add_stages = _awaitable(JobStore.add_stages)
    events = _awaitable(JobStore.events)
    stage_times = _awaitable(JobStore.stage_times)
    keep_stage_times = _awaitable(JobStore.keep_stage_times)
    to_remove = _awaitable(JobStore.to_remove)
    counts = _awaitable(JobStore.counts)
    last_id = _awaitable(JobStore.last_id)
