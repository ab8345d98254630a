"""One replica on a node of the cluster: a thin actor around a worker process as the service has them on one machine.

So deadlines, kills, pauses after crashes, stages and the narrow unpickler are those of `backend.workers`. The actor
itself decodes no picture, and its worker process does not know the token of the cluster.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from backend.contract.errors import MattemeshError, OverloadedError
from backend.contract.runner import WorkerStatus
from backend.contract.settings import Settings
from backend.contract.work import Done, File, Lane, Work
from backend.workers.lane import LaneQueue
from backend.workers.messages import LENGTH, Facts, Failed, Finished, Handler, pack
from backend.workers.process import WorkerConfig, WorkerProcess

AHEAD = 1  # pieces of work that wait in a replica: without one Ray's router leaves it idle between two
BEAT_S = 1.0  # at least as often comes a sign of life
TICK_S = 0.1  # stages that begin within it travel together
LARGE_BYTES = 2**20  # an answer above it is announced: it may take longer than a silence may last
FOREVER_S = 1e7  # who waits here has a deadline in the service
REFUSED = b""  # in place of an answer: the worker pauses after crashes
# How a piece of work goes on: the stages that have begun, and the size of the answer if that comes next.
Beat = tuple[tuple[str, ...], int]


class Replica:
    """Does work of one lane. `settings` are those that hold for every machine; see `backend.cluster.deploy`."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, lane: Lane, settings: dict[str, Any], load: Callable[[Settings, Lane, bool], Handler]
    ) -> None:
        import ray

        self._node = node_name(ray.util.get_node_ip_address(), ray.get_runtime_context().get_node_id())
        here = Settings(**settings)
        deadline_s = here.mask_deadline_s if lane == "mask" else here.mesh_deadline_s
        self._worker = WorkerProcess(WorkerConfig(lane, 0, here.batch_size, load), here)
        self._lane = LaneQueue(
            lane, [self._worker], max_waiting=AHEAD + 1, queue_deadline_s=FOREVER_S, deadline_s=deadline_s
        )
        self._worker.start()
        while not self._worker.ready:  # before this returns no work is sent
            self.check_health()
            await asyncio.sleep(0.05)

    def check_health(self) -> None:
        """Raise RuntimeError while the worker pauses after crashes: another replica takes this one's place."""
        if self._worker.rest_s is not None:
            raise RuntimeError(self._worker.status().why)

    def status(self) -> WorkerStatus:
        """Return how the worker is."""
        return replace(self._worker.status(), node=self._node)

    async def run(self, work: Work) -> AsyncIterator[Beat | bytes]:
        """Yield a `Beat` at least every second, and at last the answer as a worker packs it."""
        heard: list[str] = []
        clock = asyncio.get_running_loop().time
        task = asyncio.ensure_future(self._lane.run(work, heard.append))
        last = clock()
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=TICK_S)
                if task.done() or heard or clock() - last >= BEAT_S:
                    stages, heard[:], last = tuple(heard), [], clock()
                    if stages or not task.done():
                        yield stages, 0
            # Not the work's own refusal, as of a remote service that is full: it has not begun here.
            if isinstance(task.exception(), OverloadedError) and self._worker.rest_s is not None:
                yield REFUSED
                return
            answer = _packed(task)
            if len(answer) > LARGE_BYTES:
                yield (), len(answer)
            yield answer
        finally:
            task.cancel()  # nobody listens any more


def node_name(address: str, node_id: str) -> str:
    """Return how a node is called where people read it."""
    return f"{address}/{node_id[:6]}"


def _packed(task: asyncio.Task[Done]) -> bytes:
    """Return the outcome of `task`, which has ended, as a worker's answer."""
    try:
        done = task.result()
        # What lies on this machine's disk goes along.
        files = tuple(File(file.name, file.media_type, file.data) for file in done.files)
        for file in done.files:
            file.close()
        answer: Finished | Failed = Finished(0, replace(done, files=files), Facts())
    except MattemeshError as error:
        answer = Failed(0, error, "", Facts())
    except Exception as error:
        answer = Failed(0, None, str(error), Facts())
    return pack(answer)[LENGTH.size :]
