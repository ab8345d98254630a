"""Jobs under `DATA_DIR/jobs`, for one service: a lock, the rows in SQLite, and a folder of files."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from filelock import FileLock, Timeout

from backend.contract.errors import WorkerLostError, translate_disk_full
from backend.jobs.database import DataFolderError
from backend.jobs.folders import JobFolders
from backend.jobs.home import Hooks
from backend.jobs.records import DISK_FULL, MAX_ATTEMPTS, failure, time_now
from backend.jobs.store import AsyncJobStore, JobStore

logger = logging.getLogger("mattemesh")


class LocalHome:
    """Rows and files in the folder `root`, which no other service may use at the same time."""

    def __init__(self, root: Path, ttl_s: float) -> None:
        self._root, self._ttl_s = root, ttl_s
        # Not of one thread: it is acquired in one and released in another.
        self._lock = FileLock(root / "lock", thread_local=False)
        self.store = AsyncJobStore(root / "jobs.sqlite3")
        self.files = JobFolders(root)
        self._last_id: str | None = None

    @property
    def is_open(self) -> bool:
        return self.store.is_open

    def hold(self) -> None:
        """Lock the folder against other services, open the store and repair what a killed service left."""
        if self.is_open:
            return
        lock_folder(self._lock)
        try:
            with translate_disk_full(DISK_FULL):
                self.files.prepare()
                self._last_id = self.store.open(lambda store: _recovered(store, self.files, self._ttl_s))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DataFolderError(f"The job store in {self._root} cannot be used ({error}); move it away.") from None
        except OSError as error:
            raise DataFolderError(_unusable(self._root, error)) from None

    async def open(self) -> str | None:
        """Do the same, and return the greatest id."""
        await asyncio.to_thread(self.hold)
        return self._last_id

    def chores(self, hooks: Hooks) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return none: nobody else changes anything."""
        return {}

    async def close(self) -> None:
        await self.store.close()
        self._lock.release()


def lock_folder(lock: FileLock) -> None:
    """Keep other services out of the folder of `lock` until it is released or this process ends.

    Raises DataFolderError where another service uses the folder or it cannot be written, and StorageFullError.
    """
    folder = Path(lock.lock_file).parent
    try:
        with translate_disk_full(DISK_FULL):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not lock.is_locked:
                lock.acquire(timeout=0)
    except Timeout:
        raise DataFolderError(
            f"Another service uses {folder}; stop it, or give this one a folder of its own by DATA_DIR."
        ) from None
    except OSError as error:
        raise DataFolderError(_unusable(folder, error)) from None


def _unusable(folder: Path, error: OSError) -> str:
    return f"{folder} cannot be used ({error.strerror}); name another by DATA_DIR."


def _recovered(store: JobStore, folders: JobFolders, ttl_s: float) -> str | None:
    """Put a store and its folders in order; return the greatest id."""
    recover(store, folders, ttl_s)
    return store.last_id()


def recover(store: JobStore, folders: JobFolders, ttl_s: float) -> None:
    """Make rows and files agree after a kill: running jobs wait again or, after MAX_ATTEMPTS, fail; jobs without all
    their files and files without a job are removed. What cannot be read, what is older than the store, and results of
    unknown jobs within their `ttl_s` stay."""
    for job_id in store.recover(MAX_ATTEMPTS, time_now(), ttl_s):
        lost = WorkerLostError(f"The service ended {MAX_ATTEMPTS} times in the middle of this job.")
        store.finish(job_id, failure(lost, job_id), time_now(), ttl_s)
    waiting, succeeded, unreadable, others, incomplete = set[str](), set[str](), set[str](), set[str](), []
    for job_id, job in store.all_jobs():
        others.add(job_id)
        if job is None:
            unreadable.add(job_id)
        elif not folders.complete(job):
            incomplete.append(job_id)
        elif not job.final:
            waiting.add(job_id)
        elif job.state == "succeeded":
            succeeded.add(job_id)
    now = time_now()
    left = folders.sweep(waiting | unreadable, succeeded | unreadable, others, store.created_at(), now - ttl_s)
    if left:
        logger.warning("%d folders are of jobs that the job store does not know and are left alone", left)
    for job_id in incomplete:
        logger.warning("job %s: its files are gone, so it is removed", job_id)
        store.remove(job_id)
