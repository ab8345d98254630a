"""The JSON shape of a job for clients, which OpenAPI documents."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field
from pydantic.config import JsonValue

from backend.api.openapi import SCHEMA
from backend.contract.work import KINDS, CacheOutcome
from backend.jobs.records import JOB_KINDS, Job, State

REPORTS: list[JsonValue] = [{"$ref": SCHEMA.format(model=KINDS[kind].report.__name__)} for kind in JOB_KINDS]


class JobStage(BaseModel):
    """One finished stage of a job."""

    name: str = Field(examples=["segment"])
    seconds: float


class JobProgress(BaseModel):
    """The progress of a job."""

    stage: str | None = Field(None, description="the running stage", examples=["grabcut"])
    stages: list[JobStage] = Field(description="the finished stages")
    fraction: float = Field(ge=0, le=1, description="0 until the usual time of such jobs is known")
    seconds_left: float | None = Field(None, description="null until the usual time of such jobs is known")


class JobFile(BaseModel):
    """One finished file of a job."""

    name: str = Field(examples=["mask.png"])
    media_type: str = Field(examples=["image/png"])
    bytes: int
    href: str


class JobLinks(BaseModel):
    """The addresses of a job."""

    self: str
    events: str
    result: str


class JobDocument(BaseModel):
    """A job: its request, its progress and its result."""

    id: str
    kind: str = Field(json_schema_extra={"enum": [*JOB_KINDS]})
    state: State
    created_at: str = Field(examples=["2026-01-31T12:00:00.000Z"])
    started_at: str | None
    finished_at: str | None
    expires_at: str | None = Field(description="when the job and its files are removed")
    attempts: int = Field(description="how often it was begun; a job that loses its worker is begun once more")
    options: dict[str, Any]
    progress: JobProgress
    report: dict[str, Any] | None = Field(json_schema_extra={"anyOf": [*REPORTS, {"type": "null"}]})
    problem: dict[str, Any] | None = Field(description="what went wrong (RFC 9457)")
    cache: CacheOutcome | None
    files: list[JobFile] = Field(description="the result first")
    links: JobLinks


class JobPage(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[JobDocument]
    next: str | None = Field(description="`before` of the next page; null on the last")


def document(job: Job, progress: dict[str, Any] | None) -> JobDocument:
    """Return the job for a client; `progress` is that of a running job."""
    here, outcome = f"/jobs/{job.id}", job.outcome
    if progress is None or job.final:
        done = job.state == "succeeded"
        progress = {
            "stages": outcome.stages,
            "fraction": 1.0 if done else 0.0,
            "seconds_left": 0.0 if done else None,
        }
    files = [
        JobFile(name=file.name, media_type=file.media_type, bytes=file.size, href=f"{here}/files/{file.name}")
        for file in outcome.files
    ]
    return JobDocument(
        id=job.id,
        kind=job.kind,
        state=job.state,
        created_at=_rfc3339(job.created_at),
        started_at=_time(job.started_at),
        finished_at=_time(job.finished_at),
        expires_at=_time(job.expires_at),
        attempts=job.attempts,
        options=job.options,
        progress=JobProgress.model_validate(progress),
        report=outcome.report,
        problem=outcome.problem,
        cache=outcome.cache,
        files=files,
        links=JobLinks(self=here, events=f"{here}/events", result=f"{here}/result"),
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else _rfc3339(seconds)


def _rfc3339(seconds: float) -> str:
    """Return a time (seconds since 1970) as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
