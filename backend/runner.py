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
from typing import Literal, Protocol, TypeVar

from backend.errors import OverloadedError, TimedOutError
from backend.settings import Settings

Lane = Literal["mask", "mesh"]
Result = TypeVar("Result")
Checkpoint = Callable[[str], None]  # called with a stage's name as it begins; raises to stop the work there


class AbandonedError(Exception):
    """Nobody waits for the result any more; raised inside the work, told to no one."""


class Runner(Protocol):
    """Runs a piece of work and gives its result back."""

    async def run(self, lane: Lane, work: Callable[[Checkpoint], Result]) -> Result:
        """Return what `work` returns. Raises OverloadedError, TimedOutError, or whatever `work` raises.

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
    """One thread a lane inside this process."""

    def __init__(self, settings: Settings) -> None:
        self._pools = {lane: ThreadPoolExecutor(1, thread_name_prefix=lane) for lane in ("mask", "mesh")}
        self._deadlines = {"mask": settings.mask_deadline_s, "mesh": settings.mesh_deadline_s}
        self._queue_deadline_s = settings.queue_deadline_s
        self._max_waiting = settings.max_waiting
        self._inside = {"mask": 0, "mesh": 0}

    async def run(self, lane: Lane, work: Callable[[Checkpoint], Result]) -> Result:
        if self._inside[lane] > self._max_waiting:
            waiting = self._inside[lane] - 1
            raise OverloadedError(
                "Too many pictures are waiting; try again soon.", limit=self._max_waiting, actual=waiting
            )
        loop = asyncio.get_running_loop()
        ticket = _Ticket(self._deadlines[lane])
        began = asyncio.Event()

        def job() -> Result:
            ticket.began = time.monotonic()
            loop.call_soon_threadsafe(began.set)
            ticket.checkpoint("start")
            return work(ticket.checkpoint)

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

    def _leave(self, lane: Lane) -> None:
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
