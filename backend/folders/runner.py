"""The work of a folder in worker processes: those of the service, with the patience of a command that runs for hours.

A picture that crashes its worker or hangs costs itself alone. This module is imported by the workers before anything
heavy, so that the number of threads is set in time.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from backend.contract.errors import MattemeshError, OverloadedError, WorkerLostError
from backend.contract.runner import Runner, RunnerWrapper, ignore_stage
from backend.contract.settings import Settings
from backend.contract.work import Done, Lane, OnStage, Work
from backend.workers.handler import EngineHandler
from backend.workers.process_runner import ProcessRunner
from backend.workers.restarts import RestartPolicy

if TYPE_CHECKING:
    from backend.engines.registry import Engines

POLICY = RestartPolicy(first_rest_s=0.5, longest_rest_s=2.0)  # short: no client is waiting for an answer
MAX_RESTS = 10  # of all workers in a row, before the run is given up
MEMORY_A_JOB = {"mask": 3e9, "mesh": 8e9}  # bytes per process, with the default weights
READ_AHEAD = 2  # pieces of work that wait for a free worker, ready to begin
FOREVER_S = 1e7  # work may wait as long as its workers need to start
Item = TypeVar("Item")


@dataclass(frozen=True)
class FolderWork(Work):
    """Work on one file of a folder; it travels to a worker and does itself there."""

    def perform(self, engines: "Engines", on_stage: OnStage) -> Done:
        """Return the result. Raises the errors of `backend.contract.errors`."""
        raise NotImplementedError


def load(settings: Settings, lane: Lane, skip_networks: bool) -> EngineHandler:
    """Return the handler of a worker; networks are loaded by the first work that needs them."""
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads))  # before NumPy is imported
    import cv2

    from backend.engines.registry import Engines

    cv2.setNumThreads(settings.threads)
    handler = EngineHandler(Engines(settings), _perform)
    if skip_networks:
        handler.skip_networks()
    return handler


def _perform(work: Work, engines: "Engines", on_stage: OnStage) -> Done:
    assert isinstance(work, FolderWork)
    return work.perform(engines, on_stage)


def folder_runner(settings: Settings, jobs: int, deadline_s: float, lane: Lane = "mask") -> "FolderRunner":
    """Return the runner of a folder: `jobs` processes that share the cores; a piece of work may take `deadline_s`."""
    limits = {
        "mask_workers": 0,
        "mesh_workers": 0,
        "remote_workers": 0,  # the folder's own processes ask, as many at once as there are
        f"{lane}_workers": jobs,
        f"{lane}_deadline_s": deadline_s,
        "queue_deadline_s": FOREVER_S,
        "max_waiting": READ_AHEAD,
        "threads": settings.threads or max(1, (os.cpu_count() or 1) // jobs),
    }
    runner = ProcessRunner(settings.model_copy(update=limits), load, POLICY)
    return FolderRunner(runner, jobs * settings.batch_size + READ_AHEAD)


class FolderRunner(RunnerWrapper):
    """Starts `runner` with the first work, gives lost work a second try, and waits for workers that back off.

    `at_once`: pieces of work to have under way, those included that wait for a free worker.
    """

    def __init__(self, runner: Runner, at_once: int) -> None:
        super().__init__(runner)
        self._at_once = at_once
        self._started = False
        self._stages = 0  # that have begun: while they do, some worker is alive

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        """Return the result of `work`. Raises TimedOutError, WorkerLostError when it ended two processes,
        OverloadedError when no process stays alive, or what the work raises."""
        if not self._started:
            self._started = True
            self._runner.start()

        def count(stage: str) -> None:
            self._stages += 1
            on_stage(stage)

        lost, rests, seen = 0, 0, self._stages
        while True:
            try:
                return await self._runner.run(work, count)
            except WorkerLostError:
                lost += 1
                if lost == 2:
                    raise
            except OverloadedError as error:
                if self._stages != seen:
                    rests, seen = 0, self._stages
                rests += 1
                if rests == MAX_RESTS:
                    raise OverloadedError("No worker process stays alive; see what they printed above.") from error
                await asyncio.sleep(error.retry_after_s or 1)

    async def for_each(self, items: Iterable[Item], do: Callable[[Item], Awaitable[None]]) -> None:
        """Await `do` for every item, as many at a time as keep the workers busy; the items are read no faster.

        Raises the first error of `do`; what else is under way is then abandoned.
        """
        upcoming = iter(items)

        async def consume() -> None:
            for item in upcoming:
                await do(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(consume())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None


def run_all(
    runner: FolderRunner, work: Iterable[FolderWork], on_result: Callable[[int, Done | MattemeshError], None]
) -> None:
    """Run all `work`; `on_result` gets its index and its result or its error, in the order in which they end.

    Work that hangs, crashes its worker or does not fit into memory ends with an error like any other. Raises
    OverloadedError when no process stays alive, and WorkerFaultError for a bug. The processes are ended then.
    """

    async def one(item: tuple[int, FolderWork]) -> None:
        index, each = item
        try:
            on_result(index, await runner.run(each))
        except OverloadedError:
            raise
        except MattemeshError as error:
            on_result(index, error)

    async def whole() -> None:
        try:
            await runner.for_each(enumerate(work), one)
        finally:
            runner.close()

    asyncio.run(whole())
