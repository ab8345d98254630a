"""One lane: a bounded first-in, first-out queue in front of its workers; abandoned work frees its slot at once."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from backend.contract.errors import OverloadedError, TimedOutError
from backend.contract.runner import LaneStatus, WorkerStatus
from backend.contract.work import Done, Lane, OnStage, Work
from backend.workers.process import WorkerConfig
from backend.workers.running import BystanderError, Running


class Worker(Protocol):
    """Runs the work: a process, or a thread in a test."""

    config: WorkerConfig
    on_change: Callable[[], None]  # called when a slot becomes free, and when it goes to rest

    @property
    def free_slots(self) -> int: ...

    @property
    def ready(self) -> bool: ...

    @property
    def rest_s(self) -> float | None: ...

    def begin(self, work: Work, on_stage: OnStage) -> Running: ...

    def status(self) -> WorkerStatus: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


class _Waiter:
    """Work that waits in the queue."""

    def __init__(self, work: Work, on_stage: OnStage) -> None:
        self.work, self.on_stage, self.since = work, on_stage, time.monotonic()
        self.turn: asyncio.Future[Running] = asyncio.get_running_loop().create_future()


def stopping() -> OverloadedError:
    """Return the error for work that arrives or still waits while the service stops."""
    return OverloadedError("The service is stopping.")


class LaneQueue:
    """Hands work to the first worker of the lane with a free slot."""

    def __init__(
        self,
        lane: Lane,
        workers: Sequence[Worker],
        *,
        max_waiting: int,
        queue_deadline_s: float,
        deadline_s: float,
    ) -> None:
        self.lane, self.workers = lane, workers
        self._max_waiting, self._queue_deadline_s, self._deadline_s = max_waiting, queue_deadline_s, deadline_s
        self._capacity = sum(worker.config.concurrency for worker in workers)
        self._queue: deque[_Waiter] = deque()
        self._admitted = 0  # waiting and running; abandoned work no longer counts
        self._begun = self._refused = 0
        self._waited_s = 0.0
        for worker in workers:
            worker.on_change = self._dispatch

    async def run(self, work: Work, on_stage: OnStage) -> Done:
        """Return the result of `work`; raises as `backend.contract.runner.Runner.run` does."""
        self.admit()
        self._admitted += 1
        try:
            while True:
                try:
                    return await self._once(work, on_stage)
                except BystanderError:  # the worker was killed because of other work: run it again
                    continue
        finally:
            self._admitted -= 1

    def status(self) -> LaneStatus:
        oldest = time.monotonic() - self._queue[0].since if self._queue else 0.0
        return LaneStatus(
            self.lane,
            len(self._queue),
            self._admitted - len(self._queue),
            sum(worker.config.concurrency for worker in self.workers if worker.rest_s is None),
            self._max_waiting,
            self._begun,
            self._refused,
            self._waited_s,
            oldest,
        )

    def close(self) -> None:
        """End the workers and refuse the work that waits."""
        for worker in self.workers:
            worker.close()
        self._refuse_waiting(stopping())

    async def _once(self, work: Work, on_stage: OnStage) -> Done:
        waiter = _Waiter(work, on_stage)
        self._queue.append(waiter)
        self._dispatch()
        try:
            async with asyncio.timeout(self._queue_deadline_s):
                running = await waiter.turn
        except BaseException as error:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
                waiter.turn.result().abandon()  # its turn came at the same moment
            if isinstance(error, TimeoutError):
                limit = self._queue_deadline_s
                raise TimedOutError(f"The work waited longer than {limit:g} s to begin.", limit=limit) from None
            raise
        return await running.wait(self._deadline_s)

    def admit(self) -> None:
        """Raise OverloadedError when the lane is full or all its workers rest."""
        rest_s = self._rest_s()
        if rest_s is not None:
            self._refused += 1
            raise self._resting(rest_s)
        if self._admitted >= self._max_waiting + self._capacity:
            self._refused += 1
            waiting = self._admitted - self._capacity
            raise OverloadedError(
                "Too many pictures are waiting; try again soon.", limit=self._max_waiting, actual=waiting
            )

    def _rest_s(self) -> float | None:
        rests = [worker.rest_s for worker in self.workers]
        return min((rest for rest in rests if rest is not None), default=None) if None not in rests else None

    @staticmethod
    def _resting(rest_s: float) -> OverloadedError:
        # Not worker-lost: the work has not begun, so a job that meets this keeps its attempt.
        error = OverloadedError("The worker crashed several times and is paused; try again later.")
        error.retry_after_s = math.ceil(rest_s) or 1
        return error

    def _dispatch(self) -> None:
        """Fill the free slots; when all workers rest, refuse the work that waits."""
        for worker in self.workers:
            while self._queue and worker.free_slots > 0:
                waiter = self._queue.popleft()
                if not waiter.turn.done():
                    self._begun += 1
                    self._waited_s += time.monotonic() - waiter.since
                    waiter.turn.set_result(worker.begin(waiter.work, waiter.on_stage))
        rest_s = self._rest_s()
        if rest_s is not None:
            self._refuse_waiting(self._resting(rest_s))

    def _refuse_waiting(self, error: OverloadedError) -> None:
        while self._queue:
            turn = self._queue.popleft().turn
            if not turn.done():
                self._refused += 1
                turn.set_exception(error)
