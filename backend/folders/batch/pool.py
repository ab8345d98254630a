"""Worker processes for one folder: started by the first picture that needs them, replaced when they die.

Each does several pictures at the same time, so that one is decoded or encoded while the network has another; those
that wait for the network go through it together.
"""

import asyncio

from backend.contract.errors import OverloadedError, WorkerLostError
from backend.contract.runner import ignore_stage
from backend.contract.settings import Settings
from backend.contract.work import Done, Lane
from backend.folders.batch.handler import BatchWork, load
from backend.workers.lane import LaneQueue
from backend.workers.process import WorkerConfig, WorkerProcess
from backend.workers.restarts import RestartPolicy

RESTS = RestartPolicy(first_rest_s=0.5, longest_rest_s=2.0)  # nobody is served badly meanwhile
MOST_RESTS = 10  # of all workers in a row, before the run is given up
FOREVER_S = 1e7  # how long a picture may wait for workers that start


class Pool:
    """`jobs` processes with `settings.batch_size` pictures at once each."""

    def __init__(self, settings: Settings, lane: Lane, jobs: int) -> None:
        self.concurrency = jobs * settings.batch_size
        self._settings, self._lane_name, self._jobs = settings, lane, jobs
        self._lane: LaneQueue | None = None

    async def run(self, work: BatchWork) -> Done:
        """Return what comes of `work`. Raises TimedOutError, WorkerLostError when it ended two processes,
        OverloadedError when none stays alive, or what the work raises."""
        lost = rests = 0
        while True:
            try:
                return await self._started().run(work, ignore_stage)
            except WorkerLostError:
                lost, rests = lost + 1, 0
                if lost == 2:
                    raise
            except OverloadedError as error:
                rests += 1
                if rests == MOST_RESTS:
                    raise OverloadedError("No worker process stays alive; what they said stands above.") from error
                await asyncio.sleep(error.retry_after_s or 1)

    def close(self) -> None:
        """End the processes."""
        if self._lane is not None:
            self._lane.close()

    def _started(self) -> LaneQueue:
        if self._lane is None:
            concurrency = self._settings.batch_size
            configs = [WorkerConfig(self._lane_name, i, concurrency, load, policy=RESTS) for i in range(self._jobs)]
            workers = [WorkerProcess(config, self._settings) for config in configs]
            # Nobody sits and waits: a mask may take as long as a mesh.
            deadline_s = max(self._settings.mask_deadline_s, self._settings.mesh_deadline_s)
            self._lane = LaneQueue(self._lane_name, workers, max_waiting=1000, queue_deadline_s=FOREVER_S,
                                   deadline_s=deadline_s)  # fmt: skip
            for worker in workers:
                worker.start()
        return self._lane
