"""What the store keeps of a job, as plain values."""

from dataclasses import dataclass, field
from typing import Any, Literal

from backend.contract.errors import problem_body
from backend.contract.work import KINDS

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "cancelled")
FINAL = frozenset({"succeeded", "failed", "cancelled"})
JOB_KINDS = tuple(name for name, kind in KINDS.items() if kind.job)
MAX_ATTEMPTS = 2
DISK_FULL = "The disk is full; the job cannot be kept."


@dataclass(frozen=True)
class StoredFile:
    """A finished file of a job, as it lies in the job's folder."""

    name: str
    media_type: str
    size: int  # bytes


@dataclass(frozen=True)
class Outcome:
    """What came of a job: files and a report, or a problem (the body of an RFC 9457 answer)."""

    state: State
    stages: tuple[dict[str, Any], ...] = ()  # {"name", "seconds"} each
    report: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    cache: str | None = None
    files: tuple[StoredFile, ...] = ()

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def failure(error: BaseException, job_id: str) -> Outcome:
    """Return what came of a job that ended in `error`."""
    return Outcome("failed", problem=problem_body(error, f"urn:mattemesh:job:{job_id}"))


@dataclass(frozen=True)
class NewJob:
    """A job as it is handed in. `asked` has the options that were sent, `options` all of them."""

    id: str
    kind: str
    lane: str
    asked: dict[str, Any]
    options: dict[str, Any]
    size: int  # bytes of its files
    key: str | None = None  # the Idempotency-Key it came with
    fingerprint: str = ""  # a hash of everything that was asked for


@dataclass(frozen=True)
class Job:
    """A job as the store has it; times are seconds since 1970."""

    id: str
    kind: str
    lane: str
    state: State
    asked: dict[str, Any]
    options: dict[str, Any]
    attempts: int
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome("queued"))

    @property
    def final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; numbered from 1. What `done` says is the job itself."""

    number: int
    event: Literal["state", "stage", "done"]
    data: dict[str, Any]
