"""Jobs as the routes see them: handed in, looked at, cancelled, and gone after their time."""

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from backend.contract.errors import NotFoundError, StorageFullError
from backend.contract.options import WorkOptions
from backend.contract.runner import Runner
from backend.contract.settings import Settings
from backend.contract.work import KINDS
from backend.jobs.database import DataFolderError
from backend.jobs.dispatcher import Dispatcher
from backend.jobs.events import Changes
from backend.jobs.folders import JobFolders
from backend.jobs.ids import Ids
from backend.jobs.opening import hold, recover
from backend.jobs.records import Event, Job, NewJob, Outcome, StoredFile
from backend.jobs.store import Counts, JobStore
from backend.jobs.store_thread import StoreThread
from backend.jobs.turns import keep_on

SWEEP_S = 10.0  # between two looks for what has expired
REOPEN_S = 2.0  # between two tries to open the store on a full disk
T = TypeVar("T")
logger = logging.getLogger("mattemesh")


class Jobs:
    """The jobs under `DATA_DIR/jobs`. All methods raise StorageFullError where there is no room for what they keep."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        root = settings.data_dir / "jobs"
        self._settings = settings
        # Not of one thread: it is taken in one and released in another.
        self._lock = FileLock(root / "lock", thread_local=False)
        self._store = StoreThread(root / "jobs.sqlite3")
        self._folders = JobFolders(root)
        self._changes = Changes()
        self._untidy = asyncio.Event()
        self._dispatcher = Dispatcher(
            self._store,
            self._folders,
            runner,
            self._changes,
            settings.batch_size,
            settings.result_ttl_s,
            self._untidy.set,
        )
        self._ids = Ids()
        self._listeners_go = False
        self._tasks: list[asyncio.Task[None]] = []

    def hold(self) -> None:
        """Keep every other service out of the folder, and find out at once when one is in there.

        Raises DataFolderError when the folder cannot be used, or another service uses it.
        """
        with contextlib.suppress(StorageFullError):  # tried again later
            hold(self._lock)

    async def start(self) -> None:
        """Put what a killed service left in order and begin to work; on a full disk, as soon as there is room.

        Raises DataFolderError when the folder cannot be used, or another service uses it.
        """
        try:
            await self._open()
        except StorageFullError:
            logger.error("the disk is full: no jobs until there is room")
            self._tasks.append(asyncio.create_task(self._open_later()))

    async def _open(self) -> None:
        hold(self._lock)
        await asyncio.to_thread(self._folders.prepare)
        await self._store.open()
        await self._store(recover, self._folders, self._settings.result_ttl_s)
        self._ids = Ids(await self._store(JobStore.last_id))
        self._dispatcher.start()
        self._tasks.append(asyncio.create_task(keep_on("tidying up", self._tidy, lambda: True, REOPEN_S)))

    async def _open_later(self) -> None:
        while True:
            await asyncio.sleep(REOPEN_S)
            try:
                await self._open()
            except StorageFullError:
                continue
            except DataFolderError as error:
                logger.error("no jobs until the next start: %s", error)
                return
            logger.info("there is room again: jobs are taken")
            return

    async def stop(self, grace_s: float) -> None:
        """Take no more jobs to work; what still runs after `grace_s` waits for the next start, as what is queued."""
        await self._dispatcher.stop(grace_s)
        for task in self._tasks:
            task.cancel()
        await self._store.close()
        self._lock.release()

    async def submit(
        self, kind: str, files: Mapping[str, bytes], options: WorkOptions, key: str | None = None
    ) -> tuple[Job, bool]:
        """Keep a job and return it, and whether it is new: one that came with the same `key` is returned as it is.

        Raises IdempotencyConflictError where that asked for something else, OverloadedError when too many wait.
        """
        asked = options.model_dump(mode="json", exclude_unset=True)
        fingerprint = await asyncio.to_thread(_fingerprint, kind, files, options)
        if key is not None:
            known = await self._store(JobStore.find_key, key, fingerprint, time.time())
            if known is not None:
                return known, False
        lane, size = KINDS[kind].lane, sum(map(len, files.values()))
        new = NewJob(self._ids.next(), kind, lane, asked, options.model_dump(mode="json"), size, key, fingerprint)
        await asyncio.to_thread(self._folders.keep_inputs, new.id, files)
        kept = False
        try:
            settings = self._settings
            job = await self._store(JobStore.add, new, time.time(), settings.max_queued_jobs, settings.result_bytes)
            kept = job.id == new.id
        finally:
            if not kept:
                await asyncio.to_thread(self._folders.remove_inputs, new.id)
        self._dispatcher.wake(lane)
        return job, kept

    async def get(self, job_id: str) -> Job:
        """Return a job. Raises NotFoundError."""
        return await self._store(JobStore.get, job_id, time.time())

    async def page(self, limit: int, before: str | None) -> list[Job]:
        """Return up to `limit` jobs, newest first, of those older than `before`."""
        return await self._store(JobStore.page, limit, before, time.time())

    def progress(self, job_id: str) -> dict[str, Any] | None:
        """Return how far a job is that runs now."""
        progress = self._dispatcher.progress(job_id)
        return None if progress is None else progress.told()

    async def listen(self, job_id: str, after: int) -> AsyncIterator[Event]:
        """Yield what happened to a job after event number `after` and what happens from now on, until it is final or
        `let_listeners_go` is called."""
        while True:
            change = self._changes.next(job_id)
            try:
                final = (await self.get(job_id)).final  # asked first: what happens meanwhile is told below or next time
            except NotFoundError:  # removed meanwhile
                return
            for event in await self._store(JobStore.events, job_id, after):
                after = event.number
                yield event
            if final or self._listeners_go:
                return
            await change.wait()

    async def heard_all(self, job_id: str, after: int) -> bool:
        """Whether nothing has happened to a job after event number `after`."""
        return not await self._store(JobStore.events, job_id, after)

    def let_listeners_go(self) -> None:
        """End every listening: the service stops, and a listener comes back to the next one."""
        self._listeners_go = True
        self._changes.tell_all()

    def path(self, job: Job, file: StoredFile) -> Path:
        """Return where a finished file of the job lies."""
        return self._folders.result(job.id, file)

    async def remove(self, job_id: str) -> None:
        """Cancel a job that has not finished; remove one that has, with its files. Raises NotFoundError."""
        await self.get(job_id)
        ttl_s = self._settings.result_ttl_s
        cancelled = await self._even_on_a_full_disk(
            lambda: self._store(JobStore.finish, job_id, Outcome("cancelled"), time.time(), ttl_s)
        )
        if cancelled:
            self._dispatcher.abandon(job_id)
            await asyncio.to_thread(self._folders.remove, job_id)
        else:
            await self._forget(job_id)
        self._changes.tell(job_id)

    async def counts(self) -> Counts:
        """Return how many jobs there are by state, and the bytes they take."""
        return await self._store(JobStore.counts)

    async def _forget(self, job_id: str) -> None:
        await self._even_on_a_full_disk(lambda: self._store(JobStore.remove, job_id))
        await asyncio.to_thread(self._folders.remove, job_id)

    async def _even_on_a_full_disk(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that frees room, in the room that is set aside for it where there is no other."""
        try:
            return await change()
        except StorageFullError:
            await asyncio.to_thread(self._folders.use_reserve)
            return await change()

    async def _tidy(self) -> None:
        """Remove what has expired or is beyond the size that jobs may have, then wait for a job to end, or a while."""
        self._untidy.clear()
        await asyncio.to_thread(self._folders.reserve)
        for job_id in await self._store(JobStore.due, time.time(), self._settings.result_bytes):
            await self._forget(job_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_S):
                await self._untidy.wait()


def _fingerprint(kind: str, files: Mapping[str, bytes], options: WorkOptions) -> str:
    """Return a hash of all that a request asks for."""
    asked = options.model_dump(mode="json", exclude_unset=True)
    contents = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps([kind, asked, contents], sort_keys=True).encode()).hexdigest()
