"""The gauges of a scrape, from the status of the runner, the caches and the jobs."""

from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from backend.api.metrics.scraped import Snapshot, exposition
from backend.contract.runner import LaneStatus, RunnerStatus, WorkerStatus

RUNNER = RunnerStatus(
    ready=True,
    why="",
    lanes=(
        LaneStatus("mask", 3, 1, 1, 16, begun=10, refused=2, waited_s=4.5, oldest_wait_s=1.5),
        LaneStatus("mesh", 0, 0, 1, 16),
    ),
    workers=(
        WorkerStatus("mask", 0, "busy", starts=3, crashes=1, kills=1, memory_bytes=400_000_000),
        WorkerStatus("mesh", 0, "resting", starts=1, gpu_bytes=2_000_000_000),
    ),
)


def samples(**changes: Any) -> dict[tuple[str, ...], float]:
    """Return the value of each sample by its name and the values of its labels, these in the order of their names."""
    facts: dict[str, Any] = {"version": "1.2.3", "runner": RUNNER, "ready": True, "uploads": 2, "upload_bytes": 7}
    text = exposition(Snapshot(**(facts | changes))).decode()
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_queues_report_waiting_running_and_refused_work() -> None:
    found = samples()
    assert found["mattemesh_queue_depth", "mask"] == 3
    assert found["mattemesh_queue_limit", "mask"] == 16
    assert found["mattemesh_work_running", "mask"] == 1
    assert found["mattemesh_refused_total", "mask"] == 2
    assert found["mattemesh_queue_wait_seconds_sum", "mask"] == 4.5
    assert found["mattemesh_queue_wait_seconds_count", "mask"] == 10
    assert found["mattemesh_queue_depth", "mesh"] == 0


def test_workers_report_their_state_restarts_crashes_and_kills() -> None:
    found = samples()
    assert found["mattemesh_worker_state", "busy", "mask-0"] == 1
    assert found["mattemesh_worker_restarts_total", "mask-0"] == 2
    assert found["mattemesh_worker_restarts_total", "mesh-0"] == 0
    assert found["mattemesh_worker_crashes_total", "mask-0"] == 1
    assert found["mattemesh_worker_kills_total", "mask-0"] == 1


def test_memory_is_reported_for_each_process_that_knows_it() -> None:
    found = samples()
    assert found["mattemesh_memory_bytes", "mask-0"] == 400_000_000
    assert found["mattemesh_memory_bytes", "server"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.5)
    assert ("mattemesh_memory_bytes", "mesh-0") not in found
    assert found["mattemesh_gpu_memory_bytes", "mesh-0"] == 2_000_000_000


def test_caches_and_jobs_are_reported_if_there_are_any() -> None:
    assert not [name for name in samples() if name[0].startswith("mattemesh_jobs")]
    found = samples(
        caches={("result", "hit"): 3, ("result", "miss"): 9}, jobs={"queued": 4, "failed": 0}, jobs_bytes=55
    )
    assert found["mattemesh_cache_requests_total", "result", "hit"] == 3
    assert found["mattemesh_jobs", "queued"] == 4
    assert found["mattemesh_jobs", "failed"] == 0
    assert found["mattemesh_jobs_bytes",] == 55


def test_the_version_and_readiness_are_there() -> None:
    assert samples()["mattemesh_build_info", "1.2.3"] == 1
    assert samples(ready=False)["mattemesh_ready",] == 0
