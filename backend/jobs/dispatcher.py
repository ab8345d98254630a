"""Takes queued jobs to the runner, oldest first, as many at once as a lane has workers, and keeps what comes of them.

Jobs wait in the store, not in the runner's short queue: a runner that has no place, or is slow to begin, means waiting
and trying again. Only a worker lost in the middle of the work counts against a job.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from backend.contract.errors import (
    MattemeshError,
    OverloadedError,
    StorageFullError,
    TimedOutError,
    WorkerLostError,
)
from backend.contract.options import invalid_option
from backend.contract.runner import Runner
from backend.contract.work import KINDS, Done, Lane, Work
from backend.jobs.events import Changes, Recorder
from backend.jobs.folders import JobFolders
from backend.jobs.progress import Progress, learned, profile
from backend.jobs.records import MAX_ATTEMPTS, Job, Outcome, StoredFile, failure
from backend.jobs.store import JobStore
from backend.jobs.store_thread import StoreThread
from backend.jobs.turns import keep_on

NO_PLACE = (OverloadedError, TimedOutError, WorkerLostError)  # before the work has begun
RETRY_S = 1.0  # between two tries for a place in the runner, or for room on the disk
logger = logging.getLogger("mattemesh")


class Dispatcher:
    """Serves the lanes until it is stopped. A worker does `places` jobs at once; `tidy` is called as each ends."""

    def __init__(
        self,
        store: StoreThread,
        folders: JobFolders,
        runner: Runner,
        changes: Changes,
        places: int,
        ttl_s: float,
        tidy: Callable[[], None],
    ) -> None:
        self._store, self._folders, self._runner, self._changes = store, folders, runner, changes
        self._places, self._ttl_s, self._tidy = places, ttl_s, tidy
        self._wake: dict[Lane, asyncio.Event] = {"mask": asyncio.Event(), "mesh": asyncio.Event()}
        self._slots: list[asyncio.Task[None]] = []
        self._working: dict[str, asyncio.Task[Done]] = {}
        self._progress: dict[str, Progress] = {}  # of every claimed job
        self._unwanted: set[str] = set()
        self._stopping = False

    def start(self) -> None:
        """Begin to take jobs; called in the event loop."""
        for worker in self._runner.status().workers:
            for _ in range(self._places):
                self._slots.append(asyncio.create_task(self._serve(worker.lane)))

    def wake(self, lane: Lane) -> None:
        """Look for a job of `lane` now."""
        self._wake[lane].set()

    def progress(self, job_id: str) -> Progress | None:
        """Return how far a job is that runs now."""
        return self._progress.get(job_id)

    def abandon(self, job_id: str) -> None:
        """Stop the work on a job, whose row says by now that nobody wants it."""
        if job_id in self._progress:
            self._unwanted.add(job_id)
        if job_id in self._working:
            self._cancel([job_id])

    async def stop(self, grace_s: float) -> None:
        """Take no more jobs; what still runs after `grace_s` stops and waits for the next start."""
        self._stopping = True
        for bell in self._wake.values():
            bell.set()
        if not self._slots:
            return
        self._cancel([job_id for job_id in self._working if not self._progress[job_id].begun])
        await asyncio.wait(self._slots, timeout=grace_s)
        self._cancel(list(self._working))
        _, late = await asyncio.wait(self._slots, timeout=5 * RETRY_S)
        for slot in late:  # a full disk holds them up; the next start finds the rows as after a kill
            slot.cancel()

    def _cancel(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            self._working[job_id].cancel()

    async def _serve(self, lane: Lane) -> None:
        await keep_on(f"the lane of {lane} jobs", lambda: self._take(lane), lambda: not self._stopping, RETRY_S)

    async def _take(self, lane: Lane) -> None:
        """Take the oldest job of `lane` to its end, or wait for one."""
        bell = self._wake[lane]
        bell.clear()
        job = await self._store(JobStore.claim, lane)
        if job is None:
            await bell.wait()
            return
        bell.set()  # it rang for every slot of the lane
        self._progress[job.id] = Progress({})
        try:
            await self._run(job)
        except Exception as error:  # a bug, or a disk at fault: this job has failed, the next one may not
            await self._fail(job, error)
        finally:
            del self._progress[job.id]
            self._unwanted.discard(job.id)
            self._changes.tell(job.id)
            self._tidy()

    async def _run(self, job: Job) -> None:
        usual = await self._store(JobStore.usual, profile(job.kind, job.options))
        progress = self._progress[job.id] = Progress(usual)
        try:
            work = await asyncio.to_thread(self._work, job)
        except MattemeshError as error:
            await self._fail(job, error)
            return
        recorder = Recorder(job.id, progress, self._store, self._changes)
        running = self._working[job.id] = asyncio.create_task(self._runner.run(work, recorder.hear))
        if self._stopping or job.id in self._unwanted:
            running.cancel()
        try:
            await asyncio.wait({running})
        finally:
            del self._working[job.id]
            await recorder.close()
        if running.cancelled():
            await self._stored(lambda: self._store(JobStore.put_back, job.id, counts=False))
            return
        fault = running.exception()
        if fault is None:
            await self._succeed(job, running.result(), usual)
        elif isinstance(fault, NO_PLACE) and not progress.begun:
            await self._stored(lambda: self._store(JobStore.put_back, job.id, counts=False))
            await asyncio.sleep(RETRY_S)
        elif isinstance(fault, WorkerLostError) and job.attempts + 1 < MAX_ATTEMPTS:
            await self._stored(lambda: self._store(JobStore.put_back, job.id, counts=True))
        else:
            await self._fail(job, fault)

    def _work(self, job: Job) -> Work:
        """Return the job as work. Raises WorkerLostError when its photo is gone, InvalidParameterError for options that
        this version does not know."""
        files = self._folders.inputs(job.id)
        if files is None:
            raise WorkerLostError("The photo of this job was lost; send it again.")
        try:
            options = KINDS[job.kind].options.model_validate(job.asked)
        except ValidationError as error:
            raise invalid_option(error) from error
        return Work(job.kind, files, options, "job", job.id)

    async def _succeed(self, job: Job, done: Done, usual: dict[str, float]) -> None:
        try:
            await asyncio.to_thread(self._folders.keep_results, job.id, {file.name: file.data for file in done.files})
            outcome = Outcome(
                "succeeded",
                tuple({"name": stage.name, "seconds": round(stage.seconds, 4)} for stage in done.stages),
                done.report,
                cache=done.cache,
                files=tuple(StoredFile(file.name, file.media_type, len(file.data)) for file in done.files),
            )
            kept = await self._store(JobStore.finish, job.id, outcome, time.time(), self._ttl_s)
        except StorageFullError as error:
            await self._fail(job, error)
            return
        await asyncio.to_thread(self._folders.remove_inputs if kept else self._folders.remove, job.id)
        if done.cache != "hit":
            with contextlib.suppress(StorageFullError):  # a worse guess next time, no more
                await self._store(JobStore.learn, profile(job.kind, job.options), learned(usual, done.stages))

    async def _fail(self, job: Job, error: BaseException) -> None:
        logger.log(
            logging.INFO if isinstance(error, MattemeshError) else logging.ERROR,
            "job %s failed: %s",
            job.id,
            error if isinstance(error, MattemeshError) else "a bug",
            exc_info=None if isinstance(error, MattemeshError) else error,
        )
        # The files first: on a full disk their room is what the row needs.
        await asyncio.to_thread(self._folders.remove, job.id)
        outcome = failure(error, job.id)
        await self._stored(lambda: self._store(JobStore.finish, job.id, outcome, time.time(), self._ttl_s))

    async def _stored(self, change: Callable[[], Awaitable[object]]) -> None:
        """Make a change that must not be lost, as soon as there is room for it."""
        while True:
            try:
                await change()
            except StorageFullError:
                await asyncio.sleep(RETRY_S)
            else:
                return
