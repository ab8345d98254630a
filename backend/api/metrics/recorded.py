"""Counters and histograms recorded as things happen: requests, work and its stages. One registry per app."""

import asyncio
import time

from fastapi import Request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from backend.contract.errors import problem_of
from backend.contract.runner import Runner, RunnerWrapper, ignore_stage
from backend.contract.work import Done, OnStage, Work

METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
OTHER = "other"  # unknown routes and methods share one label, so clients cannot blow up cardinality
REQUEST_BUCKETS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
STAGE_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series each, unused; process-wide in prometheus_client


class Metrics:
    """Counters and histograms since the start of the service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mattemesh_http_requests",
            "Answered requests by route template; status 499: the client disconnected first.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "mattemesh_http_request_seconds",
            "Seconds from a request's head to the end of its response, upload included.",
            ("method", "route"),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._work = Counter(
            "mattemesh_work",
            "Finished work of requests and jobs; outcome: ok, abandoned, or the problem code.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._work_seconds = Histogram(
            "mattemesh_work_seconds",
            "Seconds that successful work took, queueing included.",
            ("kind",),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._stage_seconds = Histogram(
            "mattemesh_stage_seconds",
            "Seconds of each stage of successful work.",
            ("stage",),
            buckets=STAGE_BUCKETS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)  # process_*: of the HTTP process

    def request(self, request: Request, status: int, seconds: float) -> None:
        """Count one answered request."""
        method = request.method if request.method in METHODS else OTHER
        route = route_of(request)
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def refused(self, status: int) -> None:
        """Count a response that the server sent without the app: a request cannot be read or comes too slowly."""
        self._requests.labels(OTHER, OTHER, str(status)).inc()

    def finished(self, kind: str, done: Done, seconds: float) -> None:
        """Count successful work of `kind`."""
        self._work.labels(kind, "ok").inc()
        self._work_seconds.labels(kind).observe(seconds)
        for stage in done.stages:
            self._stage_seconds.labels(stage.name).observe(stage.seconds)

    def failed(self, kind: str, outcome: str) -> None:
        """Count failed work of `kind`; `outcome` is a problem code or `abandoned`."""
        self._work.labels(kind, outcome).inc()

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def route_of(request: Request) -> str:
    """Return the template of the route that answered, never the address: each job id would be a label of its own."""
    template = getattr(request.scope.get("route"), "path", None)
    return str(template) if template else OTHER


class MeteredRunner(RunnerWrapper):
    """Records the work of `runner` in `metrics`. It wraps the runner below the result cache: a cache hit is no work."""

    def __init__(self, runner: Runner, metrics: Metrics) -> None:
        super().__init__(runner)
        self._metrics = metrics

    async def run(self, work: Work, on_stage: OnStage = ignore_stage) -> Done:
        """Return the runner's result; raises as the runner does."""
        start = time.perf_counter()
        try:
            done = await self._runner.run(work, on_stage)
        except asyncio.CancelledError:
            self._metrics.failed(work.kind, "abandoned")
            raise
        except Exception as error:
            self._metrics.failed(work.kind, problem_of(error).code)
            raise
        self._metrics.finished(work.kind, done, time.perf_counter() - start)
        return done
