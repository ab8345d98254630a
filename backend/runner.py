"""Where a pipeline call runs, behind one small interface: today a thread a lane, later processes or a cluster.

Masks and meshes have separate lanes, so that a mesh never holds up a preview. A lane runs one piece of work at a
time and lets a bounded number wait; work that is no longer wanted, or has passed its deadline, stops at its next stage.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from backend.errors import OverloadedError, TimedOutError
from backend.settings import Settings
from backend.work import Done, OnStage, Work


class AbandonedError(Exception):
    """Nobody waits for the result any more; raised inside the work, told to no one."""


def _unheard(stage: str) -> None:
    """Nobody listens."""


class Runner(Protocol):
    """Runs a piece of work and gives its result back."""

    async def run(self, work: Work, on_stage: OnStage = _unheard) -> Done:
        """Return what comes of `work`. Raises OverloadedError, TimedOutError, WorkerLostError, or what the work raises.

        `on_stage` is called in the event loop with the name of each stage as it begins, first of all "start".
        Cancelling the awaiting task abandons the work.
        """
        ...

    def close(self) -> None:
        """Stop taking work and leave what runs to end at its next stage."""
        ...


@dataclass
class _Ticket:
    """One piece of work as its lane and its waiter both see it."""

    deadline_s: float
    abandoned: threading.Event = field(default_factory=threading.Event)
    began: float | None = None

    def checkpoint(self, stage: str) -> None:
        if self.abandoned.is_set():
            raise AbandonedError(stage)
        if self.began is not None and time.monotonic() - self.began > self.deadline_s:
            raise TimedOutError(f"The work took longer than {self.deadline_s:g} s.", limit=self.deadline_s)


class ThreadRunner:
    """One thread a lane inside this process; `perform` does the work."""

    def __init__(self, settings: Settings, perform: Callable[[Work, OnStage], Done]) -> None:
        self._perform = perform
        self._pools = {lane: ThreadPoolExecutor(1, thread_name_prefix=lane) for lane in ("mask", "mesh")}
        self._deadlines = {"mask": settings.mask_deadline_s, "mesh": settings.mesh_deadline_s}
        self._queue_deadline_s = settings.queue_deadline_s
        self._max_waiting = settings.max_waiting
        self._inside = {"mask": 0, "mesh": 0}

    async def run(self, work: Work, on_stage: OnStage = _unheard) -> Done:
        lane = work.lane
        if self._inside[lane] > self._max_waiting:
            waiting = self._inside[lane] - 1
            raise OverloadedError(
                "Too many pictures are waiting; try again soon.", limit=self._max_waiting, actual=waiting
            )
        loop = asyncio.get_running_loop()
        ticket = _Ticket(self._deadlines[lane])
        began = asyncio.Event()

        def checkpoint(stage: str) -> None:
            ticket.checkpoint(stage)
            loop.call_soon_threadsafe(on_stage, stage)

        def job() -> Done:
            ticket.began = time.monotonic()
            loop.call_soon_threadsafe(began.set)
            checkpoint("start")
            return self._perform(work, checkpoint)

        self._inside[lane] += 1
        future = self._pools[lane].submit(job)
        # The place in the lane is free when the thread is, not when the waiter leaves.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave, lane))
        try:
            await self._wait_for_start(began)
            return await asyncio.wrap_future(future)
        except BaseException:
            ticket.abandoned.set()
            future.cancel()
            raise

    def _leave(self, lane: str) -> None:
        self._inside[lane] -= 1

    async def _wait_for_start(self, began: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._queue_deadline_s):  # wait_for of 3.11 can swallow a cancellation
                await began.wait()
        except TimeoutError:
            raise TimedOutError(
                f"The work waited longer than {self._queue_deadline_s:g} s to begin.", limit=self._queue_deadline_s
            ) from None

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
