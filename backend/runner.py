"""Where a pipeline call runs, behind one small interface: today a thread a lane, later processes or a cluster.

Masks and meshes have separate lanes, so that a mesh never holds up a preview. A lane runs one piece of work at a
time and lets a bounded number wait; work that is no longer wanted, or has passed its deadline, stops at its next stage.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backend.errors import OverloadedError, TimedOutError
from backend.settings import Settings
from backend.work import Done, Lane, OnStage, Work

WorkerState = Literal["starting", "idle", "busy", "resting", "stopped"]  # resting: backing off after crashes


@dataclass(frozen=True)
class WorkerStatus:
    """One worker as it stands; the counts run from the start of the service."""

    lane: Lane
    index: int
    state: WorkerState
    why: str = ""  # why it takes no work, or what its warm-up met; "" when all is well
    pid: int | None = None
    starts: int = 0
    crashes: int = 0  # ended by itself
    kills: int = 0  # ended by us, at a deadline or because nobody waited any more
    start_s: float | None = None  # how long its last start took, warm-up included
    memory_bytes: int | None = None
    gpu_bytes: int | None = None
    loaded: Mapping[str, str] = field(default_factory=dict)  # networks in use -> device
    broken: Mapping[str, str] = field(default_factory=dict)  # networks that cannot be used -> why


@dataclass(frozen=True)
class LaneStatus:
    """One lane as it stands; the counts run from the start of the service."""

    lane: Lane
    waiting: int
    running: int
    max_waiting: int
    begun: int = 0  # pieces of work handed to a worker
    refused: int = 0  # turned away because the lane was full or its workers rest
    waited_s: float = 0.0  # what the begun ones have waited, summed
    oldest_wait_s: float = 0.0  # of those that wait now


@dataclass(frozen=True)
class RunnerStatus:
    """What `/health`, `/readyz` and `/metrics` tell of where work runs."""

    ready: bool  # the engines of every lane are loaded and warm, and work is taken
    why: str  # why it is not ready, or ""
    lanes: tuple[LaneStatus, ...]
    workers: tuple[WorkerStatus, ...]


class AbandonedError(Exception):
    """Nobody waits for the result any more; raised inside the work, told to no one."""


def unheard(stage: str) -> None:
    """Nobody listens."""


class Runner(Protocol):
    """Runs a piece of work and gives its result back."""

    async def run(self, work: Work, on_stage: OnStage = unheard) -> Done:
        """Return what comes of `work`. Raises OverloadedError, TimedOutError, WorkerLostError, or what the work raises.

        `on_stage` is called in the event loop with the name of each stage as it begins, first of all "start".
        Cancelling the awaiting task abandons the work.
        """
        ...

    def start(self) -> None:
        """Begin to take work; called once, in the event loop."""
        ...

    def status(self) -> RunnerStatus:
        """Tell what waits, what runs and how the workers are."""
        ...

    async def drain(self, timeout_s: float) -> None:
        """Take no more work, wait for what runs and waits (at most so long), then close."""
        ...

    def close(self) -> None:
        """Take no more work and end what runs."""
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
        self._inside: dict[Lane, int] = {"mask": 0, "mesh": 0}

    async def run(self, work: Work, on_stage: OnStage = unheard) -> Done:
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

    def start(self) -> None:
        """Nothing to do: threads start with the first work."""

    def status(self) -> RunnerStatus:
        lanes = tuple(LaneStatus(lane, max(n - 1, 0), min(n, 1), self._max_waiting) for lane, n in self._inside.items())
        workers = tuple(WorkerStatus(row.lane, 0, "busy" if row.running else "idle") for row in lanes)
        return RunnerStatus(True, "", lanes, workers)

    async def drain(self, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while any(self._inside.values()) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self.close()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
