"""The HTTP service: `uvicorn backend.main:app`, or `python -m backend serve`.

Nothing heavy is imported here: networks and their libraries load in the workers.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError

from backend.api import problems
from backend.api.answers import Answers
from backend.api.logs import set_up_logging
from backend.api.metrics.recorded import MeteredRunner, Metrics
from backend.api.middleware.stack import add_middleware
from backend.api.middleware.stopping import Stopping
from backend.api.middleware.uploads import Uploads
from backend.api.openapi import complete_openapi
from backend.api.routes import docs, jobs, page, rembg, removebg, system, work
from backend.api.startup import StartError, check_choices, check_folders, keep_files_private
from backend.api.streams import Streams
from backend.cache.cache import open_cache
from backend.cache.results import CachingRunner
from backend.cluster.bridge import load as load_bridge
from backend.contract.machine import about_max_pixels
from backend.contract.runner import Runner
from backend.contract.settings import Settings, invalid_settings
from backend.contract.versions import __version__
from backend.jobs.service import Jobs
from backend.weights.availability import describe as describe_engines
from backend.weights.availability import models_to_fetch
from backend.weights.fetch import BackgroundFetch, Sources
from backend.workers.process_runner import ProcessRunner

ABOUT = """One photo in, a clean matte and a mesh out.

`curl -X POST -F file=@photo.jpg localhost:8000/remove-bg -o mask.png`
`curl -X POST -F file=@photo.jpg localhost:8000/generate-mesh -o model.glb`

Every error is an RFC 9457 problem (`application/problem+json`) with a stable `code`."""
logger = logging.getLogger("mattemesh")


def create_app(settings: Settings | None = None, runner: Runner | None = None) -> FastAPI:
    """Return the service for `settings` (default: the environment's), with `runner` (default: worker processes)."""
    settings = settings or Settings()
    app: FastAPI = FastAPIOffline(
        title="Mattemesh",
        version=__version__,
        description=ABOUT,
        license_info={"name": "MIT"},
        docs_url=None,  # routes/docs.py has its own, under a policy
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.cache = open_cache(settings)
    app.state.runner = MeteredRunner(runner or _runner(settings), app.state.metrics)
    if app.state.cache is not None:
        app.state.runner = CachingRunner(app.state.runner, app.state.cache, settings)
    app.state.jobs = Jobs(settings, app.state.runner)
    app.state.fetching = None
    app.state.started = time.monotonic()
    app.state.stopping = Stopping()
    app.state.uploads = Uploads()
    app.state.streams = Streams(settings)
    app.state.answers = Answers(settings.max_answers_bytes)
    for routes in (docs, jobs, page, system, work, *((removebg, rembg) if settings.foreign_apis else ())):
        app.include_router(routes.router)
    page.mount_files(app)
    problems.install(app)
    complete_openapi(app, settings)
    add_middleware(app, settings, app.state.metrics.request, app.state.uploads, app.state.stopping)
    return app


def _runner(settings: Settings) -> Runner:
    """Return worker processes: of this machine, or with CLUSTER one before its replicas."""
    return ProcessRunner(settings, drive=None if settings.cluster is None else load_bridge)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    set_up_logging(settings.logs_dir, settings.log_level, settings.log_format)
    app.state.jobs.hold()
    tempfile.gettempdir()  # chosen while there is room: Python skips a full one without a word
    app.state.runner.start()
    sources = Sources.from_environment(order=settings.model_sources)
    names = models_to_fetch(settings) if settings.fetch_weights else ()  # more as the owner asks for them
    app.state.fetching = BackgroundFetch(
        settings.checkpoints_dir, _announce, names, sources, allow_noncommercial=settings.allow_noncommercial
    )
    if settings.fetch_weights:
        app.state.fetching.start()
    engines = describe_engines(settings, {}, {})
    logger.info("engines: %s", ", ".join(f"{role} {engine['auto']}" for role, engine in engines.items()))
    logger.info("memory: %s", about_max_pixels(settings.max_pixels, "max_pixels" in settings.model_fields_set))
    app.openapi()  # takes 0.1 s, which no request should wait for
    await app.state.jobs.start()
    logging_progress = asyncio.create_task(_log_progress(app.state.fetching))
    yield
    logging_progress.cancel()
    await app.state.jobs.stop(_time_left(app.state.stopping, settings))
    app.state.runner.close()
    app.state.fetching.stop()


def _time_left(stopping: Stopping, settings: Settings) -> float:
    """Return how long running jobs may still take of STOP_DEADLINE_S."""
    if stopping.hurried:
        return 0.0
    gone = 0.0 if stopping.began is None else time.monotonic() - stopping.began
    return max(0.0, settings.stop_deadline_s - gone)


async def _log_progress(fetching: BackgroundFetch) -> None:
    """Log the progress of the weights to the terminal: every change of state, and every tenth."""
    logged: dict[str, tuple[str, int]] = {}
    while True:
        for name, row in fetching.status().items():
            tenth = 10 * row.bytes_done // max(row.bytes_total, 1)
            if row.state != "waiting" and logged.get(name) != (row.state, tenth):
                logged[name] = row.state, tenth
                megabytes = f"{row.bytes_done / 1e6:.0f} of {row.bytes_total / 1e6:.0f} MB"
                logger.info(
                    "weights of %s: %s, %s%s", name, row.state, megabytes, f": {row.error}" if row.error else ""
                )
        await asyncio.sleep(1)


def _announce(name: str) -> None:
    logger.info("%s is complete and in use", name)


def __getattr__(name: str) -> FastAPI:
    """Return the service as `backend.main.app`, made when a server asks for it: `python -m backend serve` does not."""
    if name != "app":
        raise AttributeError(name)
    try:
        settings = Settings()
        keep_files_private()
        check_folders(settings)
        check_choices(settings)
    except ValidationError as error:
        raise SystemExit(invalid_settings(error)) from None
    except StartError as error:
        raise SystemExit(str(error)) from None
    return create_app(settings)
