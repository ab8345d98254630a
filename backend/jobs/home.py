"""What the service of jobs needs from the place where they are kept: rows, files, and the care that both need.

`backend.jobs.local` keeps them in DATA_DIR, for one service; `backend.jobs.shared` in PostgreSQL and FILES_URL, for
several.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from backend.contract.spool import SpooledFile
from backend.contract.work import File, Lane
from backend.jobs.records import Event, Job, NewJob, Outcome, State, StoredFile


@dataclass(frozen=True)
class Counts:
    """The number of jobs by state, and the bytes of their photos and results."""

    states: dict[State, int]
    size: int


class Store(Protocol):
    """The rows of all jobs; `backend.jobs.store.JobStore` describes each method. All raise StorageFullError,
    StorageFailedError while the rows are out of reach, and NotReadyError after the end."""

    async def find_key(self, key: str, fingerprint: str, now: float) -> Job | None: ...
    async def add(self, new: NewJob, now: float, max_queued: int, max_size: int) -> Job: ...
    async def get(self, job_id: str, now: float) -> Job: ...
    async def page(self, limit: int, before: str | None, now: float) -> list[Job]: ...
    async def claim(self, lane: Lane) -> Job | None: ...
    async def begin(self, job_id: str, now: float) -> None: ...
    async def requeue(self, job_id: str, count_attempt: bool) -> None: ...
    async def finish(self, job_id: str, outcome: Outcome, now: float, ttl_s: float) -> bool: ...
    async def taken_over(self, job_id: str) -> bool: ...
    async def remove(self, job_id: str) -> None: ...
    async def add_stages(self, job_id: str, stages: Iterable[dict[str, Any]]) -> None: ...
    async def events(self, job_id: str, after: int) -> list[Event]: ...
    async def stage_times(self, profile: str) -> dict[str, float]: ...
    async def keep_stage_times(self, profile: str, usual: dict[str, float]) -> None: ...
    async def to_remove(self, now: float, max_size: int) -> list[str]: ...
    async def counts(self) -> Counts: ...


class StoredObject(Protocol):
    """A finished file that lies in no folder of this machine. The methods block."""

    def size(self) -> int:
        """Return its bytes. Raises FileNotFoundError and StorageFailedError."""
        ...

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to before `end`."""
        ...


class Files(Protocol):
    """The photos and results of jobs; `backend.jobs.folders.JobFolders` describes each method. All block."""

    def reserve(self) -> None: ...
    def use_reserve(self) -> None: ...
    def keep_inputs(self, job_id: str, files: Mapping[str, bytes]) -> None: ...
    def keep_results(self, job_id: str, files: Sequence[File | SpooledFile]) -> None: ...
    def inputs(self, job_id: str) -> dict[str, bytes] | None: ...
    def result(self, job_id: str, file: StoredFile) -> Path | StoredObject: ...
    def remove_inputs(self, job_id: str) -> None: ...
    def remove(self, job_id: str) -> None: ...


@dataclass(frozen=True)
class Hooks:
    """What the service of jobs wants to hear of from a home that others use, too; called in the event loop."""

    on_queued: Callable[[Lane], None]
    on_changed: Callable[[str], None]  # the id of a job
    on_cancelled: Callable[[str], None]
    on_gap: Callable[[], Awaitable[None]]  # changes may have been missed
    on_lost: Callable[[str], Awaitable[None]]  # the services that had this job ended as often as a job may be begun


class Home(Protocol):
    """Rows and files that belong together."""

    @property
    def store(self) -> Store: ...

    @property
    def files(self) -> Files: ...

    @property
    def is_open(self) -> bool: ...

    def hold(self) -> None:
        """Check, before the service starts, what can be checked. Raises DataFolderError and StorageFullError."""
        ...

    async def open(self) -> str | None:
        """Open what is not open, and return the greatest id of a job where ids depend on it. Raises DataFolderError,
        StorageFullError and StorageFailedError."""
        ...

    def chores(self, hooks: Hooks) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return the steps, by name, that are to be repeated while the service runs."""
        ...

    async def close(self) -> None:
        """End the use of it; nothing is lost if this never comes."""
        ...
