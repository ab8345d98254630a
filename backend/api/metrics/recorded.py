"""What happens, counted as it happens: requests, pieces of work and their stages. One registry an app."""

from fastapi import Request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from backend.contract.work import Done

METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
OTHER = "other"  # what a stranger can invent names of is one row: an address without a route, a method nobody knows
REQUEST_BUCKETS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300)
STAGE_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second row for each, which nobody looks at; prometheus_client knows it for all or none


class Metrics:
    """Counters and histograms since the service began."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mattemesh_http_requests",
            "Requests that were answered, by the route's template; 499: the client left first.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "mattemesh_http_request_seconds",
            "Seconds from a request's head to the end of its answer, the upload included.",
            ("method", "route"),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._work = Counter(
            "mattemesh_work",
            "Pieces of work that ended, of requests and of jobs; outcome: ok, abandoned, or the problem's code.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._work_seconds = Histogram(
            "mattemesh_work_seconds",
            "Seconds that finished work took, its wait included.",
            ("kind",),
            buckets=REQUEST_BUCKETS,
            registry=self.registry,
        )
        self._stage_seconds = Histogram(
            "mattemesh_stage_seconds",
            "Seconds of each stage of finished work.",
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

    def finished(self, kind: str, done: Done, seconds: float) -> None:
        """Count a piece of work that was done."""
        self._work.labels(kind, "ok").inc()
        self._work_seconds.labels(kind).observe(seconds)
        for stage in done.stages:
            self._stage_seconds.labels(stage.name).observe(stage.seconds)

    def failed(self, kind: str, outcome: str) -> None:
        """Count a piece of work that came to nothing; `outcome` is a problem's code, or `abandoned`."""
        self._work.labels(kind, outcome).inc()

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


def route_of(request: Request) -> str:
    """Return the template of the route that answered, never the address itself: a job's id would be a row each."""
    template = getattr(request.scope.get("route"), "path", None)
    return str(template) if template else OTHER
