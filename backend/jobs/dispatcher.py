"""Takes queued jobs to the runner, oldest first, and stores what comes of them.

Each lane has as many jobs in hand as the runner reports capacity for, and follows when that changes. Jobs wait in the
store, not in the runner's short queue: a runner without room, or one that starts slowly, means waiting and trying
again. Only a worker lost in the middle of the work counts as an attempt.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import get_args

from pydantic import ValidationError

from backend.contract.errors import (
    MattemeshError,
    OverloadedError,
    StorageFailedError,
    StorageFullError,
    TimedOutError,
    WorkerLostError,
)
from backend.contract.options import invalid_option
from backend.contract.runner import Runner
from backend.contract.work import KINDS, Done, Lane, Work
from backend.jobs.events import Changes, Progress, Recorder, timing_profile, updated_stage_times
from backend.jobs.home import Files, Store
from backend.jobs.records import MAX_ATTEMPTS, Job, Outcome, StoredFile, failure, time_now

NO_ROOM = (OverloadedError, TimedOutError, WorkerLostError)  # where the work has not begun
CLIENT = "jobs"  # all jobs together are one client of a lane: only as many as it has room for are in hand
RETRY_S = 1.0  # pause before the runner, a full disk or a failed step is tried again
CAPACITY_S = 1.0  # how often a lane whose capacity is used up looks whether it has grown
logger = logging.getLogger("mattemesh")


async def run_supervised(
    name: str, step: Callable[[], Awaitable[None]], should_run: Callable[[], bool], retry_s: float
) -> None:
    """Repeat `step` while `should_run()`; log its errors (a full disk or a damaged store is no news) and pause
    `retry_s` after each."""
    while should_run():
        try:
            await step()
        except (StorageFullError, StorageFailedError):
            await asyncio.sleep(retry_s)
        except Exception:  # an unforeseen fault must not end the loop until the next start
            logger.exception("%s failed and goes on", name)
            await asyncio.sleep(retry_s)


class Dispatcher:
    """Serves the lanes until it is stopped; calls `on_end` after each job."""

    def __init__(
        self,
        store: Store,
        files: Files,
        runner: Runner,
        changes: Changes,
        ttl_s: float,
        on_end: Callable[[], None],
    ) -> None:
        self._store, self._files, self._runner, self._changes = store, files, runner, changes
        self._ttl_s, self._on_end = ttl_s, on_end
        self._wake: dict[Lane, asyncio.Event] = {lane: asyncio.Event() for lane in get_args(Lane)}
        self._in_hand: dict[Lane, int] = dict.fromkeys(self._wake, 0)  # claimed jobs
        self._lanes: list[asyncio.Task[None]] = []
        self._working: dict[str, asyncio.Task[Done]] = {}  # the runner's part of a job
        self._progress: dict[str, Progress] = {}  # of every claimed job
        self._cancelled: set[str] = set()
        self._stopping = False

    def start(self) -> None:
        """Begin to take jobs; called in the event loop."""
        self._lanes = [asyncio.create_task(self._serve(lane)) for lane in self._wake]

    def wake(self, lane: Lane) -> None:
        """Look for a job of `lane` now."""
        self._wake[lane].set()

    def wake_all(self) -> None:
        """Look for jobs of every lane now."""
        for lane in self._wake:
            self.wake(lane)

    def in_hand(self) -> list[str]:
        """Return the ids of all claimed jobs."""
        return list(self._progress)

    def progress(self, job_id: str) -> Progress | None:
        """Return the progress of a job that runs now."""
        return self._progress.get(job_id)

    def cancel(self, job_id: str) -> None:
        """Stop the work on a job that the store already has as cancelled."""
        if job_id in self._progress:
            self._cancelled.add(job_id)
        if job_id in self._working:
            self._working[job_id].cancel()

    async def stop(self, grace_s: float) -> None:
        """Take no more jobs; what still runs after `grace_s` is stopped and waits for the next start."""
        self._stopping = True
        for wake in self._wake.values():
            wake.set()
        if not self._lanes:
            return
        for job_id, task in self._working.items():
            if not self._progress[job_id].begun:
                task.cancel()
        await asyncio.wait(self._lanes, timeout=grace_s)
        for task in self._working.values():
            task.cancel()
        _, late = await asyncio.wait(self._lanes, timeout=5 * RETRY_S)
        for lane in late:  # held up by a full disk; the next start finds the rows as after a kill
            lane.cancel()

    async def _serve(self, lane: Lane) -> None:
        async with asyncio.TaskGroup() as jobs:
            await run_supervised(
                f"taking {lane} jobs", lambda: self._take(lane, jobs), lambda: not self._stopping, RETRY_S
            )

    async def _take(self, lane: Lane, jobs: asyncio.TaskGroup) -> None:
        """Begin the oldest job of `lane`, or wait until there is one and room for it."""
        wake = self._wake[lane]
        wake.clear()
        if self._in_hand[lane] >= self._capacity(lane):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CAPACITY_S):
                    await wake.wait()
            return
        job = await self._store.claim(lane)
        if job is None:
            await wake.wait()
            return
        self._in_hand[lane] += 1
        self._progress[job.id] = Progress({})
        jobs.create_task(self._complete(job, lane))

    def _capacity(self, lane: Lane) -> int:
        capacities = [row.capacity for row in self._runner.status().lanes if row.lane == lane]
        return sum(capacities) if capacities else 1  # a runner without that lane refuses the work, which ends the job

    async def _complete(self, job: Job, lane: Lane) -> None:
        """Take a claimed job to its end."""
        try:
            await self._run(job)
        except StorageFailedError:  # nobody can know how the job stands: once the store is open again it is taken anew
            pass
        except Exception as error:  # a bug or a faulty disk fails this job, and not its lane
            try:
                await self._fail(job, error)
            except StorageFailedError:
                pass
            except Exception:
                logger.exception("job %s: its failure could not be stored", job.id)
        finally:
            self._in_hand[lane] -= 1
            del self._progress[job.id]
            self._cancelled.discard(job.id)
            self._wake[lane].set()
            self._changes.notify(job.id)
            self._on_end()

    async def _run(self, job: Job) -> None:
        usual = await self._store.stage_times(timing_profile(job.kind, job.options))
        progress = self._progress[job.id] = Progress(usual)
        try:
            work = await asyncio.to_thread(self._work, job)
        except MattemeshError as error:
            await self._fail(job, error)
            return
        recorder = Recorder(job.id, progress, self._store, self._changes)
        running = self._working[job.id] = asyncio.create_task(self._runner.run(work, recorder.on_stage))
        if self._stopping or job.id in self._cancelled:
            running.cancel()
        try:
            await asyncio.wait({running})
        finally:
            del self._working[job.id]
            await recorder.close()
        if running.cancelled():
            await self._insist(lambda: self._store.requeue(job.id, count_attempt=False))
            return
        raised = running.exception()
        if raised is None:
            await self._succeed(job, running.result(), usual)
        elif isinstance(raised, NO_ROOM) and not progress.begun:
            await asyncio.sleep(RETRY_S)  # still claimed, so that no other task takes it meanwhile
            await self._insist(lambda: self._store.requeue(job.id, count_attempt=False))
        elif isinstance(raised, WorkerLostError) and job.attempts + 1 < MAX_ATTEMPTS:
            await self._insist(lambda: self._store.requeue(job.id, count_attempt=True))
        else:
            await self._fail(job, raised)

    def _work(self, job: Job) -> Work:
        """Return the job as work. Raises WorkerLostError when its photo is gone, and InvalidParameterError for options
        that this version does not have."""
        files = self._files.inputs(job.id)
        if files is None:
            raise WorkerLostError("The photo of this job was lost; send it again.")
        try:
            options = KINDS[job.kind].options.model_validate(job.asked)
        except ValidationError as error:
            raise invalid_option(error) from error
        return Work(job.kind, files, options, "job", job.id, client=CLIENT)

    async def _succeed(self, job: Job, done: Done, usual: dict[str, float]) -> None:
        try:
            await asyncio.to_thread(self._files.keep_results, job.id, done.files)
            outcome = Outcome(
                "succeeded",
                tuple({"name": stage.name, "seconds": round(stage.seconds, 4)} for stage in done.stages),
                done.report,
                cache=done.cache,
                files=tuple(StoredFile(file.name, file.media_type, file.size) for file in done.files),
            )
        except (StorageFullError, StorageFailedError) as error:
            await self._fail(job, error)
            return
        try:
            kept = await self._store.finish(job.id, outcome, time_now(), self._ttl_s)
        except StorageFullError as error:
            await self._fail(job, error)
            return
        if not kept and await self._store.taken_over(job.id):
            logger.warning("job %s: another service took it over; this result is not needed", job.id)
            return
        await asyncio.to_thread(self._files.remove_inputs if kept else self._files.remove, job.id)
        if done.cache != "hit":
            with contextlib.suppress(StorageFullError):  # it costs the accuracy of the next estimate, no more
                times = updated_stage_times(usual, done.stages)
                await self._store.keep_stage_times(timing_profile(job.kind, job.options), times)

    async def _fail(self, job: Job, error: BaseException) -> None:
        expected = isinstance(error, MattemeshError)
        logger.log(
            logging.INFO if expected else logging.ERROR,
            "job %s failed: %s",
            job.id,
            error if expected else "a bug",
            exc_info=None if expected else error,
        )
        if await self._store.taken_over(job.id):
            return
        # The files first: on a full disk the row needs their room.
        await asyncio.to_thread(self._files.remove, job.id)
        outcome = failure(error, job.id)
        await self._insist(lambda: self._store.finish(job.id, outcome, time_now(), self._ttl_s))

    async def _insist(self, change: Callable[[], Awaitable[object]]) -> None:
        """Make a change that must not be lost: on a full disk, try again until there is room."""
        while True:
            try:
                await change()
            except StorageFullError:
                await asyncio.sleep(RETRY_S)
            else:
                return
