"""Jobs as the routes use them: submitted, read, listened to, cancelled, and removed when they expire."""

import asyncio
import contextlib
import hashlib
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from backend.contract.errors import (
    NotFoundError,
    NotReadyError,
    StorageFailedError,
    StorageFullError,
    WorkerLostError,
    translate_disk_full,
)
from backend.contract.options import WorkOptions
from backend.contract.runner import Runner
from backend.contract.settings import Settings
from backend.contract.work import KINDS
from backend.jobs.database import DataFolderError
from backend.jobs.dispatcher import Dispatcher, run_supervised
from backend.jobs.events import Changes
from backend.jobs.folders import JobFolders
from backend.jobs.records import (
    DISK_FULL,
    MAX_ATTEMPTS,
    Event,
    Job,
    JobIds,
    NewJob,
    Outcome,
    StoredFile,
    failure,
    time_now,
)
from backend.jobs.store import AsyncJobStore, Counts, JobStore
from backend.weights.remote_services import lane_of

CLEAN_UP_S = 10.0  # how often expired jobs are looked for
REOPEN_S = 2.0  # pause before the store is opened again on a full disk
T = TypeVar("T")
logger = logging.getLogger("mattemesh")


class Jobs:
    """The jobs under `DATA_DIR/jobs`. All methods raise StorageFullError where the disk has no room, and
    StorageFailedError while the store is damaged."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        root = settings.data_dir / "jobs"
        self._settings = settings
        # Not of one thread: it is acquired in one and released in another.
        self._lock = FileLock(root / "lock", thread_local=False)
        self._store = AsyncJobStore(root / "jobs.sqlite3")
        self._folders = JobFolders(root)
        self._changes = Changes()
        self._clean_up_now = asyncio.Event()
        self._runner = runner
        self._dispatcher = self._new_dispatcher()
        self._ids = JobIds()
        self._listening_ended = False
        self._tasks: list[asyncio.Task[None]] = []
        self._logged = ""  # why the store cannot be opened

    def hold(self) -> None:
        """Lock the data folder against other services, open the store and repair what a killed service left.

        For a caller that has to know at once whether the folder can be used; `start` does the same. On a full disk
        `start` tries again. Raises DataFolderError when the folder cannot be used, or another service uses it.
        """
        with contextlib.suppress(StorageFullError):
            self._open()

    async def start(self) -> None:
        """Begin to work; on a full disk, as soon as there is room. Raises DataFolderError as `hold` does."""
        try:
            await asyncio.to_thread(self._open)
        except StorageFullError:
            logger.error("the disk is full: no jobs until there is room")
        else:
            self._dispatcher.start()
        for name, step in (("opening the job store", self._keep_open), ("removing expired jobs", self._clean_up)):
            self._tasks.append(asyncio.create_task(run_supervised(name, step, lambda: True, REOPEN_S)))

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self._store,
            self._folders,
            self._runner,
            self._changes,
            self._settings.result_ttl_s,
            self._clean_up_now.set,
        )

    def _open(self) -> None:
        if self._store.is_open:
            return
        lock_folder(self._lock)
        root = Path(self._lock.lock_file).parent
        try:
            with translate_disk_full(DISK_FULL):
                self._folders.prepare()
                last_id = self._store.open(lambda store: _recovered(store, self._folders, self._settings.result_ttl_s))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DataFolderError(f"The job store in {root} cannot be used ({error}); move it away.") from None
        except OSError as error:
            raise DataFolderError(_unusable(root, error)) from None
        self._ids.pass_by(last_id)

    async def _keep_open(self) -> None:
        """Open a store that the disk had no room for, or that was damaged, as soon as it can be used."""
        await asyncio.sleep(REOPEN_S)
        if self._store.is_open:
            return
        await self._dispatcher.stop(0.0)  # what it has in hand is begun anew from the rows
        try:
            await asyncio.to_thread(self._open)
        except DataFolderError as error:
            if str(error) != self._logged:
                self._logged = str(error)
                logger.error("no jobs until this is mended: %s", error)
            return
        self._logged = ""
        logger.info("the job store works again: jobs are taken")
        self._dispatcher = self._new_dispatcher()
        self._dispatcher.start()

    async def stop(self, grace_s: float) -> None:
        """Begin no more jobs; what still runs after `grace_s` waits for the next start, as queued jobs do."""
        for task in self._tasks:
            task.cancel()
        await self._dispatcher.stop(grace_s)
        await self._store.close()
        self._lock.release()

    async def submit(
        self, kind: str, files: Mapping[str, bytes], options: WorkOptions, key: str | None = None
    ) -> tuple[Job, bool]:
        """Queue a job and return it with True, or return the job with the same Idempotency-Key `key` and False.

        Raises IdempotencyConflictError where that job's request was another, OverloadedError when too many wait.
        """
        asked = options.model_dump(mode="json", exclude_unset=True)
        fingerprint = await asyncio.to_thread(_fingerprint, kind, files, asked)
        if key is not None:
            known = await self._store.find_key(key, fingerprint, time_now())
            if known is not None:
                return known, False
        lane, size = lane_of(KINDS[kind].lane, options), sum(map(len, files.values()))
        new = NewJob(self._ids.next(), kind, lane, asked, options.model_dump(mode="json"), size, key, fingerprint)
        await asyncio.to_thread(self._folders.keep_inputs, new.id, files)
        kept = False
        try:
            settings = self._settings
            job = await self._store.add(new, time_now(), settings.max_queued_jobs, settings.result_bytes)
            kept = job.id == new.id
        finally:
            if not kept:
                await asyncio.to_thread(self._folders.remove_inputs, new.id)
        self._dispatcher.wake(lane)
        return job, kept

    async def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFoundError."""
        return await self._store.get(job_id, time_now())

    async def page(self, limit: int, before: str | None) -> list[Job]:
        """Return up to `limit` jobs older than the id `before`, newest first."""
        return await self._store.page(limit, before, time_now())

    def progress(self, job_id: str) -> dict[str, Any] | None:
        """Return the progress of a job that runs now, as its document shows it; None for any other job."""
        progress = self._dispatcher.progress(job_id)
        return None if progress is None else progress.snapshot()

    async def listen(self, job_id: str, after: int) -> AsyncIterator[Event]:
        """Yield the events of a job after number `after`, then new ones, until it is final or `end_listening`."""
        while True:
            change = self._changes.next(job_id)
            try:
                final = (await self.get(job_id)).final  # read first: an event stored meanwhile is yielded below
                events = await self._store.events(job_id, after)
            except (NotFoundError, NotReadyError, StorageFailedError):  # removed; or a client that asks again is told
                return
            for event in events:
                after = event.number
                yield event
            if final or self._listening_ended:
                return
            await change.wait()

    async def has_events(self, job_id: str, after: int) -> bool:
        """Whether a job has an event after number `after`."""
        return bool(await self._store.events(job_id, after))

    def end_listening(self) -> None:
        """End every `listen`: the service stops, and clients reconnect to the next one."""
        self._listening_ended = True
        self._changes.notify_all()

    def path(self, job: Job, file: StoredFile) -> Path:
        """Return the path of a finished file of the job."""
        return self._folders.result(job.id, file)

    async def remove(self, job_id: str) -> None:
        """Cancel an unfinished job; remove a finished one with its files. Raises NotFoundError."""
        await self.get(job_id)
        ttl_s = self._settings.result_ttl_s
        cancelled = await self._with_reserve(
            lambda: self._store.finish(job_id, Outcome("cancelled"), time_now(), ttl_s)
        )
        if cancelled:
            self._dispatcher.cancel(job_id)
            await asyncio.to_thread(self._folders.remove, job_id)
        else:
            await self._delete(job_id)
        self._changes.notify(job_id)

    async def counts(self) -> Counts:
        """Return the number of jobs by state and the bytes they take."""
        return await self._store.counts()

    async def _delete(self, job_id: str) -> None:
        await self._with_reserve(lambda: self._store.remove(job_id))
        await asyncio.to_thread(self._folders.remove, job_id)

    async def _with_reserve(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that frees room; on a full disk, in the space reserved for it."""
        try:
            return await change()
        except StorageFullError:
            await asyncio.to_thread(self._folders.use_reserve)
            return await change()

    async def _clean_up(self) -> None:
        """Remove expired jobs and those beyond the size limit, then wait for a job to end, or for CLEAN_UP_S."""
        self._clean_up_now.clear()
        await asyncio.to_thread(self._folders.reserve)
        for job_id in await self._store.to_remove(time_now(), self._settings.result_bytes):
            await self._delete(job_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEAN_UP_S):
                await self._clean_up_now.wait()


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


def _fingerprint(kind: str, files: Mapping[str, bytes], asked: dict[str, Any]) -> str:
    """Return a hash of everything that a request asks for."""
    contents = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps([kind, asked, contents], sort_keys=True).encode()).hexdigest()
