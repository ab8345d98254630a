"""The SQLite file under the store: its tables, its transactions, and the job in a row."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.contract.errors import translate_disk_full
from backend.contract.work import check_result
from backend.jobs.records import DISK_FULL, FINAL, JOB_KINDS, Event, Job, made_at, time_now

VERSION = 1  # of the tables
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    claimed INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    expires_at REAL,
    size INTEGER NOT NULL,
    request_key TEXT UNIQUE,
    fingerprint TEXT NOT NULL,
    asked TEXT NOT NULL,
    options TEXT NOT NULL,
    outcome TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, lane, id, size);
CREATE INDEX IF NOT EXISTS jobs_by_end ON jobs (finished_at, id, size, expires_at) WHERE finished_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS events (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stage_times (
    profile TEXT NOT NULL,
    place INTEGER NOT NULL,
    stage TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (profile, stage)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS store (created_at REAL NOT NULL);
"""
# Each column that is read; a file with other tables is no job store.
COLUMNS = {
    "jobs": "id, kind, lane, state, claimed, attempts, created_at, started_at, finished_at, expires_at, size,"
    " request_key, fingerprint, asked, options, outcome",
    "events": "job_id, number, event, data",
    "stage_times": "profile, place, stage, seconds",
    "store": "created_at",
}
Row = sqlite3.Row | dict[str, Any]
_JOBS, _EVENTS = TypeAdapter(Job), TypeAdapter(Event)


class DataFolderError(Exception):
    """DATA_DIR cannot be used; the message is for the person who starts the service."""


class UnreadableRowError(Exception):
    """A row holds what this version cannot have written; the message says what, for the log."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the store at `path`; a missing file or table is created.

    Raises DataFolderError for a file that is damaged or not a job store of this version, and StorageFullError.
    """
    connection: sqlite3.Connection | None = None
    try:
        with translate_disk_full(DISK_FULL):
            # One thread at a time uses it, not always the one that opened it.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda raw: raw.decode(errors="replace")  # else one bad byte fails a whole query
            # No other process shares the store, so its log needs no index in a mapped file: cutting that off would
            # end this process with SIGBUS.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            _check(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            _make_tables(connection)
            for table, columns in COLUMNS.items():
                connection.execute(f"SELECT {columns} FROM {table} LIMIT 0")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.DatabaseError | UnicodeDecodeError):  # sqlite3 may fail to decode its own message
            reason = "its schema is damaged" if isinstance(error, UnicodeDecodeError) else error
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise DataFolderError(f"{path} is in use by another program; end that one.") from None
            raise DataFolderError(f"{path} cannot be used as a job store ({reason}); move it away.") from None
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DataFolderError for another version's file and for a damaged one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise DataFolderError(f"{path} was written by another version of Mattemesh; move it away.")
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise DataFolderError(f"{path} is damaged ({' '.join(finding.split())[:100]}); move it away.")


def _make_tables(connection: sqlite3.Connection) -> None:
    """Create the tables that are missing. A store whose `jobs` are new notes when it was made."""
    is_new = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone() is None
    made = f"DELETE FROM store; INSERT INTO store VALUES ({time_now()!r});" if is_new else ""
    connection.executescript(f"BEGIN; {TABLES} {made} PRAGMA user_version = {VERSION}; COMMIT;")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the body's changes, or roll all of them back when it raises. Raises StorageFullError."""
    with translate_disk_full(DISK_FULL):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:  # SQLite itself rolls back after some errors
                connection.execute("ROLLBACK")


def job_of(row: Row) -> Job:
    """Return the job in one row of `jobs`. Raises UnreadableRowError."""
    try:
        values: dict[str, Any] = {field.name: row[field.name] for field in fields(Job)}
        values |= {name: json.loads(values[name]) for name in ("asked", "options")}
        values["outcome"] = {"state": row["state"]} if row["outcome"] is None else json.loads(row["outcome"])
        job = _JOBS.validate_python(values)
        _check_job(job)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UnreadableRowError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableRowError(" ".join(str(error).split())[:200]) from None
    return job


def event_of(row: Row) -> Event:
    """Return the event in one row of `events`. Raises UnreadableRowError."""
    try:
        return _EVENTS.validate_python({**row, "data": json.loads(row["data"])})
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableRowError(" ".join(str(error).split())[:200]) from None


def _check_job(job: Job) -> None:
    """Raise ValueError for a job that no answer could show."""
    outcome = job.outcome
    if made_at(job.id) is None:
        raise ValueError("id: of no job")
    if job.kind not in JOB_KINDS:
        raise ValueError("kind: unknown")
    if outcome.state != job.state or (job.state in FINAL) != (job.finished_at is not None):
        raise ValueError("outcome: of another state")
    if (job.state == "succeeded") != bool(outcome.files):
        raise ValueError("outcome.files: none, or of a job without a result")
    if (job.state == "failed") != (outcome.problem is not None):
        raise ValueError("outcome.problem: none, or of a job that has not failed")
    for file in outcome.files:
        check_result(file.name, file.media_type)
    for stage in outcome.stages:
        if not isinstance(stage.get("name"), str) or not isinstance(stage.get("seconds"), int | float):
            raise ValueError("outcome.stages: no name or no seconds")
    if outcome.problem is not None and not (
        isinstance(outcome.problem.get("code"), str) and isinstance(outcome.problem.get("status"), int)
    ):
        raise ValueError("outcome.problem: no code or no status")
    # NaN and lone surrogates pass `json.loads` and fail when the answer is sent.
    json.dumps([job.asked, job.options, asdict(outcome)], allow_nan=False, ensure_ascii=False).encode()
