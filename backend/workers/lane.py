"""One lane: first come, first served, a bounded number waiting, and no place held by somebody who has left."""

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
    """Who does the work; a process, or a test's thread."""

    config: WorkerConfig
    on_change: Callable[[], None]  # called when a place becomes free, and when it goes to rest

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
    """A piece of work in the line."""

    def __init__(self, work: Work, on_stage: OnStage) -> None:
        self.work, self.on_stage, self.since = work, on_stage, time.monotonic()
        self.turn: asyncio.Future[Running] = asyncio.get_running_loop().create_future()


def stopping() -> OverloadedError:
    """Return the error for work that comes, or still waits, while the service stops."""
    return OverloadedError("The service is stopping.")


class LaneQueue:
    """Handler work to whichever worker of the lane has a place."""

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
        self._line: deque[_Waiter] = deque()
        self._inside = 0  # waiting and running, as far as somebody still wants it
        self._begun = self._refused = 0
        self._waited_s = 0.0
        for worker in workers:
            worker.on_change = self._deal

    async def run(self, work: Work, on_stage: OnStage) -> Done:
        """Return what comes of `work`; what it raises is told in `backend.contract.runner.Runner.run`."""
        self.admit()
        self._inside += 1
        try:
            while True:
                try:
                    return await self._once(work, on_stage)
                except BystanderError:  # a neighbour's fault: begin again
                    continue
        finally:
            self._inside -= 1

    def status(self) -> LaneStatus:
        oldest = time.monotonic() - self._line[0].since if self._line else 0.0
        return LaneStatus(
            self.lane,
            len(self._line),
            self._inside - len(self._line),
            sum(worker.config.concurrency for worker in self.workers if worker.rest_s is None),
            self._max_waiting,
            self._begun,
            self._refused,
            self._waited_s,
            oldest,
        )

    def close(self) -> None:
        """End the workers and send away whoever waits."""
        for worker in self.workers:
            worker.close()
        self._send_away(stopping())

    async def _once(self, work: Work, on_stage: OnStage) -> Done:
        waiter = _Waiter(work, on_stage)
        self._line.append(waiter)
        self._deal()
        try:
            async with asyncio.timeout(self._queue_deadline_s):
                running = await waiter.turn
        except BaseException as error:
            if waiter in self._line:
                self._line.remove(waiter)
            elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
                waiter.turn.result().abandon()  # its turn came in the same moment
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
        if self._inside >= self._max_waiting + self._capacity:
            self._refused += 1
            waiting = self._inside - self._capacity
            raise OverloadedError(
                "Too many pictures are waiting; try again soon.", limit=self._max_waiting, actual=waiting
            )

    def _rest_s(self) -> float | None:
        rests = [worker.rest_s for worker in self.workers]
        return min((rest for rest in rests if rest is not None), default=None) if None not in rests else None

    @staticmethod
    def _resting(rest_s: float) -> OverloadedError:
        # Not worker-lost: this work has not begun, and a job that meets it has not used up an attempt.
        error = OverloadedError("The worker has crashed several times and rests; try again later.")
        error.retry_after_s = math.ceil(rest_s) or 1
        return error

    def _deal(self) -> None:
        """Give out the free places; when all workers rest, send away whoever waits."""
        for worker in self.workers:
            while self._line and worker.free_slots > 0:
                waiter = self._line.popleft()
                if not waiter.turn.done():
                    self._begun += 1
                    self._waited_s += time.monotonic() - waiter.since
                    waiter.turn.set_result(worker.begin(waiter.work, waiter.on_stage))
        rest_s = self._rest_s()
        if rest_s is not None:
            self._send_away(self._resting(rest_s))

    def _send_away(self, error: OverloadedError) -> None:
        while self._line:
            turn = self._line.popleft().turn
            if not turn.done():
                self._refused += 1
                turn.set_exception(error)
