"""One lane: a bounded queue in front of its workers, shared fairly between clients; abandoned work frees its slot at
once.

Clients take turns, each with its oldest work. One client alone may fill the lane; when another one comes, the client
with the most places gives up its newest waiting work, until their numbers are equal.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from backend.contract.errors import OverloadedError, TimedOutError
from backend.contract.runner import LaneStatus, WorkerStatus
from backend.contract.work import Done, Lane, OnStage, Work
from backend.workers.fair_queue import FairQueue
from backend.workers.messages import Facts
from backend.workers.process import WorkerConfig
from backend.workers.running import BystanderError, Running


class Worker(Protocol):
    """Runs the work: a process, or a thread in a test."""

    config: WorkerConfig
    on_change: Callable[[], None]  # called when a slot becomes free, and when it goes to rest
    facts: Facts

    @property
    def places(self) -> int: ...  # pieces of work at the same time

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
        self._queue = FairQueue[_Waiter]()
        self._running: Counter[str] = Counter()  # by client; abandoned work no longer counts
        self._begun = self._refused = 0
        self._waited_s = 0.0
        for worker in workers:
            worker.on_change = self._dispatch

    async def run(self, work: Work, on_stage: OnStage) -> Done:
        """Return the result of `work`; raises as `backend.contract.runner.Runner.run` does."""
        self.admit(work.client)
        giving = self._giving(work.client) if self._is_full() else None
        if giving is not None:
            self._refuse(self._queue.newest(giving), self._full())
        while True:
            try:
                return await self._once(work, on_stage)
            except BystanderError:  # the worker was killed because of other work: run it again
                continue

    def status(self) -> LaneStatus:
        since = min((waiter.since for waiter in self._queue), default=None)
        return LaneStatus(
            self.lane,
            len(self._queue),
            self._running.total(),
            sum(worker.places for worker in self.workers if worker.rest_s is None),
            self._max_waiting,
            self._begun,
            self._refused,
            self._waited_s,
            0.0 if since is None else time.monotonic() - since,
        )

    def close(self) -> None:
        """End the workers and refuse the work that waits."""
        for worker in self.workers:
            worker.close()
        self._refuse_waiting(stopping())

    async def _once(self, work: Work, on_stage: OnStage) -> Done:
        waiter = _Waiter(work, on_stage)
        self._queue.add(work.client, waiter)
        self._dispatch()
        try:
            async with asyncio.timeout(self._queue_deadline_s):
                running = await waiter.turn
        except BaseException as error:
            queued = self._queue.remove(work.client, waiter)
            if not queued and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                waiter.turn.result().abandon()  # its turn came at the same moment
                self._end(work.client)
            if isinstance(error, TimeoutError):
                limit = self._queue_deadline_s
                raise TimedOutError(f"The work waited longer than {limit:g} s to begin.", limit=limit) from None
            raise
        try:
            return await running.wait(self._deadline_s)
        finally:
            self._end(work.client)

    def _end(self, client: str) -> None:
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]

    def admit(self, client: str) -> None:
        """Raise OverloadedError when all workers rest, or the lane is full and no other client gives up a place."""
        refusal = self.refusal(client)
        if refusal is not None:
            self._refused += 1
            raise refusal

    def refusal(self, client: str) -> OverloadedError | None:
        """Return what `admit` would raise."""
        rest_s = self._rest_s()
        if rest_s is not None:
            return self._resting(rest_s)
        return self._full() if self._is_full() and self._giving(client) is None else None

    def _is_full(self) -> bool:
        capacity = sum(worker.places for worker in self.workers)
        return len(self._queue) + self._running.total() >= self._max_waiting + capacity

    def _full(self) -> OverloadedError:
        waiting = len(self._queue)
        return OverloadedError(
            "Too many pictures are waiting; try again soon.", limit=self._max_waiting, actual=waiting
        )

    def _giving(self, client: str) -> str | None:
        """Return the client that gives up a place in the full lane for one more of `client`; None where that would only
        turn the tables."""
        most = max(self._queue.clients, key=self._places, default=None)
        return most if most is not None and self._places(most) > self._places(client) + 1 else None

    def _places(self, client: str) -> int:
        return self._queue.count(client) + self._running[client]

    def _rest_s(self) -> float | None:
        rests = [worker.rest_s for worker in self.workers]
        return min((rest for rest in rests if rest is not None), default=None) if None not in rests else None

    def _resting(self, rest_s: float) -> OverloadedError:
        # Not worker-lost: the work has not begun, so a job that meets this keeps its attempt.
        away = any(worker.facts.rest_s is not None for worker in self.workers)
        what = "The cluster cannot be used" if away else "The worker crashed several times and is paused"
        error = OverloadedError(f"{what}; try again later.")
        error.retry_after_s = math.ceil(rest_s) or 1
        return error

    def _dispatch(self) -> None:
        """Fill the free slots; when all workers rest, refuse the work that waits."""
        for worker in self.workers:
            while self._queue and worker.free_slots > 0:
                waiter = self._queue.next()
                if not waiter.turn.done():
                    running = worker.begin(waiter.work, waiter.on_stage)
                    self._begun += 1
                    self._waited_s += time.monotonic() - waiter.since
                    self._running[waiter.work.client] += 1
                    waiter.turn.set_result(running)
        rest_s = self._rest_s()
        if rest_s is not None:
            self._refuse_waiting(self._resting(rest_s))

    def _refuse_waiting(self, error: OverloadedError) -> None:
        while self._queue:
            self._refuse(self._queue.next(), error)

    def _refuse(self, waiter: _Waiter, error: OverloadedError) -> None:
        if not waiter.turn.done():
            self._refused += 1
            waiter.turn.set_exception(error)
