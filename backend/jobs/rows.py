"""A row of the store -> the job that it is."""

import json
import sqlite3

from backend.jobs.records import Job, Outcome, StoredFile


def job_of(row: sqlite3.Row) -> Job:
    """Return the job of one row of `jobs`."""
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
