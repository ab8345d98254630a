"""Every job as a row, with its events: the truth about it. Each method is one transaction.

A job goes queued -> running -> succeeded, failed or cancelled; a change from a state that has been left meanwhile does
nothing and says so. All methods raise StorageFullError where the disk is full. Not for several threads at once.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.contract.errors import IdempotencyConflictError, NotFoundError, OverloadedError, translate_disk_full
from backend.jobs.database import connect, transaction
from backend.jobs.records import DISK_FULL, STATES, Event, Job, NewJob, Outcome, State
from backend.jobs.rows import job_of

ROW_BYTES = 8 * 1024  # about what a finished job takes in this file, with its report, its events and its indices
# These are asked after every job, so an index alone has to answer them.
EXPIRED = "SELECT id FROM jobs WHERE finished_at IS NOT NULL AND expires_at <= ?"
TAKEN = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM jobs WHERE finished_at IS NOT NULL"
BY_STATE = "SELECT state, COUNT(*), SUM(size) FROM jobs GROUP BY state"
OLDEST = "SELECT id, size FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at, id LIMIT ?"
LIVE = "(expires_at IS NULL OR expires_at > ?)"  # what has expired is gone, whether swept away or not


@dataclass(frozen=True)
class Counts:
    """How many jobs there are by state, and the bytes of their photos and results."""

    states: dict[State, int]
    size: int


class JobStore:
    """The rows of all jobs in the SQLite file at `path`."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)

    def close(self) -> None:
        self._db.close()

    def find_key(self, key: str, fingerprint: str, now: float) -> Job | None:
        """Return the job that came with `key`. Raises IdempotencyConflictError where that asked for something else."""
        with translate_disk_full(DISK_FULL):
            row = self._db.execute(f"SELECT * FROM jobs WHERE request_key = ? AND {LIVE}", (key, now)).fetchone()
        if row is not None and row["fingerprint"] != fingerprint:
            raise IdempotencyConflictError("This Idempotency-Key came with another request before; use a new one.")
        return None if row is None else job_of(row)

    def add(self, new: NewJob, now: float, max_queued: int, max_size: int) -> Job:
        """Keep `new` as queued and return it, or the job that has its key already.

        Raises OverloadedError when `max_queued` jobs wait or their photos take more than `max_size` bytes, and
        IdempotencyConflictError.
        """
        with transaction(self._db):
            if new.key is not None:
                # An expired job gives its key up; its row stays until its files are swept away with it.
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
            self._tell(new.id, "state", {"state": "queued"})
        return self.get(new.id, now)

    def get(self, job_id: str, now: float) -> Job:
        """Return the job. Raises NotFoundError."""
        with translate_disk_full(DISK_FULL):
            row = self._db.execute(f"SELECT * FROM jobs WHERE id = ? AND {LIVE}", (job_id, now)).fetchone()
        if row is None:
            raise NotFoundError("There is no such job; it may have expired.")
        return job_of(row)

    def page(self, limit: int, before: str | None, now: float) -> list[Job]:
        """Return up to `limit` jobs, newest first, of those older than `before`."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(
                f"SELECT * FROM jobs WHERE {LIVE} AND id < ? ORDER BY id DESC LIMIT ?", (now, before or "~", limit)
            ).fetchall()
        return [job_of(row) for row in rows]

    def claim(self, lane: str) -> Job | None:
        """Take the oldest queued job of `lane`, so that nobody else does; None when there is none."""
        with transaction(self._db):
            row = self._db.execute(
                "UPDATE jobs SET claimed = 1 WHERE id = (SELECT id FROM jobs WHERE state = 'queued' AND lane = ?"
                " AND NOT claimed ORDER BY id LIMIT 1) RETURNING *",
                (lane,),
            ).fetchone()
        return None if row is None else job_of(row)

    def begin(self, job_id: str, now: float) -> None:
        """Note that a claimed job runs, which counts as an attempt."""
        with transaction(self._db):
            begun = self._db.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = ?"
                " WHERE id = ? AND state = 'queued'",
                (now, job_id),
            ).rowcount
            if begun:
                self._tell(job_id, "state", {"state": "running"})

    def put_back(self, job_id: str, counts: bool) -> None:
        """Let a claimed job wait again; `counts`: whether what it has begun was one of its attempts."""
        with transaction(self._db):
            self._db.execute("UPDATE jobs SET claimed = 0 WHERE id = ?", (job_id,))
            was_running = self._db.execute(
                "UPDATE jobs SET state = 'queued', started_at = NULL, attempts = attempts - ?"
                " WHERE id = ? AND state = 'running'",
                (0 if counts else 1, job_id),
            ).rowcount
            if was_running:
                self._tell(job_id, "state", {"state": "queued"})

    def finish(self, job_id: str, outcome: Outcome, now: float, ttl_s: float) -> bool:
        """Note what came of a job; False where it was finished, cancelled or removed already."""
        with transaction(self._db):
            finished = self._db.execute(
                "UPDATE jobs SET state = ?, claimed = 0, finished_at = ?, expires_at = ?, size = ?, outcome = ?"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (outcome.state, now, now + ttl_s, outcome.size, json.dumps(asdict(outcome)), job_id),
            ).rowcount
            if finished:
                self._tell(job_id, "state", {"state": outcome.state})
                self._tell(job_id, "done", {})
        return bool(finished)

    def remove(self, job_id: str) -> None:
        """Forget a job and all that happened to it."""
        with transaction(self._db):
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def record(self, job_id: str, stages: Iterable[dict[str, Any]]) -> None:
        """Keep the stages that a running job has begun as its events."""
        with transaction(self._db):
            row = self._db.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
            for data in stages if row is not None and row["state"] == "running" else ():
                self._tell(job_id, "stage", data)

    def events(self, job_id: str, after: int) -> list[Event]:
        """Return what happened to a job after event number `after`."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(
                "SELECT number, event, data FROM events WHERE job_id = ? AND number > ? ORDER BY number",
                (job_id, after),
            ).fetchall()
        return [Event(row["number"], row["event"], json.loads(row["data"])) for row in rows]

    def _tell(self, job_id: str, event: str, data: dict[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO events SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ? FROM events WHERE job_id = ?",
            (job_id, event, json.dumps(data), job_id),
        )

    def usual(self, profile: str) -> dict[str, float]:
        """Return the seconds that each stage of such work usually takes, in their order; empty until known."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(
                "SELECT stage, seconds FROM stage_times WHERE profile = ? ORDER BY place", (profile,)
            ).fetchall()
        return {row["stage"]: row["seconds"] for row in rows}

    def learn(self, profile: str, usual: dict[str, float]) -> None:
        """Keep what each stage usually takes in place of what was kept."""
        with transaction(self._db):
            self._db.execute("DELETE FROM stage_times WHERE profile = ?", (profile,))
            rows = [(profile, place, stage, seconds) for place, (stage, seconds) in enumerate(usual.items())]
            self._db.executemany("INSERT INTO stage_times VALUES (?, ?, ?, ?)", rows)

    def recover(self, max_attempts: int) -> list[str]:
        """Let what was under way when the service was killed wait again, and return the ids of what has had
        `max_attempts`."""
        with transaction(self._db):
            for row in self._db.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall():
                self._tell(row["id"], "state", {"state": "queued"})
            self._db.execute(
                "UPDATE jobs SET state = 'queued', claimed = 0, started_at = NULL"
                " WHERE state = 'running' OR (state = 'queued' AND claimed)"
            )
            rows = self._db.execute(
                "SELECT id FROM jobs WHERE state = 'queued' AND attempts >= ?", (max_attempts,)
            ).fetchall()
        return [row["id"] for row in rows]

    def everything(self) -> Iterator[Job]:
        """Yield all jobs, expired ones too; one at a time, for there may be more than fit into memory."""
        with translate_disk_full(DISK_FULL):
            for row in self._db.execute("SELECT * FROM jobs ORDER BY id"):
                yield job_of(row)

    def due(self, now: float, max_size: int) -> list[str]:
        """Return the ids of the finished jobs that have expired, and of the oldest ones beyond `max_size` bytes, each
        row counted with its files; the newest is kept whatever its size."""
        with translate_disk_full(DISK_FULL):
            due = [row["id"] for row in self._db.execute(EXPIRED, (now,))]
            count, size = self._db.execute(TAKEN).fetchone()
            too_much = size + count * ROW_BYTES - max_size
            for row in self._db.execute(OLDEST, (count - 1,)) if too_much > 0 else ():
                due.append(row["id"])
                too_much -= row["size"] + ROW_BYTES
                if too_much <= 0:
                    break
        return list(dict.fromkeys(due))

    def counts(self) -> Counts:
        """Return how many jobs there are by state and what they take."""
        with translate_disk_full(DISK_FULL):
            rows = self._db.execute(BY_STATE).fetchall()
        return Counts(dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}, sum(row[2] for row in rows))

    def last_id(self) -> str | None:
        """Return the greatest id there is."""
        with translate_disk_full(DISK_FULL):
            (found,) = self._db.execute("SELECT MAX(id) FROM jobs").fetchone()
        return None if found is None else str(found)
