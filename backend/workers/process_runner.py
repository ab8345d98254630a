"""The runner of the service: lanes for masks, meshes and masks by remote services, each with its own processes."""

from collections.abc import Callable
from dataclasses import replace

from backend.contract.runner import RunnerStatus, ignore_stage
from backend.contract.settings import Settings
from backend.contract.work import Done, Lane, OnStage, Work
from backend.weights.remote_services import lane_of, with_keys
from backend.workers.handler import load
from backend.workers.lane import LaneQueue, Worker, stopping
from backend.workers.process import Load, WorkerConfig, WorkerProcess
from backend.workers.restarts import RestartPolicy

# Of a cluster: two threads each. Its handler says how many there are; another service may have deployed the replicas,
# so the settings of this one do not bound them.
MOST_PLACES = 1024


class ProcessRunner:
    """Runs work in processes. `load` makes the handler inside the worker; it travels by name, so it is a module's
    function. With `drive` masks and meshes have one worker each, whose handler passes them on to a cluster."""

    def __init__(
        self,
        settings: Settings,
        load: Load = load,
        policy: RestartPolicy | None = None,
        make_worker: Callable[[WorkerConfig, Settings], Worker] = WorkerProcess,
        drive: Load | None = None,
    ) -> None:
        self._closing = False
        policy = policy or RestartPolicy()

        def lane(name: Lane, workers: int, deadline_s: float, concurrency: int) -> LaneQueue:
            return queue(
                name, [WorkerConfig(name, i, concurrency, load, policy=policy) for i in range(workers)], deadline_s
            )

        def driven(name: Lane, load: Load, deadline_s: float) -> LaneQueue:
            # A replica has one piece of work waiting, and ends what is late: this deadline is for one that does not.
            # It ends when the cluster is lost, which may be back at any moment.
            often = replace(policy, longest_rest_s=min(policy.first_rest_s, policy.longest_rest_s))
            config = WorkerConfig(name, 0, MOST_PLACES, load, drives=True, policy=often)
            return queue(name, [config], 2 * deadline_s)

        def queue(name: Lane, configs: list[WorkerConfig], deadline_s: float) -> LaneQueue:
            return LaneQueue(
                name,
                [make_worker(config, settings) for config in configs],
                max_waiting=settings.max_waiting,
                queue_deadline_s=settings.queue_deadline_s,
                deadline_s=deadline_s,
            )

        self._lanes: dict[Lane, LaneQueue] = (
            {
                "mask": lane("mask", settings.mask_workers, settings.mask_deadline_s, settings.batch_size),
                "mesh": lane("mesh", settings.mesh_workers, settings.mesh_deadline_s, settings.batch_size),
            }
            if drive is None
            else {
                "mask": driven("mask", drive, settings.mask_deadline_s),
                "mesh": driven("mesh", drive, settings.mesh_deadline_s),
            }
        )
        if settings.remote_workers and with_keys(settings):
            # One at a time each: a bystander of a killed worker would be sent, and paid for, twice.
            self._lanes["remote"] = lane("remote", settings.remote_workers, settings.mask_deadline_s, 1)
        self._workers = [worker for lane in self._lanes.values() for worker in lane.workers]

    def start(self) -> None:
        """Start the worker processes; they load their engines while the service already answers."""
        for worker in self._workers:
            worker.start()

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        """See `backend.contract.runner.Runner`."""
        if self._closing:
            raise stopping()
        lane = lane_of(work.lane, work.options)
        # Without a key no service is asked: the engine of the kind's own lane says so.
        return await self._lanes[lane if lane in self._lanes else work.lane].run(work, on_stage)

    def admit(self, lane: Lane, client: str) -> None:
        """See `backend.contract.runner.Runner`."""
        if self._closing:
            raise stopping()
        remote = self._lanes.get("remote")
        if lane == "mask" and remote is not None and remote.refusal(client) is None:
            return  # the form, which is yet to be read, may name a remote service
        self._lanes[lane].admit(client)

    def status(self) -> RunnerStatus:
        workers = tuple(row for worker in self._workers for row in (worker.status(), *worker.facts.remote))
        nodes = {node.name: node for worker in self._workers for node in worker.facts.nodes}
        why = "The service is stopping." if self._closing else ""
        for lane in self._lanes.values():
            if not why and lane.workers and not any(worker.ready for worker in lane.workers):
                why = next(row.why for row in workers if row.lane == lane.lane) or "A worker is starting."
        lanes = tuple(lane.status() for lane in self._lanes.values())
        return RunnerStatus(not why, why, lanes, workers, tuple(nodes.values()))

    def close(self) -> None:
        """See `backend.contract.runner.Runner`."""
        self._closing = True
        for lane in self._lanes.values():
            lane.close()
