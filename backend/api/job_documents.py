"""A job as clients see it."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from backend.jobs.records import JOB_KINDS, Job, State


class JobStage(BaseModel):
    """A finished stage."""

    name: str = Field(examples=["segment"])
    seconds: float


class JobProgress(BaseModel):
    """How far the job is."""

    stage: str | None = Field(None, description="what runs now", examples=["grabcut"])
    stages: list[JobStage] = Field(description="what is finished")
    fraction: float = Field(ge=0, le=1, description="0 until it is known what such jobs take")
    seconds_left: float | None = Field(None, description="null until it is known what such jobs take")


class JobFile(BaseModel):
    """A file that the job has made."""

    name: str = Field(examples=["mask.png"])
    media_type: str = Field(examples=["image/png"])
    bytes: int
    href: str


class JobLinks(BaseModel):
    """Where to go from here."""

    self: str
    events: str
    result: str


class JobDocument(BaseModel):
    """A job: what was asked for, how far it is, and what came of it."""

    id: str
    kind: str = Field(json_schema_extra={"enum": [*JOB_KINDS]})
    state: State
    created_at: str = Field(examples=["2026-01-31T12:00:00.000Z"])
    started_at: str | None
    finished_at: str | None
    expires_at: str | None = Field(description="when the job and its files go")
    attempts: int = Field(description="how often it was begun; a job whose worker is lost is begun once more")
    options: dict[str, Any]
    progress: JobProgress
    report: dict[str, Any] | None
    problem: dict[str, Any] | None = Field(description="what went wrong (RFC 9457)")
    cache: Literal["hit", "miss"] | None
    files: list[JobFile] = Field(description="the result first")
    links: JobLinks


class JobPage(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobDocument]
    next: str | None = Field(description="`before` of the next page; null on the last")


def document(job: Job, progress: dict[str, Any] | None) -> dict[str, Any]:
    """Return the job as a `JobDocument` has it; `progress` is how far it is when it runs."""
    here = f"/jobs/{job.id}"
    outcome = job.outcome
    if progress is None or job.final:
        done = job.state == "succeeded"
        progress = {
            "stage": None,
            "stages": list(outcome.stages),
            "fraction": 1.0 if done else 0.0,
            "seconds_left": 0.0 if done else None,
        }
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "expires_at": _time(job.expires_at),
        "attempts": job.attempts,
        "options": job.options,
        "progress": progress,
        "report": outcome.report,
        "problem": outcome.problem,
        "cache": outcome.cache,
        "files": [
            {
                "name": file.name,
                "media_type": file.media_type,
                "bytes": file.size,
                "href": f"{here}/files/{file.name}",
            }
            for file in outcome.files
        ],
        "links": {"self": here, "events": f"{here}/events", "result": f"{here}/result"},
    }


def _time(seconds: float | None) -> str | None:
    """Return a moment as RFC 3339 has it, in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
