"""The durable queue in PostgreSQL, which several services share: what `backend.jobs.store` is for one.

A row is the only truth about its job; no queue stands beside it. The row names the service that has the job. A service
says every BEAT_S that it lives, and loses its jobs to the others after SILENT_S without a sign. From then on its own
changes of such a job do nothing, so that a job has one outcome however many have worked on it. Each change tells all
services by NOTIFY.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from backend.contract.errors import (
    IdempotencyConflictError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    StorageFailedError,
    StorageFullError,
)
from backend.contract.work import Lane
from backend.jobs.database import DataFolderError, UnreadableRowError, event_of, job_of
from backend.jobs.home import Counts, Hooks
from backend.jobs.records import DISK_FULL, STATES, Event, Job, NewJob, Outcome

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

T = TypeVar("T")
VERSION = 1  # of the tables
TABLES = """
CREATE SCHEMA IF NOT EXISTS mattemesh;
CREATE TABLE IF NOT EXISTS mattemesh.version (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS mattemesh.services (id text PRIMARY KEY, seen_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS mattemesh.jobs (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    lane text NOT NULL,
    state text NOT NULL,
    service text,
    attempts integer NOT NULL DEFAULT 0,
    created_at double precision NOT NULL,
    started_at double precision,
    finished_at double precision,
    expires_at double precision,
    size bigint NOT NULL,
    request_key text UNIQUE,
    fingerprint text NOT NULL,
    asked text NOT NULL,
    options text NOT NULL,
    outcome text
);
CREATE INDEX IF NOT EXISTS jobs_waiting ON mattemesh.jobs (lane, id) WHERE state = 'queued' AND service IS NULL;
CREATE INDEX IF NOT EXISTS jobs_by_service ON mattemesh.jobs (service) WHERE service IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_by_state ON mattemesh.jobs (state, size);
CREATE INDEX IF NOT EXISTS jobs_by_end ON mattemesh.jobs (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS mattemesh.events (
    job_id text COLLATE "C" NOT NULL REFERENCES mattemesh.jobs (id) ON DELETE CASCADE,
    number integer NOT NULL,
    event text NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (job_id, number)
);
CREATE TABLE IF NOT EXISTS mattemesh.stage_times (
    profile text NOT NULL,
    place integer NOT NULL,
    stage text NOT NULL,
    seconds double precision NOT NULL,
    PRIMARY KEY (profile, stage)
);
"""
CHANNEL = "mattemesh_jobs"
TABLES_LOCK, QUEUE_LOCK, SWEEP_LOCK = 7_310_001, 7_310_002, 7_310_003  # advisory locks, of this database
ROW_BYTES = 8 * 1024  # size of a finished job in the database: its report and its events
BEAT_S = 2.0
SILENT_S = 15.0  # after which a service is taken for lost; a busy machine may hold one up for seconds
RETRY_S = 1.0  # before a change that must not be lost is tried again
CONNECT_S = 5  # for a connection to be made
# A database whose machine is gone is noticed within about 10 s, not after minutes.
LINE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
AWAY = "The database of jobs cannot be reached; try again soon."
NOT_EXPIRED = "(expires_at IS NULL OR expires_at > %s)"
logger = logging.getLogger("mattemesh")


class PostgresJobStore:
    """The rows of all jobs in the database at `url`, as one of the services that share it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._me = uuid.uuid4().hex  # not of the machine: a service that starts again has none of its earlier jobs
        self._pool: AsyncConnectionPool[AsyncConnection[dict[str, Any]]] | None = None
        self._ended = False
        self._away = False  # logged
        self._beating_since: float | None = None
        self._reported: set[str] = set()

    @property
    def is_open(self) -> bool:
        return self._pool is not None

    async def open(self) -> None:
        """Connect, and create the tables that are missing. Raises StorageFailedError while nothing answers, and
        DataFolderError for a database that cannot be used."""
        import psycopg
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool

        logging.getLogger("psycopg").setLevel(logging.ERROR)  # it logs each attempt to connect; we log the first
        options = {"autocommit": True, "row_factory": dict_row, "connect_timeout": CONNECT_S, **LINE}
        try:
            async with await psycopg.AsyncConnection.connect(self._url, **options) as connection:  # type: ignore[arg-type]
                await _make_tables(connection)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            raise StorageFailedError(f"JOBS_URL: {_reason(error)}") from None
        except psycopg.Error as error:
            raise DataFolderError(f"The database of JOBS_URL cannot be used ({_reason(error)}).") from None
        pool = AsyncConnectionPool(
            self._url,
            kwargs=options,
            min_size=1,
            max_size=8,
            timeout=CONNECT_S,
            open=False,
            check=AsyncConnectionPool.check_connection,  # else each one that a restart has cut would fail once
        )
        await pool.open()
        self._pool = pool  # type: ignore[assignment]

    async def close(self) -> None:
        """Give back what this service still has, and tell that it has gone."""
        self._ended = True
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(CONNECT_S), pool.connection() as connection, connection.transaction():
                await self._give_back(connection)
                await connection.execute("DELETE FROM mattemesh.services WHERE id = %s", (self._me,))
        except Exception as error:  # the others notice it by its silence
            logger.warning("the database of jobs was not told of the end (%s)", type(error).__name__)
        await pool.close(timeout=1.0)

    @asynccontextmanager
    async def _connection(self) -> "AsyncIterator[AsyncConnection[dict[str, Any]]]":
        """A connection in a transaction. Raises StorageFullError, StorageFailedError and, after `close`,
        NotReadyError."""
        import psycopg

        if self._ended:
            raise NotReadyError("The service is stopping; send the request again in a moment.")
        if self._pool is None:
            raise StorageFailedError(AWAY)
        try:
            async with self._pool.connection() as connection, connection.transaction():
                yield connection
        except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory) as error:
            raise StorageFullError(DISK_FULL) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not self._away:
                logger.error("the database of jobs cannot be used: %s", _reason(error))
            self._away = True
            raise StorageFailedError(AWAY) from error
        if self._away:
            logger.info("the database of jobs can be used again")
        self._away = False

    async def _insist(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change to a job of ours, as soon as the database is there: its result is not to be lost."""
        while True:
            try:
                return await change()
            except StorageFailedError:
                if self._ended:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _give_back(self, connection: Any) -> None:
        """Put back the jobs of this service as if they had not been begun."""
        found = await connection.execute(
            "WITH mine AS (SELECT id, state FROM mattemesh.jobs WHERE service = %s FOR UPDATE)"
            " UPDATE mattemesh.jobs AS job SET service = NULL, state = 'queued', started_at = NULL,"
            " attempts = attempts - CASE WHEN mine.state = 'running' THEN 1 ELSE 0 END FROM mine"
            " WHERE job.id = mine.id RETURNING job.id, job.lane, mine.state AS was",
            (self._me,),
        )
        for row in await found.fetchall():
            if row["was"] == "running":
                await _add_event(connection, row["id"], "state", {"state": "queued"})
            await _tell(connection, row["id"], row["lane"])

    # Submitting and reading.

    async def find_key(self, key: str, fingerprint: str, now: float) -> Job | None:
        async with self._connection() as connection:
            return await self._find_key(connection, key, fingerprint, now)

    async def _find_key(self, connection: Any, key: str, fingerprint: str, now: float) -> Job | None:
        query = f"SELECT * FROM mattemesh.jobs WHERE request_key = %s AND {NOT_EXPIRED}"
        row = await (await connection.execute(query, (key, now))).fetchone()
        if row is not None and row["fingerprint"] != fingerprint:
            raise IdempotencyConflictError("This Idempotency-Key came with another request before; use a new one.")
        return None if row is None else self._read(row)

    async def add(self, new: NewJob, now: float, max_queued: int, max_size: int) -> Job:
        async with self._connection() as connection:
            # One at a time, at whichever service: the limits and the keys hold for all of them together.
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (QUEUE_LOCK,))
            if new.key is not None:
                known = await self._find_key(connection, new.key, new.fingerprint, now)
                if known is not None:
                    return known
                # An expired or unreadable job gives up its key; its row stays until its files are removed with it.
                await connection.execute(
                    "UPDATE mattemesh.jobs SET request_key = NULL WHERE request_key = %s", (new.key,)
                )
            found = await connection.execute(
                "SELECT COUNT(*) AS waiting, COALESCE(SUM(size), 0)::float AS size FROM mattemesh.jobs"
                " WHERE state = 'queued'"
            )
            row = await found.fetchone() or {}
            waiting, size = int(row["waiting"]), float(row["size"])
            if waiting >= max_queued or size + new.size > max_size:
                raise OverloadedError("Too many jobs are waiting; try again later.", limit=max_queued, actual=waiting)
            asked, options = json.dumps(new.asked), json.dumps(new.options)
            await connection.execute(
                "INSERT INTO mattemesh.jobs"
                " (id, kind, lane, state, created_at, size, request_key, fingerprint, asked, options)"
                " VALUES (%s, %s, %s, 'queued', %s, %s, %s, %s, %s, %s)",
                (new.id, new.kind, new.lane, now, new.size, new.key, new.fingerprint, asked, options),
            )
            await _add_event(connection, new.id, "state", {"state": "queued"})
            await _tell(connection, new.id, new.lane)
        return await self.get(new.id, now)

    async def get(self, job_id: str, now: float) -> Job:
        async with self._connection() as connection:
            found = await connection.execute(
                f"SELECT * FROM mattemesh.jobs WHERE id = %s AND {NOT_EXPIRED}", (job_id, now)
            )
            row = await found.fetchone()
        job = None if row is None else self._read(row)
        if job is None:
            raise NotFoundError("There is no such job; it may have expired.")
        return job

    async def page(self, limit: int, before: str | None, now: float) -> list[Job]:
        query = f"SELECT * FROM mattemesh.jobs WHERE {NOT_EXPIRED} AND id < %s ORDER BY id DESC LIMIT %s"
        async with self._connection() as connection:
            rows = await (await connection.execute(query, (now, before or "~", limit))).fetchall()
        return [job for job in map(self._read, rows) if job is not None]

    async def events(self, job_id: str, after: int) -> list[Event]:
        async with self._connection() as connection:
            found = await connection.execute(
                "SELECT number, event, data FROM mattemesh.events WHERE job_id = %s AND number > %s ORDER BY number",
                (job_id, after),
            )
            rows = await found.fetchall()
        return [event_of(row) for row in rows]

    async def counts(self) -> Counts:
        async with self._connection() as connection:
            found = await connection.execute(
                "SELECT state, COUNT(*) AS count, SUM(size)::bigint AS size FROM mattemesh.jobs GROUP BY state"
            )
            rows = {row["state"]: row for row in await found.fetchall()}
        counts = {state: int(rows[state]["count"]) if state in rows else 0 for state in STATES}
        return Counts(counts, sum(int(row["size"]) for row in rows.values()))

    async def stage_times(self, profile: str) -> dict[str, float]:
        async with self._connection() as connection:
            found = await connection.execute(
                "SELECT stage, seconds FROM mattemesh.stage_times WHERE profile = %s ORDER BY place", (profile,)
            )
            return {row["stage"]: row["seconds"] for row in await found.fetchall()}

    async def keep_stage_times(self, profile: str, usual: dict[str, float]) -> None:
        async with self._connection() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (profile,))
            await connection.execute("DELETE FROM mattemesh.stage_times WHERE profile = %s", (profile,))
            for place, (stage, seconds) in enumerate(usual.items()):
                await connection.execute(
                    "INSERT INTO mattemesh.stage_times VALUES (%s, %s, %s, %s)", (profile, place, stage, seconds)
                )

    # The way of a job.

    async def claim(self, lane: Lane) -> Job | None:
        query = (
            "UPDATE mattemesh.jobs SET service = %s WHERE id = (SELECT id FROM mattemesh.jobs WHERE state = 'queued'"
            " AND lane = %s AND service IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
        )
        async with self._connection() as connection:
            await self._sign(connection)  # or one that starts, or was cut off, would have jobs before it is heard
            while (row := await (await connection.execute(query, (self._me, lane))).fetchone()) is not None:
                job = self._read(row)
                if job is not None:
                    return job  # an unreadable one stays claimed, out of the way
        return None

    async def begin(self, job_id: str, now: float) -> None:
        async def change() -> None:
            async with self._connection() as connection:
                begun = await connection.execute(
                    "UPDATE mattemesh.jobs SET state = 'running', attempts = attempts + 1, started_at = %s"
                    " WHERE id = %s AND state = 'queued' AND service = %s",
                    (now, job_id, self._me),
                )
                if begun.rowcount:
                    await _add_event(connection, job_id, "state", {"state": "running"})
                    await _tell(connection, job_id, "changed")

        await self._insist(change)

    async def add_stages(self, job_id: str, stages: Iterable[dict[str, Any]]) -> None:
        rows = list(stages)
        if not rows:
            return

        async def change() -> None:
            async with self._connection() as connection:
                found = await connection.execute(
                    "SELECT 1 FROM mattemesh.jobs WHERE id = %s AND state = 'running' AND service = %s FOR UPDATE",
                    (job_id, self._me),
                )
                if await found.fetchone() is None:
                    return
                for data in rows:
                    await _add_event(connection, job_id, "stage", data)
                await _tell(connection, job_id, "changed")

        await self._insist(change)

    async def requeue(self, job_id: str, count_attempt: bool) -> None:
        async def change() -> None:
            async with self._connection() as connection:
                found = await connection.execute(
                    "SELECT state, lane FROM mattemesh.jobs WHERE id = %s AND service = %s FOR UPDATE",
                    (job_id, self._me),
                )
                row = await found.fetchone()
                if row is None:
                    return
                running = row["state"] == "running"
                await connection.execute(
                    "UPDATE mattemesh.jobs SET service = NULL, state = 'queued', started_at = NULL,"
                    " attempts = attempts - %s WHERE id = %s",
                    (int(running and not count_attempt), job_id),
                )
                if running:
                    await _add_event(connection, job_id, "state", {"state": "queued"})
                await _tell(connection, job_id, row["lane"])

        await self._insist(change)

    async def finish(self, job_id: str, outcome: Outcome, now: float, ttl_s: float) -> bool:
        """Store the outcome of a job of this service, or cancel any; False where it has ended or was taken over."""
        cancelling = outcome.state == "cancelled"
        values = (outcome.state, now, now + ttl_s, outcome.size, json.dumps(asdict(outcome)))

        async def change() -> bool:
            async with self._connection() as connection:
                ended = await connection.execute(
                    "UPDATE mattemesh.jobs SET state = %s, service = NULL, finished_at = %s, expires_at = %s,"
                    " size = %s, outcome = %s"
                    " WHERE id = %s AND state IN ('queued', 'running') AND (%s OR service = %s)",
                    (*values, job_id, cancelling, self._me),
                )
                if not ended.rowcount:
                    return False
                await _add_event(connection, job_id, "state", {"state": outcome.state})
                await _add_event(connection, job_id, "done", {})
                await _tell(connection, job_id, "cancelled" if cancelling else "changed")
                return True

        return await (change() if cancelling else self._insist(change))  # whoever cancels is told at once

    async def taken_over(self, job_id: str) -> bool:
        async def ask() -> bool:
            async with self._connection() as connection:
                found = await connection.execute("SELECT state, service FROM mattemesh.jobs WHERE id = %s", (job_id,))
                row = await found.fetchone()
            return row is not None and row["service"] != self._me and row["state"] != "cancelled"

        return await self._insist(ask)

    async def remove(self, job_id: str) -> None:
        async with self._connection() as connection:
            await connection.execute("DELETE FROM mattemesh.jobs WHERE id = %s", (job_id,))
            await _tell(connection, job_id, "cancelled")

    async def to_remove(self, now: float, max_size: int) -> list[str]:
        async with self._connection() as connection:
            expired = await connection.execute(
                "SELECT id FROM mattemesh.jobs WHERE finished_at IS NOT NULL AND expires_at <= %s", (now,)
            )
            found = [row["id"] for row in await expired.fetchall()]
            # Oldest first; what all newer ones take together with it is beyond the limit. The newest one stays.
            beyond = await connection.execute(
                "SELECT id FROM (SELECT id, SUM(size + %s) OVER newest AS taken, ROW_NUMBER() OVER newest AS place"
                " FROM mattemesh.jobs WHERE finished_at IS NOT NULL"
                " WINDOW newest AS (ORDER BY finished_at DESC, id DESC)) AS ended"
                " WHERE taken > %s AND place > 1",
                (ROW_BYTES, max_size),
            )
            found += [row["id"] for row in await beyond.fetchall()]
        return list(dict.fromkeys(found))

    async def known(self, job_ids: list[str]) -> dict[str, str]:
        """Return the state of each of these ids that is of a job."""
        async with self._connection() as connection:
            found = await connection.execute("SELECT id, state FROM mattemesh.jobs WHERE id = ANY(%s)", (job_ids,))
            return {row["id"]: row["state"] for row in await found.fetchall()}

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Whether no other service is in such a block."""
        async with self._connection() as connection:
            found = await connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS alone", (SWEEP_LOCK,))
            row = await found.fetchone()
            yield bool(row and row["alone"])

    # Other services.

    async def beat(self, max_attempts: int) -> list[str]:
        """Tell that this service lives, and take the jobs of those that are silent: they wait again, or where they have
        had `max_attempts`, this service has them now and their ids are returned."""
        try:
            async with self._connection() as connection:
                await self._sign(connection)
                now = time.monotonic()
                self._beating_since = since = now if self._beating_since is None else self._beating_since
                if now - since < SILENT_S:  # after a gap of its own the others, too, need time to be heard
                    return []
                return await self._take(connection, max_attempts)
        except StorageFailedError:
            self._beating_since = None
            raise

    async def _sign(self, connection: Any) -> None:
        """Write down that this service lives."""
        await connection.execute(
            "INSERT INTO mattemesh.services VALUES (%s, clock_timestamp())"
            " ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()",
            (self._me,),
        )

    async def _take(self, connection: Any, max_attempts: int) -> list[str]:
        found = await connection.execute(
            "WITH lost AS (SELECT id, state FROM mattemesh.jobs AS job WHERE service IS NOT NULL AND NOT EXISTS"
            " (SELECT FROM mattemesh.services AS other WHERE other.id = job.service"
            "  AND other.seen_at > clock_timestamp() - make_interval(secs => %s)) FOR UPDATE SKIP LOCKED)"
            " UPDATE mattemesh.jobs AS job SET state = 'queued', started_at = NULL,"
            " service = CASE WHEN attempts >= %s THEN %s END FROM lost WHERE job.id = lost.id"
            " RETURNING job.id, job.lane, job.attempts, lost.state AS was",
            (SILENT_S, max_attempts, self._me),
        )
        rows = await found.fetchall()
        for row in rows:
            if row["was"] == "running":
                await _add_event(connection, row["id"], "state", {"state": "queued"})
            await _tell(connection, row["id"], row["lane"])
            logger.warning("job %s: its service is silent, so that others take it", row["id"])
        await connection.execute(
            "DELETE FROM mattemesh.services WHERE seen_at < clock_timestamp() - make_interval(secs => %s)",
            (100 * SILENT_S,),
        )
        return [row["id"] for row in rows if row["attempts"] >= max_attempts]

    async def listen(self, hooks: Hooks) -> None:
        """Pass on what all services tell, until the connection ends. Raises StorageFailedError."""
        import psycopg

        lanes: dict[str, Lane] = {lane: lane for lane in get_args(Lane)}
        if self._pool is None:
            raise StorageFailedError(AWAY)
        try:
            connecting = psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                connect_timeout=CONNECT_S,
                **LINE,  # type: ignore[arg-type]
            )
            async with await connecting as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                await hooks.on_gap()
                async for notice in connection.notifies():
                    job_id, _, what = notice.payload.partition(" ")
                    if what == "cancelled":
                        hooks.on_cancelled(job_id)
                    hooks.on_changed(job_id)
                    if what in lanes:
                        hooks.on_queued(lanes[what])
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise StorageFailedError(AWAY) from error

    def _read(self, row: dict[str, Any]) -> Job | None:
        """Return the job in `row`; None, with a line in the log, for one that cannot be read."""
        try:
            return job_of(row)
        except UnreadableRowError as error:
            if row["id"] not in self._reported:
                self._reported.add(row["id"])
                logger.error("job %s cannot be read and is skipped: %s", row["id"], error)
            return None


async def _make_tables(connection: "AsyncConnection[dict[str, Any]]") -> None:
    """Create the tables that are missing. Raises DataFolderError for those of another version."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (TABLES_LOCK,))  # services start together
        await connection.execute(TABLES.encode())
        row = await (await connection.execute("SELECT version FROM mattemesh.version")).fetchone()
        if row is None:
            await connection.execute("INSERT INTO mattemesh.version VALUES (%s)", (VERSION,))
        elif row["version"] != VERSION:
            raise DataFolderError("The jobs in the database of JOBS_URL are of another version of Mattemesh.")


async def _add_event(connection: Any, job_id: str, event: str, data: dict[str, Any]) -> None:
    """Number an event on; the caller's transaction holds the job's row."""
    await connection.execute(
        "INSERT INTO mattemesh.events SELECT %s, COALESCE(MAX(number), 0) + 1, %s, %s FROM mattemesh.events"
        " WHERE job_id = %s",
        (job_id, event, json.dumps(data), job_id),
    )


async def _tell(connection: Any, job_id: str, what: str) -> None:
    """Tell all services, once the transaction is done: a lane where the job waits, `cancelled`, or `changed`."""
    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{job_id} {what}"))


def _reason(error: BaseException) -> str:
    """Return the first line of what the database says; psycopg never puts the password into it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
