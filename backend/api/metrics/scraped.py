"""What stands at the moment of a scrape: queues, workers, caches, jobs and memory, as Prometheus' metric families.

The counts behind it are kept by those who do the work; nothing is counted twice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from backend.contract.runner import RunnerStatus

Samples = Iterable[tuple[Sequence[str], float]]  # the values of the labels, and the metric's


@dataclass(frozen=True)
class Standing:
    """What the service knows of itself now. None: there is no such part."""

    version: str
    runner: RunnerStatus
    ready: bool
    uploads: int
    upload_bytes: int
    caches: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (cache, "hit" or "miss") -> times
    jobs: Mapping[str, int] | None = None  # state -> how many
    jobs_bytes: int = 0


def exposition(standing: Standing) -> bytes:
    """Return `standing` in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Families(standing))
    return generate_latest(registry)


class _Families:
    """What prometheus_client calls a collector."""

    def __init__(self, standing: Standing) -> None:
        self.standing = standing

    def collect(self) -> Iterator[Metric]:
        standing = self.standing
        yield _gauge("build_info", "The version that runs; always 1.", [((standing.version,), 1)], ("version",))
        yield _gauge("ready", "1 while /readyz says so.", [((), standing.ready)])
        yield _gauge("uploads", "Requests with a body that are inside.", [((), standing.uploads)])
        yield _gauge("upload_bytes", "Bytes that these have sent so far.", [((), standing.upload_bytes)])
        yield from _lanes(standing.runner)
        yield from _workers(standing.runner)
        yield _counter(
            "cache_requests", "Look-ups by cache and outcome.", standing.caches.items(), ("cache", "outcome")
        )
        if standing.jobs is not None:
            jobs = [((state,), count) for state, count in standing.jobs.items()]
            yield _gauge("jobs", "Jobs that are kept, by state.", jobs, ("state",))
            yield _gauge("jobs_bytes", "Bytes of the jobs' photos and results.", [((), standing.jobs_bytes)])


def _lanes(runner: RunnerStatus) -> Iterator[Metric]:
    lanes = [((lane.lane,), lane) for lane in runner.lanes]
    label = ("lane",)
    yield _gauge("queue_depth", "Work that waits.", [(key, lane.waiting) for key, lane in lanes], label)
    yield _gauge("queue_limit", "Work that may wait.", [(key, lane.max_waiting) for key, lane in lanes], label)
    yield _gauge("work_running", "Work that a worker does.", [(key, lane.running) for key, lane in lanes], label)
    oldest = [(key, lane.oldest_wait_s) for key, lane in lanes]
    yield _gauge("queue_oldest_wait_seconds", "How long the oldest of what waits has waited.", oldest, label)
    refused = [(key, lane.refused) for key, lane in lanes]
    yield _counter("refused", "Work turned away: the queue was full, or the workers rest.", refused, label)
    waits = SummaryMetricFamily("mattemesh_queue_wait_seconds", "Seconds that begun work had waited.", labels=label)
    for key, lane in lanes:
        waits.add_metric(key, count_value=lane.begun, sum_value=lane.waited_s)
    yield waits


def _workers(runner: RunnerStatus) -> Iterator[Metric]:
    workers = [((f"{worker.lane}-{worker.index}",), worker) for worker in runner.workers]
    label = ("worker",)
    states = [((*key, worker.state), 1.0) for key, worker in workers]
    yield _gauge("worker_state", "1 for the state that a worker is in.", states, ("worker", "state"))
    restarts = [(key, max(worker.starts - 1, 0)) for key, worker in workers]
    yield _counter("worker_restarts", "Starts of a worker after its first.", restarts, label)
    crashes = [(key, worker.crashes) for key, worker in workers]
    yield _counter("worker_crashes", "Workers that ended by themselves.", crashes, label)
    kills = [(key, worker.kills) for key, worker in workers]
    yield _counter("worker_kills", "Workers ended at a deadline, or because nobody waited.", kills, label)
    memory = [(key, worker.memory_bytes) for key, worker in workers if worker.memory_bytes is not None]
    server = (("server",), psutil.Process().memory_info().rss)
    yield _gauge("memory_bytes", "Resident memory of each process.", [server, *memory], ("process",))
    gpu = [(key, worker.gpu_bytes) for key, worker in workers if worker.gpu_bytes is not None]
    yield _gauge("gpu_memory_bytes", "GPU memory that a worker's networks hold.", gpu, label)


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
