"""`GET /metrics`: what Prometheus asks for every few seconds. docs/running.md tells what each metric means."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from backend.api.metrics.recorded import Metrics
from backend.api.metrics.scraped import Standing, exposition
from backend.api.problems import documented
from backend.contract.errors import StorageFullError
from backend.contract.runner import Runner

router = APIRouter(tags=["system"], responses=documented())


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Answer in Prometheus' text format: what has happened since the start, and what stands now."""
    state = request.app.state
    recorded: Metrics = state.metrics
    runner: Runner = state.runner
    status = runner.status()
    try:
        jobs = await state.jobs.counts()
    except StorageFullError:  # no reason to be silent about everything else
        jobs = None
    standing = Standing(
        version=request.app.version,
        runner=status,
        ready=status.ready and state.stopping.began is None,
        uploads=state.uploads.requests,
        upload_bytes=state.uploads.received_bytes,
        caches={} if state.cache is None else dict(state.cache.counts),
        jobs=None if jobs is None else jobs.states,
        jobs_bytes=0 if jobs is None else jobs.size,
    )
    return Response(recorded.exposition() + exposition(standing), media_type=CONTENT_TYPE_LATEST)
