"""Gauges read at the moment of a scrape: queues, workers, caches, jobs and memory, as Prometheus metric families.

The runner, the caches and the job store keep the counts; this module only reports them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from backend.contract.runner import RunnerStatus

Samples = Iterable[tuple[Sequence[str], float]]  # label values, metric value


@dataclass(frozen=True)
class Snapshot:
    """The state of the service at one moment."""

    version: str
    runner: RunnerStatus
    ready: bool
    uploads: int  # requests with a body that are being received or served
    upload_bytes: int  # received for those requests
    caches: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (cache, "hit" or "miss") -> count
    jobs: Mapping[str, int] | None = None  # state -> count; None: the store could not be read
    jobs_bytes: int = 0  # size of the jobs' files


def exposition(snapshot: Snapshot) -> bytes:
    """Return `snapshot` in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(snapshot))
    return generate_latest(registry)


class _Families:
    """A collector, as prometheus_client calls it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        snapshot = self.snapshot
        yield _gauge("build_info", "The running version; always 1.", [((snapshot.version,), 1)], ("version",))
        yield _gauge("ready", "1 while /readyz answers 200.", [((), snapshot.ready)])
        yield _gauge("uploads", "Requests with a body that are being received or served.", [((), snapshot.uploads)])
        yield _gauge("upload_bytes", "Bytes received for those requests.", [((), snapshot.upload_bytes)])
        yield from _lanes(snapshot.runner)
        yield from _workers(snapshot.runner)
        yield from _nodes(snapshot.runner)
        yield _counter(
            "cache_requests", "Cache look-ups by cache and outcome.", snapshot.caches.items(), ("cache", "outcome")
        )
        if snapshot.jobs is not None:
            jobs = [((state,), count) for state, count in snapshot.jobs.items()]
            yield _gauge("jobs", "Stored jobs by state.", jobs, ("state",))
            yield _gauge("jobs_bytes", "Bytes of the stored jobs' photos and results.", [((), snapshot.jobs_bytes)])


def _lanes(runner: RunnerStatus) -> Iterator[Metric]:
    lanes = [((lane.lane,), lane) for lane in runner.lanes]
    label = ("lane",)
    yield _gauge("queue_depth", "Work waiting in the queue.", [(key, lane.waiting) for key, lane in lanes], label)
    yield _gauge(
        "queue_limit", "Most work that may wait in the queue.", [(key, lane.max_waiting) for key, lane in lanes], label
    )
    yield _gauge("work_running", "Work running in a worker.", [(key, lane.running) for key, lane in lanes], label)
    oldest = [(key, lane.oldest_wait_s) for key, lane in lanes]
    yield _gauge("queue_oldest_wait_seconds", "Wait of the oldest work in the queue.", oldest, label)
    refused = [(key, lane.refused) for key, lane in lanes]
    yield _counter("refused", "Refused work: the queue was full or the workers were backing off.", refused, label)
    waits = SummaryMetricFamily("mattemesh_queue_wait_seconds", "Seconds that started work had waited.", labels=label)
    for key, lane in lanes:
        waits.add_metric(key, count_value=lane.begun, sum_value=lane.waited_s)
    yield waits


def _workers(runner: RunnerStatus) -> Iterator[Metric]:
    workers = [((f"{worker.lane}-{worker.index}",), worker) for worker in runner.workers]
    label = ("worker",)
    states = [((*key, worker.state), 1.0) for key, worker in workers]
    yield _gauge("worker_state", "1 for the worker's current state.", states, ("worker", "state"))
    restarts = [(key, max(worker.starts - 1, 0)) for key, worker in workers]
    yield _counter("worker_restarts", "Restarts of a worker.", restarts, label)
    crashes = [(key, worker.crashes) for key, worker in workers]
    yield _counter("worker_crashes", "Workers that ended on their own.", crashes, label)
    kills = [(key, worker.kills) for key, worker in workers]
    yield _counter("worker_kills", "Workers killed at a deadline or after the client left.", kills, label)
    memory = [(key, worker.memory_bytes) for key, worker in workers if worker.memory_bytes is not None]
    server = (("server",), psutil.Process().memory_info().rss)
    yield _gauge("memory_bytes", "Resident memory by process.", [server, *memory], ("process",))
    gpu = [(key, worker.gpu_bytes) for key, worker in workers if worker.gpu_bytes is not None]
    yield _gauge("gpu_memory_bytes", "GPU memory held by the worker's networks.", gpu, label)


def _nodes(runner: RunnerStatus) -> Iterator[Metric]:
    if runner.nodes:
        yield _gauge("nodes", "Living machines of the cluster.", [((), len(runner.nodes))])
    working = [(row.lane, row.node) for row in runner.workers if row.node and row.state in ("idle", "busy")]
    yield _gauge("replicas", "Replicas of the cluster that take work.", Counter(working).items(), ("lane", "node"))


def _gauge(name: str, about: str, samples: Samples, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"mattemesh_{name}", about, labels=labels)
    for key, value in samples:
        family.add_metric(key, value)
    return family


def _counter(name: str, about: str, samples: Samples, labels: Sequence[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"mattemesh_{name}", about, labels=labels)
    for key, value in samples:
        family.add_metric(key, value)
    return family
