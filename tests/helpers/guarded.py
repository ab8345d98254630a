"""A service behind the guard, small enough to start for every test: no worker, no weights."""

from typing import Any

from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from backend.api import problems
from backend.api.middleware.stack import add_middleware
from backend.api.middleware.stopping import Stopping
from backend.api.middleware.uploads import Uploads
from backend.api.openapi import complete_openapi
from backend.api.routes import docs
from backend.contract.settings import Settings

LOCAL = "http://127.0.0.1:8000"


def guarded(base_url: str = "http://testserver", client: str = "192.0.2.1", **settings: Any) -> TestClient:
    """Return a client of an app with a few routes, set up as `create_app` does, that calls from address `client`."""
    app = FastAPI(docs_url=None)
    chosen = Settings(**settings)

    @app.get("/healthz")
    @app.get("/metrics")
    @app.get("/")
    @app.get("/static/page.en.js")
    @app.get("/jobs")
    @app.delete("/jobs")
    async def answer() -> dict[str, str]:
        return {"status": "answered"}

    @app.post("/remove-bg")
    async def work(request: Request) -> dict[str, int]:
        return {"received": len(await request.body())}

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a bug")

    app.include_router(docs.router)
    problems.install(app)
    complete_openapi(app, chosen)
    add_middleware(app, chosen, lambda request, status, seconds: None, Uploads(), Stopping())
    return TestClient(app, base_url=base_url, client=(client, 50000), raise_server_exceptions=False)
