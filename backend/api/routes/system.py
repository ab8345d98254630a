"""What the service says of itself: alive, ready, what runs where with which engine, which models there are."""

import time
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from backend.api.problems import documented
from backend.contract.errors import NotReadyError
from backend.contract.runner import Runner, RunnerStatus
from backend.contract.settings import Settings
from backend.contract.versions import versions
from backend.weights.availability import describe
from backend.weights.listing import list_models
from backend.weights.remote_services import with_keys

router = APIRouter(tags=["system"], responses=documented())


@router.get("/healthz", summary="Alive")
async def healthz() -> dict[str, str]:
    """Answer at once, whatever else goes on."""
    return {"status": "alive"}


@router.get("/readyz", summary="Ready", responses=documented(NotReadyError))
async def readyz(request: Request) -> dict[str, str]:
    """Answer when work is taken: the engines are loaded and warm, no worker backs off, and nobody asked to stop."""
    if request.app.state.stopping.began is not None:
        raise request.app.state.stopping.refusal()
    runner: Runner = request.app.state.runner
    status = runner.status()
    if not status.ready:
        raise NotReadyError(status.why)
    return {"status": "ready"}


@router.get("/health", summary="What runs where")
async def health(request: Request) -> dict[str, Any]:
    """Tell which engine does what on which device, why a stand-in is in use, and how far fetching has come."""
    state = request.app.state
    runner: Runner = state.runner
    status = runner.status()
    fetching = state.fetching
    return {
        "status": "ok",
        "uptime_s": round(time.monotonic() - state.started, 1),
        "engines": _engines(state.settings, status),
        "lanes": [asdict(lane) for lane in status.lanes],
        "workers": [asdict(worker) for worker in status.workers],
        "cache": {"store": "none", "why": ""} if state.cache is None else state.cache.describe(),
        "fetching": {} if fetching is None else {name: asdict(row) for name, row in fetching.status().items()},
        "limits": {
            "upload_bytes": state.settings.max_upload_bytes,
            "pixels": state.settings.max_pixels,
            "side_px": state.settings.max_side_px,
            "waiting": state.settings.max_waiting,
        },
        "versions": versions(),
    }


def _engines(settings: Settings, status: RunnerStatus) -> dict[str, dict[str, str]]:
    """Return what `auto` uses: what the disk tells, and what the workers have found out by loading it."""
    loaded = {name: device for worker in status.workers for name, device in worker.loaded.items()}
    broken = {name: why for worker in status.workers for name, why in worker.broken.items() if name not in loaded}
    return describe(settings, loaded, broken)


@router.get("/models", summary="The catalogue of models")
async def models(request: Request) -> list[dict[str, Any]]:
    """List each model: task, licence, whether commercial use is allowed, size, and whether it is on this machine."""
    settings: Settings = request.app.state.settings
    return list_models(settings.checkpoints_dir, with_keys(settings))
