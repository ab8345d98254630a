"""Jobs as the routes use them: submitted, read, listened to, cancelled, and removed when they expire."""

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from backend.contract.errors import (
    NotFoundError,
    NotReadyError,
    StorageFailedError,
    StorageFullError,
    WorkerLostError,
)
from backend.contract.options import WorkOptions
from backend.contract.runner import Runner
from backend.contract.settings import Settings
from backend.contract.work import KINDS
from backend.jobs.database import DataFolderError
from backend.jobs.dispatcher import Dispatcher, run_supervised
from backend.jobs.events import Changes
from backend.jobs.home import Counts, Home, Hooks, StoredObject
from backend.jobs.local import LocalHome
from backend.jobs.records import MAX_ATTEMPTS, Event, Job, JobIds, NewJob, Outcome, StoredFile, failure, time_now
from backend.jobs.shared import SharedHome
from backend.weights.remote_services import lane_of

CLEAN_UP_S = 10.0  # how often expired jobs are looked for
REOPEN_S = 2.0  # pause before a store that cannot be opened is tried again
T = TypeVar("T")
logger = logging.getLogger("mattemesh")


class Jobs:
    """The jobs under `DATA_DIR/jobs`, or those that JOBS_URL and FILES_URL keep for several services. All methods raise
    StorageFullError where the disk has no room, and StorageFailedError while the store is damaged or out of reach."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        self._settings = settings
        self._home: Home = home_of(settings)
        self._store, self._files = self._home.store, self._home.files
        self._changes = Changes()
        self._clean_up_now = asyncio.Event()
        self._runner = runner
        self._dispatcher = self._new_dispatcher()
        self._ids = JobIds()
        self._listening_ended = False
        self._tasks: list[asyncio.Task[None]] = []
        self._chores: list[asyncio.Task[None]] = []
        self._logged = ""  # why the store cannot be opened

    def hold(self) -> None:
        """Check whether the store can be used; one in DATA_DIR is locked, opened and repaired.

        For a caller that has to know at once; `start` does the same. On a full disk `start` tries again. Raises
        DataFolderError when the folder cannot be used, or another service uses it.
        """
        with contextlib.suppress(StorageFullError):
            self._home.hold()

    async def start(self) -> None:
        """Begin to work; on a full disk, or while the database is away, as soon as that has passed. Raises
        DataFolderError as `hold` does."""
        try:
            await self._open()
        except StorageFullError:
            logger.error("the disk is full: no jobs until there is room")
        except StorageFailedError as error:
            logger.error("no jobs until this is mended: %s", error)
        else:
            self._dispatcher.start()
        own = {"opening the job store": self._keep_open, "removing expired jobs": self._clean_up}
        self._tasks = [_repeated(name, step) for name, step in own.items()]
        hooks = Hooks(
            lambda lane: self._dispatcher.wake(lane),
            self._changes.notify,
            lambda job_id: self._dispatcher.cancel(job_id),
            self._catch_up,
            self._give_up,
        )
        self._chores = [_repeated(name, step) for name, step in self._home.chores(hooks).items()]

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self._store,
            self._files,
            self._runner,
            self._changes,
            self._settings.result_ttl_s,
            self._clean_up_now.set,
        )

    async def _open(self) -> None:
        self._ids.pass_by(await self._home.open())

    async def _keep_open(self) -> None:
        """Open a store that the disk had no room for, that was damaged or away, as soon as it can be used."""
        await asyncio.sleep(REOPEN_S)
        if self._home.is_open:
            return
        await self._dispatcher.stop(0.0)  # what it has in hand is begun anew from the rows
        try:
            await self._open()
        except DataFolderError as error:
            if str(error) != self._logged:
                self._logged = str(error)
                logger.error("no jobs until this is mended: %s", error)
            return
        self._logged = ""
        logger.info("the job store works again: jobs are taken")
        self._dispatcher = self._new_dispatcher()
        self._dispatcher.start()

    async def _catch_up(self) -> None:
        """Look again at everything that others may have changed unheard."""
        self._changes.notify_all()
        self._dispatcher.wake_all()
        for job_id in self._dispatcher.in_hand():
            try:
                cancelled = (await self.get(job_id)).state == "cancelled"
            except NotFoundError:
                cancelled = True
            if cancelled:
                self._dispatcher.cancel(job_id)

    async def _give_up(self, job_id: str) -> None:
        """End a job whose services were lost in the middle of it."""
        lost = WorkerLostError(f"The service ended {MAX_ATTEMPTS} times in the middle of this job.")
        if await self._store.finish(job_id, failure(lost, job_id), time_now(), self._settings.result_ttl_s):
            await asyncio.to_thread(self._files.remove, job_id)

    async def stop(self, grace_s: float) -> None:
        """Begin no more jobs; what still runs after `grace_s` waits for the next start, as queued jobs do."""
        for task in self._tasks:
            task.cancel()
        await self._dispatcher.stop(grace_s)
        for task in self._chores:  # until now other services were to see that this one lives
            task.cancel()
        await self._home.close()

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
        await asyncio.to_thread(self._files.keep_inputs, new.id, files)
        kept = False
        try:
            settings = self._settings
            job = await self._store.add(new, time_now(), settings.max_queued_jobs, settings.result_bytes)
            kept = job.id == new.id
        finally:
            if not kept:
                await asyncio.to_thread(self._files.remove_inputs, new.id)
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

    def result(self, job: Job, file: StoredFile) -> Path | StoredObject:
        """Return where a finished file of the job is."""
        return self._files.result(job.id, file)

    async def remove(self, job_id: str) -> None:
        """Cancel an unfinished job; remove a finished one with its files. Raises NotFoundError."""
        await self.get(job_id)
        ttl_s = self._settings.result_ttl_s
        cancelled = await self._with_reserve(
            lambda: self._store.finish(job_id, Outcome("cancelled"), time_now(), ttl_s)
        )
        if cancelled:
            self._dispatcher.cancel(job_id)
            await asyncio.to_thread(self._files.remove, job_id)
        else:
            await self._delete(job_id)
        self._changes.notify(job_id)

    async def counts(self) -> Counts:
        """Return the number of jobs by state and the bytes they take."""
        return await self._store.counts()

    async def _delete(self, job_id: str) -> None:
        await self._with_reserve(lambda: self._store.remove(job_id))
        await asyncio.to_thread(self._files.remove, job_id)

    async def _with_reserve(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that frees room; on a full disk, in the space reserved for it."""
        try:
            return await change()
        except StorageFullError:
            await asyncio.to_thread(self._files.use_reserve)
            return await change()

    async def _clean_up(self) -> None:
        """Remove expired jobs and those beyond the size limit, then wait for a job to end, or for CLEAN_UP_S."""
        self._clean_up_now.clear()
        await asyncio.to_thread(self._files.reserve)
        for job_id in await self._store.to_remove(time_now(), self._settings.result_bytes):
            await self._delete(job_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLEAN_UP_S):
                await self._clean_up_now.wait()


def _fingerprint(kind: str, files: Mapping[str, bytes], asked: dict[str, Any]) -> str:
    """Return a hash of everything that a request asks for."""
    contents = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps([kind, asked, contents], sort_keys=True).encode()).hexdigest()


def _repeated(name: str, step: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    return asyncio.create_task(run_supervised(name, step, lambda: True, REOPEN_S))


def home_of(settings: Settings) -> Home:
    """Return where `settings` keep jobs."""
    if settings.jobs_url is None or settings.files_url is None:
        return LocalHome(settings.data_dir / "jobs", settings.result_ttl_s)
    return SharedHome(settings.jobs_url.get_secret_value(), settings.files_url)
