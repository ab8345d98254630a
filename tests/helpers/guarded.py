"""A service behind the guard, small enough to start for every test: no worker, no weights."""

from typing import Any

from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from backend.api import problems
from backend.api.middleware.headers import SecurityHeaders
from backend.api.middleware.request_log import RequestLog
from backend.api.middleware.stack import guard
from backend.api.openapi import describe_security
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
    @app.get("/static/page.js")
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
    problems.describe(app)
    describe_security(app, chosen)
    guard(app, chosen)
    app.add_middleware(RequestLog, observe=lambda request, status, seconds: None)
    app.add_middleware(SecurityHeaders)
    return TestClient(app, base_url=base_url, client=(client, 50000), raise_server_exceptions=False)
