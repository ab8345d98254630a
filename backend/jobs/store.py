"""The durable queue: every job is a row with its events. `JobStore` has the transactions, `AsyncJobStore` awaits them.

A job goes queued -> running -> succeeded, failed or cancelled. A change that comes from a state which the job has left
in the meantime does nothing and returns so.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from backend.contract.errors import (
    IdempotencyConflictError,
    NotFoundError,
    OverloadedError,
    StorageFullError,
    translate_disk_full,
)
from backend.contract.work import Lane
from backend.jobs.database import connect, job_of, transaction
from backend.jobs.records import DISK_FULL, STATES, Event, Job, NewJob, Outcome, State

P = ParamSpec("P")
T = TypeVar("T")
ROW_BYTES = 8 * 1024  # size of a finished job in this file: its report, its events and its index entries
# These run after every job, so an index alone has to answer them.
EXPIRED = "SELECT id FROM jobs WHERE finished_at IS NOT NULL AND expires_at <= ?"
TAKEN = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM jobs WHERE finished_at IS NOT NULL"
BY_STATE = "SELECT state, COUNT(*), SUM(size) FROM jobs GROUP BY state"
OLDEST = "SELECT id, size FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at, id LIMIT ?"
NOT_EXPIRED = "(expires_at IS NULL OR expires_at > ?)"  # an expired job is invisible before its row is removed


@dataclass(frozen=True)
class Counts:
    """The number of jobs by state, and the bytes of their photos and results."""

    states: dict[State, int]
    size: int


class JobStore:
    """The rows of all jobs in the SQLite file at `path`; not thread-safe. All methods raise StorageFullError."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)

    def close(self) -> None:
        self._db.close()

    def find_key(self, key: str, fingerprint: str, now: float) -> Job | None:
        """Return the job with this Idempotency-Key. Raises IdempotencyConflictError where its request was another."""
        with translate_disk_full(DISK_FULL):
            row = self._db.execute(f"SELECT * FROM jobs WHERE request_key = ? AND {NOT_EXPIRED}", (key, now)).fetchone()
        if row is not None and row["fingerprint"] != fingerprint:
            raise IdempotencyConflictError("This Idempotency-Key came with another request before; use a new one.")
        return None if row is None else job_of(row)

    def add(self, new: NewJob, now: float, max_queued: int, max_size: int) -> Job:
        """Queue `new` and return it, or return the job that already has its key.

        Raises OverloadedError when `max_queued` jobs wait or their photos take more than `max_size` bytes, and
        IdempotencyConflictError.
        """
        with transaction(self._db):
            if new.key is not None:
                # An expired job gives up its key; its row stays until its files are removed with it.
                self._db.execute(
                    "UPDATE jobs SET request_key = NULL WHERE request_key = ? AND expires_at <= ?", (new.key, now)
                )
                known = self.find_key(new.key, new.fingerprint, now)
                if known is not None:
                    return known
            waiting, size = self._db.execute(
                "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM jobs WHERE state = 'queued'"
            ).fetchone()
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
        if row is None:
            raise NotFoundError("There is no such job; it may have expired.")
        return job_of(row)

    def page(self, limit: int, before: str | None, now: float) -> list[Job]:
        """Return up to `limit` jobs older than the id `before`, newest first."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(
                f"SELECT * FROM jobs WHERE {NOT_EXPIRED} AND id < ? ORDER BY id DESC LIMIT ?",
                (now, before or "~", limit),
            ).fetchall()
        return [job_of(row) for row in rows]

    def claim(self, lane: Lane) -> Job | None:
        """Return the oldest queued job of `lane`, claimed so that no other call returns it; None when none waits."""
        with transaction(self._db):
            row = self._db.execute(
                "UPDATE jobs SET claimed = 1 WHERE id = (SELECT id FROM jobs WHERE state = 'queued' AND lane = ?"
                " AND NOT claimed ORDER BY id LIMIT 1) RETURNING *",
                (lane,),
            ).fetchone()
        return None if row is None else job_of(row)

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
        return [Event(row["number"], row["event"], json.loads(row["data"])) for row in rows]

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
        return {row["stage"]: row["seconds"] for row in rows}

    def keep_stage_times(self, profile: str, usual: dict[str, float]) -> None:
        """Replace the usual seconds of each stage."""
        with transaction(self._db):
            self._db.execute("DELETE FROM stage_times WHERE profile = ?", (profile,))
            rows = [(profile, place, stage, seconds) for place, (stage, seconds) in enumerate(usual.items())]
            self._db.executemany("INSERT INTO stage_times VALUES (?, ?, ?, ?)", rows)

    def recover(self, max_attempts: int) -> list[str]:
        """Requeue what a killed service left running, and return the ids that have had `max_attempts`."""
        with transaction(self._db):
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

    def all_jobs(self) -> Iterator[Job]:
        """Yield every job, expired ones too; one at a time, because all of them may not fit into memory."""
        with translate_disk_full(DISK_FULL):
            for row in self._db.execute("SELECT * FROM jobs ORDER BY id"):
                yield job_of(row)

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
        return Counts(dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}, sum(row[2] for row in rows))

    def last_id(self) -> str | None:
        """Return the greatest id; None while there is no job."""
        with translate_disk_full(DISK_FULL):
            (found,) = self._db.execute("SELECT MAX(id) FROM jobs").fetchone()
        return None if found is None else str(found)


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

    All methods raise StorageFullError, also before `open` has succeeded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: JobStore | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")

    async def open(self) -> None:
        """Open the store, or create it. Raises DataFolderError."""
        self._store = await self._on_thread(partial(JobStore, self._path))

    async def close(self) -> None:
        if self._store is not None:
            await self._on_thread(self._store.close)
            self._store = None
        self._thread.shutdown(wait=False)

    async def run(self, function: Callable[Concatenate[JobStore, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns, called with the store and the arguments on the store's thread."""
        if self._store is None:
            raise StorageFullError(DISK_FULL)
        return await self._on_thread(partial(function, self._store, *args, **kwargs))

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
    remove = _awaitable(JobStore.remove)
    add_stages = _awaitable(JobStore.add_stages)
    events = _awaitable(JobStore.events)
    stage_times = _awaitable(JobStore.stage_times)
    keep_stage_times = _awaitable(JobStore.keep_stage_times)
    to_remove = _awaitable(JobStore.to_remove)
    counts = _awaitable(JobStore.counts)
    last_id = _awaitable(JobStore.last_id)
