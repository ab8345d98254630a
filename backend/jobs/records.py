"""The plain values of a job: its id, its states, what was asked for and what came of it."""

import re
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field
from ulid import ULID, PureRandomPolicy, ULIDGenerator

from backend.contract.errors import problem_body
from backend.contract.settings import MAX_TTL_S
from backend.contract.work import KINDS, CacheOutcome, Lane

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "succeeded", "failed", "cancelled")
FINAL = frozenset({"succeeded", "failed", "cancelled"})
JOB_KINDS = tuple(name for name, kind in KINDS.items() if kind.job)
MAX_ATTEMPTS = 2
DISK_FULL = "The disk is full, so jobs cannot be stored."
STORE_FAILED = "The store of jobs is damaged or out of reach. The log of the service says what to do."
ID_PATTERN = re.compile("[0-9a-hjkmnp-tv-z]{26}")  # a ULID in lower case
MAX_TIME_S = 253_402_300_799.0  # since 1970: the end of the year 9999, the last that RFC 3339 can write
# Constraints of what a row may hold; `backend.jobs.database` checks them.
Id = Annotated[str, Field(pattern=f"^{ID_PATTERN.pattern}$")]
Time = Annotated[float, Field(ge=0, le=MAX_TIME_S)]  # seconds since 1970
Count = Annotated[int, Field(ge=0, lt=2**63)]


def time_now() -> float:
    """Return the wall clock in seconds since 1970, within what a row may hold whatever the clock is set to."""
    try:
        now = time.time()
    except OverflowError:  # Python's own limit, in the year 2262
        now = MAX_TIME_S
    return min(max(now, 0.0), MAX_TIME_S - MAX_TTL_S)


class JobIds:
    """Makes ULIDs in lower case, each greater than all before it, even when the clock is set back."""

    # The generator's default policy counts up within a millisecond, which makes an id guessable from its neighbour.
    _ulids = ULIDGenerator(policy=PureRandomPolicy())

    def __init__(self, last: str | None = None) -> None:
        self._last_ms = -1
        self.pass_by(last)

    def pass_by(self, last: str | None) -> None:
        """Make only ids greater than `last` from now on."""
        if last is not None:
            self._last_ms = max(self._last_ms, ULID.from_str(last).milliseconds)

    def next(self) -> str:
        self._last_ms = max(self._last_ms + 1, int(time_now() * 1000))
        return str(self._ulids.generate(self._last_ms)).lower()


def made_at(job_id: str) -> float | None:
    """Return when an id was made, in seconds since 1970; None for a text that `JobIds` cannot have made."""
    if not ID_PATTERN.fullmatch(job_id) or job_id[0] > "7":  # more than the 128 bits of a ULID
        return None
    seconds = ULID.from_str(job_id).milliseconds / 1000
    return seconds if seconds <= MAX_TIME_S else None


@dataclass(frozen=True)
class StoredFile:
    """A finished file of a job, as it lies in the job's folder."""

    name: str
    media_type: str
    size: Count  # bytes


@dataclass(frozen=True)
class Outcome:
    """The result of a job: files and a report, or a problem (the body of an RFC 9457 answer)."""

    state: State
    stages: tuple[dict[str, Any], ...] = ()  # {"name", "seconds"} each
    report: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    cache: CacheOutcome | None = None
    files: tuple[StoredFile, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def failure(error: BaseException, job_id: str) -> Outcome:
    """Return the outcome of a job that ended in `error`."""
    return Outcome("failed", problem=problem_body(error, f"urn:mattemesh:job:{job_id}"))


@dataclass(frozen=True)
class NewJob:
    """A job as it is submitted."""

    id: str
    kind: str
    lane: Lane
    asked: dict[str, Any]  # the options that the client sent
    options: dict[str, Any]  # all options, defaults included
    size: int  # bytes of its input files
    key: str | None = None  # the request's Idempotency-Key
    fingerprint: str = ""  # a hash of everything that was asked for


@dataclass(frozen=True)
class Job:
    """A job as the store has it; times are seconds since 1970."""

    id: Id
    kind: str
    lane: Lane
    state: State
    asked: dict[str, Any]  # the options that the client sent
    options: dict[str, Any]  # all options, defaults included
    attempts: Count  # how often it was begun
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    expires_at: Time | None = None
    outcome: Outcome = field(default_factory=lambda: Outcome("queued"))

    @property
    def final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True)
class Event:
    """Something that happened to a job, numbered from 1. `done` is stored empty and sent with the whole job."""

    number: int
    event: Literal["state", "stage", "done"]
    data: dict[str, Any]
