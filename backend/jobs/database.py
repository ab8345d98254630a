"""The SQLite file under the store: its tables, its transactions, and the job in a row."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.contract.errors import translate_disk_full
from backend.jobs.records import DISK_FULL, Job, Outcome, StoredFile

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
"""


class DataFolderError(Exception):
    """DATA_DIR cannot be used; the message is for the person who starts the service."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection to the store at `path`; a missing file is created.

    Raises DataFolderError for a file that is not a job store of this version, and StorageFullError.
    """
    try:
        with translate_disk_full(DISK_FULL):
            # One thread at a time uses it, not always the one that opened it.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise DataFolderError(f"{path} was written by another version of Mattemesh; move it away.")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            if version == 0:
                connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.DatabaseError as error:
        raise DataFolderError(f"{path} cannot be used as a job store ({error}); move it away.") from error
    return connection


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


def job_of(row: sqlite3.Row) -> Job:
    """Return the job in one row of `jobs`."""
    stored = {} if row["outcome"] is None else json.loads(row["outcome"])
    files = tuple(StoredFile(**file) for file in stored.pop("files", ()))
    stages = tuple(stored.pop("stages", ()))
    outcome = Outcome(**stored, stages=stages, files=files) if stored else Outcome(row["state"])
    return Job(
        row["id"],
        row["kind"],
        row["lane"],
        row["state"],
        json.loads(row["asked"]),
        json.loads(row["options"]),
        row["attempts"],
        row["created_at"],
        row["started_at"],
        row["finished_at"],
        row["expires_at"],
        outcome,
    )
