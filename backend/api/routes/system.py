"""The state of the service: alive, ready, what runs where with which engine, the models, and metrics."""

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from backend.api.metrics.scraped import Snapshot, exposition
from backend.api.owner import check_owner, is_owner
from backend.api.problems import documented
from backend.contract.errors import (
    InvalidParameterError,
    ModelUnavailableError,
    NotReadyError,
    OwnerOnlyError,
    StorageFailedError,
    StorageFullError,
)
from backend.contract.runner import Runner, RunnerStatus
from backend.contract.settings import Settings
from backend.contract.versions import versions
from backend.weights.availability import describe
from backend.weights.fetch import BackgroundFetch, FetchStatus
from backend.weights.listing import ModelRow, list_models
from backend.weights.remote_services import with_keys

router = APIRouter(tags=["system"], responses=documented())


@router.get("/healthz", summary="Liveness")
async def healthz() -> dict[str, str]:
    """Returns at once, whatever else runs."""
    return {"status": "alive"}


@router.get("/readyz", summary="Readiness", responses=documented(NotReadyError))
async def readyz(request: Request) -> dict[str, str]:
    """Returns 200 while the service takes work: engines loaded, no worker backing off, no stop requested."""
    if request.app.state.stopping.began is not None:
        raise request.app.state.stopping.refusal()
    runner: Runner = request.app.state.runner
    status = runner.status()
    if not status.ready:
        raise NotReadyError(status.why)
    return {"status": "ready"}


@router.get("/health", summary="What runs where")
async def health(request: Request) -> dict[str, Any]:
    """Returns the engines and their devices, why a stand-in is in use, the queues, workers, fetches, whether the caller
    may ask for a fetch, and limits."""
    state = request.app.state
    runner: Runner = state.runner
    status = runner.status()
    return {
        "status": "ok",
        "uptime_s": round(time.monotonic() - state.started, 1),
        "engines": _engines(state.settings, status),
        "lanes": [asdict(lane) for lane in status.lanes],
        "workers": [asdict(worker) for worker in status.workers],
        "nodes": [asdict(node) for node in status.nodes],
        "cache": {"store": "none", "why": ""} if state.cache is None else state.cache.describe(),
        "fetching": {name: asdict(row) for name, row in state.fetching.status().items()},
        "may_fetch": is_owner(request, state.settings),
        "limits": {
            "upload_bytes": state.settings.max_upload_bytes,
            "pixels": state.settings.max_pixels,
            "side_px": state.settings.max_side_px,
            "waiting": state.settings.max_waiting,
        },
        "versions": versions(),
    }


def _engines(settings: Settings, status: RunnerStatus) -> dict[str, dict[str, str]]:
    """Return what `auto` uses, from the files on disk and from what the workers found when they loaded them."""
    loaded = {name: device for worker in status.workers for name, device in worker.loaded.items()}
    broken = {name: why for worker in status.workers for name, why in worker.broken.items() if name not in loaded}
    return describe(settings, loaded, broken)


@router.get("/models", summary="The models")
async def models(request: Request) -> list[ModelRow]:
    """Returns each model: task, licence, whether commercial use is allowed, size, and its state on this machine."""
    settings: Settings = request.app.state.settings
    return list_models(settings.checkpoints_dir, with_keys(settings))


@router.post(
    "/models/{name}/fetch",
    status_code=202,
    summary="Fetch a model",
    responses=documented(OwnerOnlyError, InvalidParameterError, ModelUnavailableError),
)
async def fetch_model(request: Request, name: Annotated[str, Path(max_length=64)]) -> FetchStatus:
    """Begins to fetch a model's weights, or tries again at once where that failed; /health has the progress.

    For whoever runs the service: with an API key, or where none is set from the machine itself.
    """
    check_owner(request, request.app.state.settings)
    fetching: BackgroundFetch = request.app.state.fetching
    return await run_in_threadpool(fetching.request, name)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Returns counters since the start and gauges of this moment, in Prometheus' text format."""
    state = request.app.state
    runner: Runner = state.runner
    status = runner.status()
    try:
        jobs = await state.jobs.counts()
    except (StorageFailedError, StorageFullError):  # report everything else
        jobs = None
    snapshot = Snapshot(
        version=request.app.version,
        runner=status,
        ready=status.ready and state.stopping.began is None,
        uploads=state.uploads.requests,
        upload_bytes=state.uploads.received_bytes,
        caches={} if state.cache is None else dict(state.cache.counts),
        jobs=None if jobs is None else jobs.states,
        jobs_bytes=0 if jobs is None else jobs.size,
    )
    return Response(state.metrics.exposition() + exposition(snapshot), media_type=CONTENT_TYPE_LATEST)
